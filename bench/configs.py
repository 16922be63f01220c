"""How a program is started natively, in moat and in every peer that is found."""

import json
import os
import shutil
import subprocess

PEERS = ("bwrap", "crun", "proot", "runsc", "runsc-ptrace")
NAMES = ("native", "moat", "moat-patch", "moat-nopatch") + PEERS


class Config:
    """One way to run a program: the command before it, and where its tmpfs is inside."""

    def __init__(self, name, tmpfs, command):
        self.name = name
        self.tmpfs = tmpfs
        self.command = command

    def __repr__(self):
        return self.name


def crun_bundle(work, name, argv, cwd):
    """A bundle around `argv`: the host's root read-only, its own /proc, /dev and tmpfs, the work directory writable."""
    bundle = os.path.join(work, "bundle-" + name)
    os.makedirs(bundle, exist_ok=True)
    spaces = [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network")]
    options = {}
    if os.getuid() != 0:
        spaces.append({"type": "user"})
        options = {"uidMappings": [{"containerID": 0, "hostID": os.getuid(), "size": 1}],
                   "gidMappings": [{"containerID": 0, "hostID": os.getgid(), "size": 1}]}
    config = {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": argv, "cwd": cwd, "noNewPrivileges": True,
                    "env": ["%s=%s" % kv for kv in os.environ.items()]},
        "root": {"path": "/", "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "mode=1777"]},
            {"destination": work, "type": "bind", "source": work, "options": ["bind", "rw"]},
        ],
        "linux": dict({"namespaces": spaces}, **options),
    }
    with open(os.path.join(bundle, "config.json"), "w") as out:
        json.dump(config, out)
    return bundle


def known(moat, work, moat_options):
    """All configurations, each a function of (a name nobody else has, the program, its directory)."""
    def in_moat(*more):
        return lambda uid, argv, cwd: [moat, "run", "--no-tty", "--rw", work, "--cwd", cwd, *more, *moat_options, "--", *argv]

    def bwrap(uid, argv, cwd):
        return ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/dev/shm", "--bind", work, work,
                "--unshare-all", "--chdir", cwd, *argv]

    def crun(uid, argv, cwd):
        return ["crun", "--cgroup-manager=disabled", "--root", os.path.join(work, "crun-state"), "run", "--bundle",
                crun_bundle(work, uid, argv, cwd), uid]

    def runsc(platform):
        return lambda uid, argv, cwd: ["runsc", "--platform=" + platform, "--network=none", "--ignore-cgroups", "do",
                                       "--cwd", cwd, *argv]

    return [
        Config("native", "/dev/shm", lambda uid, argv, cwd: list(argv)),
        Config("moat", "/tmp", in_moat()),
        Config("moat-patch", "/tmp", in_moat("--patch")),
        Config("moat-nopatch", "/tmp", in_moat("--no-patch")),
        Config("bwrap", "/dev/shm", bwrap),
        Config("crun", "/dev/shm", crun),
        Config("proot", "/dev/shm", lambda uid, argv, cwd: ["proot", "-w", cwd, *argv]),
        Config("runsc", "/dev/shm", runsc("systrap")),
        Config("runsc-ptrace", "/dev/shm", runsc("ptrace")),
    ]


def find(wanted, moat, work, moat_options, say):
    """The wanted configurations that can run /bin/true here; says which cannot, and why."""
    found = []
    for config in known(moat, work, moat_options):
        if config.name not in wanted:
            continue
        argv = config.command("probe", ["/bin/true"], work)
        if not shutil.which(argv[0]):
            say("%s: left out, %s is not installed" % (config.name, argv[0]))
            continue
        try:
            got = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
            why = got.stdout.decode(errors="replace").strip().split("\n")[-1] if got.returncode else None
        except subprocess.TimeoutExpired:
            why = "not done after 30 s"
        if why is None:
            found.append(config)
        else:
            say("%s: left out, it cannot run /bin/true: %s" % (config.name, why))
    return found


def versions(found):
    """What says who it is, as far as it does."""
    out = {}
    for config in found:
        tool = config.command("version", ["true"], "/")[0]
        if config.name.startswith("moat") or config.name == "native":
            continue
        try:
            text = subprocess.run([tool, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10).stdout.decode(errors="replace")
        except (OSError, subprocess.TimeoutExpired):
            continue
        out[config.name] = next((w for w in text.replace("-", " ").split() if w[0].isdigit()), "") if tool != "runsc" else text.split("\n")[0].split()[-1]
    return out
