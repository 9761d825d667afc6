# SPDX-License-Identifier: Apache-2.0
"""Whether a hidden path exists cannot be told: 85 calls answer the same for hidden-existing and hidden-absent."""

import os
import shutil
import socket

from escape_support import WITHOUT_CALLS, check, equal, fingerprint, main, write

# Number of the call -> why its answer inside is not that of an absent path natively. It still is the same whether or
# not the hidden path exists.
CREATING = {  # a hidden name cannot be made: EACCES
    56: "mkdir",
    57: "mknod",
    58: "mkfifo",
    59: "symlink",
    60: "link to it",
    61: "O_CREAT|O_EXCL",
    63: "rename onto it",
    64: "rename a directory onto it",
    65: "bind",
    75: "O_CREAT through a link",
}
NO_KIND = {  # with create=private: what can be made is a regular file
    56: "mkdir",
    58: "mkfifo",
    59: "symlink",
    64: "rename a directory onto it",
    65: "bind",
}
REFUSED = {  # refused whatever the path and the policy (docs/PARITY.md)
    9: "RESOLVE_CACHED: never cached",
    34: "file_getattr",
    36: "chroot",
    38: "fanotify_init",
    39: "name_to_handle_at",
    40: "name_to_handle_at",
    41: "open_tree",
    42: "open_tree",
    43: "fspick",
    44: "mount_setattr",
    45: "umount2",
    46: "mount",
    47: "pivot_root",
    48: "swapon",
    49: "swapoff",
    50: "acct",
    51: "quotactl",
}
# Natively told apart: by kind of the existing path, at least so many of the 85.
DISCRIMINATING = {"file": 70, "dir": 70, "script": 65, "elf": 65, "link": 65, "socket": 65}

MEDIATED = {
    "open": 14,
    "openat2": 4,
    "stat": 7,
    "lstat": 1,
    "newfstatat": 2,
    "statx": 2,
    "access": 2,
    "faccessat2": 2,
    "statfs": 1,
    "readlink": 2,
    "getxattr": 1,
    "lgetxattr": 1,
    "listxattr": 1,
    "removexattr": 1,
    "setxattr": 1,
    "getxattrat": 1,
    "chdir": 1,
    "inotify_add_watch": 1,
    "utimensat": 1,
    "chmod": 1,
    "fchmodat2": 1,
    "lchown": 1,
    "mkdir": 1,
    "mknod": 2,
    "symlink": 2,
    "link": 2,
    "rename": 3,
    "renameat2": 1,
    "bind": 1,
    "connect": 2,
    "sendto": 1,
    "rmdir": 1,
    "unlink": 1,
    "execve": 3,
    "execveat": 1,
    "getdents64": 1,
}


def make(path, kind):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "file":
        write(path, "content\n")
    elif kind == "dir":
        os.mkdir(path)
        write(os.path.join(path, "x"), "inner\n")
    elif kind == "script":
        write(path, "#!/bin/sh\nexit 7\n", 0o755)
    elif kind == "elf":
        shutil.copy("/bin/true", path)
        os.chmod(path, 0o755)
    elif kind == "link":
        # A literal rule covers what the link leads to as well.
        target = os.path.join(os.path.dirname(path), "../behind")
        os.symlink(write(target, "behind\n"), path)
    elif kind == "socket":
        s = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(os.path.dirname(path))
        s.bind(os.path.basename(path))
        os.chdir(here)
        s.close()


def answers(result):
    rows = {}
    for line in result.stdout.splitlines():
        if not check(line.count("\t") == 2, f"not an answer: {line!r} {result.stderr}"):
            continue
        number, name, said = line.split("\t")
        rows[int(number)] = (name, said)
    return rows


def native(escape, place, kind, leaf):
    scratch = os.path.join(place.path, "n")
    os.mkdir(scratch)
    path = os.path.join(scratch, leaf)
    if kind != "absent" or leaf == "secret":
        os.makedirs(os.path.dirname(path), exist_ok=True)
    rows = answers(escape.native([escape.tool("escape_oracle"), "native", scratch, path, kind, "/bin/true"]))
    equal(len(rows), 85, f"answers natively, {kind}")
    shutil.rmtree(scratch)
    return rows


def hidden(escape, place, kind, leaf, rule, option=""):
    scratch = os.path.join(place.path, "n")
    os.mkdir(scratch)
    path = os.path.join(scratch, leaf)
    if kind != "absent" or not rule.startswith("{dir}/vault") or rule == "{dir}/vault/**":
        make(path, kind)
    covered = os.path.join(scratch, leaf.split("/")[0])
    before = fingerprint(covered)
    equal(os.path.lexists(path), kind != "absent", f"{path} is made as {kind}")
    result = escape.view(
        ["hide " + part.format(dir=scratch, path=path) + option for part in rule.split(" and ")],
        [escape.tool("escape_oracle"), "private" if option else "view", scratch, path, "-", "-"],
        mediated=MEDIATED,
    )
    equal(fingerprint(covered), before, f"what {rule} hides afterwards ({kind})")
    rows = answers(result)
    equal(len(rows), 85, f"answers in a view, {kind}")
    # What whoever starts it is told of the rule: not inside.
    told = [line for line in result.stderr.splitlines() if not (option and "create=private hides a directory" in line)]
    equal(told, [], f"{rule} {kind}: messages")
    shutil.rmtree(scratch)
    return rows


RULES = [  # name, rule, the path in the scratch directory, kinds
    ("literal", "{path}", "secret", ["file", "dir", "script", "elf", "link", "socket"]),
    ("wildcard", "**/secret*", "secret", ["file", "dir", "socket"]),
    ("parent", "{dir}/vault", "vault/secret", ["file", "dir", "elf", "socket"]),
    # Hidden below a hidden directory: by both, and by a wildcard where the directory has a rule of its own.
    ("nested", "{dir}/vault and {dir}/vault/secret", "vault/secret", ["file", "dir"]),
    ("nested wildcard", "{dir}/vault and **/secret*", "vault/secret", ["file"]),
    ("beneath", "{dir}/vault/**", "vault/secret", ["file", "dir"]),
]


def compare(place, rule, kind, got, hidden_absent, native_absent, creating=CREATING):
    where = f"{place.name}, {rule}, {kind}"
    for number, (name, said) in got.items():
        equal(said, hidden_absent[number][1], f"{where}: {number} {name}: hidden-existing against hidden-absent")
        if number in REFUSED or name.split()[0] in WITHOUT_CALLS:
            continue
        if number in creating and rule not in ("parent", "nested", "nested wildcard"):
            equal(said, "EACCES", f"{where}: {number} {name}: creating a hidden name")
        else:
            equal(said, native_absent[number][1], f"{where}: {number} {name}: hidden against natively absent")


def body(escape):
    for place in escape.places:
        absent = {}
        for kind, least in DISCRIMINATING.items():
            if place.name == "tmpfs" and kind not in ("file", "dir"):
                continue
            existing = native(escape, place, kind, "secret")
            if "secret" not in absent:
                absent["secret"] = native(escape, place, "absent", "secret")
            told = sum(existing[n][1] != absent["secret"][n][1] for n in existing)
            print(f"{place.name}: natively {told} of 85 tell whether a {kind} exists")
            # Calls that this kernel has not, or that a filter around us answers.
            gone = sum(said == "ENOSYS" or name.split()[0] in WITHOUT_CALLS for name, said in existing.values())
            check(told >= least - gone, f"{place.name}: natively only {told} tell whether a {kind} exists")
        absent["vault/secret"] = native(escape, place, "absent", "vault/secret")
        for name, rule, leaf, kinds in RULES:
            if escape.only and escape.only != name:
                continue
            key = leaf
            if name == "beneath":
                # The directory itself is there, and empty.
                scratch = os.path.join(place.path, "n")
                key = "beneath"
                absent[key] = native_beneath(escape, scratch)
            nothing = hidden(escape, place, "absent", leaf, rule)
            for kind in kinds:
                if place.name == "tmpfs" and kind not in ("file", "dir"):
                    continue
                got = hidden(escape, place, kind, leaf, rule)
                compare(place, name, kind, got, nothing, absent[key])
            # Where programs may make it, what is hidden cannot be told from what natively is not there.
            nothing = hidden(escape, place, "absent", leaf, rule, " create=private")
            for kind in kinds:
                if place.name == "tmpfs" and kind not in ("file", "dir"):
                    continue
                got = hidden(escape, place, kind, leaf, rule, " create=private")
                compare(place, name, f"{kind}, private", got, nothing, absent[key], NO_KIND)


def native_beneath(escape, scratch):
    os.makedirs(os.path.join(scratch, "vault"))
    rows = answers(
        escape.native([escape.tool("escape_oracle"), "native", scratch, os.path.join(scratch, "vault/secret"), "absent", "/bin/true"])
    )
    shutil.rmtree(scratch)
    return rows


main(body)
