# SPDX-License-Identifier: Apache-2.0
"""What a path, a structure or a descriptor means changes between look and use: natively the prize is had in no time,
inside never.

With SCRIM_RACE_MILLISECONDS=10000 (scripts/soak.sh races) each attack lasts ten seconds inside, under both kinds of
rules; without it less, as root under rules without wildcards and as an ordinary user under rules with them.
"""

import os
import shutil
import subprocess

import attacks
from escape_support import check, equal, fingerprint, main, read, write

MILLISECONDS = int(os.environ.get("SCRIM_RACE_MILLISECONDS", "600"))
SOAK = MILLISECONDS >= 10000
NATIVELY = 10000  # at most

# Which call must have been mediated for each attempt.
CALLS = {
    "words-openat2": "openat2", "how-openat2": "openat2", "words-unlink": "unlink", "words-rename": "rename",
    "words-rename-onto": "rename", "words-link": "link", "words-truncate": "truncate", "words-chmod": "chmod",
    "words-utimensat": "utimensat", "words-utimes": "utimes", "words-setxattr": "setxattr", "words-stat": ("stat", "newfstatat"),
    "words-access": ("access", "faccessat2"), "words-readlink": "readlink", "words-watch": "inotify_add_watch", "words-chdir": "chdir",
    "words-mkdir": "mkdir", "words-mknod": ("mknod", "mknodat"), "words-symlink": "symlink", "words-tmpfile": "linkat",
    "words-exec": "execve", "words-exec-script": "execve", "words-execveat": "execveat", "words-exec-fails": "execve",
    "words-exec-orphan": "execve", "words-exec-vfork": "execve", "exec-last": "execve", "exec-mid": "execve",
    "exec-interpreter": "execve", "exec-loader": "execve", "cwd-exec": "execve",
    "words-connect": "connect", "family-connect": "connect", "words-bind": "bind", "words-sendto": "sendto",
    "name-sendmsg": "sendmsg", "name-sendmmsg": "sendmmsg", "descriptor-connect": "connect", "descriptor-sendto": "sendto",
    "mid-connect": "connect", "descriptor-getdents": "getdents64",
    "descriptor-fchmod": "fchmod", "descriptor-setfl": "fcntl", "descriptor-ftruncate": "ftruncate",
    "descriptor-fallocate": "fallocate", "link-last": "linkat", "link-mid": "link", "stat-mid": ("stat", "newfstatat"),
    "unlink-mid": "unlink", "rename-mid": "rename", "truncate-last": "truncate", "chdir-last": "chdir",
    "mkdir-mid": "mkdir", "symlink-mid": "symlink", "rename-onto-mid": "rename", "descriptor-unlinkat": "unlinkat",
    "descriptor-renameat": "renameat", "descriptor-execveat": "execveat",
}  # all others: openat
ONCE = {"descriptor-mmap"}  # what is opened before is mediated, the call itself is the kernel's
LEAST = 20  # attempts; however long they take
# The prize is not given away but changed; for the rest a file that must stay as it is.
CHANGING = {"words-log", "words-readonly", "creat-mid", "mkdir-mid", "symlink-mid", "rename-onto-mid", "descriptor-unlinkat",
            "descriptor-renameat", "how-openat2", "words-creat", "words-unlink", "words-rename", "words-rename-onto", "words-truncate", "words-chmod",
            "words-utimensat", "words-utimes", "words-setxattr", "words-mkdir", "words-mknod", "words-symlink", "words-tmpfile",
            "words-bind", "descriptor-reopen", "descriptor-fchmod", "descriptor-setfl", "descriptor-ftruncate",
            "descriptor-fallocate", "descriptor-mmap", "dangling", "unlink-mid", "rename-mid", "truncate-last", "words-link",
            "link-last", "link-mid"}
OLD = b"OLD bytes\n" * 1000

RULES = {
    "literal": ["hide {top}/" + name for name in
                ("vault/secret", "closed", "tools/evil.x", "tools/evil.s", "tools/run", "links/secret", "sock/hide",
                 "sock/dhid", "hids")] + ["readonly {top}/ro", "append {top}/log", "mask {top}/masked", "mask {top}/fifo"],
    "wildcard": ["hide {top}/" + name for name in
                 ("v*/secre?", "close?", "tool?/evil.*", "too*/ru[n]", "link?/secre?", "soc?/hide", "soc?/dhi?",
                  "hid?")] + ["readonly {top}/r[o]", "append {top}/lo?", "mask {top}/maske?", "mask {top}/fif?"],
}
PROTECTED = ("vault/secret", "closed", "tools/evil.x", "tools/evil.s", "tools/run", "links/secret", "hids/x", "ro")


def with_loader(program, loader):
    """A copy of an ELF program whose PT_INTERP is LOADER."""
    data = bytearray(read(program))
    old = b"/lib64/ld-linux-x86-64.so.2\0"
    at = data.find(old)
    check(at > 0, f"{program} has no PT_INTERP")
    data[at : at + len(old)] = loader.encode().ljust(len(old), b"\0")
    return data


def make(escape, top):
    for directory in ("vault", "openly", "closed", "tools", "tm", "mid", "holder", "p/q/cwd", "p/vault", "q", "p/a/b/c/cwd",
                      "p/x", "list", "links", "sock", "sm", "hids", "ch"):
        os.makedirs(os.path.join(top, directory))
    for name in ("vault/public", "public", "openly/secret", "mid/secret", "p/vault/secret", "last", "openly/here", "ch/here",
                 "list/plain", "own", "rw"):
        write(os.path.join(top, name), "public\n")
    write(os.path.join(top, "vault/secret"), attacks.SECRET)
    write(os.path.join(top, "masked"), attacks.SECRET)
    write(os.path.join(top, "closed/secret"), attacks.SECRET)
    write(os.path.join(top, "ro"), OLD)
    write(os.path.join(top, "log"), OLD)
    write(os.path.join(top, "received"), bytes(16))
    write(os.path.join(top, "hids/x"), "x")
    exits = {3: read(escape.tool("races_exit3")), 7: read(escape.tool("races_exit7"))}
    for name, status in {"tools/good.x": 3, "tools/evil.x": 7, "tm/run": 3, "tools/run": 7, "tool": 3}.items():
        write(os.path.join(top, name), exits[status], 0o755)
    for name, status in (("good", 3), ("evil", 7)):
        write(os.path.join(top, "tools", name + ".s"), f"#!/bin/sh\necho {status}\nexit {status}\n", 0o755)
    write(os.path.join(top, "script"), f"#!{top}/tm/run\n", 0o755)
    write(os.path.join(top, "loaded"), with_loader("/bin/true", "tm/run"), 0o755)
    os.mkfifo(os.path.join(top, "fifo"))
    for name, target in {
        "mid-link": os.path.join(top, "vault"), "last-link": "vault/secret", "r-link": "/", "holder/secret": "../vault/secret",
        "retargeted": "vault/public", "dangling": "openly/new", "dangling2": "closed/new", "tool-link": "tools/evil.x",
        "tm-link": "tools", "links/public": "openly", "links/secret": "closed", "sm-link": "hids", "ch-link": "closed",
    }.items():
        os.symlink(target, os.path.join(top, name))
    beneath = os.path.join(top, "r" + top, "vault")
    os.makedirs(beneath)
    write(os.path.join(beneath, "secret"), "public\n")


def state(top):
    """What may not change. A listening socket of ours stands in a hidden directory."""
    found = {}
    for name in PROTECTED:
        found.update(fingerprint(os.path.join(top, name)))
    path = os.path.join(top, "log")
    st = os.lstat(path)
    found[path] = (st.st_ino, st.st_mode, st.st_uid, read(path)[: len(OLD)] == OLD)
    return found


class Outside:
    """The processes outside: one that listens, one that changes names."""

    def __init__(self, program, top, flip):
        self.processes = {}
        self.start("serve", [program, "serve", top], stdout=subprocess.PIPE)
        check(self.processes["serve"].stdout.readline() == b"ready\n", "nobody listens")
        if flip:
            self.start("flip", [program, "flip-" + flip, top])

    def start(self, name, argv, **options):
        self.processes[name] = subprocess.Popen(argv, stderr=subprocess.PIPE, **options)

    def end(self):
        for name, process in self.processes.items():
            # A message first, or none: one that ended by itself has said why.
            ended = process.poll()
            process.kill()
            error = process.communicate()[1]
            check(ended is None, f"{name}, outside, ended: {ended} {error}")


def answer(result):
    """The last line: what was executed may have written before."""
    return (result.stdout.splitlines() or [""])[-1].split()


def natively(escape, program, name, top, before):
    """Until the prize is had. Those that change something say nothing of it themselves."""
    spent, total, words = 0, 0, []
    for length in (50, 50, 200, 500, 1000, 2000, 3000, 3200):
        words = answer(escape.native([program, name, top, length if name in CHANGING else -length]))
        spent += length
        total += int(words[0]) if words else 0
        if len(words) != 4 or words[1] != "0" or (name in CHANGING and state(top) != before):
            break
    check(spent <= NATIVELY, f"{name}: {spent} ms")
    return [str(total)] + words[1:]


def race(escape, place, name, flips, rules):
    top = os.path.join(place.path, "t")
    os.mkdir(top)
    make(escape, top)
    program = escape.tool("escape_races")
    outside = Outside(program, top, name if flips else None)
    before = state(top)
    if rules:
        words = answer(escape.view([r.format(top=top) for r in RULES[rules]], [program, name, top, MILLISECONDS]))
    else:
        words = natively(escape, program, name, top, before)
    outside.end()
    intact = state(top) == before
    changed = [p[len(top):] for p, what in state(top).items() if before.get(p) != what] + [p for p in before if not os.path.lexists(p)]
    shutil.rmtree(top)
    if not check(len(words) == 4, f"{name}, {rules or 'natively'}: no answer: {words!r}"):
        return
    attempts, wins, given, processors = map(int, words)
    where = f"{name}, {rules or 'natively'}: {attempts} attempts, {wins} wins, {given} given, {processors} processors"
    print(where, "" if intact else f"(changed: {changed})", flush=True)
    if not rules:
        check(wins > 0 or (name in CHANGING and not intact), f"{where}: the attack does not work")
        return
    equal(wins, 0, where)
    check(intact, f"{where}: what is covered was changed: {changed}")
    check(attempts >= LEAST, f"{where}: too few attempts")
    check(given > 0, f"{where}: what is harmless was never given")
    check(processors > 1 or not SOAK or os.cpu_count() == 1, f"{where}: on one processor only")
    calls = CALLS.get(name, "openat")
    seen = sum(escape.stats["mediated"].get(call, 0) for call in ((calls,) if isinstance(calls, str) else calls))
    check(seen >= (1 if name in ONCE else attempts), f"{where}: {calls} was mediated {seen} times")


def body(escape):
    names = [line.split() for line in escape.native([escape.tool("escape_races"), "list"]).stdout.splitlines()]
    equal(len(names), 83, "races")
    if SOAK:
        kinds = ["literal", "wildcard"]
    else:
        kinds = ["literal" if escape.uid == 0 else "wildcard"]
    for name, flip in names:
        if escape.only and name != escape.only:
            continue
        for rules in [None] + kinds:
            race(escape, escape.places[0], name, flip == "flip", rules)


main(body)
