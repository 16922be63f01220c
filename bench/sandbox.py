"""A program started in one configuration, and all processes that came of it: their CPU time, their memory, their end.

They are kept together by a cgroup (version 2, needs no controller) where one can be made: it counts the CPU time of
every process that was ever in it, to the nanosecond. Without one, this process is their subreaper, and what the
kernel adds to a parent that waits is what counts: processes of a parent that ignores SIGCHLD are then lost.
"""

import ctypes
import itertools
import os
import resource
import select
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
LAUNCH = None  # the path of bench-launch; set by bench/run
counter = itertools.count()


def cgroup_parent():
    """The directory of this process's own cgroup, if groups can be made below it; None otherwise."""
    try:
        with open("/proc/self/mounts") as f:
            mount = next(line.split()[1] for line in f if line.split()[2] == "cgroup2")
        with open("/proc/self/cgroup") as f:
            own = next(line.strip()[3:] for line in f if line.startswith("0::"))
        parent = mount + own.rstrip("/")
        probe = "%s/moat-bench-%d-probe" % (parent, os.getpid())
        os.mkdir(probe)
        works = os.access(probe + "/cgroup.procs", os.W_OK) and "usage_usec" in open(probe + "/cpu.stat").read()
        os.rmdir(probe)
        return parent if works else None
    except (OSError, StopIteration):
        return None


PARENT = cgroup_parent()
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root):
    """All processes below this one, from /proc."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    ppid = int(f.read().rpartition(")")[2].split()[1])
                children.setdefault(ppid, []).append(int(name))
            except (OSError, ValueError):
                pass
    found, queue = [], [root]
    while queue:
        for pid in children.get(queue.pop(), []):
            found.append(pid)
            queue.append(pid)
    return found


class Sandbox:
    """A context manager: leaving it ends whatever is left of the processes."""

    def __init__(self, config, argv, cwd, out=None):
        """`out`: where its output goes, if not to a pipe for lines()."""
        self.out = out
        self.uid = "moat-bench-%d-%d" % (os.getpid(), next(counter))
        self.argv = config.command(self.uid, argv, cwd)
        self.cwd = cwd
        self.group = PARENT and "%s/%s" % (PARENT, self.uid)

    def __enter__(self):
        if self.group:
            os.mkdir(self.group)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.before = before.ru_utime + before.ru_stime
        when, end = os.pipe()
        argv = [LAUNCH, str(end), self.group + "/cgroup.procs" if self.group else "-"] + self.argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out or subprocess.PIPE,
                                        stderr=subprocess.DEVNULL if self.out else subprocess.PIPE, cwd=self.cwd, start_new_session=True, pass_fds=[end])
        os.close(end)
        with os.fdopen(when) as f:
            self.started = int(f.read() or 0) / 1e9 or time.monotonic()
        return self

    def __exit__(self, *_):
        self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        if self.group:
            for _ in range(200):
                try:
                    os.rmdir(self.group)
                    return
                except OSError:
                    time.sleep(0.01)

    def pids(self):
        if self.group:
            try:
                with open(self.group + "/cgroup.procs") as f:
                    return [int(line) for line in f if line.strip() != "0"]
            except OSError:
                return []
        # Orphans come to this process, so all below it may be the sandbox's.
        self.process.poll()
        return descendants(os.getpid())

    def cpu(self):
        """CPU seconds of all processes so far."""
        if self.group:
            with open(self.group + "/cpu.stat") as f:
                return int(f.readline().split()[1]) / 1e6
        total = 0
        for pid in self.pids():
            try:
                with open("/proc/%d/stat" % pid) as f:
                    fields = f.read().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            except OSError:
                pass
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return total + usage.ru_utime + usage.ru_stime - self.before

    def kill(self):
        for _ in range(100):
            left = self.pids()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            time.sleep(0.01)
        self.process.wait()
        self.reap()

    @staticmethod
    def reap():
        """Orphans that came to this process as their subreaper."""
        try:
            while True:
                done = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if done is None:
                    return
                os.waitpid(done.si_pid, 0)
        except ChildProcessError:
            pass

    def lines(self, deadline, errors):
        """The lines of its output, as they come; what it writes to standard error goes to the list `errors`."""
        rest = {self.process.stdout: b"", self.process.stderr: b""}
        while rest:
            ready = select.select(list(rest), [], [], max(0, deadline - time.monotonic()))[0]
            if not ready:
                raise TimeoutError
            for pipe in ready:
                data = os.read(pipe.fileno(), 65536)
                *whole, rest[pipe] = (rest[pipe] + data).split(b"\n")
                if pipe is self.process.stderr:
                    errors += [line.decode(errors="replace") for line in whole]
                else:
                    yield from (line.decode(errors="replace") for line in whole)
                if not data:
                    del rest[pipe]


class Failed(Exception):
    """A measurement that came to nothing; its text is for the table."""


def run(config, argv, cwd, timeout):
    """Runs to the end of all that holds its output. Returns (wall seconds, CPU seconds, lines of output)."""
    with Sandbox(config, argv, cwd) as s:
        errors = []
        try:
            out = list(s.lines(s.started + timeout, errors))
            status = s.process.wait(max(0.1, s.started + timeout - time.monotonic()))
            wall = time.monotonic() - s.started
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Failed("not done after %d s" % timeout) from None
        if status != 0:
            raise Failed("status %d: %s" % (status, (errors + out or [""])[-1][-120:]))
        for _ in range(20):  # those that outlive their output for a moment
            if not s.pids():
                break
            time.sleep(0.005)
        s.reap()
        return wall, s.cpu(), out
