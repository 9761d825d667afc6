# SPDX-License-Identifier: Apache-2.0
"""Calls on a tree under one rule, each with the answer it must get.

    verdicts.py RULE TOP     RULE: deny, readonly, plain (natively); JSON on standard output: [what, got, wanted]...
"""

import ctypes
import errno
import json
import os
import socket
import sys

from attacks import AT_FDCWD, EXCHANGE, NOREPLACE, O_TMPFILE, SYS_RENAMEAT2, linkat, syscall

TOP = sys.argv[2]
# Everything under the rule is beneath T; F is free.
T, F = TOP + "/tree", TOP + "/free"


def said(call):
    try:
        got = call()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))
    if isinstance(got, int) and not isinstance(got, bool) and got > 2:
        os.close(got)
    return "ok"


def opened(flags):
    return lambda path: os.open(path, flags, 0o644)


def exec_it(path):
    child = os.fork()
    if child == 0:
        try:
            os.execv(path, [path])
        except OSError as e:
            os._exit(e.errno)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, "exec")


def on_socket(method):
    def call(path):
        # An address is short: from the directory above, which can always be stood in.
        os.chdir(TOP)
        s = socket.socket(socket.AF_UNIX)
        try:
            getattr(s, method)(os.path.relpath(path, TOP))
        finally:
            s.close()
            os.chdir("/")

    return call


bind, connect = on_socket("bind"), on_socket("connect")


def fresh():
    path = F + "/fresh"
    with open(path, "w") as f:
        f.write("fresh\n")
    return path


def gone(path):
    try:
        os.unlink(path)
    except OSError:
        pass
    return path


def rename2(a, b, flags):
    return syscall(SYS_RENAMEAT2, AT_FDCWD, a, AT_FDCWD, b, flags)


def chdir(path):
    os.chdir(path)
    os.chdir("/")


READING = {
    "stat": os.stat,
    "lstat": os.lstat,
    "open": opened(os.O_RDONLY),
    "open O_PATH": opened(os.O_PATH),
    "access": lambda p: None if os.access(p, os.R_OK) else os.stat(p) and None,
    "statvfs": os.statvfs,
    "getxattr": lambda p: os.listxattr(p),
    "watch": lambda p: syscall(254, syscall(294, 0), p, 2),
    "by a link": lambda p: (gone(F + "/l"), os.symlink(p, F + "/l"), os.stat(F + "/l")) and None,
    "by openat": lambda p: os.open(os.path.relpath(p, F), os.O_RDONLY, dir_fd=os.open(F, os.O_RDONLY)),
}
READING_FILE = dict(READING, **{"exec": exec_it, "beneath": lambda p: os.stat(p + "/x")})
READING_DIRECTORY = dict(READING, **{"list": lambda p: os.listdir(p) and None, "chdir": chdir, "slash": lambda p: os.stat(p + "/")})
WRITING_FILE = {
    "open O_WRONLY": opened(os.O_WRONLY),
    "open O_RDWR": opened(os.O_RDWR),
    "open O_TRUNC": opened(os.O_RDONLY | os.O_TRUNC),
    "open O_APPEND": opened(os.O_WRONLY | os.O_APPEND),
    "open O_CREAT|O_WRONLY": opened(os.O_WRONLY | os.O_CREAT),
    "truncate": lambda p: os.truncate(p, 1),
    "unlink": os.unlink,
    "link away": lambda p: os.link(p, gone(F + "/l2")),
    "rename onto": lambda p: os.rename(fresh(), p),
}
METADATA = {
    "chmod": lambda p: os.chmod(p, 0o755),
    "chown": lambda p: os.chown(p, os.getuid(), os.getgid()),
    "utime": lambda p: os.utime(p, (1, 1)),
    "touch": lambda p: os.utime(p),
    "setxattr": lambda p: os.setxattr(p, b"user.mark", b"v"),
}
AWAY = {
    "rename away": lambda p: os.rename(p, F + "/away"),
    "rename away NOREPLACE": lambda p: rename2(p, F + "/away", NOREPLACE),
    "exchange": lambda p: rename2(p, fresh(), EXCHANGE),
    "exchange from": lambda p: rename2(fresh(), p, EXCHANGE),
}
MAKING = {
    "mkdir": lambda p: os.mkdir(p),
    "mknod": lambda p: os.mknod(p, 0o100644),
    "mkfifo": lambda p: os.mkfifo(p),
    "symlink": lambda p: os.symlink("x", p),
    "link onto": lambda p: os.link(fresh(), p),
    "open O_CREAT|O_EXCL": opened(os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "rename NOREPLACE onto": lambda p: rename2(fresh(), p, NOREPLACE),
    "link of a descriptor": lambda p: linkat(f"/proc/self/fd/{os.open(F, O_TMPFILE | os.O_RDWR)}", p) and None,
}
MAKING_ABSENT = dict(
    MAKING,
    **{
        "open O_CREAT": opened(os.O_WRONLY | os.O_CREAT),
        "creat": opened(os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        "rename onto": lambda p: os.rename(fresh(), p),
        "bind": bind,
    },
)

FILE, DIRECTORY, PROGRAM = T + "/file", T + "/dir", T + "/program"
DEEP, ABSENT, DEEP_ABSENT = T + "/dir/deep", T + "/absent", T + "/dir/absent"
DEVICE, FIFO = T + "/null", T + "/fifo"


def each(calls, path, wanted, **others):
    for name, call in calls.items():
        yield f"{name} {path[len(TOP):]}", (lambda call=call: call(path)), others.get(name.replace(" ", "_"), wanted)


def deny():
    for path in (FILE, DEEP):
        yield from each({**READING_FILE, **WRITING_FILE, **METADATA, **AWAY, **MAKING}, path, "EACCES")
    yield from each({**READING_DIRECTORY, **METADATA, **AWAY, **MAKING, "rmdir": os.rmdir}, DIRECTORY, "EACCES")
    for path in (ABSENT, DEEP_ABSENT):
        # Whether or not it exists.
        yield from each({**READING, **WRITING_FILE, **METADATA, **AWAY, **MAKING_ABSENT}, path, "EACCES")
    yield "listed in its parent", lambda: os.listdir(TOP).index("tree") and None, "ok"
    yield "parent as ever", lambda: os.stat(T + "/.."), "EACCES"
    yield "connect", lambda: connect(T + "/socket"), "EACCES"


def readonly():
    for path in (PROGRAM, FILE, DEEP):
        calls = dict(READING_FILE)
        if path != PROGRAM:
            del calls["exec"]
        yield from each(calls, path, "ok", beneath="ENOTDIR")
    yield from each(READING_DIRECTORY, DIRECTORY, "ok")
    for path in (FILE, DEEP):
        # A name of the same kind of mount natively: link answers EXDEV between two mounts, here there is one.
        yield from each({**WRITING_FILE, **METADATA, **AWAY}, path, "EROFS")
        # What exists says so first.
        yield from each(MAKING, path, "EEXIST", rename_NOREPLACE_onto="EROFS")
    yield from each({**METADATA, **AWAY, "rmdir": os.rmdir}, DIRECTORY, "EROFS")
    yield from each(MAKING, DIRECTORY, "EEXIST", rename_NOREPLACE_onto="EROFS")
    for path in (ABSENT, DEEP_ABSENT):
        yield from each(MAKING_ABSENT, path, "EROFS")
        # As on a read-only mount: looked for before it is asked whether anything may be written.
        yield from each(READING, path, "ENOENT")
    yield "unlink of nothing", lambda: os.unlink(ABSENT), "EROFS"
    yield "O_TMPFILE", lambda: os.open(T, O_TMPFILE | os.O_RDWR), "EROFS"
    yield "access W_OK", lambda: syscall(21, FILE, os.W_OK), "EROFS"
    if os.geteuid() == 0:
        yield "writing a device", lambda: os.open(DEVICE, os.O_WRONLY), "ok"
    yield "writing a fifo", lambda: os.open(FIFO, os.O_RDWR), "ok"
    yield "connecting to a socket", lambda: connect(T + "/socket"), "ECONNREFUSED"
    # The exception beneath it.
    out = T + "/out"
    yield "free: creat", lambda: os.open(out + "/new", os.O_WRONLY | os.O_CREAT), "ok"
    yield "free: mkdir", lambda: os.mkdir(out + "/sub"), "ok"
    yield "free: rename", lambda: os.rename(out + "/new", out + "/sub/new"), "ok"
    yield "free: from readonly", lambda: os.rename(FILE, out + "/x"), "EROFS"
    yield "free: into readonly", lambda: os.rename(out + "/sub/new", T + "/x"), "EROFS"
    yield "free: unlink", lambda: os.unlink(out + "/sub/new"), "ok"
    yield "free: rmdir", lambda: os.rmdir(out + "/sub"), "ok"
    yield "free: the name itself stays", lambda: os.rmdir(out), "EBUSY"
    yield "free: nor moves", lambda: os.rename(out, T + "/out2"), "EROFS"


def way():
    """hide TREE, show TREE/way/down/shown: the way down can be walked, and is all there is."""
    shown = T + "/way/down/shown"
    yield "list the top", lambda: None if os.listdir(T) == ["way"] else os.stat("/none/"), "ok"
    yield "list the way", lambda: None if os.listdir(T + "/way") == ["down"] else os.stat("/none/"), "ok"
    yield "list its end", lambda: None if os.listdir(T + "/way/down") == ["shown"] else os.stat("/none/"), "ok"
    yield "list what is shown", lambda: None if sorted(os.listdir(shown)) == ["deep", "file"] else os.stat("/none/"), "ok"
    yield "read", lambda: os.open(shown + "/file", os.O_RDONLY), "ok"
    yield "read deeper", lambda: os.open(shown + "/deep/file", os.O_RDONLY), "ok"
    yield "stand", lambda: chdir(T + "/way/down"), "ok"
    yield "write", lambda: os.open(shown + "/file", os.O_WRONLY | os.O_TRUNC), "ok"
    yield "make", lambda: os.open(shown + "/new", os.O_WRONLY | os.O_CREAT), "ok"
    yield "remove", lambda: os.unlink(shown + "/new"), "ok"
    for path in (FILE, DIRECTORY, T + "/way/file", T + "/way/down/file", ABSENT, T + "/way/absent", T + "/way/down/absent"):
        hidden = {**READING, **METADATA, **AWAY, **WRITING_FILE}
        yield from each(
            hidden, path, "ENOENT", rename_onto="EACCES", **{"open_O_CREAT|O_WRONLY": "EACCES"},
        )
        yield from each(MAKING_ABSENT, path, "EACCES")
    for path in (T, T + "/way", T + "/way/down"):
        yield from each(METADATA, path, "EACCES")
        yield f"rmdir {path[len(TOP):]}", lambda path=path: os.rmdir(path), "EBUSY"
        yield f"rename {path[len(TOP):]}", lambda path=path: os.rename(path, F + "/away"), "EBUSY"
        yield f"mkdir onto {path[len(TOP):]}", lambda path=path: os.mkdir(path), "EEXIST"
    yield "past it", lambda: os.stat(T + "/way/../file"), "ENOENT"
    yield "through what is hidden", lambda: os.stat(T + "/dir/../way/down/shown/file"), "ENOENT"


if __name__ == "__main__":
    if str(os.geteuid()) != os.environ["ESCAPE_EUID"]:
        sys.exit("not the user wanted")
    os.chdir("/")
    rule = {"deny": deny, "readonly": readonly, "way": way}[sys.argv[1]]
    print(json.dumps([(what, said(call), wanted) for what, call, wanted in rule()]))
