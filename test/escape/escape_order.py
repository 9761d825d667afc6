# SPDX-License-Identifier: Apache-2.0
"""Which of two errors comes first does not tell whether a hidden path exists: wrong flags, sizes, pointers, descriptors."""

import os
import shutil

from escape_support import WITHOUT_CALLS, check, equal, fingerprint, main, write

# Calls that make a name: a hidden one cannot be made. Their errors before that are the kernel's.
CREATING = ("SYS_mkdir", "SYS_mknod", "SYS_symlink", "SYS_bind", "SYS_creat")
# Refused whatever the path (docs/PARITY.md).
REFUSED = ("SYS_name_to_handle_at", "NR_FILE_GETATTR")
MEDIATED = {"stat": 5, "newfstatat": 4, "statx": 5, "open": 8, "openat": 3, "openat2": 8, "readlink": 3, "getxattr": 5, "setxattr": 6,
            "utimensat": 5, "rename": 4, "renameat2": 5, "link": 5, "linkat": 3, "execve": 3, "execveat": 3, "connect": 6, "bind": 4,
            "inotify_add_watch": 4, "statfs": 3}
KINDS = {"file": 45, "dir": 45, "script": 45}  # natively told from an absent one by so many calls at least


def make(path, kind):
    if kind == "file":
        write(path, "content\n")
    elif kind == "script":
        write(path, "#!/bin/true\n", 0o755)
    elif kind == "dir":
        os.mkdir(path)


def answers(result):
    return {int(n): (name, said) for n, name, said in (line.split("\t") for line in result.stdout.splitlines())}


def run(escape, place, kind, rule):
    scratch = os.path.join(place.path, "o")
    os.mkdir(scratch)
    path = os.path.join(scratch, "secret")
    program = escape.tool("escape_order")
    if not rule:
        rows = answers(escape.native([program, "native", scratch, path, kind]))
    else:
        make(path, kind)
        before = fingerprint(path)
        rows = answers(escape.view(["hide " + rule.format(path=path)], [program, "view", scratch, path, "-"], mediated=MEDIATED))
        equal(fingerprint(path), before, f"what {rule} hides afterwards ({kind})")
    check(len(rows) > 150, f"{place.name}, {rule}, {kind}: {len(rows)} answers")
    shutil.rmtree(scratch)
    return rows


def body(escape):
    for place in escape.places:
        absent = run(escape, place, "absent", None)
        for kind, least in KINDS.items():
            rows = run(escape, place, kind, None)
            told = sum(rows[n] != absent[n] for n in rows)
            print(f"{place.name}: natively {told} of {len(rows)} wrong calls tell whether a {kind} exists")
            check(told >= least or WITHOUT_CALLS, f"{place.name}: natively only {told} tell whether a {kind} exists")
        for rule in ("{path}", "**/secre?"):
            nothing = run(escape, place, "absent", rule)
            for n, (name, said) in nothing.items():
                made = name.startswith(CREATING) or absent[n][1] == "ok"
                if not name.startswith(REFUSED) and not (made and said == "EACCES"):
                    equal(said, absent[n][1], f"{place.name}, {rule}: {n} {name}: hidden against natively absent")
            for kind in KINDS:
                rows = run(escape, place, kind, rule)
                for n, (name, said) in rows.items():
                    equal(said, nothing[n][1], f"{place.name}, {rule}, {kind}: {n} {name}: hidden-existing against hidden-absent")


main(body)
