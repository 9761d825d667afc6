# SPDX-License-Identifier: Apache-2.0
"""Test suites of others, natively and inside views, compared test by test.

suites.py SCRIM [--suite NAME]... [--user root|user]... [--view plain|rules|crypt]... [--extent quick|long] [--only UNIT]...
          [--jobs N] [--dir DIR] [--cache DIR] [--json FILE] [--steady]

Every unit of a suite (a module, a stressor, a program) runs in fresh directories of the same depth and length under DIR
(default /var/tmp: a disk): natively, in a view without rules, and in one whose rules concern nothing that it touches.
Prints a table, then each difference. A difference is a test whose verdict inside is another than natively. One that is
not in known.txt, and a line of known.txt that is true no more, makes the exit status 1.

Timing makes some tests of every suite fail now and then, natively too. So what differs is run again, both ways, up to
twice; when both have been seen to give the same verdict it is called unsteady, and printed, but is no difference. With
--steady nothing is run again.
"""
import argparse
import ctypes
import fnmatch
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import adapters

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = pwd.getpwnam("nobody")
NATIVE = "native"
VIEWS = {"plain": [], "rules": ["hide", "deny", "mask", "append", "readonly"], "crypt": []}
ASKED_FOR = ["crypt"]  # not without --view: everything that the unit makes is encrypted
# The first letter names the directory, so that every path inside is as long as natively.
SIDES = (NATIVE, *VIEWS)
# The kernel reports no fewer calls than this of any program of a suite: less means that the view was not in the way.
LEAST_MEDIATED = 20
ROUNDS = 2
COUNTED_AS = {"pass": "pass", "xfail": "pass", "skip": "skip", "no-resource": "skip", "not-implemented": "skip"}
PR_SET_CHILD_SUBREAPER = 36


class Children:
    """The processes that we started, told from those that tests left behind (we are their reaper)."""

    def __init__(self):
        self.ours = set()
        self.lock = threading.Lock()
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")

    def start(self, argv, **options):
        with self.lock:
            child = subprocess.Popen(argv, **options)
            self.ours.add(child.pid)
        return child

    def ended(self, child):
        with self.lock:
            self.ours.discard(child.pid)

    def kill_ours(self):
        with self.lock:
            for pid in self.ours:
                os.kill(pid, signal.SIGKILL)

    def call(self, *argv):
        """Its failure is seen by what follows."""
        child = self.start(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        child.wait()
        self.ended(child)

    def others(self):
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split() if int(word) not in self.ours]

    def bury(self):
        """Those that have ended."""
        with self.lock:
            for pid in self.others():
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def end(self):
        """All that tests left running."""
        for _ in range(100):
            others = self.others()
            for pid in others:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if not others:
                return


class Runner:
    """Runs a unit on one side as one user, in a directory made for it."""

    def __init__(self, scrim, base, children):
        self.scrim = scrim
        self.children = children
        self.base = base

    def rules(self):
        """One rule of each kind on files of nobody's, and one that any name could match."""
        words = []
        for action in VIEWS["rules"]:
            words += ["--" + action, os.path.join(self.base, "aside", action, "file")]
            words += ["--" + action, f"**/scrim-suites-{action}-matches-nothing"]
        return words

    def aside(self):
        for action in VIEWS["rules"]:
            folder = os.path.join(self.base, "aside", action)
            os.makedirs(folder)
            with open(os.path.join(folder, "file"), "w", encoding="ascii") as file:
                file.write("nobody looks here\n")

    def prefix(self, side, stats, folders):
        if side == NATIVE:
            return []
        words = self.rules() if VIEWS[side] else []
        if side == "crypt":
            for name in ("work", "home", "tmp"):
                words += ["-r", f"crypt {folders[name]} key=ephemeral plain=adopt"]
        return [self.scrim, "run", "--die-with-parent", "--stats", stats, *words, "--"]

    def run(self, suite, unit, side, user, wanted):
        """({test: verdict}, {test: detail}) of UNIT; only the tests WANTED if there are any."""
        place = tempfile.mkdtemp(prefix="u-", dir=os.path.join(self.base, user, side[0]))
        try:
            folders = {name: os.path.join(place, name) for name in ("work", "home", "tmp", "out")}
            for folder in folders.values():
                os.mkdir(folder)
            suite.furnish(unit, folders, self.children.call)
            owner = NOBODY if user == "user" and os.getuid() == 0 else pwd.getpwuid(os.getuid())
            os.chmod(place, 0o755)
            self.children.call("chown", "-R", f"{owner.pw_uid}:{owner.pw_gid}", place)
            stats = os.path.join(folders["out"], "stats")
            # What runs has to be the user that it is meant to be, inside too.
            argv = [*self.prefix(side, stats, folders), "/bin/sh", "-c", 'test "$(id -u)" = ' + str(owner.pw_uid) +
                    ' || exit 99; exec "$@"', "sh", *suite.command(unit, folders, wanted)]
            status = self.execute(argv, folders, owner, suite)
            verdicts, details = suite.verdicts(unit, folders, status)
            if status == 99:
                raise SystemExit(f"{suite.name} {unit}: not run as {owner.pw_name}")
            if side != NATIVE and status is not None:
                self.check_mediated(suite, unit, stats)
            return verdicts, details
        finally:
            self.children.call("chmod", "-R", "u+rwX", place)
            # Some trees are deeper than Python can go.
            self.children.call("rm", "-rf", place)
            self.children.bury()

    @staticmethod
    def check_mediated(suite, unit, stats):
        try:
            with open(stats, encoding="ascii") as file:
                counts = json.load(file)
        except (OSError, ValueError) as error:
            raise SystemExit(f"{suite.name} {unit}: no counts of the view: {error}") from error
        total = sum(counts["mediated"].values())
        if total < LEAST_MEDIATED:
            raise SystemExit(f"{suite.name} {unit}: only {total} calls were mediated")

    def execute(self, argv, folders, owner, suite):
        """The exit status; None if it had to be killed: too long, or too long without a sign of life."""
        def become():
            os.setsid()
            if os.getuid() != owner.pw_uid:
                os.setgroups([])
                os.setresgid(owner.pw_gid, owner.pw_gid, owner.pw_gid)
                os.setresuid(owner.pw_uid, owner.pw_uid, owner.pw_uid)

        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folders["home"], "TMPDIR": folders["tmp"],
                       "LC_ALL": "C.UTF-8", "TZ": "UTC", "XDG_STATE_HOME": os.path.join(folders["home"], "state"),
                       "LOGNAME": owner.pw_name, "USER": owner.pw_name, **suite.environment}
        with open(os.path.join(folders["out"], "output"), "wb") as output:
            child = self.children.start(argv, cwd=folders["work"], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=output, stderr=subprocess.STDOUT, preexec_fn=become)
        try:
            return self.wait(child, folders, suite)
        finally:
            self.children.ended(child)

    @staticmethod
    def wait(child, folders, suite):
        begun = heard = time.monotonic()
        size = -1
        while True:
            try:
                return child.wait(timeout=1)
            except subprocess.TimeoutExpired:
                pass
            now, grown = time.monotonic(), suite.progress(folders)
            if grown != size:
                size, heard = grown, now
            if now - begun > suite.deadline or now - heard > suite.silence:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return None


def known_differences():
    """The lines of known.txt."""
    lines = []
    with open(os.path.join(HERE, "known.txt"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            words = [word.strip() for word in line.split("|")]
            if len(words) != 7:
                raise SystemExit(f"known.txt:{number}: not seven columns")
            one = dict(zip(("suite", "user", "view", "test", "native", "inside", "row"), words), number=number)
            one["sometimes"] = one["inside"].endswith("?")
            one["inside"] = one["inside"].rstrip("?")
            lines.append(one)
    parity = os.path.join(HERE, "..", "..", "docs", "PARITY.md")
    with open(parity, encoding="utf-8") as file:
        rows = {line.split("|")[1].strip() for line in file if line.startswith("|")}
    for line in lines:
        if line["row"] not in rows:
            raise SystemExit(f"known.txt:{line['number']}: docs/PARITY.md has no row '{line['row']}'")
    return lines


def matches(line, suite, user, view, test):
    return (line["suite"] == suite and line["user"] in ("*", user) and line["view"] in ("*", view)
            and fnmatch.fnmatchcase(test, line["test"]))


class Comparison:
    """What one suite, as one user, gave on every side."""

    def __init__(self, runner, suite, user, views, jobs, rounds):
        self.runner, self.suite, self.user, self.views = runner, suite, user, views
        self.jobs, self.rounds = jobs, rounds
        self.verdicts = {side: {} for side in SIDES}   # side -> (unit, test) -> verdicts seen, the first one first
        self.details = {side: {} for side in SIDES}
        self.undone = {}   # unit -> sides that it has still to be run on
        self.lock = threading.Lock()
        self.seconds = dict.fromkeys(SIDES, 0.0)

    def one(self, unit, side, wanted=()):
        begun = time.monotonic()
        verdicts, details = self.runner.run(self.suite, unit, side, self.user, wanted)
        with self.lock:
            self.seconds[side] += time.monotonic() - begun
            mine = self.verdicts[side]
            for test in wanted or verdicts:
                mine.setdefault((unit, test), []).append(verdicts.get(test, "absent"))
                if test in details:
                    self.details[side].setdefault((unit, test), details[test])
            self.undone[unit] = self.undone.get(unit, 1 + len(self.views)) - 1
            if not wanted and self.undone[unit] == 0:
                tests = [key for key in self.verdicts[NATIVE] if key[0] == unit]
                differ = {key[1] for view in self.views for key in self.differing(view) if key[0] == unit}
                print(f"  {unit}: {len(tests)} tests" + "".join(f"\n    differs at first: {test}" for test in sorted(differ)),
                      flush=True)

    def each(self, tasks):
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self.one, *task) for task in tasks]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.runner.children.kill_ours()
                raise

    def run(self, units):
        self.each([(unit, side) for unit in units for side in (NATIVE, *self.views)])
        for _ in range(self.rounds):
            again = {}
            for view in self.views:
                for unit, test in self.differing(view):
                    again.setdefault((unit, view), []).append(test)
                    again.setdefault((unit, NATIVE), []).append(test)
            if not again:
                return
            # Alone on the machine, as far as it is ours.
            jobs, self.jobs = self.jobs, 1
            self.each([(unit, side, sorted(set(tests))) for (unit, side), tests in again.items()])
            self.jobs = jobs

    def seen(self, side, key):
        return self.verdicts[side].get(key, ["absent"])

    def tests(self, view):
        return sorted(set(self.verdicts[NATIVE]) | set(self.verdicts[view]))

    def differing(self, view):
        """Tests for which both sides have never been seen to agree."""
        return [key for key in self.tests(view) if not set(self.seen(NATIVE, key)) & set(self.seen(view, key))]

    def unsteady(self, view):
        return [key for key in self.tests(view)
                if self.seen(NATIVE, key)[0] != self.seen(view, key)[0] and key not in self.differing(view)]

    def count(self, side):
        counts = {"pass": 0, "fail": 0, "skip": 0}
        for seen in self.verdicts[side].values():
            verdict = seen[0]
            if verdict == "absent":
                continue
            counts[COUNTED_AS.get(verdict, "fail")] += 1
        return counts


def report(comparisons, known, complete):
    """Print the table and what differs. Whether all is as known."""
    good = True
    used = set()
    print(f"\n{'suite':<10} {'user':<5} {'view':<6} {'native pass/fail/skip':>22} {'inside pass/fail/skip':>22}"
          f" {'differ':>7} {'known':>6} {'unsteady':>8} {'time':>6}")
    texts = []
    for one in comparisons:
        for view in one.views:
            differing, fresh = one.differing(view), []
            for key in differing:
                native, inside = one.seen(NATIVE, key)[-1], one.seen(view, key)[-1]
                lines = [line for line in known if matches(line, one.suite.name, one.user, view, key[1])
                         and (line["native"], line["inside"]) == (native, inside)]
                used.update(line["number"] for line in lines)
                if not lines:
                    fresh.append(key)
            for key in fresh:
                texts.append(f"\nDIFFERS {one.suite.name} {one.user} {view} {key[0]}: {key[1]}: native "
                             f"{one.seen(NATIVE, key)}, inside {one.seen(view, key)}\n"
                             + "\n".join(f"  | {line}" for line in one.details[view].get(key, "").splitlines()[-25:]))
                good = False
            unsteady = one.unsteady(view)
            for key in unsteady:
                texts.append(f"unsteady {one.suite.name} {one.user} {view} {key[0]}: {key[1]}: native "
                             f"{one.seen(NATIVE, key)}, inside {one.seen(view, key)}")
                for line in known:
                    if matches(line, one.suite.name, one.user, view, key[1]):
                        used.add(line["number"])
            counts = ["{pass}/{fail}/{skip}".format(**one.count(side)) for side in (NATIVE, view)]
            print(f"{one.suite.name:<10} {one.user:<5} {view:<6} {counts[0]:>22} {counts[1]:>22} {len(differing):>7}"
                  f" {len(differing) - len(fresh):>6} {len(unsteady):>8}"
                  f" {one.seconds[view] / max(one.seconds[NATIVE], 0.01):>5.1f}x")
    print("\n".join(texts))
    for line in known:
        if line["number"] in used or line["sometimes"] or not complete:
            continue
        for one in comparisons:
            keys = [key for view in one.views for key in one.tests(view)
                    if matches(line, one.suite.name, one.user, view, key[1])]
            if keys:
                print(f"known.txt:{line['number']}: differs no more: {keys[0][1]}")
                good = False
                break
    return good


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("scrim")
    parser.add_argument("--suite", action="append", choices=list(adapters.SUITES))
    parser.add_argument("--user", action="append", choices=("root", "user"))
    parser.add_argument("--view", action="append", choices=list(VIEWS))
    parser.add_argument("--extent", choices=("quick", "long"), default="")
    parser.add_argument("--only", action="append")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--cache", default="")
    parser.add_argument("--json")
    parser.add_argument("--steady", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    users = options.user or (["root", "user"] if os.getuid() == 0 else ["user"])
    if os.getuid() and "root" in users:
        raise SystemExit("suites.py: as root only by root")
    known = known_differences()
    children = Children()
    base = tempfile.mkdtemp(prefix="scrim-suites-", dir=options.dir)
    comparisons = []
    try:
        os.chmod(base, 0o755)
        # The tests' user must reach the program, the helpers and what was built.
        shared = os.path.join(base, "shared")
        shutil.copytree(HERE, shared)
        scrim = shutil.copy(options.scrim, os.path.join(base, "scrim"))
        children.call("chmod", "-R", "go+rX", shared, scrim)
        runner = Runner(scrim, base, children)
        runner.aside()
        for name in options.suite or adapters.SUITES:
            suite = adapters.SUITES[name](shared, os.path.abspath(options.cache) if options.cache else base)
            units = [unit for unit in suite.units(options.extent) if not options.only or unit in options.only]
            for user in users:
                for side in SIDES:
                    os.makedirs(os.path.join(base, user, side[0]), exist_ok=True)
                one = Comparison(runner, suite, user, options.view or [view for view in VIEWS if view not in ASKED_FOR], options.jobs,
                                 0 if options.steady else ROUNDS)
                print(f"{name}, {user}: {len(units)} units ...", flush=True)
                one.run(units)
                comparisons.append(one)
        good = report(comparisons, known, not options.only)
        if options.json:
            with open(options.json, "w", encoding="ascii") as file:
                json.dump([{"suite": one.suite.name, "user": one.user, "verdicts": {
                    side: {f"{unit}: {test}": seen for (unit, test), seen in verdicts.items()}
                    for side, verdicts in one.verdicts.items()}} for one in comparisons], file, indent=1)
        return 0 if good else 1
    finally:
        children.end()
        children.call("rm", "-rf", base)


if __name__ == "__main__":
    sys.exit(main())
