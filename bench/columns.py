# SPDX-License-Identifier: Apache-2.0
"""The columns of the table: the same program natively, under bare floors, in views, under proot; all alive at once."""
import os
import shutil
import subprocess

LITERALS, WILDCARDS = 10_000, 100
NATIVE, SEND, SPLIT, SCRIM, MANY, PROOT = ("native", "floor send", "floor split", "scrim 1 rule", "scrim 10,100",
                                           "proot")
# Floors by which wake-ups and scheduling are judged, what a notification costs when nothing is done, and what the checks
# cost without which a view would not be sound (PERFORMANCE.md, "What the checks cost").
VARIANTS = {
    "floor continue": "continue",
    "send nosync": "send,nosync",
    "split nosync": "split,nosync",
    "send idle": "send,idle",
    "split idle": "split,idle",
    "split proven": "split,look,prove",
    "split checked": "split,look,prove,valid",
}
RECEIVERS = 4


def environment():
    kept = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    kept.update(LC_ALL="C.UTF-8", CCACHE_DISABLE="1", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null",
                PYTHONDONTWRITEBYTECODE="1")
    return kept


def many_rules(path):
    with open(path, "w", encoding="utf-8") as f:
        for n in range(LITERALS):
            f.write(f"hide /srv/secrets/{n % 100:02}/key-{n:05}\n")
        for n in range(WILDCARDS):
            f.write(f"hide /srv/*/private-{n:03}/**/*.key{n}\n")


def prefixes(scrim, work):
    """What stands before a command, by column, for those that run any program."""
    secret, rules = os.path.join(work, "secret"), os.path.join(work, "many.conf")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("x")
    many_rules(rules)
    found = {
        NATIVE: [],
        SCRIM: [scrim, "run", "--log", "/dev/null", "--hide", secret, "--"],
        MANY: [scrim, "run", "--log", "/dev/null", "-c", rules, "--"],
    }
    if shutil.which("proot"):
        found[PROOT] = ["proot", "-b", f"/dev/null:{secret}"]
    return found


class Served:
    """One running bench_calls."""

    def __init__(self, prefix, calls, work, cpus):
        self.process = subprocess.Popen(prefix + [calls, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment(), preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{prefix}: did not start")

    def ask(self, kind, turns, doers=1, how="threads"):
        """Nanoseconds a turn; None where the column cannot do this row."""
        self.process.stdin.write(f"{kind} {turns} {doers} {how}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[0]}, {kind}: ended with {self.process.wait()}")
        return None if line == "?\n" else float(line)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(x) for x in f.read().split()]


def status_sum(pid, *fields):
    """The sum of these lines of status over the threads of a process."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii", errors="replace") as f:
                total += sum(int(line.split()[1]) for line in f if line.partition(":")[0] in fields)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


class Column:
    """A column of rows of calls. One receiver is the least for one doer; several may be for several."""

    def __init__(self, name, prefix, options, cpus, several=None):
        self.name = name
        self.single = Served(prefix, options.calls, options.calls_work, cpus)
        self.several = Served(several, options.calls, options.calls_work, cpus) if several else None

    def ask(self, row, turns):
        best = self.single.ask(row.kind, turns, row.doers, row.how)
        if self.several and row.doers > 1:
            best = min(best, self.several.ask(row.kind, turns, row.doers, row.how))
        return best

    def supervisor(self):
        """Its process: the floor is one itself, scrim's is the child of the process that stands for the command."""
        pid = self.single.process.pid
        if self.name in (SCRIM, MANY):
            return children(pid)[0]
        return pid if self.name not in (NATIVE, PROOT) else None

    def switches(self):
        return status_sum(self.supervisor(), "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")

    def memory(self):
        """Resident memory of the supervisor in KiB."""
        with open(f"/proc/{self.supervisor()}/status", encoding="ascii", errors="replace") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def end(self):
        self.single.end()
        if self.several:
            self.several.end()


def start_columns(options, cpus, wanted):
    commands = {}
    for name, prefix in prefixes(options.scrim, options.calls_work).items():
        commands[name] = (prefix, None)
        if name == NATIVE:
            for floor, mode in ((SEND, "send"), (SPLIT, "split")):
                commands[floor] = ([options.floor, mode], [options.floor, f"{mode},threads={RECEIVERS}"])
    if not options.quick:
        commands |= {name: ([options.floor, mode], None) for name, mode in VARIANTS.items()}
    return [Column(name, prefix, options, cpus, several) for name, (prefix, several) in commands.items() if wanted(name)]
