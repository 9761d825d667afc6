# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of arguments (junk in upper halves, pointers, lengths, bytes) is the same inside, whatever the
rules mediate; and the other ABIs of the machine are not there."""

import os
import re

from escape_support import check, equal, main, run_parts

# One rule of each kind, so that the calls that only some rules mediate are, too.
RULES = {
    "none": [],
    "kinds": ["hide @/else/hidden", "mask @/else/mask", "append @/else/log", "readonly @/else/ro"],
    "wild": ["hide **/zz-hidden", "deny **/zz-denied", "mask **/zz.key", "append **/zz.log", "readonly **/zz-ro"],
    "crypt": ["crypt @/else/crypt key=ephemeral", "hide @/else/hidden"],
}
# On the disk, and in memory.
PLACES = (("none", "kinds", "crypt"), ("wild",))
ALWAYS = """open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat chdir mkdir
    mkdirat mknod mknodat symlink symlinkat link linkat unlink unlinkat rmdir rename renameat renameat2 chmod fchmodat fchmodat2
    chown lchown fchownat utime utimes futimesat utimensat truncate setxattr lsetxattr getxattr lgetxattr listxattr llistxattr
    removexattr lremovexattr setxattrat getxattrat listxattrat removexattrat file_getattr file_setattr inotify_add_watch
    name_to_handle_at execve execveat connect bind sendto umask statfs getppid""".split()
MEDIATED = {
    "none": ALWAYS,
    "kinds": ALWAYS + """sendmsg sendmmsg getdents getdents64 getcwd fstat fstatfs fchmod fchown fsetxattr fgetxattr flistxattr
        fremovexattr ftruncate fallocate fcntl""".split(),
    "wild": ALWAYS,
    "crypt": ALWAYS + "fsync fdatasync sync_file_range syncfs pwritev2 msync fcntl".split(),
}
# What is no program is seen before the arguments are looked at (PARITY: "exec: errors").
EXEC = re.compile(r"execve(at)? .* in [123]: EFAULT")


def directory(escape, place, name):
    path = os.path.join(place.path, name)
    os.makedirs(path)
    return path


def arguments(escape):
    for place in escape.places:
        work = directory(escape, place, "abi")
        native = escape.native([escape.tool("escape_abi"), work]).stdout.splitlines()
        check(len(native) > 3500, f"{place.name}: only {len(native)} trials")
        again = escape.native([escape.tool("escape_abi"), work]).stdout.splitlines()
        equal(again, native, f"{place.name}: twice the same natively")
        for name in PLACES[place.name == "tmpfs"]:
            rules = [rule.replace("@", place.path) for rule in RULES[name]]
            inside = escape.view(rules, [escape.tool("escape_abi"), work], {call: 1 for call in MEDIATED[name]}).stdout.splitlines()
            equal(len(inside), len(native), f"{place.name}, {name}: number of trials")
            for ours, theirs in zip(inside, native):
                if EXEC.match(theirs) and ours == theirs.replace(": EFAULT", ": ENOEXEC"):
                    continue
                equal(ours, theirs, f"{place.name}, {name}")


def foreign(escape):
    """Calls of i386 and x32 are ENOSYS, their programs ENOEXEC; both natively work where the kernel has them."""
    place = escape.places[0]
    work = directory(escape, place, "foreign")
    native = dict(line.split(": ", 1) for line in escape.native([escape.tool("escape_abi"), "--foreign", work]).stdout.splitlines())
    # A kernel without the i386 gate has neither.
    check(native["int 0x80"] in ("works", "signal 11", "ENOSYS"), native)
    check(native["32-bit program"] in ("exit 42", "ENOEXEC"), native)
    equal(native["unknown"], "done", "unknown numbers natively")
    for name, rules in RULES.items():
        rules = [rule.replace("@", place.path) for rule in rules]
        inside = escape.view(rules, [escape.tool("escape_abi"), "--foreign", work], {"execve": 1}).stdout.splitlines()
        inside = dict(line.split(": ", 1) for line in inside)
        gate = "signal 11" if native["int 0x80"] == "signal 11" else "ENOSYS"
        equal(inside, {"int 0x80": gate, "x32": "ENOSYS", "unknown": "done", "32-bit program": "ENOEXEC"}, f"foreign, {name}")


main(lambda escape: run_parts(escape, {"foreign": foreign, "arguments": arguments}))
