# SPDX-License-Identifier: Apache-2.0
"""What a path means changes between look and use: natively the secret is reached in no time, inside never."""

import os
import shutil
import subprocess

import attacks
from escape_support import check, equal, main, read, write

# Attack -> milliseconds, least attempts inside, calls that must have been mediated for each attempt (nearly).
RACES = {
    "words-open": (1500, 300, "openat"),
    "words-opath": (1500, 100, "openat"),
    "words-openat2": (1500, 300, "openat2"),
    "words-creat": (1500, 300, "openat"),
    "words-unlink": (1500, 200, "unlink"),
    "words-chdir": (2000, 60, "chdir"),
    "words-exec": (2500, 20, "execve"),
    "descriptor-openat": (1500, 200, "openat"),
    "descriptor-fchdir": (1500, 200, "openat"),
    "descriptor-magic": (1500, 200, "openat"),
    "mid": (1500, 200, "openat"),
    "last": (1500, 200, "openat"),
    "root": (1500, 200, "openat"),
    "dotdot": (1500, 200, "openat"),
}
CHANGING = ("words-creat", "words-unlink")


def make(top):
    for directory in ("vault", "openly", "closed", "tools", "mid", "p/q/cwd", "p/vault", "q"):
        os.makedirs(os.path.join(top, directory))
    secret = write(os.path.join(top, "vault/secret"), attacks.SECRET)
    other = write(os.path.join(top, "secreT"), attacks.SECRET)
    for name in ("vault/public", "public", "openly/secret", "mid/secret", "p/vault/secret", "last", "openly/here"):
        write(os.path.join(top, name), "public\n")
    write(os.path.join(top, "closed/secret"), attacks.SECRET)
    for name, status in (("good", 3), ("evil", 7)):
        write(os.path.join(top, "tools", name), f"#!/bin/sh\nexit {status}\n", 0o755)
    os.symlink(os.path.join(top, "vault"), os.path.join(top, "mid-link"))
    os.symlink("vault/secret", os.path.join(top, "last-link"))
    beneath = os.path.join(top, "r" + top, "vault")
    os.makedirs(beneath)
    write(os.path.join(beneath, "secret"), "public\n")
    os.symlink("/", os.path.join(top, "r-link"))
    return secret, other


def rules(top):
    return [f"hide {top}/{name}" for name in ("vault/secret", "secreT", "closed", "tools/evil")]


def race(escape, place, name, inside):
    top = os.path.join(place.path, "t")
    os.mkdir(top)
    kept = make(top)
    length, least, call = RACES[name]
    program = escape.tool("escape_races")
    flipper = None
    if "-" not in name:
        flipper = subprocess.Popen([program, "flip-" + name, top], stderr=subprocess.PIPE)
    if inside:
        command = [program, name, top, length]
        result = escape.view(rules(top), command)
    else:
        # Sooner or later; on a busy machine of one processor later.
        for _ in range(20):
            result = escape.native([program, name, top, 200])
            if result.stdout.split()[1:2] != ["0"]:
                break
            if name in CHANGING and any(not os.path.exists(p) or read(p) != attacks.SECRET for p in kept):
                break
    if flipper:
        check(flipper.poll() is None, f"{name}: the one outside ended: {flipper.poll()}")
        flipper.kill()
        flipper.communicate()
    intact = all(os.path.exists(path) and read(path) == attacks.SECRET for path in kept)
    shutil.rmtree(top)
    words = result.stdout.split()
    if not check(len(words) == 3, f"{name}: no answer: {result.stdout!r} {result.stderr}"):
        return
    attempts, wins, given = map(int, words)
    where = f"{place.name}, {name}, {'inside' if inside else 'natively'}: {attempts} attempts, {wins} wins, {given} given"
    print(where, flush=True)
    if not inside:
        check(wins > 0 or (name in CHANGING and not intact), f"{where}: the attack does not work")
        return
    equal(wins, 0, where)
    check(intact, f"{where}: the secret was changed")
    check(attempts >= least, f"{where}: fewer than {least} attempts")
    check(given > 0, f"{where}: what is harmless was never given")
    seen = escape.stats["mediated"].get(call, 0)
    check(seen >= attempts, f"{where}: {call} was mediated {seen} times")


def body(escape):
    for name in RACES:
        if escape.only and name != escape.only:
            continue
        race(escape, escape.places[0], name, False)
        race(escape, escape.places[0], name, True)


main(body)
