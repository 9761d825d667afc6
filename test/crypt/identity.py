# SPDX-License-Identifier: Apache-2.0
"""What a program can see of an encrypted file inside is what it sees of a plain one outside: identity.py [--user] SCRIM.

look.py prints it, natively on a plain directory and inside a view on an encrypted one; afterwards every file is encrypted on the
disk, and whole.
"""
import difflib
import os
import shutil
import stat

from escape_support import ORDINARY, check, equal, main

# What at least must have been mediated: a run that went past the supervisor fails here.
LEAST = {"fsync": 4, "fdatasync": 4, "sync_file_range": 8, "syncfs": 4, "sync": 1, "msync": 2, "fcntl": 4, "ftruncate": 8, "fallocate": 14,
         "fstat": 20, "fchmod": 2, "fchown": 1, "fsetxattr": 1, "fgetxattr": 1, "flistxattr": 1, "fremovexattr": 1, "fstatfs": 1,
         "linkat": 4, "rename": 4, "unlink": 5, "truncate": 4, "execve": 50, "openat": 1000}
# Files that hold times, paths, or what came in any order.
DIFFER = (".pyc", "/db", ".tar", ".gz", "/lines", "/by binary", "/chain")
LOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "look.py")


def files_of(top):
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def look(escape, place, other_user=False):
    """OTHER_USER: the view is root's, and the program has become an ordinary user in it."""
    top = os.path.join(place.path, "identity")
    trees = {}
    for tree in ("plain", "plain-other", "crypt", "crypt-other"):
        trees[tree] = os.path.join(top, tree)
        os.makedirs(trees[tree])
    script = os.path.join(escape.base, "look.py")
    shutil.copy(LOOK, script)
    argv = ["/usr/bin/python3", script]
    if other_user:
        for tree in trees.values():
            os.chown(tree, ORDINARY, ORDINARY)
        argv = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", *argv]
    native = escape.native([*argv, trees["plain-other"]], cwd=trees["plain"], timeout=300)
    inside = escape.view([f"crypt {trees['crypt']} key=identity"], [*argv, trees["crypt-other"]], mediated=LEAST,
                         cwd=trees["crypt"], timeout=300)
    equal(inside.stderr, native.stderr, f"{place.name}: errors")
    check(len(native.stdout.splitlines()) > 300, f"{place.name}: only {len(native.stdout.splitlines())} answers")
    for line in difflib.unified_diff(native.stdout.splitlines(), inside.stdout.splitlines(), "native", "inside", lineterm="", n=0):
        check(False, f"{place.name}: {line}")
    names = [sorted(os.path.relpath(path, trees[tree]) for path in files_of(trees[tree])) for tree in ("plain", "crypt")]
    equal(names[1], names[0], f"{place.name}: names")
    for path in files_of(trees["crypt"]):
        # Whoever may not read one cannot tell either.
        if not os.access(path, os.R_OK):
            continue
        with open(path, "rb") as file:
            head = file.read(8)
        # Of zeros only: an empty one (FORMAT.md).
        check(head in (b"", bytes(8), b"\x89scrim\r\n"), f"{place.name}: {path} is not encrypted: {head}")
    for name in names[0]:
        one, other = (os.path.join(trees[tree], name) for tree in ("plain", "crypt"))
        if os.access(other, os.R_OK) and os.access(one, os.R_OK) and not name.endswith(DIFFER):
            with open(one, "rb") as file:
                wanted = file.read()
            if not wanted and not any(open(other, "rb").read()):
                continue
            got = escape.native([escape.scrim, "cat", "--force", "--key", "identity", other], binary=True).stdout
            check(got == wanted, f"{place.name}: {name} holds something else: {got[:60]!r}, wanted {wanted[:60]!r}")
    shutil.rmtree(top)


def body(escape):
    # tmpfs has not all that encrypted files can.
    escape.native([escape.scrim, "key", "new", "--raw", "--no-recovery", "identity"])
    look(escape, escape.places[0])
    if escape.uid == 0:
        look(escape, escape.places[0], other_user=True)


main(body)
