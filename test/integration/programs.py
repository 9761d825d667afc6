# SPDX-License-Identifier: Apache-2.0
"""Real programs inside a view against the same programs outside.

programs.py SCRIM SCENARIO USER DIRECTORY [SOURCE]

Each scenario is a shell script of programs/SCENARIO.sh, run twice with the same fixed environment in two fresh trees
under DIRECTORY: natively, and inside a view whose rules lie in the worked tree. The tree of the run inside holds
files that the native one never had; they are hidden, so the output must be the same to the byte. USER is root or
user; that the run really is that user's is asserted, and so is, by the counts of --stats, that its calls were
mediated.
"""
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile

SCRIM, SCENARIO, USER, DIRECTORY = sys.argv[1:5]
SOURCE = sys.argv[5] if len(sys.argv) > 5 else ""
HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "programs", SCENARIO + ".sh")
DEADLINE = 900
NOBODY = pwd.getpwnam("nobody")

# What each scenario must at least have had mediated: a run that went past the supervisor fails here.
LEAST = {
    "git": {"execve": 500, "openat": 5000, "rename": 500, "chdir": 1, "unlink": 500},
    "build": {"execve": 50, "openat": 2000, "newfstatat": 1000},
    "sqlite": {"openat": 20, "unlink": 1, "newfstatat": 10},
    "tar": {"openat": 300, "mkdirat": 20},
    "copy": {"openat": 300, "mkdirat": 10, "unlinkat": 100},
    "find": {"openat": 100, "newfstatat": 100},
    "perl": {"openat": 20, "rename": 1, "unlink": 1},
    "python": {"openat": 300, "execve": 10, "unlink": 10},
    "make": {"execve": 40, "openat": 200},
    "go": {"chdir": 2000, "execve": 1000, "openat": 2000},
    "node": {"execve": 20, "statx": 100, "chdir": 2000},
    "pipe": {"execve": 2000},
    "limits": {"truncate": 100, "ftruncate": 300, "fallocate": 300},
}
# Programs whose threads are preempted by signals all the time: some must have hit a steer.
SIGNALS_HELD = {"go": 1, "node": 1}

RULES = ["--hide", "**/hidden-*", "--mask", "**/masked-*", "--append", "**/append-*", "--readonly", "**/readonly-*",
         "--deny", "**/denied-*"]


def populate(tree, inside):
    """The files the rules are about. Only the tree inside has the hidden ones."""
    for part in ("", "sub"):
        folder = os.path.join(tree, part)
        os.makedirs(folder, exist_ok=True)
        if inside:
            for name in ("hidden-file", "hidden-other.c"):
                with open(os.path.join(folder, name), "w") as file:
                    file.write("a secret\n")
    os.utime(os.path.join(tree, "sub"), (1000000000, 1000000000))


def environment(home):
    return {
        "HOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "SOURCE": SOURCE,
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.org",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
        "GOFLAGS": "-mod=mod", "GOCACHE": os.path.join(os.path.dirname(home), "cache"), "GOTELEMETRY": "off",
        "GOTOOLCHAIN": "local", "XDG_STATE_HOME": os.path.join(home, "state"), "PYTHONDONTWRITEBYTECODE": "1",
        "SCRIM_USER": "0" if USER == "root" else str(NOBODY.pw_uid),
    }


def become_user():
    if USER != "root":
        os.setgroups([])
        os.setresgid(NOBODY.pw_gid, NOBODY.pw_gid, NOBODY.pw_gid)
        os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_uid)


def execute(prefix, tree, home):
    """The output of the scenario in TREE. The script sees its tree as the current directory only."""
    result = subprocess.run([*prefix, "bash", "-eu", SCRIPT], cwd=tree, env=environment(home), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, preexec_fn=become_user)
    if result.returncode:
        print(result.stdout.decode(errors="replace")[-6000:])
        raise SystemExit(f"{SCENARIO}: {prefix[:1] or 'native'} exited with {result.returncode}")
    return result.stdout


def main():
    base = tempfile.mkdtemp(prefix="scrim-programs-", dir=DIRECTORY)
    try:
        os.chmod(base, 0o755)
        stats = os.path.join(base, "stats", "stats.json")
        os.makedirs(os.path.dirname(stats))
        # The Go compiler's cache, filled by the native run: what is tested is the program, not the standard library.
        os.makedirs(os.path.join(base, "cache"))
        outputs = {}
        for side in ("native", "inside"):
            # One tree after the other at one place: what prints its path prints the same.
            tree, home = os.path.join(base, "work"), os.path.join(base, "home")
            for folder in (tree, home):
                shutil.rmtree(folder, ignore_errors=True)
                os.makedirs(folder)
            populate(tree, side == "inside")
            if USER != "root":
                for folder in (tree, home, os.path.dirname(stats), os.path.join(base, "cache")):
                    subprocess.run(["chown", "-R", f"{NOBODY.pw_uid}:{NOBODY.pw_gid}", folder], check=True)
            prefix = [] if side == "native" else [SCRIM, "run", "--stats", stats, *RULES, "--"]
            outputs[side] = execute(prefix, tree, home)
            if side == "inside":
                for part in ("", "sub"):
                    secret = os.path.join(tree, part, "hidden-file")
                    with open(secret) as file:
                        assert file.read() == "a secret\n", f"{secret} was changed"
        if outputs["native"] != outputs["inside"]:
            for side, output in outputs.items():
                with open(os.path.join(base, side + ".out"), "wb") as file:
                    file.write(output)
            subprocess.run(["diff", "-u", os.path.join(base, "native.out"), os.path.join(base, "inside.out")])
            raise SystemExit(f"{SCENARIO}: the output inside differs")
        with open(stats) as file:
            counts = json.load(file)
        for name, least in LEAST[SCENARIO].items():
            got = counts["mediated"].get(name, 0)
            assert got >= least, f"{name}: {got} calls were mediated, at least {least} are made"
        held = counts["steer"]["signals_held"]
        assert held >= SIGNALS_HELD.get(SCENARIO, 0), f"only {held} signals hit a steer"
        assert counts["steer"]["killed"] == 0, counts["steer"]
        print(f"{SCENARIO}: same output ({len(outputs['inside'])} bytes), {sum(counts['mediated'].values())} mediated calls,"
              f" {counts['steer']}")
    finally:
        shutil.rmtree(base, ignore_errors=True)


main()
