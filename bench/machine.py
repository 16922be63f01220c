"""The machine: what it is, and whether it is quiet enough to believe what is measured on it."""

import os
import platform
import statistics
import subprocess
import time

SPREAD_MOST = 0.10  # of the calibrated spin: a tenth is what a figure may be off by before ratios mislead
LOAD_MOST = 0.3     # processors that others kept busy


def describe():
    cpu = "?"
    flags = ""
    with open("/proc/cpuinfo") as f:
        for line in f:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                cpu = value.strip()
            elif key.strip() == "flags":
                flags = value
    return {
        "cpu": cpu, "cores": os.cpu_count(), "virtual machine": "hypervisor" in flags.split(),
        "kernel": platform.release().split("-")[0],
        "memory": "%d GB" % round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def busy_and_stolen():
    """Seconds that all processors together have been busy, and stolen by the host of a virtual machine."""
    with open("/proc/stat") as f:
        t = [int(w) / os.sysconf("SC_CLK_TCK") for w in f.readline().split()[1:9]]
    return t[0] + t[1] + t[2] + t[5] + t[6], t[7]


class Noise:
    """A spin of known length, timed again and again: what it varies by is not the benchmarks' doing."""

    def __init__(self, barrier):
        self.barrier = barrier
        self.spins = []
        # Before anything is started, the processors ought to be idle.
        busy, _ = busy_and_stolen()
        time.sleep(0.5)
        self.others = (busy_and_stolen()[0] - busy) / 0.5
        self.start = time.monotonic()
        self.stolen = busy_and_stolen()[1]
        for _ in range(5):
            self.sample()

    def sample(self):
        got = subprocess.run([self.barrier, "spin"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        self.spins.append(int(got.stdout))

    def figures(self):
        q1, median, q3 = statistics.quantiles(self.spins, n=4)
        return {"spin_ns": median, "spin_spread": (q3 - q1) / median, "busy_before": self.others,
                "stolen": (busy_and_stolen()[1] - self.stolen) / (time.monotonic() - self.start)}

    def verdict(self):
        f = self.figures()
        out = ["machine: a spin of %.1f ms varies by %.0f %% (quartiles); %.2f processors busy before the start, %.2f stolen during it"
               % (f["spin_ns"] / 1e6, 100 * f["spin_spread"], f["busy_before"], f["stolen"])]
        if f["spin_spread"] > SPREAD_MOST or f["busy_before"] > LOAD_MOST or f["stolen"] > LOAD_MOST:
            out.append("THE MACHINE IS TOO NOISY: do not believe these figures")
        return out
