# SPDX-License-Identifier: Apache-2.0
"""What else may tell of a file: executing it or by way of it, listings read piecemeal, watches of the kernel's.

    tells.py exec TOP       everything on TOP/secret
    tells.py listing TOP    of the directory TOP
    tells.py watch TOP      of changes in TOP, made by others meanwhile
    tells.py texts TOP      /proc's files that name what others use

JSON on standard output: what was asked, what it said. Run in a view, and natively.
"""

import ctypes
import errno
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time

from raw_calls import AT_FDCWD, syscall

SYS_GETDENTS, SYS_GETDENTS64, SYS_FANOTIFY_INIT, SYS_FANOTIFY_MARK, SYS_EXECVEAT = 78, 217, 300, 301, 322


def said(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


# --- execution ---


def put(path, data, mode=0o755):
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, mode)
    return path


def with_loader(loader):
    with open("/bin/true", "rb") as f:
        data = bytearray(f.read())
    old = b"/lib64/ld-linux-x86-64.so.2\0"
    at = data.index(old)
    data[at : at + len(old)] = loader.encode().ljust(len(old), b"\0")
    return bytes(data)


def run(argv, **environment):
    """Status, and what was written."""

    def start():
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, cwd=".",
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **environment})

    done = said(start)
    if isinstance(done, str):
        return done
    text = re.sub(rb"line \d+", b"line", done.stdout + done.stderr).decode(errors="replace")
    return f"{done.returncode} {text}"


def execveat(path, flags=0):
    child = os.fork()
    if child == 0:
        directory = os.open(".", os.O_RDONLY)
        argv = (ctypes.c_char_p * 2)(b"x", None)
        try:
            syscall(SYS_EXECVEAT, directory, path, argv, None, flags)
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def library(path):
    return run([sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", path])


def executions(top):
    os.chdir(top)
    p = top + "/secret"
    link = top + "/l"
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(p, link)
    first = put(top + "/first", f"#!{p}\n")
    yield "exec", lambda: run([p])
    yield "exec relative", lambda: run(["./secret"])
    yield "exec by a link", lambda: run([link])
    yield "posix_spawn", lambda: said(lambda: os.waitpid(os.posix_spawn(p, [p], {}), 0)[1])
    yield "execveat", lambda: execveat("secret")
    yield "execveat NOFOLLOW", lambda: execveat("secret", 0x100)
    yield "#!", lambda: run([first])
    yield "#! with an argument", lambda: run([put(top + "/s", f"#!{p} -x\n")])
    yield "#! with blanks", lambda: run([put(top + "/s", f"#! \t {p} \n")])
    yield "#! relative", lambda: run([put(top + "/s", "#!secret\n")])
    yield "#! by a link", lambda: run([put(top + "/s", f"#!{link}\n")])
    yield "#! of a #!", lambda: run([put(top + "/s", f"#!{first}\n")])
    yield "#! env", lambda: run([put(top + "/s", f"#!/usr/bin/env {p}\n")])
    yield "#! sh reads it", lambda: run([put(top + "/s", f"#!/bin/sh\n. {p}\n")])
    yield "sh by name", lambda: run(["sh", "-c", p])
    yield "sh reads it", lambda: run(["sh", p])
    yield "bash, bad interpreter", lambda: run(["bash", "-c", first])
    yield "command -v", lambda: run(["sh", "-c", f"command -v {p}; test -e {p}; echo $?"])
    yield "found in PATH", lambda: run(["sh", "-c", "secret"], PATH=f"{top}:/usr/bin:/bin")
    yield "found in PATH by env", lambda: run(["/usr/bin/env", "secret"], PATH=f"{top}:/usr/bin:/bin")
    yield "PT_INTERP", lambda: run([put(top + "/e", with_loader("secret"))])
    yield "PT_INTERP by a link", lambda: run([put(top + "/e", with_loader("l"))])
    yield "PT_INTERP beneath it", lambda: run([put(top + "/e", with_loader("secret/x"))])
    yield "#! of a program with PT_INTERP", lambda: run([put(top + "/s", f"#!{put(top + '/e', with_loader('secret'))}\n")])
    yield "the loader's argument", lambda: run(["/lib64/ld-linux-x86-64.so.2", p])
    yield "LD_PRELOAD", lambda: run(["/bin/true"], LD_PRELOAD=p)
    yield "LD_AUDIT", lambda: run(["/bin/true"], LD_AUDIT=p)
    yield "LD_LIBRARY_PATH", lambda: run(["/bin/ls", "-d", "/"], LD_LIBRARY_PATH=p)
    yield "dlopen", lambda: library(p)
    yield "dlopen by a link", lambda: library(link)


# --- listings ---


def entries(data, legacy):
    """(name, type, length, offset) of each; inode numbers are each directory's own."""
    at = 0
    while at < len(data):
        _, offset, length = struct.unpack_from("=QqH", data, at)
        if legacy:
            name, kind = data[at + 18 : at + length - 1], data[at + length - 1]
        else:
            kind, name = data[at + 18], data[at + 19 : at + length]
        yield name.split(b"\0")[0].decode(), kind, length, offset
        at += length


def read_entries(fd, count, legacy):
    buffer = ctypes.create_string_buffer(count + 1)
    got = said(syscall, SYS_GETDENTS if legacy else SYS_GETDENTS64, fd, buffer, count)
    return got if isinstance(got, str) else list(entries(buffer.raw[:got], legacy))


def listings(top):
    for legacy in (False, True):
        for count in (0, 8, 24, 32, 48, 80, 200, 1000, 32768):
            fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
            read = []
            while True:
                got = read_entries(fd, count, legacy)
                read.append((got, os.lseek(fd, 0, os.SEEK_CUR)))
                if not got or isinstance(got, str):
                    break
            yield f"{'getdents' if legacy else 'getdents64'} by {count}", read
            os.close(fd)
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    offsets = [0] + [e[3] for e in read_entries(fd, 32768, False)]
    yield "read from each offset", [(os.lseek(fd, o, os.SEEK_SET), read_entries(fd, 100, False)) for o in offsets]
    yield "end", [said(os.lseek, fd, 0, os.SEEK_END), said(os.lseek, fd, 1, os.SEEK_SET), read_entries(fd, 100, False)]
    yield "scandir", sorted((e.name, e.is_file(), e.is_dir()) for e in os.scandir(top))
    st, fs = os.stat(top), os.statvfs(top)
    yield "attributes", [st.st_mode, st.st_uid, st.st_gid, st.st_dev, fs.f_bsize, fs.f_namemax, fs.f_flag]
    # What is known to tell: SECURITY.md says so.
    yield "rests", [st.st_nlink, st.st_size]


# --- watches of the kernel's; somebody touches TOP/secret all the time ---


def fanotify(top):
    fd = syscall(SYS_FANOTIFY_INIT, 0xC00, 0)  # FAN_REPORT_DFID_NAME
    syscall(SYS_FANOTIFY_MARK, fd, 1, 0x08000002, AT_FDCWD, top)  # FAN_MODIFY, FAN_EVENT_ON_CHILD
    ready = select.select([fd], [], [], 5)[0]
    return "named" if ready and b"secret" in os.read(fd, 4096) else "nothing"


def fanotify_mount(top):
    """Root alone natively: descriptors of what others open."""
    fd = syscall(SYS_FANOTIFY_INIT, 0, 0)
    syscall(SYS_FANOTIFY_MARK, fd, 0x11, 0x20, AT_FDCWD, top)  # FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN
    end = time.monotonic() + 5
    while time.monotonic() < end and select.select([fd], [], [], 1)[0]:
        data = os.read(fd, 4096)
        for at in range(0, len(data), 24):
            if os.readlink(f"/proc/self/fd/{struct.unpack_from('=i', data, at + 16)[0]}") == top + "/secret":
                return "named"
    return "nothing"


def dnotify(top):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    fcntl.fcntl(os.open(top, os.O_RDONLY), 1026, 0x2)  # F_NOTIFY, DN_MODIFY
    return "told" if signal.sigtimedwait([signal.SIGIO], 5) else "nothing"


def watches(top):
    for name, call in (("fanotify", fanotify), ("fanotify of the mount", fanotify_mount), ("dnotify", dnotify)):
        yield name, said(call, top)


# --- texts of the kernel ---

TEXTS = ("/proc/self/mountinfo", "/proc/self/mounts", "/proc/mounts", "/proc/self/mountstats", "/proc/thread-self/mounts",
         "/proc/net/unix", "/proc/self/net/unix", "/proc/locks", "/proc/swaps", "/proc/1/mounts", "/proc/self/maps")


def texts(top):
    os.chdir("/proc")
    for path in TEXTS:
        yield path, said(lambda: open(path, "rb").read().decode(errors="replace").splitlines())
        # Piece by piece, and again.
        fd = said(os.open, os.path.relpath(path, "/proc"), os.O_RDONLY)
        if isinstance(fd, int):
            first = b"".join(iter(lambda: os.read(fd, 100), b""))
            os.lseek(fd, 0, os.SEEK_SET)
            yield path + " again", [first.decode(errors="replace").splitlines(), os.read(fd, 1 << 20).decode(errors="replace").splitlines()][1]


def main():
    if str(os.geteuid()) != os.environ["ESCAPE_EUID"]:
        sys.exit("not the user wanted")
    what, top = sys.argv[1:]
    if what == "exec":
        print(json.dumps([(name, call()) for name, call in executions(top)]))
    elif what == "texts":
        print(json.dumps(list(texts(top))))
    elif what == "listing":
        print(json.dumps(list(listings(top))))
    else:
        print(json.dumps(list(watches(top))))


main()
