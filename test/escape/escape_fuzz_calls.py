# SPDX-License-Identifier: Apache-2.0
"""Random system calls, most with arguments that lead somewhere: natively and inside they give the same, call by call; and
where there is something to hide, nothing that comes back has a text that only hidden files have.

SCRIM_FUZZ_CALLS: how many calls each part makes (default: 45,000); SCRIM_FUZZ_SEED: which (default: 1).
"""

import hashlib
import os
import re
import secrets
import shutil
import socket
import string

from escape_support import LIMIT, check, equal, main, run_parts, write

CALLS = int(os.environ.get("SCRIM_FUZZ_CALLS", "45000"))
SEED = os.environ.get("SCRIM_FUZZ_SEED", "1")
LIFE = 300  # calls
CHUNK = 150  # lives of one program
PATIENCE = 40 * LIMIT
# What concerns nothing in the tree, and together has every call mediated that can be.
ELSEWHERE = ["hide @/else/hidden", "mask **/zz.key", "append @/else/log", "readonly @/else/ro"]
# Differences that docs/PARITY.md has, as (call, native, inside): exec errors in another order, AIO's kin.
KNOWN = re.compile(
    r"execve(at)? -(1|7|8|13|14|26) / execve(at)? -(1|7|8|13|14|26)$"  # "exec: errors"
    r"|pwritev2 .* / pwritev2 -95$"  # RWF_NOAPPEND
)


def lives_of(text):
    """What each life said, by its number, as lines."""
    lives = {}
    for line in text.splitlines():
        if line.startswith("life "):
            lines = lives.setdefault(int(line[5:]), [])
        elif lives and not line.startswith("calls "):
            lines.append(line)
    return lives


class Sides:
    def __init__(self, escape, place, name):
        self.escape = escape
        self.top = os.path.join(place.path, name)
        os.makedirs(self.top)
        letters = string.ascii_lowercase
        self.canary = "".join(secrets.choice(letters) for _ in range(16))
        self.encoded = "".join(chr(ord(c) + 1) for c in self.canary)

    def words(self, mode, first, lives, calls=LIFE):
        return [self.escape.tool("escape_fuzz_calls"), mode, SEED, first, lives, calls, self.top, self.encoded]

    def open_up(self):
        """Directories that a life has closed."""
        os.chmod(self.top, 0o755)
        for directory, dirs, _ in os.walk(self.top):
            for name in dirs:
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755)

    def clear(self):
        self.open_up()
        shutil.rmtree(self.top)
        os.makedirs(self.top)


def first_difference(native, inside):
    for at, (theirs, ours) in enumerate(zip(native, inside)):
        if theirs != ours and not KNOWN.match(f"{theirs} / {ours}"):
            return at
    return None if len(native) == len(inside) else min(len(native), len(inside))


def once(escape, sides, rules, mode, life, view):
    sides.clear()
    words = sides.words(mode, life, 1)
    result = escape.view(rules, words, timeout=PATIENCE) if view else escape.native(words, timeout=PATIENCE)
    return lives_of(result.stdout).get(life, [])


def differs(escape, sides, rules, life):
    """Whether LIFE still differs when it is lived again, and what then; what only time decides is seen on both sides."""
    native, inside = [], []
    for _ in range(4):
        native.append(once(escape, sides, rules, "compare", life, False))
        inside.append(once(escape, sides, rules, "compare", life, True))
        if any(first_difference(a, b) is None for a in native for b in inside):
            return None
    at = first_difference(native[-1], inside[-1])
    shown = once(escape, sides, rules, "show", life, False)
    return f"life {life} of seed {SEED}, call {at}: natively {shown[max(0, at - 6) : at + 1]}, inside {inside[-1][at : at + 1]}"


def compare(escape):
    """As an ordinary user: what is made at random would be felt by the machine otherwise."""
    if escape.uid == 0:
        return
    total = past = unsteady = 0
    for place in escape.places if CALLS > 100000 else escape.places[:1]:
        sides = Sides(escape, place, "fuzz-compare")
        rules = [rule.replace("@", place.path) for rule in ELSEWHERE]
        lives = max(1, CALLS // LIFE)
        for first in range(0, lives, CHUNK):
            words = sides.words("compare", first, min(CHUNK, lives - first))
            sides.clear()
            native = escape.native(words, timeout=PATIENCE).stdout
            sides.clear()
            inside = escape.view(rules, words, {"openat": CHUNK, "rename": 1, "bind": 1, "getdents64": 1}, timeout=PATIENCE).stdout
            theirs, ours = lives_of(native), lives_of(inside)
            equal(sorted(ours), sorted(theirs), f"{place.name}: the lives from {first}")
            check("HANG" not in inside, f"{place.name}: a life from {first} on hangs")
            calls = re.search(r"^calls (\d+) past (\d+) killed (\d+)", inside, re.M)
            equal(int(calls[1]), LIFE * words[4], f"{place.name}: calls of the lives from {first}")
            total, past = total + int(calls[1]), past + int(calls[2])
            for life, lines in theirs.items():
                if first_difference(lines, ours.get(life, [])) is not None:
                    unsteady += 1
                    at = first_difference(lines, ours.get(life, []))
                    print(f"   life {life}, call {at}: natively {lines[at : at + 1]}, inside {ours.get(life, [])[at : at + 1]}", flush=True)
                    said = differs(escape, sides, rules, life)
                    check(said is None, f"{place.name}: {said}")
    check(2 * past > total, f"only {past} of {total} calls got past their first check")
    check(unsteady <= 2 + total // 5000, f"{unsteady} lives did not give the same each time")
    print(f"   {total} calls compared, {past} past their first check, {unsteady} lives again", flush=True)


def plant(sides):
    """The tree with what is hidden: names, contents, attributes and link targets have the canary."""
    tree = os.path.join(sides.top, "n/n/n/n/t")
    text = f"{sides.canary}\n" * 20
    for path in ("hidden/inside", f"hidden/{sides.canary}", f"hidden/{sides.canary}.d/x", ".env", "dir/.env", "secret", "masked",
                 f"denied/{sides.canary}", "denied/inside"):
        path = os.path.join(tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, text)
        # A masked file has its own attributes (PARITY).
        if not path.endswith("/masked"):
            try:
                os.setxattr(path, "user.there", sides.canary.encode())
            except OSError:
                pass
    os.symlink(sides.canary, os.path.join(tree, "hidden/to-env"))
    os.link(os.path.join(tree, "secret"), os.path.join(tree, "alias"))
    with socket.socket(socket.AF_UNIX) as listener:
        where = os.open(os.path.join(tree, "hidden"), os.O_PATH)
        listener.bind(f"/proc/self/fd/{where}/sock")
        os.close(where)
    return tree


def planted(sides):
    """By inode, what has the canary in it; what was made of it since shows."""
    found = {}
    sides.open_up()
    for directory, dirs, files in os.walk(sides.top):
        for name in dirs + files:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            data = b""
            if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    data = file.read(1 << 20)
            if sides.canary.encode() in data:
                found[st.st_ino] = (st.st_mode, st.st_uid, st.st_nlink, st.st_mtime_ns, hashlib.sha256(data).hexdigest())
    return found


def leak(escape):
    total = past = 0
    for place in escape.places if CALLS > 100000 else escape.places[:1]:
        sides = Sides(escape, place, "fuzz-leak")
        tree = plant(sides)
        if escape.uid:
            # The same natively finds it, in whatever way: so does the search.
            for life in range(10):
                result = escape.native(sides.words("leak", life, 1, 1000), expect=None, timeout=PATIENCE)
                sides.clear()
                tree = plant(sides)
                if result.returncode == 3 and "SEEN by" in result.stdout:
                    break
            check(result.returncode == 3, f"natively nothing is seen: {result.stdout[-1000:]}")
        rules = [f"hide {tree}/hidden", "hide **/.env", f"hide {tree}/secret", f"mask {tree}/masked", f"deny {tree}/denied"]
        if escape.uid == 0:
            rules = ["readonly /", f"free {sides.top}"] + rules
        before = planted(sides)
        check(len(before) == 9, f"{len(before)} files are planted")
        lives = max(1, CALLS // LIFE)
        for first in range(0, lives, CHUNK):
            words = sides.words("leak", first, min(CHUNK, lives - first))
            result = escape.view(rules, words, {"openat": CHUNK, "rename": 1, "getdents64": 1}, timeout=PATIENCE)
            check("SEEN" not in result.stdout, f"{place.name}, seed {SEED}: {result.stdout[-3000:]}")
            check("HANG" not in result.stdout, f"{place.name}: a life from {first} on hangs")
            calls = re.search(r"^calls (\d+) past (\d+) killed (\d+) seen 0$", result.stdout, re.M)
            if check(calls, f"{place.name}, lives from {first}: {result.stdout[-500:]}"):
                total, past = total + int(calls[1]), past + int(calls[2])
                equal(int(calls[1]), LIFE * words[4], f"{place.name}: calls of the lives from {first}")
                equal(int(calls[3]), 0, f"{place.name}: lives from {first} that did not end well: {result.stdout[-500:]}")
        equal(planted(sides), before, f"{place.name}: what was hidden, masked or denied, and nothing else has its text")
    check(2 * past > total, f"only {past} of {total} calls got past their first check")
    print(f"   {total} calls, {past} past their first check, nothing seen", flush=True)


main(lambda escape: run_parts(escape, {"compare": compare, "leak": leak}))
