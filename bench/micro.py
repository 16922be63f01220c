"""Micro benchmarks: bench-micro's figures, with the CPU time that all processes took between its first and last line."""

import subprocess
import time

from sandbox import Failed, Sandbox

TIMEOUT = 20


def names(binary):
    return subprocess.run([binary], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout.decode().split()


def measure(config, binary, name, host_dir, batch_ms):
    """Returns (nanoseconds per operation of each batch, CPU nanoseconds per operation)."""
    argv = [binary, "--tmpfs", config.tmpfs, "--host", host_dir, "--batch-ms", str(batch_ms), name]
    errors = []
    with Sandbox(config, argv, host_dir) as s:
        before = None
        try:
            for line in s.lines(s.started + TIMEOUT, errors):
                word = line.split()
                if word[:2] == [name, "start"]:
                    before = s.cpu()
                elif word[:2] == [name, "error"]:
                    raise Failed(" ".join(word[2:]))
                elif word[:1] == [name] and before is not None:
                    cpu = (s.cpu() - before) * 1e9 / int(word[1])
                    s.process.wait(max(0.1, s.started + TIMEOUT - time.monotonic()))
                    return [float(w) for w in word[2:]], cpu
            raise Failed("status %d: %s" % (s.process.wait(5), (errors or [""])[-1][-120:]))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Failed("not done after %d s" % TIMEOUT) from None
