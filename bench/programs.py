"""Real programs, from the start of the sandbox to its exit. What they read and write is made anew before each run."""

import glob
import os
import shutil
import subprocess

import sandbox

CACHE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "bench")
SOURCE = "tree"  # small, and needs no configure step
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def write(path, lines):
    with open(path, "w") as f:
        f.writelines(line + "\n" for line in lines)


def nothing(where):
    pass


def make_library(where):
    """The standard library's own modules, without packages that others put there."""
    own = os.path.dirname(os.__file__) if not glob.glob("/usr/lib/python3.*/os.py") else os.path.dirname(sorted(glob.glob("/usr/lib/python3.*/os.py"))[-1])
    leave = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "test", "tests", "*.so", "config-*")
    shutil.copytree(own, os.path.join(where, "lib"), ignore=leave)


def make_c_file(where):
    """3,000 lines: functions of loops, branches and calls to the ones before."""
    lines = ["#include <stdio.h>", "#include <string.h>", ""]
    for i in range(249):
        before = "f%d(x %% 7)" % (i - 1) if i else "x"
        lines += ["static int f%d(int x)" % i, "{", "\tint sum = %d, v[16];" % i, "\tmemset(v, x & 255, sizeof(v));",
                  "\tfor (int k = 0; k < 16; k++)", "\t\tv[k] = k * x + %d;" % (i % 13), "\tfor (int k = 0; k < 16; k++)",
                  "\t\tsum += v[k] > x ? v[k] / %d : -v[k];" % (i % 9 + 2), "\tif (sum & 1)", "\t\tsum += %s;" % before,
                  "\treturn sum;", "}"]
    lines += ["", "int main(void)", "{", '\tprintf("%d\\n", f248(7));', "\treturn 0;", "}"]
    write(os.path.join(where, "big.c"), lines)


def source_tree():
    """The unpacked source, fetched once into build/; None where that cannot be done."""
    kept = os.path.join(CACHE, "source")
    found = glob.glob(os.path.join(kept, SOURCE + "-*", "Makefile"))
    if not found and shutil.which("dpkg-source"):
        os.makedirs(kept, exist_ok=True)
        try:
            subprocess.run(["apt-get", "-q", "source", SOURCE], cwd=kept, timeout=60, **QUIET)
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = glob.glob(os.path.join(kept, SOURCE + "-*", "Makefile"))
    return os.path.dirname(found[0]) if found else None


def make_source(where):
    shutil.copytree(source_tree(), os.path.join(where, "source"))


def git(where, *args):
    subprocess.run(["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0", *args], cwd=where, check=True, **QUIET)


def make_files(where):
    for d in range(50):
        os.makedirs(os.path.join(where, "repo", "d%02d" % d))
        for i in range(100):
            write(os.path.join(where, "repo", "d%02d" % d, "file%02d" % i), ["line %d of %d" % (k, d * 100 + i) for k in range(10)])
    git(os.path.join(where, "repo"), "init", "-q")


def make_repository(where):
    make_files(where)
    git(os.path.join(where, "repo"), "add", ".")
    git(os.path.join(where, "repo"), "commit", "-qm", "all of it")


def make_sql(where):
    value = 1
    lines = ["CREATE TABLE t(id INTEGER PRIMARY KEY, value INTEGER, word TEXT);", "BEGIN;"]
    for i in range(100000):
        value = value * 1103515245 + 12345 & 0x7fffffff
        lines.append("INSERT INTO t VALUES(%d,%d,'word%d');" % (i, value, value % 1000))
    lines.append("COMMIT;")
    lines += ["INSERT INTO t(value, word) VALUES(%d,'more');" % i for i in range(1000)]  # a transaction each
    write(os.path.join(where, "insert.sql"), lines + ["SELECT count(*), sum(value) FROM t;"])


def make_lines(where):
    value, lines = 1, []
    for _ in range(400000):
        value = value * 1103515245 + 12345 & 0x7fffffff
        lines.append("%010d some more to compare" % value)
    write(os.path.join(where, "lines"), lines)


class Program:
    unit, rounds, quick = "ms", 3, False

    def __init__(self, name, needs, make, script, timeout=60, quick=False):
        self.name, self.needs, self.make, self.script, self.timeout, self.quick = "prog-" + name, needs, make, script, timeout, quick

    def missing(self):
        lacking = [n for n in self.needs if not shutil.which(n)]
        if lacking:
            return "%s not installed" % ", ".join(lacking)
        if self.make is make_source and not source_tree():
            return "`apt-get source %s` gave nothing (deb-src in the apt sources? dpkg-dev installed?)" % SOURCE
        return None

    def prepare(self, work):
        shutil.rmtree(os.path.join(work, "fresh"), ignore_errors=True)
        os.mkdir(os.path.join(work, "fresh"))
        self.make(os.path.join(work, "fresh"))

    def measure(self, config, work):
        place = os.path.join(work, "run")
        try:
            shutil.copytree(os.path.join(work, "fresh"), place, symlinks=True)
            if self.make is make_repository:
                git(os.path.join(place, "repo"), "update-index", "-q", "--refresh")
            os.sync()
            wall, cpu, _ = sandbox.run(config, ["/bin/sh", "-ec", self.script.replace("TMPFS", config.tmpfs)], place, self.timeout)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return [wall * 1e3], cpu * 1e3


def all_programs():
    python = "/usr/bin/python3"
    sql = "sqlite3 %s/bench.db <insert.sql | grep -q '^101000|'; rm -f %s/bench.db"
    return [
        Program("python-pass", [python], nothing, python + " -c pass", quick=True),
        Program("compileall", [python], make_library, python + " -m compileall -q -f lib"),
        Program("gcc", ["gcc"], make_c_file, "gcc -O2 -c big.c"),
        Program("make-source", ["make", "gcc"], make_source, "make -C source -j2 >/dev/null"),
        Program("git-status", ["git"], make_repository, "cd repo; git status --short", quick=True),
        Program("git-add", ["git"], make_files, "cd repo; git add ."),
        # Through a pipe: tar does not read what it would write to /dev/null itself.
        Program("tar", ["tar"], nothing, "tar -cf - /usr/share 2>/dev/null | cat >/dev/null"),
        Program("find", ["find"], nothing, "find / -xdev >/dev/null 2>&1 || true"),
        Program("sqlite-tmpfs", ["sqlite3"], make_sql, sql % ("TMPFS", "TMPFS")),
        Program("sqlite-host", ["sqlite3"], make_sql, sql % (".", ".")),
        Program("sort", ["sort"], make_lines, "sort lines >sorted"),
        Program("shell-500", [], nothing, "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done", quick=True),
    ]
