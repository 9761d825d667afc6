# SPDX-License-Identifier: Apache-2.0
"""An encrypted log only grows: the 41 operations of escape_append.py, on a file under crypt and append rules."""

import os
import shutil

from escape_support import check, equal, main, write

OLD = b"".join(b"%07d\n" % i for i in range(8192))

APPENDING = {"1", "2", "4", "30", "38", "39"}  # must succeed, and append exactly what they wrote
MAY_APPEND = {"5", "13", "7", "8", "9", "10"}  # may also be refused; 7-10: the write after the refused fcntl appends
WAS_REFUSED = ("EPERM", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EBADF", "EACCES", "EXDEV", "ENOENT", "child 1")
MEDIATED = {"openat": 60, "creat": 1, "ftruncate": 2, "fallocate": 5, "fcntl": 4, "truncate": 1, "link": 1, "linkat": 1, "rename": 2,
            "unlink": 1, "chmod": 1, "chown": 1, "utimensat": 1, "setxattr": 1, "fchmod": 1, "fchown": 1, "fsetxattr": 1}


def content(escape, path):
    return escape.native([escape.scrim, "cat", "--force", "--key", "log", path], binary=True).stdout


def attack(escape, place, old, rule, open_too):
    """OPEN_TOO: somebody has it open and mapped meanwhile, so that its plaintext is all there."""
    directory = os.path.join(place.path, "v")
    os.makedirs(os.path.join(directory, "sub"))
    path = os.path.join(directory, "sub/a.log")
    crypt = f"crypt {directory} key=log"
    escape.view([crypt], ["cp", old, path])
    check(open(path, "rb").read(8) == b"\x89scrim\r\n", f"{place.name}: the log is encrypted")
    before = os.stat(path)
    command = [escape.tool("escape_append"), "view", directory, path, old]
    if open_too:
        command = ["sh", "-c", 'exec 9<"$3" && cat <&9 >/dev/null && "$0" "$@"', *command]
    result = escape.view([crypt, "append " + rule.format(path=path, dir=directory)], command, mediated=MEDIATED)
    where = f"{place.name}, append {rule}{', open' if open_too else ''}"
    wanted = OLD
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    check(len(rows) >= 41, f"{where}: {len(rows)} answers; {result.stderr}")
    for number, call, said, became in rows:
        if number in APPENDING:
            equal(became, "appended", f"{where}: {number} {call}: {said}")
        elif became != "same":
            check(number in MAY_APPEND and became in ("appended", "zeros"), f"{where}: {number} {call} left the file {became}: {said}")
        else:
            check(any(word in said for word in WAS_REFUSED), f"{where}: {number} {call} was not refused: {said}")
        if became == "appended":
            wanted += b"<%5s>\n" % number.encode()
        elif became == "zeros":
            wanted += bytes(8)
    got = content(escape, path)
    check(got == wanted, f"{where}: the file is not its old bytes and those appended: {len(got)} {len(wanted)} {got[len(OLD):]!r}")
    after = os.stat(path)
    for field in ("st_dev", "st_ino", "st_mode", "st_uid", "st_gid", "st_nlink"):
        equal(getattr(after, field), getattr(before, field), f"{where}: {field}")
    shutil.rmtree(directory)


def body(escape):
    old = write(os.path.join(escape.base, "old"), OLD)
    escape.native([escape.scrim, "key", "new", "--raw", "--no-recovery", "log"])
    for place in escape.places:
        attack(escape, place, old, "{path}", False)
        attack(escape, place, old, "**/*.log", False)
        attack(escape, place, old, "{dir}/sub", True)


main(body)
