# SPDX-License-Identifier: Apache-2.0
"""What tells of a hidden file besides its path: executing it or by way of it, piecemeal listings, watches."""

import fcntl
import json
import os
import shutil
import socket
import subprocess

from escape_support import LIMIT, WITHOUT_CALLS, check, equal, fingerprint, main, rows, run_parts, write


# --- execution ---

SOURCES = {"program": ["/bin/true"], "library": ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/usr/lib/libm.so.6"],
           "loader": ["/lib64/ld-linux-x86-64.so.2"]}
KINDS = {"program": 18, "script": 15, "data": 15, "directory": 15, "library": 15, "loader": 15}
EXEC_MEDIATED = {"execve": 30, "execveat": 2}


def make(path, kind):
    if kind in SOURCES:
        shutil.copy(next(p for p in SOURCES[kind] if os.path.exists(p)), path)
        os.chmod(path, 0o755)
    elif kind == "script":
        write(path, "#!/bin/sh\nexit 7\n", 0o755)
    elif kind == "data":
        write(path, "data\n")
    elif kind == "directory":
        os.mkdir(path)
        write(os.path.join(path, "x"), "#!/bin/sh\n", 0o755)


def executed(escape, place, kind, rule):
    top = os.path.join(place.path, "x")
    os.mkdir(top)
    path = os.path.join(top, "secret")
    make(path, kind)
    command = [escape.python, escape.tool("tells.py"), "exec", top]
    if rule:
        before = fingerprint(path)
        found = rows(escape.view(["hide " + rule.format(path=path)], command, mediated=EXEC_MEDIATED, timeout=4 * LIMIT))
        equal(fingerprint(path), before, f"what is hidden afterwards ({kind})")
    else:
        found = rows(escape.native(command, timeout=4 * LIMIT))
    equal(len(found), 30, f"{kind}, {rule}: answers")
    shutil.rmtree(top)
    return found


def execution(escape):
    place = escape.places[0]
    absent = executed(escape, place, None, None)
    for kind, least in KINDS.items():
        found = executed(escape, place, kind, None)
        told = [name for name in found if found[name] != absent.get(name)]
        print(f"natively {len(told)} of {len(found)} executions tell whether a {kind} is there")
        check(len(told) >= least, f"natively only these tell whether a {kind} is there: {told}")
    for rule in ("{path}", "**/secre?"):
        nothing = executed(escape, place, None, rule)
        for name, said in nothing.items():
            equal(said, absent[name], f"{rule}: {name}: hidden against natively absent")
        for kind in KINDS if rule == "{path}" else ("program", "data"):
            for name, said in executed(escape, place, kind, rule).items():
                equal(said, nothing[name], f"{rule}, {kind}: {name}: hidden-existing against hidden-absent")


# --- listings ---


def fill(top, hidden):
    """The same names in the same order in both; hidden ones between them in one."""
    os.mkdir(top)
    for i in range(60):
        if i % 7 == 3:
            os.mkdir(os.path.join(top, f"directory{i:02}"))
        elif i % 7 == 5:
            os.symlink("x", os.path.join(top, f"link{i:02}"))
        else:
            write(os.path.join(top, f"name{i:02}" + "x" * (i % 5)), "")
        if hidden and i % 3 == 0:
            write(os.path.join(top, f"secret{i:02}" + "y" * (i % 11)), "")
        if hidden and i == 30:
            os.mkdir(os.path.join(top, "secret-directory"))


def by_name_only(found):
    """Offsets of tmpfs are numbers in the order of making: gaps stay (docs/PARITY.md)."""
    return {name: [[e[0], e[1], e[2]] for chunk, _ in said if isinstance(chunk, list) for e in chunk]
            for name, said in found.items() if name.startswith("getdents")}


def listing(escape):
    for place in escape.places:
        top, twin = os.path.join(place.path, "d"), os.path.join(place.path, "t")
        fill(top, True)
        fill(twin, False)
        tool = [escape.python, escape.tool("tells.py"), "listing"]
        native, never = rows(escape.native(tool + [top])), rows(escape.native(tool + [twin]))
        told = sum(native[name] != never[name] for name in never)
        check(told >= 15, f"{place.name}: natively only {told} listings tell of them")
        for rule in (f"hide {top}/secret*", "hide **/secre?*"):
            inside = rows(escape.view([rule], tool + [top], mediated={"getdents64": 100, "getdents": 100}))
            where = f"{place.name}, {rule}"
            check("secret" not in json.dumps(inside), f"{where}: a hidden name is listed")
            equal(inside["scandir"], never["scandir"], f"{where}: scandir")
            equal(inside["attributes"], never["attributes"], f"{where}: attributes")
            if place.name == "ext4":
                for name in never:
                    if name != "rests":
                        equal(inside[name], never[name], f"{where}: {name}: against a directory that never had them")
            else:
                equal(by_name_only(inside), by_name_only(never), f"{where}: listings")
            # These are the ones that SECURITY.md names.
            equal(inside["rests"], native["rests"], f"{where}: link count and size")
        shutil.rmtree(top)
        shutil.rmtree(twin)


def not_empty(escape):
    """The other rest: a directory with nothing but names that a wildcard hides cannot be removed. Where a rule names them in
    full it is busy, whether or not they are there."""
    place = escape.places[0]
    top = os.path.join(place.path, "e")
    for rule, answers in (("{top}/full/secret", ("busy", "busy")), ("**/secre?", ("Directory not empty", ""))):
        for there, answer in zip((True, False), answers):
            os.makedirs(top + "/full")
            if there:
                write(top + "/full/secret", "x")
            script = f"ls -A {top}/full; rmdir {top}/full 2>&1"
            result = escape.view(["hide " + rule.format(top=top)], ["sh", "-c", script], expect=1 if answer else 0,
                                 mediated={"rmdir": 1, "getdents64": 1})
            check(result.stdout.strip().endswith(answer) and "secret" not in result.stdout, f"{rule}: rmdir: {result.stdout!r}")
            equal(os.path.exists(top + "/full/secret"), there, f"{rule}: it is there")
            shutil.rmtree(top)


# --- watches ---

TOUCH = 'while :; do echo x >>"$0"; cat "$0" >/dev/null; done'


def watching(escape):
    place = escape.places[0]
    top = os.path.join(place.path, "w")
    os.mkdir(top)
    path = write(os.path.join(top, "secret"), "")
    toucher = subprocess.Popen(["sh", "-c", TOUCH, path], stderr=subprocess.DEVNULL)
    command = [escape.python, escape.tool("tells.py"), "watch", top]
    native = rows(escape.native(command))
    inside = rows(escape.view([f"hide {path}"], command, mediated={"openat": 20}))
    toucher.kill()
    toucher.wait()
    shutil.rmtree(top)
    wanted = {"fanotify": "named", "fanotify of the mount": "named" if escape.uid == 0 else "EPERM", "dnotify": "told"}
    if "fanotify_init" not in WITHOUT_CALLS:
        equal(native, wanted, "natively")
    equal(inside, {"fanotify": "EPERM", "fanotify of the mount": "EPERM", "dnotify": "EINVAL"}, "inside")


# --- texts of the kernel ---


def socket_at(path):
    end = socket.socket(socket.AF_UNIX)
    end.bind(path)
    end.listen(1)
    return end


def texts(escape):
    """Somebody outside locks what is hidden, listens there, and (root) has a file system mounted on it."""
    place = escape.places[0]
    top = os.path.join(place.path, "k")
    os.makedirs(top + "/secret dir/mount")
    os.makedirs(top + "/open/mount")
    ends = [socket_at(top + "/secret dir/listener"), socket_at(top + "/open/listener"), socket_at(top + "/secret.sock")]
    files = [open(write(top + name, "x")) for name in ("/secret.lock", "/open/lock")]
    for file in files:
        fcntl.flock(file, fcntl.LOCK_EX)
    mounts = [top + "/secret dir/mount", top + "/open/mount"] if escape.uid == 0 else []
    for path in mounts:
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    inodes = [f":{os.fstat(file.fileno()).st_ino} " for file in files]
    command = [escape.python, escape.tool("tells.py"), "texts", top]
    rules = [f'hide "{top}/secret dir"', f"hide {top}/secret.lock", "hide **/secret.soc?"]
    try:
        native, inside = rows(escape.native(command)), rows(escape.view(rules, command, mediated={"openat": 20}))
    finally:
        for path in mounts:
            subprocess.run(["umount", path], check=True)
    for end in ends + files:
        end.close()
    shutil.rmtree(top)
    telling = set()
    for name, lines in native.items():
        told = [line for line in lines if top + "/secret" in line or inodes[0] in line]
        shown = [line for line in lines if top + "/open/" in line or inodes[1] in line]
        telling |= {name.split()[0]} if told else set()
        got = inside.get(name)
        if isinstance(lines, str) or not isinstance(got, list):
            check(name.startswith("/proc/1/"), f"{name}: {lines} {got}")
            continue
        equal([line for line in got if "secret" in line or inodes[0] in line], [], f"{name}: tells of what is hidden")
        # References to a socket may come and go.
        equal([line.split()[-1] for line in got if top + "/open/" in line or inodes[1] in line],
              [line.split()[-1] for line in shown], f"{name}: what is not hidden")
    wanted = {"/proc/net/unix", "/proc/self/net/unix", "/proc/locks"}
    if mounts:
        wanted |= {"/proc/self/mountinfo", "/proc/self/mounts", "/proc/mounts", "/proc/self/mountstats", "/proc/thread-self/mounts"}
    check(wanted <= telling, f"natively only these tell: {sorted(telling)}")


main(lambda escape: run_parts(escape, {"execution": execution, "listing": listing, "not empty": not_empty, "watching": watching, "texts": texts}))
