# SPDX-License-Identifier: Apache-2.0
"""The supervisor's memory and descriptors stay what they are over many calls and processes, with few rules and many.

30,000 opens and 300 processes; with --user, the view of an ordinary user, 6,000 and 60; with SCRIM_SOAK=1 a million and
10,000.

Usage: memory_flat.py [--user] SCRIM BENCH_CALLS
"""
import json
import os
import subprocess
import sys
import tempfile

SOAK = os.environ.get("SCRIM_SOAK") == "1"
USER = "--user" in sys.argv
OPENS, PROCESSES = (1_000_000, 10_000) if SOAK else (6_000, 60) if USER else (30_000, 300)
# An ordinary user, asserted.
AS_USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
           'test "$(id -u)" = 65534 && exec "$@"', "sh"] if USER else []
STEPS = 5
LIMIT_KIB = 16 * 1024
# Nothing may grow with the number of calls. How many workers there are depends on how busy the machine is; each has
# room for listings, a stack and a descriptor.
GROWTH_KIB, GROWTH_OF_WORKER_KIB = 256, 256
OTHERS = ("stat", "access", "readlink", "create_unlink", "rename_twice", "readdir_100", "open_absent", "getcwd",
          "open_close_path", "chdir")


class Run:
    """bench_calls in a view."""

    def __init__(self, scrim, calls, work, rules):
        self.stats = os.path.join(work, "stats")
        policy = os.path.join(work, "policy")
        with open(policy, "w", encoding="utf-8") as f:
            f.writelines(rules)
        self.process = subprocess.Popen([*AS_USER, scrim, "run", "--log", "/dev/null", "--stats", self.stats, "-c", policy, "--",
                                         calls, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "it did not start"
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            self.supervisor = int(f.read().split()[0])

    def ask(self, kind, turns, doers=1):
        self.process.stdin.write(f"{kind} {turns} {doers} threads\n")
        self.process.stdin.flush()
        assert float(self.process.stdout.readline()) > 0

    def held(self):
        """KiB of memory, descriptors, threads."""
        with open(f"/proc/{self.supervisor}/status", encoding="ascii", errors="replace") as f:
            memory = next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
        here = f"/proc/{self.supervisor}/"
        return memory, len(os.listdir(here + "fd")), len(os.listdir(here + "task"))

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "the program failed"
        with open(self.stats, encoding="ascii") as f:
            return json.load(f)["mediated"]


def check(name, scrim, calls, rules):
    with tempfile.TemporaryDirectory(prefix="scrim-memory-") as work:
        if USER:
            os.chown(work, 65534, 65534)
        run = Run(scrim, calls, work, [rule.format(work=work) for rule in rules])
        # Every worker that four threads bring, every path through the code.
        for kind in OTHERS + ("fork_exec", "open_close"):
            run.ask(kind, 20)
            if kind not in ("chdir", "fork_exec"):
                run.ask(kind, 300, 4)
        seen = [run.held()]
        for _ in range(STEPS):
            run.ask("open_close", OPENS // STEPS)
            run.ask("fork_exec", PROCESSES // STEPS)
            for kind in OTHERS:
                run.ask(kind, OPENS // STEPS // 300)
            seen.append(run.held())
        mediated = run.end()
    assert mediated["openat"] >= OPENS and mediated["execve"] >= PROCESSES, mediated
    print(f"{name}: KiB, descriptors and threads after each part: {seen}")
    first, last = seen[0], seen[-1]
    workers = last[2] - first[2]
    assert last[0] - first[0] <= GROWTH_KIB + workers * GROWTH_OF_WORKER_KIB, f"{name}: memory grew"
    assert last[0] < LIMIT_KIB, f"{name}: {last[0]} KiB"
    # One may be on its way at either moment, and each thread keeps two of each of sixteen callers that it served.
    assert last[1] - first[1] <= 1 + 32 * last[2], f"{name}: descriptors grew"


def main():
    scrim, calls = [a for a in sys.argv[1:] if a != "--user"]
    check("one rule", scrim, calls, ["hide {work}/secret\n"])
    many = [f"hide {{work}}/secrets/{n % 100:02}/key-{n:05}\n" for n in range(10_000)]
    many += [f"hide {{work}}/*/private-{n:03}/**/*.key{n}\n" for n in range(100)]
    check("10,100 rules", scrim, calls, many)


main()
