"""More threads than processors, and more sandboxes than one."""

import contextlib
import os
import resource
import select
import subprocess
import time

import sandbox

MEETING_NS = 100000
THREADS = (1, 2, 4, 8, 32)
SANDBOXES = (1, 10, 100, 500)
SETTLE, WATCH = 2.0, 2.0  # seconds after the last start, and of looking


class Barrier:
    """Threads that compute for 100 us and meet. The work of all meetings together is the same for every number of threads above one."""
    unit, rounds = "ms", 3

    def __init__(self, binary, threads):
        self.name, self.binary, self.threads = "barrier-%d" % threads, binary, threads
        self.quick = threads in (2, 8)

    def missing(self):
        return None

    def prepare(self, work):
        took = [int(subprocess.run([self.binary, "spin"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout) for _ in range(9)]
        self.spins = max(1, 10000000 * MEETING_NS // min(took))

    def measure(self, config, work):
        meetings = 10000 // max(2, self.threads)
        wall, cpu, _ = sandbox.run(config, [self.binary, str(self.threads), str(meetings), str(self.spins)], work, 30)
        return [wall * 1e3], cpu * 1e3


def pss_mb(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has just ended, or is a kernel's idea of one
            pass
    return total / 1024


def switches(pids):
    """How often the threads of these processes have been switched to, all together."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for tid in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/status" % (pid, tid)) as f:
                    total += sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)
    return total


def free_mb():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable:")) / 1024


class Fleet:
    """N sandboxes around `sleep`, started at once. One run gives four figures."""

    def __init__(self, count, smaller):
        self.count, self.smaller, self.taken = count, smaller, {}

    def figures(self, config, work):
        if config.name not in self.taken:
            self.taken[config.name] = self.run(config, work)
        if isinstance(self.taken[config.name], sandbox.Failed):
            raise self.taken[config.name]
        return self.taken[config.name]

    def run(self, config, work):
        fewer = self.smaller and self.smaller.taken.get(config.name)
        if isinstance(fewer, dict) and fewer["memory"] * self.count > free_mb() / 2:
            return sandbox.Failed("would take %.0f GB of memory" % (fewer["memory"] * self.count / 1024))
        try:
            with contextlib.ExitStack() as all_of_them:
                return self.measure(config, work, all_of_them)
        except sandbox.Failed as e:
            return e

    def measure(self, config, work, stack):
        read, write = os.pipe()
        stack.callback(os.close, read)
        started, boxes = time.monotonic(), []
        for _ in range(self.count):
            boxes.append(stack.enter_context(sandbox.Sandbox(config, ["/bin/sh", "-c", "echo ready; exec sleep 1000"], work, write)))
        os.close(write)
        stack.callback(self.kill, boxes)
        self.await_all(read, started + 60)
        ready = time.monotonic() - started
        time.sleep(SETTLE)
        pids = set().union(*(b.pids() for b in boxes))
        counted = boxes if sandbox.PARENT else boxes[:1]
        at, cpu, woken = time.monotonic(), sum(b.cpu() for b in counted), switches(pids)
        time.sleep(WATCH)
        took, cpu, woken = time.monotonic() - at, sum(b.cpu() for b in counted) - cpu, switches(pids) - woken
        total = sum(b.cpu() for b in counted)
        return {"start-at-once": ready * 1e3, "memory": pss_mb(pids) / self.count, "cpu of start": total * 1e3,
                "idle-cpu": cpu * 1e3 / took / self.count, "idle-wakeups": woken / took / self.count}

    @staticmethod
    def kill(boxes):
        """All at once; the boxes' own ends find nothing left."""
        for b in boxes:
            for pid in b.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        sandbox.Sandbox.reap()

    def await_all(self, read, deadline):
        lines = 0
        while lines < self.count:
            if not select.select([read], [], [], max(0, deadline - time.monotonic()))[0]:
                raise sandbox.Failed("%d of %d started within a minute" % (lines, self.count))
            data = os.read(read, 65536)
            if not data:
                raise sandbox.Failed("%d of %d started, the others ended" % (lines, self.count))
            lines += data.count(b"ready\n")


class FleetFigure:
    rounds = 1

    def __init__(self, fleet, key, unit):
        self.name, self.fleet, self.key, self.unit = "%s-%d" % (key, fleet.count), fleet, key, unit
        self.quick = fleet.count <= 10

    def missing(self):
        return None

    def prepare(self, work):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))

    def measure(self, config, work):
        got = self.fleet.figures(config, work)
        return [got[self.key]], got["cpu of start"] if self.key == "start-at-once" else None


def all_scaling(barrier):
    out, smaller = [Barrier(barrier, n) for n in THREADS], None
    for count in SANDBOXES:
        fleet = Fleet(count, smaller)
        smaller = fleet
        out += [FleetFigure(fleet, key, unit) for key, unit in
                (("start-at-once", "ms"), ("memory", "MB"), ("idle-cpu", "ms/s"), ("idle-wakeups", "/s"))]
    return out
