# SPDX-License-Identifier: Apache-2.0
"""Two traces: the same, but for what docs/PARITY.md says that it cannot be."""

import os
import re

OBJECT = re.compile(r"#(\d+)")
STATUS = re.compile(r"fl:(0x[0-9a-f]+)")


class Objects:
    """Which object of one side is which of the other. The number of a file that is gone may be used again for another one
    (not on tmpfs): then a pair may be new, if anything was freed since the old one was seen."""

    def __init__(self, strict):
        self.strict = strict
        self.freed = 0
        self.pairs = ({}, {})
        self.seen = {}

    def same(self, native, inside):
        if self.pairs[0].get(native) != inside or self.pairs[1].get(inside) != native:
            for number, pairs in ((native, self.pairs[0]), (inside, self.pairs[1])):
                if number in pairs and (self.strict or self.seen[id(pairs), number] == self.freed):
                    return False
            self.pairs[0][native] = inside
            self.pairs[1][inside] = native
        self.seen[id(self.pairs[0]), native] = self.seen[id(self.pairs[1]), inside] = self.freed
        return True


def without_nofollow(native, inside):
    """PARITY, F_GETFL: O_NOFOLLOW may be missing inside."""
    flags = [[int(word, 16) for word in STATUS.findall(line)] for line in (native, inside)]
    if len(flags[0]) != len(flags[1]) or not flags[0]:
        return native
    for n, i in zip(*flags):
        if n != i and n == i | os.O_NOFOLLOW:
            native = native.replace(f"fl:{n:#x}", f"fl:{i:#x}")
    return native


def exec_of_bad_arguments(call, native, inside):
    """PARITY, "exec: errors": what is wrong with the file, or with its interpreter, comes before EFAULT of the arguments."""
    return call.startswith("execve") and re.search(r" argv\S* 0x[08]\b| 0x8\b", call) and native.endswith(" = -EFAULT") and " = -E" in inside


def same_line(native, inside, objects, call):
    if native != inside and exec_of_bad_arguments(call, native, inside):
        return True
    if native != inside:
        native = without_nofollow(native, inside)
    if OBJECT.sub("#", native) != OBJECT.sub("#", inside):
        return False
    return all([objects.same(n, i) for n, i in zip(OBJECT.findall(native), OBJECT.findall(inside))])


ADDRESS = re.compile(r'^(\d+ get\w+name = 0) length (\d+) "(?:\\x01\\x00)?(.*?)((?:\\x00)*)"')


def bound_by_magic(native, inside, calls):
    """PARITY, bind: of a text that leads through a magic link of procfs the last name is kept."""
    n, i = ADDRESS.match(native), ADDRESS.match(inside)
    if not n or not i or n.group(1) != i.group(1) or int(n.group(2)) <= int(i.group(2)):
        return False
    # What does not fit into the buffer is not there to be compared.
    if n.group(4) and not n.group(3).rsplit("/", 1)[-1].startswith(i.group(3)):
        return False
    return any(call.startswith("bind ") and re.search("/proc/|/dev/fd/|to-cwd", call) for call in calls)


TIME = re.compile(r"-?\d+\.\d{9}|before|now")


def executed(native, inside):
    """PARITY, "extra events": a file's atime moves when its exec is considered, also where the exec then fails."""
    n, i = native.split(" "), inside.split(" ")
    others = [at for at in range(min(len(n), len(i))) if n[at] != i[at]]
    for at in others:
        if i[at] == "now" and all(TIME.fullmatch(word) for word in n[at:at + 3]) and len(n) == len(i):
            n[at] = "now"
            return " ".join(n)
    return native


def unreadable_program(native, inside, user):
    """PARITY, "exec: unreadable programs": EACCES without privileges, for the program as for its interpreters."""
    return user and re.match(r"\d+ execve", native) and inside.endswith(" = -EACCES")


EXECUTED_ONLY = re.compile(r" 10[0-7]([0-7]{3}) ")


def not_executed(native, inside):
    """The same row: the atime of a file that may be executed and not read moves natively alone."""
    mode, n, i = EXECUTED_ONLY.search(native), native.split(" "), inside.split(" ")
    if not mode or not any(int(digit) & 5 == 1 for digit in mode.group(1)) or len(n) != len(i):
        return inside
    at = next((at for at in range(len(n)) if n[at] != i[at]), None)
    if at is not None and n[at] == "now" and all(TIME.fullmatch(word) for word in i[at:at + 3]):
        i[at] = "now"
    return " ".join(i)


def writing_own_descriptors(native, inside, call):
    """PARITY, /proc: the directory of its own descriptors is writable for a process alone, not for who asks for it. (Here
    procfs is mounted read-only: natively that is EROFS.)"""
    return re.match(r"f?access", call) and re.search(r"/fd[/.]*\"", call) and re.search(" = (0|-EROFS)$", native) and inside.endswith(" = -EACCES")


QUEUE = re.compile(r'pos -?\d+ \d+ \d+:\d+ dev \S+ (at "anon_inode:inotify")')
SLOT = re.compile(r"\b[sd]\d+\b")
LINK = re.compile(r"\bfd/1(\d\d)\b")


class Queues:
    """PARITY, inotify: a queue is a pipe; what is read from it, one event at a time, is compared by integration.watches."""

    def __init__(self, calls):
        self.slots = set()
        for call in calls:
            made, _, what = call.partition(" = ")
            if what.startswith("inotify_init") or (SLOT.fullmatch(made) and self.named(what)):
                self.slots.add(made)

    def named(self, call):
        """By descriptor, or by its link below /proc."""
        return bool(self.slots.intersection([*SLOT.findall(call), *(f"s{int(n)}" for n in LINK.findall(call))]))

    def differ(self, call, native, inside):
        """May these two lines?"""
        if QUEUE.sub(r"\1", native) == QUEUE.sub(r"\1", inside):
            return True
        return not call.startswith("inotify_add_watch") and self.named(call)


class Encrypted:
    """What docs/PARITY.md says that it is different in encrypted files: how often each was met, and the row that allows it."""

    ROW = "encrypted files"
    KINDS = ("st_blocks", "atime", "holes", "one of several names", "O_TMPFILE of F_GETFL", "set-id bits")
    BLOCKS = re.compile(r" blocks (\d+) ")
    REGULAR = re.compile(r"(?:^tree .*| )(10[0-7]{4}) \d+:\d+ ")
    TIMES = re.compile(r"( rdev [0-9a-f:]+)( -?\d+\.\d{9}| before| now)")
    SEVERAL = re.compile(r" nlink ([2-9]|\d\d+) ")
    EXE = re.compile(r" exe .*? at ")
    NAME = re.compile(r' at ".*?"(?= holds | unreadable |$)')
    SPECIAL = re.compile(r"\b10[0-7]([0-7]{3}) (?=\d+:\d+ )")

    def __init__(self):
        self.met = dict.fromkeys(self.KINDS, 0)

    def replaced(self, name, pattern, native, inside, put="~"):
        n, i = pattern.sub(put, native), pattern.sub(put, inside)
        if pattern.findall(native) != pattern.findall(inside):
            self.met[name] += 1
        return n, i

    def equal(self, call, native, inside):
        """The two lines without what may differ."""
        if native == inside:
            return native, inside
        regular = self.REGULAR.search(native)
        if regular:
            # In memory a file lies in pages of 4 KiB, without holes; ext4 knows holes, and blocks it has reserved.
            native, inside = self.replaced("st_blocks", self.BLOCKS, native, inside, " blocks ~ ")
            # Reading goes past the file system: of the real file it is the loading that is seen.
            native, inside = self.replaced("atime", self.TIMES, native, inside, r"\1 ~")
            native, inside = self.replaced("set-id bits", self.SPECIAL, native, inside, r"10~\1 ")
            # Also one that was removed since, while another is left.
            if self.SEVERAL.search(native) or (' (deleted)"' in inside and " nlink 0 " not in inside):
                native, inside = self.replaced("one of several names", self.NAME, native, inside, " at ~")
        if regular or call.startswith("fcntl.getfl"):
            native, inside = self.without_tmpfile(native, inside)
        if call.startswith("execve"):
            native, inside = self.replaced("one of several names", self.EXE, native, inside, " exe ~ at ")
        if call.startswith("lseek.hole "):
            # Where the kernel sees a hole depends on how the file lies there; that all of it is data is always right.
            self.met["holes"] += native != inside
            native = inside = ""
        return native, inside

    def without_tmpfile(self, native, inside):
        n, i = STATUS.search(native), STATUS.search(inside)
        if n and i and int(n.group(1), 16) == int(i.group(1), 16) | 0x410000 != int(i.group(1), 16):
            self.met["O_TMPFILE of F_GETFL"] += 1
            native = native.replace(n.group(0), i.group(0), 1)
        return native, inside

    def report(self):
        for name, count in self.met.items():
            print(f"  {count} lines differ in {name}, as \"{self.ROW}\" in docs/PARITY.md has it")


def compare(native, inside, lines, strict, user, encrypted=None):
    """None, or the first difference: (the call, its line natively, its line inside)."""
    if native == inside:
        return None
    calls = [line for line in lines if not line.startswith("+ ")]
    objects = Objects(strict)
    queues = Queues(calls)
    failed_exec = refused_exec = False
    for at in range(max(len(native), len(inside))):
        n = native[at] if at < len(native) else "(nothing)"
        i = inside[at] if at < len(inside) else "(nothing)"
        if n.endswith(" ~") or i.endswith(" ~"):
            objects.freed += 1
        if n.startswith("ended "):
            objects = Objects(True)
        number = re.search(r"(?:^| )(\d+) [a-z][a-z_0-9.]* = ", n)
        call = calls[int(number.group(1))] if number and int(number.group(1)) < len(calls) else ""
        shown = n, i
        if encrypted:
            n, i = encrypted.equal(call, n, i)
        if failed_exec:
            n = executed(n, i)
        if refused_exec:
            i = not_executed(n, i)
        failed_exec = failed_exec or bool(re.match(r"\d+ execve(at)? = -", n))
        refused_exec = refused_exec or (n != i and unreadable_program(n, i, user))
        if n != i and (unreadable_program(n, i, user) or (user and writing_own_descriptors(n, i, call))):
            continue
        if n != i and queues.differ(call, n, i):
            continue
        if not same_line(n, i, objects, call) and not bound_by_magic(n, i, calls):
            return (call, *shown)
    return None
