# SPDX-License-Identifier: Apache-2.0
"""An append file only grows: 41 operations and some more, as names, descriptors, links and mappings have them; those on
descriptors once more with ones that were copied, inherited, shared, opened again or passed on."""

import os
import shutil

from escape_support import check, equal, main, read, write

OLD = b"".join(b"%07d\n" % i for i in range(8192))  # 16 blocks

APPENDING = {"1", "2", "4", "30", "38", "39"}  # must succeed, and append exactly what they wrote
MAY_APPEND = {"5", "13", "7", "8", "9", "10"}  # may also be refused; 7-10: the write after the refused fcntl appends
WAS_REFUSED = ("EPERM", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EBADF", "EACCES", "EXDEV", "ENOENT", "child 1")

MEDIATED = {
    "openat": 60,
    "creat": 1,
    "ftruncate": 2,
    "fallocate": 5,
    "fcntl": 4,
    "truncate": 1,
    "link": 1,
    "linkat": 1,
    "rename": 2,
    "renameat2": 1,
    "unlink": 1,
    "symlink": 1,
    "chmod": 1,
    "chown": 1,
    "utimensat": 1,
    "setxattr": 1,
    "fchmod": 1,
    "fchown": 1,
    "fsetxattr": 1,
}
BY_DESCRIPTOR = {"openat": 60, "ftruncate": 2, "fallocate": 5, "fcntl": 4, "linkat": 1, "fchmod": 1, "fchown": 1, "fsetxattr": 1}
WAYS = ("dup", "fork", "shared table", "reopen", "passed")
# With an O_WRONLY|O_APPEND or O_RDWR|O_APPEND descriptor, or by name: so many attacks natively change old bytes, name
# or attributes.
DISCRIMINATING = {"ext4": 40, "tmpfs": 35}


def lines(result):
    return [line.split("\t") for line in result.stdout.splitlines()]


def natively(escape, place, old, way=None):
    directory = os.path.join(place.path, "n")
    os.mkdir(directory)
    path = write(os.path.join(directory, "log"), OLD)
    rows = lines(escape.native([escape.tool("escape_append"), "native", directory, path, old] + ([way] if way else [])))
    changed = [row for row in rows if row[3] in ("changed", "other")]
    where = f"{place.name}, {way or 'opened'}"
    print(f"{where}: natively {len(changed)} of {len(rows)} attempts change what was there")
    # Fifteen of them go by name.
    least = DISCRIMINATING.get(place.name, 30) - (15 if way else 0)
    check(len(changed) >= least, f"{where}: natively only {len(changed)} attempts change what was there: {[r[:2] for r in changed]}")
    shutil.rmtree(directory)
    return rows


def inside(escape, place, old, rule, name, kind, way=None):
    directory = os.path.join(place.path, "v")
    os.makedirs(os.path.join(directory, "sub"))
    path = write(os.path.join(directory, name), OLD)
    if kind == "hard link":
        os.link(path, os.path.join(directory, "linked"))
    before = os.stat(path)
    result = escape.view(
        ["append " + rule.format(path=path, dir=directory)],
        [
            escape.tool("escape_append"),
            "view",
            directory,
            os.path.join(directory, "linked") if kind == "hard link" else path,
            old,
        ] + ([way] if way else []),
        mediated=BY_DESCRIPTOR if way else MEDIATED,
    )
    where = f"{place.name}, {kind}, {way or 'opened'}"
    wanted = OLD
    rows = lines(result)
    check(len(rows) >= 41, f"{where}: {len(rows)} answers")
    for number, call, said, became in rows:
        if number in APPENDING:
            equal(became, "appended", f"{where}: {number} {call}: {said}")
        elif became != "same":
            check(
                number in MAY_APPEND and became in ("appended", "zeros"),
                f"{where}: {number} {call} left the file {became}: {said}",
            )
        else:
            check(
                any(word in said for word in WAS_REFUSED),
                f"{where}: {number} {call} was not refused: {said}",
            )
        if became == "appended":
            wanted += b"<%5s>\n" % number.encode()
        elif became == "zeros":
            wanted += bytes(8)
    after = os.stat(path)
    got = read(path)
    check(got == wanted, f"{where}: the file is not its old bytes and those appended: {len(got)} {len(wanted)} {got[len(OLD):]!r}")
    for field in ("st_dev", "st_ino", "st_mode", "st_uid", "st_gid", "st_nlink"):
        equal(getattr(after, field), getattr(before, field), f"{where}: {field}")
    shutil.rmtree(directory)


def directory_rule(escape, place, rule):
    """New files and directories may be made beneath, none removed."""
    directory = os.path.join(place.path, "d")
    logs = os.path.join(directory, "logs")
    os.makedirs(os.path.join(logs, "there"))
    write(os.path.join(logs, "old"), "old\n")
    write(os.path.join(directory, "free"), "free\n")
    script = r"""
set -u
cd "$1"
must() { "$@" || echo "FAILED: $*"; }
not() { if "$@" 2>/dev/null; then echo "WENT THROUGH: $*"; fi; }
appends() { echo "$2" >>"$1"; }
truncates() { true >"$1"; }
must appends logs/old more
must mkdir logs/new
must appends logs/new/file one
must appends logs/new/file two
must truncates logs/absent
must appends logs/there/file three
not truncates logs/old
not truncates logs/new/file
not rm -f logs/old
not rm -f logs/new/file
not rmdir logs/new
not mv logs/old logs/older
not mv logs/new logs/newer
not mv logs gone
not mv logs/new/file outside
not mv -T free logs/old
not ln logs/old link
not cp free logs/old
not chmod 600 logs/old
not touch -d 2001-01-01 logs/old
not truncate -s 0 logs/old
"""
    write(os.path.join(directory, "script"), script)
    result = escape.view(
        ["append " + rule.format(dir=directory)],
        ["sh", os.path.join(directory, "script"), directory],
        mediated={"openat": 20, "mkdir": 1, "unlinkat": 2, "renameat2": 4, "linkat": 1, "fchmodat": 1},
    )
    equal(result.stdout, "", f"{place.name}: {rule}: what should or should not go through; {result.stderr}")
    old = read(os.path.join(logs, "old"))
    equal(old, b"old\nmore\n", f"{place.name}: {rule}: the old file")
    for name, wanted in {"new/file": b"one\ntwo\n", "absent": b"", "there/file": b"three\n"}.items():
        path = os.path.join(logs, name)
        check(os.path.exists(path) and read(path) == wanted, f"{place.name}: {rule}: {name}")
    equal(read(os.path.join(directory, "free")), b"free\n", "a file without a rule")
    shutil.rmtree(directory)


def body(escape):
    old = write(os.path.join(escape.base, "old"), OLD)
    for place in escape.places:
        natively(escape, place, old)
        inside(escape, place, old, "{path}", "log", "literal")
        inside(escape, place, old, "**/*.log", "a.log", "wildcard")
        inside(escape, place, old, "{dir}/sub", "sub/log", "directory")
        inside(escape, place, old, "{path}", "log", "hard link")
        for way in WAYS:
            natively(escape, place, old, way)
            inside(escape, place, old, "**/*.log", "a.log", "wildcard", way)
        directory_rule(escape, place, "{dir}/logs")
        directory_rule(escape, place, "{dir}/**/logs/**")


main(body)
