"""What can be measured: a list of benchmarks, each with a name, a unit and how one round of it is done."""

import fnmatch
import os
import sys

import micro
import programs
import sandbox
import scaling


class Micro:
    unit, rounds, quick = "ns", 3, True

    def __init__(self, name, binary, batch_ms):
        self.name, self.binary, self.batch_ms = name, binary, batch_ms

    def missing(self):
        return None

    def prepare(self, work):
        """The host's files that they read, the same for all."""
        entries = os.path.join(work, "entries-1000")
        if os.path.exists(entries):
            return
        os.mkdir(entries)
        for i in range(1000):
            open(os.path.join(entries, "entry-%04d" % i), "w").close()
        with open(os.path.join(work, "file-1m"), "wb") as f:
            f.write(bytes(range(256)) * 4096)

    def measure(self, config, work):
        return micro.measure(config, self.binary, self.name, work, self.batch_ms)


class Start:
    """From the start to the exit of a sandbox around `true`, and to the end of all that hold its output."""
    name, unit, rounds, quick = "start", "ms", 10, True

    def missing(self):
        return None

    def prepare(self, work):
        pass

    def measure(self, config, work):
        wall, cpu, _ = sandbox.run(config, ["/bin/true"], work, 30)
        return [wall * 1e3], cpu * 1e3


def choose(globs, binaries, args):
    every = [Micro(n, binaries["micro"], args.batch_ms) for n in micro.names(binaries["micro"])]
    every += [Start()] + programs.all_programs() + scaling.all_scaling(binaries["barrier"])
    if args.l and not globs or "all" in globs:
        return every
    if not globs:
        return [b for b in every if b.quick]
    chosen = [b for b in every if any(fnmatch.fnmatch(b.name, g) for g in globs)]
    if not chosen:
        sys.exit("bench/run: no benchmark matches " + " ".join(globs))
    return chosen
