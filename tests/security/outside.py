"""The view from outside: runs a guest program in a sandbox and looks at what it does to the host.

    with Attack("name") as a:        # a directory of its own, a.work, removed at the end
        a.run(["--memory", "64m"], ["argument"])

While the guest runs, the memory of its sentry is read from the host's /proc, and another sandbox beside it is asked for
an answer. Afterwards no process of its session may be left, and the launcher must not have told of a crash.
"""

import hashlib
import os
import random
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

MOAT = os.environ["MOAT"]
OPTS = shlex.split(os.environ.get("MOAT_OPTS", ""))
TRACED = any("platform=ptrace" in o for o in OPTS)
BUILD = os.environ["ATTACKS"]
ROUNDS = int(os.environ.get("ROUNDS", "1"))
SEED = int(os.environ.get("SEED", "1"))
MIB = 1 << 20
# A guest's, and the runner's: skipped.
NOTHING_THERE = 77
# What a sentry may hold for a guest that has not been given a limit. Idle it has some 2 MiB.
SENTRY_MAX = 64 * MIB
# How long anything may take that should take no time: for a machine that is busy with other things.
PATIENCE = 60
CRASH = ("ended without a report", "BUG", "Sanitizer", "fatal", "has died", "Assertion")


class Failed(Exception):
    pass


def need(condition, what, *args):
    if not condition:
        raise Failed(what % args if args else what)


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name, or None if there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid):
    """Children by /proc, zombies too."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            st = stat_of(int(name))
            if st and int(st[1]) == pid:
                found.append(int(name))
    return found


def session(sid):
    """Processes of a session that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            st = stat_of(int(name))
            if st and int(st[3]) == sid and st[0] not in "ZX":
                found.append(int(name))
    return found


def name_of(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def pss(pid):
    """Bytes that a process has in memory for itself; files in memory count with their mappers' share."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        need(time.monotonic() < end, "%s: not within %d s", what, patience)
        time.sleep(0.01)


def tree_digest(top):
    """Names, contents, modes and owners of all below top."""
    h = hashlib.sha256()
    for path, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files):
            full = os.path.join(path, name)
            st = os.lstat(full)
            h.update(repr((full, st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns)).encode())
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as f:
                    h.update(f.read())
    return h.hexdigest()


class Neighbour:
    """Another sandbox, with a shell in it that must go on answering."""

    def __init__(self):
        script = 'while read -r x; do echo "$((x + 1))" >/tmp/answer && read -r y </tmp/answer && /bin/echo "$y"; done'
        self.asked = 0
        self.p = subprocess.Popen([MOAT, "run", "--", "/bin/sh", "-c", script], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, cwd="/", start_new_session=True)
        self.ask()

    def ask(self):
        self.asked += 1
        self.p.stdin.write(b"%d\n" % self.asked)
        self.p.stdin.flush()
        need(select.select([self.p.stdout], [], [], PATIENCE)[0], "the sandbox beside it does not answer")
        got = self.p.stdout.readline()
        if not got:
            self.p.wait(PATIENCE)
        need(got == b"%d\n" % (self.asked + 1), "the sandbox beside it answers %r, status %r", got, self.p.poll())

    def end(self):
        self.p.stdin.close()
        status = self.p.wait()
        self.p.stdout.close()
        need(status == 0, "the sandbox beside it ended with %d", status)

    def abandon(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()


class Running:
    """A sandbox under attack."""

    def __init__(self, command, **popen):
        self.err = tempfile.TemporaryFile()
        self.out = tempfile.TemporaryFile()
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", self.out)
        self.p = subprocess.Popen(command, stderr=self.err, cwd="/", start_new_session=True, **popen)
        self.sentry = None
        self.peak = 0
        wait_until(self.find_sentry, "the sentry's start")

    def find_sentry(self):
        """The launcher's child, once it has a session of its own. True also if all has ended already."""
        path = "/proc/%d/task/%d/children" % (self.p.pid, self.p.pid)
        try:
            with open(path) as f:
                for pid in map(int, f.read().split()):
                    st = stat_of(pid)
                    if st and int(st[3]) == pid:
                        self.sentry = pid
        except (FileNotFoundError, ProcessLookupError):
            return True
        return self.sentry is not None or self.p.poll() is not None

    def look(self):
        if self.sentry:
            self.peak = max(self.peak, pss(self.sentry))

    def members(self):
        return session(self.sentry) if self.sentry else []

    def stub_named(self, name):
        return [pid for pid in self.members() if name_of(pid) == name]

    def texts(self):
        texts = []
        for f in (self.out, self.err):
            f.seek(0)
            texts.append(f.read().decode(errors="replace"))
        return texts

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        self.out.close()
        self.err.close()


class Attack:
    def __init__(self, name):
        self.name = name
        self.random = random.Random(SEED)
        self.neighbour = None
        self.status = None  # the last sandbox's
        # Not in /tmp, which is another one inside.
        self.work = tempfile.mkdtemp(prefix="moat-attack.", dir="/var/tmp")
        os.chmod(self.work, 0o755)

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, kind, value, _):
        if self.neighbour:
            self.neighbour.abandon()
        subprocess.run(["chmod", "-R", "u+rwX", self.work], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)
        if kind and issubclass(kind, Failed):
            print("FAILED: %s" % value)
            sys.exit(1)

    def guest(self, name=None):
        """The path of a guest program; the one named after the attack, or with _guest behind its name."""
        own = os.path.join(BUILD, (name or self.name))
        return own if os.path.exists(own) else own + "_guest"

    def command(self, options, args, program=None):
        return [MOAT, "run", *OPTS, *options, "--", program or self.guest(), *map(str, args)]

    def start(self, options=(), args=(), program=None, **popen):
        env = dict(os.environ, ROUNDS=str(ROUNDS), SEED=str(SEED))
        return Running(self.command(options, args, program), env=env, **popen)

    def finish(self, r, status=0, sentry_max=SENTRY_MAX, quiet=True, patience=PATIENCE * 2, pulse=None):
        """Follows the sandbox to its end and judges it. Returns what the guest wrote."""
        end = time.monotonic() + patience * ROUNDS
        try:
            looks = 0
            while r.p.poll() is None:
                need(time.monotonic() < end, "the sandbox did not end; the guest said %r", r.texts())
                r.look()
                looks += 1
                if looks % 8 == 1 and self.neighbour:
                    self.neighbour.ask()
                if pulse:
                    pulse()
                time.sleep(0.03)
            self.status = r.p.returncode
            r.said = out, err = r.texts()
            left = r.members()
            need(not left, "processes outlived the sandbox: %s", [(p, name_of(p)) for p in left])
            if quiet:
                need(not any(c in err for c in CRASH), "the launcher says: %s", err[-3000:])
            if status is not None:
                wanted = status if isinstance(status, (tuple, list, set)) else (status,)
                need(r.p.returncode in wanted, "exit status %s, not %s\n%s\n%s", r.p.returncode, status,
                     out[-3000:], err[-2000:])
            need(r.peak <= sentry_max, "the sentry grew to %d MiB; at most %d are due", r.peak // MIB,
                 sentry_max // MIB)
            return out
        finally:
            r.close()

    def run(self, options=(), args=(), program=None, status=0, sentry_max=SENTRY_MAX, beside=True, pulse=None, **popen):
        """One sandbox from start to end, with another beside it."""
        if beside and not self.neighbour:
            self.neighbour = Neighbour()
        r = self.start(options, args, program, **popen)
        out = self.finish(r, status, sentry_max, pulse=pulse)
        if beside:
            self.neighbour.ask()
            self.neighbour.end()
            self.neighbour = None
        print("%s%s: sentry %.1f MiB at most" % (self.name, "".join(" " + str(x) for x in args), r.peak / MIB))
        return out


class Host(threading.Thread):
    """Something that the host does meanwhile, over and over."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step = step
        self.over = False
        self.steps = 0
        self.trouble = None

    def run(self):
        try:
            while not self.over:
                self.step()
                self.steps += 1
        except Exception as e:  # shown by whoever joins
            self.trouble = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()
        need(self.trouble is None, "the host's part: %r", self.trouble)


def main(name):
    with Attack(name) as a:
        out = a.run(status=(0, NOTHING_THERE) if TRACED else 0)
        # What was written in vain may be anything.
        print("".join(c for c in out[-1000:] if c.isprintable() or c == "\n").rstrip())
        if a.status == NOTHING_THERE:
            print("the ptrace platform has nothing in the guest's memory to attack")
            sys.exit(NOTHING_THERE)


if __name__ == "__main__":
    main(sys.argv[1])
