# SPDX-License-Identifier: Apache-2.0
"""The same random sequences of path calls natively and inside: results, errno, metadata and trees must be the same.

    differential.py [--user] [--fs ext4|tmpfs] [--rules NAME,...] [--calls N] [--seed N] [--length N] [--keep DIR]
                    [--replay FILE] SCRIM DIFFERENTIAL
    differential.py --rules crypt [--user] ...            in an encrypted directory, with data operations
    differential.py --lie [--user] SCRIM DIFFERENTIAL     the test of the tester: a wrong errno has to be found and shrunk

--calls: in all, over file systems and rules. A seed stands for one sequence; the first is --seed (default: 1).
--user: when we are root, as an ordinary user.
In an encrypted directory the tree is made and written down inside as well, and all of it is the ordinary user's.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from compare import Encrypted, compare
from shrink import shrink

ORDINARY = 54321  # no such user, no such group
FILE_SYSTEMS = {"ext4": 0xEF53, "tmpfs": 0x01021994}
# Rules that concern nothing that is there. `@` is the directory above the tree.
RULES = {
    "none": [],
    "elsewhere": ["hide @/else/hidden", "mask @/else/*.key", "append @/else/log", "readonly @/else/ro"],
    "anywhere": ["hide **/zz-hidden", "deny **/zz-denied", "mask **/zz*.key", "append **/zz*.log", "readonly **/zz-ro"],
}
# `@@` is the place, of which all is encrypted but what is ours.
CRYPT = {"crypt": ["crypt @@ key=ephemeral", "plain @@/home"]}
SECONDS = 60
HERE = os.path.dirname(os.path.abspath(__file__))


class Place:
    """Where sequences are run: a directory on one file system, deep enough that no path climbs out of it."""

    def __init__(self, name, top):
        self.name = name
        self.top = top
        self.home = os.path.join(top, "home")
        self.base = os.path.join(top, "n/n/n/n/n/n")
        self.tree = os.path.join(self.base, "t")

    def prepare(self, uid):
        os.mkdir(self.home)
        os.chmod(self.top, 0o755)
        if os.geteuid() == 0:
            os.chown(self.home, uid, uid)
            os.chown(self.top, uid, uid)


class Sides:
    """Runs a sequence natively and inside."""

    def __init__(self, options, place, uid, rules):
        self.tool = options.differential
        self.scrim = options.scrim
        self.place = place
        self.uid = uid
        self.lie = None
        self.rules = []
        self.crypt = rules in CRYPT
        self.encrypted = Encrypted() if self.crypt else None
        for rule in (RULES | CRYPT)[rules]:
            self.rules += ["-r", rule.replace("@@", place.top).replace("@", place.base)]
        self.lines = os.path.join(place.home, "lines")
        self.stats = os.path.join(place.home, "stats")
        self.mediated = collections.Counter()
        self.environment = {"HOME": place.home, "LC_ALL": "C", "PATH": "/usr/bin:/bin", "DIFFERENTIAL_SECONDS": str(SECONDS)}
        if os.geteuid() != 0:
            self.environment["DIFFERENTIAL_GUARD"] = "1"

    def once(self, lines, command, **environment):
        with open(self.lines, "w", encoding="latin-1") as out:
            out.write("".join(line + "\n" for line in lines))
        words = [self.tool, "once", str(self.uid), self.place.tree, self.lines, *command]
        identity = {"user": self.uid, "group": self.uid, "extra_groups": []} if self.crypt and os.geteuid() == 0 else {}
        if self.crypt and command[0] == self.scrim:
            # All of it inside: outside the tree could neither be made nor read.
            at = command.index("--") + 1
            words = [*command[:at], *words[:5], *command[at:]]
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, env={**self.environment, **environment},
                              **identity)
        if done.returncode != 0:
            raise RuntimeError(f"once: {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode("latin-1").splitlines(), done.stderr.decode("latin-1")

    def generate(self, seed, count):
        """A sequence; how often each kind was made and succeeded; what was seen on the way."""
        tree = subprocess.run([self.tool, "tree"], capture_output=True, check=True).stdout.decode().splitlines()
        try:
            made, counts = self.once(tree, [self.tool, "generate", str(seed), str(count), *(["data"] if self.crypt else [])])
        except RuntimeError as error:
            raise RuntimeError(f"seed {seed}: {error}") from error
        end = next(i for i, line in enumerate(made) if line.startswith("ended "))
        if made[end] != "ended 0":
            raise RuntimeError(f"seed {seed}: the generator {made[end]}: {counts}")
        return tree + made[1:end], counts

    def native(self, lines):
        environment = {"DIFFERENTIAL_LIE": self.lie} if self.lie else {}
        trace, self.said = self.once(lines, [self.tool, "run", self.lines], **environment)
        return trace

    def inside(self, lines):
        if os.path.exists(self.stats):
            os.unlink(self.stats)
        trace, errors = self.once(lines, [self.scrim, "run", "--stats", self.stats, "--kill-on-exit", "--die-with-parent",
                                          *self.rules, "--", self.tool, "run", self.lines])
        self.said += errors
        try:
            with open(self.stats, encoding="utf-8") as stats:
                self.mediated.update(json.load(stats)["mediated"])
        except (OSError, ValueError):
            trace.append("no statistics: the view did not end well")
        return trace


def check_who(native, inside, place, uid):
    """That the runs were what they were meant to be."""
    wanted = f"# uid {uid} fs {FILE_SYSTEMS[place.name]:x} "
    for side, trace, seccomp in (("natively", native, "0"), ("inside", inside, "2")):
        if not trace or not trace[0].startswith(wanted):
            raise RuntimeError(f"{side}: {trace[:1]}, wanted {wanted}")
        words = trace[0].split()
        effective = int(words[words.index("CapEff") + 1], 16)
        if (effective != 0) != (uid == 0) or words[words.index("Seccomp") + 1] != seccomp:
            raise RuntimeError(f"{side}: {trace[0]}")
    return native[1:], inside[1:]


def difference(sides, lines):
    native, inside = sides.native(lines), sides.inside(lines)
    try:
        native, inside = check_who(native, inside, sides.place, sides.uid)
    except RuntimeError:
        print(sides.said, flush=True)
        raise
    return compare(native, inside, lines, strict=sides.place.name == "tmpfs", user=sides.uid != 0, encrypted=sides.encrypted)


def report(sides, lines, found, keep, name):
    """Shrink it, print it as C."""
    print(f"DIFFERENCE {name}: {found}", flush=True)
    small = shrink(lines, found, lambda candidate: difference(sides, candidate))
    print(f"shrunk to {len(small)} lines: {difference(sides, small)}")
    for line in small:
        print("    " + line)
    path = os.path.join(keep or sides.place.top, name)
    with open(path + ".lines", "w", encoding="latin-1") as out:
        out.write("".join(line + "\n" for line in small))
    printed = subprocess.run([sides.tool, "print", path + ".lines"], capture_output=True, check=True).stdout.decode("latin-1")
    with open(path + ".c", "w", encoding="latin-1") as out, open(os.path.join(HERE, "printed.c"), encoding="utf-8") as before:
        out.write(before.read() + printed)
    print(printed, flush=True)
    return small, path + ".c"


class Totals:
    def __init__(self):
        self.made = collections.Counter()
        self.succeeded = collections.Counter()
        self.floor = {}
        self.calls = 0

    def add(self, counts):
        for line in counts.splitlines():
            if len(line.split()) != 4:
                raise RuntimeError(f"the generator: {line}")
            name, made, succeeded, floor = line.split()
            self.made[name] += int(made)
            self.succeeded[name] += int(succeeded)
            self.floor[name] = int(floor)
            self.calls += int(made)

    def poor(self):
        """Kinds too few of which succeed to say anything, where there were enough of them to tell."""
        return [f"{name}: {self.succeeded[name]} of {self.made[name]} succeeded, less than {floor} %"
                for name, floor in self.floor.items()
                if self.made[name] >= 100 and self.succeeded[name] * 100 < floor * self.made[name]]


def run(options, place, uid, rules, totals, share, seed):
    sides = Sides(options, place, uid, rules)
    found = 0
    before = totals.calls
    while totals.calls - before < share:
        lines, counts = sides.generate(seed, options.length)
        totals.add(counts)
        different = difference(sides, lines)
        if different:
            found += 1
            report(sides, lines, different, options.keep, f"{place.name}-{uid}-{rules}-{seed}")
            if found == options.enough:
                break
        seed += 1
    print(f"{place.name}, uid {uid}, rules {rules}: {totals.calls - before} calls, {sum(sides.mediated.values())} mediated, "
          f"{found} sequences differ", flush=True)
    if sides.encrypted:
        sides.encrypted.report()
    if sum(sides.mediated.values()) < (totals.calls - before) // 3:
        print("FAILED: too little was mediated")
        found += 1
    return found


def lie(options, place, uid):
    """A native side that is wrong about one errno: to be found, shrunk to what it needs, and printed as C that compiles."""
    sides = Sides(options, place, uid, "none")
    for kind in ("openat", "unlinkat"):
        sides.lie = None
        seed = options.seed
        while True:
            lines, _ = sides.generate(seed, options.length)
            if difference(sides, lines):
                return f"seed {seed} differs without a lie"
            sides.lie = kind
            different = difference(sides, lines)
            if different:
                break
            sides.lie = None
            seed += 1
        small, printed = report(sides, lines, different, None, f"lie-{kind}")
        calls = [line for line in small if not line.startswith("+ ")]
        if len(calls) != 1 or f"{kind} " not in calls[0]:
            return f"{kind}: not shrunk to the one call: {small}"
        if subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", printed[:-2], printed], env={**os.environ, "TMPDIR": sides.place.top}).returncode != 0:
            return f"{kind}: what was printed does not compile"
    return None


def places(options):
    """One directory for each file system."""
    found = []
    for directory in [os.environ.get("TMPDIR", "/tmp"), "/var/tmp", "/dev/shm"]:
        for name in options.fs.split(","):
            kind = subprocess.run(["stat", "-f", "-c", "%t", directory], capture_output=True, text=True).stdout.strip()
            if kind and int(kind, 16) == FILE_SYSTEMS[name] and name not in [place.name for place in found]:
                found.append(Place(name, tempfile.mkdtemp(prefix="sd-", dir=directory)))
    missing = set(options.fs.split(",")) - {place.name for place in found}
    if missing and os.environ.get("SCRIM_MUST_RUN"):
        sys.exit(f"no {', '.join(missing)} here")
    return found


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", action="store_true")
    parser.add_argument("--fs", default="ext4,tmpfs")
    parser.add_argument("--rules", default=",".join(RULES))
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--length", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--enough", type=int, default=3)
    parser.add_argument("--keep")
    parser.add_argument("--replay")
    parser.add_argument("--lie", action="store_true")
    parser.add_argument("--places", help="(ourselves, in the arena)")
    parser.add_argument("scrim")
    parser.add_argument("differential")
    options = parser.parse_args()
    options.scrim = os.path.abspath(options.scrim)
    options.differential = os.path.abspath(options.differential)
    return options


def work(options, uid):
    here = [Place(*word.split("=")) for word in options.places.split(",")]
    if options.replay:
        with open(options.replay, encoding="latin-1") as replay:
            lines = replay.read().splitlines()
        sides = Sides(options, here[0], uid, options.rules.split(",")[0])
        native, inside = sides.native(lines), sides.inside(lines)
        for n, i in zip(native, inside):
            print(("  " + n) if n == i else f"N {n}\nI {i}")
        print(difference(sides, lines))
        return 0
    if options.lie:
        wrong = lie(options, here[0], uid)
        print(wrong or "the lies were found")
        return 1 if wrong else 0
    totals = Totals()
    found = 0
    sets = options.rules.split(",")
    share = options.calls // (len(here) * len(sets))
    for number, (place, rules) in enumerate((place, rules) for place in here for rules in sets):
        found += run(options, place, uid, rules, totals, share, options.seed + number * (share // options.length + 1))
    poor = totals.poor()
    print(f"{totals.calls} calls of {len(totals.made)} kinds, {sum(totals.succeeded.values()) * 100 // totals.calls} % succeeded")
    for line in poor:
        print("FAILED:", line)
    return 1 if found or poor else 0


def main():
    options = parse()
    uid = os.geteuid()
    if options.user and uid == 0:
        uid = ORDINARY
    if options.places:
        sys.exit(work(options, uid))
    here = places(options)
    try:
        for place in here:
            place.prepare(uid)
        again = [sys.executable, os.path.abspath(__file__), "--places", ",".join(f"{p.name}={p.top}" for p in here), *sys.argv[1:]]
        if os.geteuid() == 0:
            again = [options.differential, "arena", *[p.top for p in here], *([options.keep] if options.keep else []), "--", *again]
        sys.exit(subprocess.run(again).returncode)
    finally:
        for place in here:
            shutil.rmtree(place.top, ignore_errors=True)


if __name__ == "__main__":
    main()
