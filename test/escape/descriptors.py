# SPDX-License-Identifier: Apache-2.0
"""Descriptors: which ones every kind of child has, and what can be done with one that somebody else gave.

    descriptors.py children TOP            the descriptors of each kind of child
    descriptors.py moments TOP             what others see in a process that executes, moves and opens all the time
    descriptors.py passed TOP SOCKET       what those lead to that a process outside sends over SOCKET
    descriptors.py taken TOP OUTSIDE       of a process outside, by pidfd_getfd

JSON on standard output. Run in a view, and natively.
"""

import array
import ctypes
import errno
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import attacks
from raw_calls import libc, syscall

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_KCMP = 434, 438, 312
SECRET = "the secret content\n"
LIST = "import os, sys\nfor n in sorted(map(int, os.listdir('/proc/self/fd'))):\n  try: print(n, os.readlink(f'/proc/self/fd/{n}'))\n" \
       "  except OSError: pass\n"


def said(call, *args, **options):
    try:
        return call(*args, **options)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


# --- children ---


def plain(text):
    """Numbers of pipes and processes differ."""
    return re.sub(r"\d{3,}", "N", text)


def own():
    """Our own, without the one that lists them."""
    found = []
    for n in sorted(map(int, os.listdir("/proc/self/fd"))):
        link = said(os.readlink, f"/proc/self/fd/{n}")
        if link != "ENOENT":
            found.append(plain(f"{n} {link}"))
    return found


def told_by(child):
    """What CHILD, a function in a forked process, writes to descriptor 1."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.dup2(theirs, 1)
        os.close(theirs)
        try:
            child()
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return plain(text).splitlines()


def write_own():
    os.write(1, "\n".join(own()).encode())


def executing(*argv):
    return lambda: told_by(lambda: os.execv(argv[0], argv))


def orphan():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            write_own()
    os._exit(0)


def in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def exec_in_thread():
    threading.Thread(target=lambda: os.execv(sys.executable, [sys.executable, "-c", LIST])).start()
    threading.Event().wait(30)


def after(*calls):
    def child():
        for call in calls:
            said(call)
        write_own()

    return lambda: told_by(child)


def shared_table():
    """A process that shares the table itself."""
    child = libc.syscall(ctypes.c_long(56), ctypes.c_long(0x400 | 17), None, None, None, None)  # clone(CLONE_FILES)
    if child == 0:
        write_own()
        os._exit(0)
    os.waitpid(child, 0)


def children(top):
    script = os.path.join(top, "script")
    with open(script, "w") as f:
        f.write(f"#!{sys.executable}\n{LIST}")
    os.chmod(script, 0o755)
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(top)
    listener.bind("listener")
    listener.listen(5)
    os.set_inheritable(os.open("/dev/zero", os.O_RDONLY), True)  # one that may be inherited

    def connect():
        socket.socket(socket.AF_UNIX).connect("listener")

    kinds = {
        "itself": own,
        "thread": lambda: in_thread(own),
        "fork": lambda: told_by(write_own),
        "shared table": lambda: told_by(shared_table),
        "orphan": lambda: told_by(orphan),
        "exec": executing(sys.executable, "-c", LIST),
        "script": executing(script),
        "shell's child": executing("/bin/sh", "-c", f"{sys.executable} -c \"$0\"; exit", LIST),
        "ls": executing("/bin/ls", "-l", "/proc/self/fd/"),
        "loader": executing("/lib64/ld-linux-x86-64.so.2", "/bin/ls", "/proc/self/fd/"),
        "exec by a thread": lambda: told_by(exec_in_thread),
        "posix_spawn": lambda: told_by(lambda: os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", LIST], {}), 0)),
        "vfork": lambda: plain(subprocess.run([sys.executable, "-c", LIST], stdout=subprocess.PIPE, close_fds=False, text=True).stdout).splitlines(),
        "after chdir": after(lambda: os.chdir("/"), lambda: os.chdir(top)),
        "after O_PATH": after(lambda: os.close(os.open(top, os.O_PATH)), lambda: os.open("none", os.O_PATH)),
        "after connect": after(connect, connect),
        "after exec that fails": after(lambda: os.execv(top, [top]), lambda: os.execv("/none", ["none"])),
        "after listing": after(lambda: os.listdir("/etc"), lambda: os.listdir(top)),
    }
    for name, call in kinds.items():
        # Columns of ls are modes and dates.
        yield name, [re.sub(r"^[lrwx-]{10}.* (\d+ ->)", r"\1", line) for line in call()]


# --- moments: what a sibling sees of a process for which much is done ---

# _socket: the module socket loads one that tries whether there is epoll.
BUSY = """
import os, _socket, sys
os.write(os.open(sys.argv[1] + "/turns", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b".")
for turn in range(30):
    os.chdir("/"), os.chdir(sys.argv[1]), os.close(os.open(sys.argv[1], os.O_PATH)), os.listdir(sys.argv[1])
    try: _socket.socket(_socket.AF_UNIX).connect("none")
    except OSError: pass
os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
"""


def moments(top):
    busy = subprocess.Popen([sys.executable, "-S", "-c", BUSY, top], stdin=subprocess.DEVNULL)
    seen, written, turns, end = set(), set(), top + "/turns", time.monotonic() + 3
    while time.monotonic() < end or not os.path.exists(turns) or os.stat(turns).st_size < 5:
        for n in said(os.listdir, f"/proc/{busy.pid}/fd"):
            path = f"/proc/{busy.pid}/fd/{n}"
            link = said(os.readlink, path)
            if link.startswith("E"):
                continue
            seen.add(re.sub(r"[\d]+", "N", link))
            fd = said(os.open, path, os.O_RDWR) if "memfd" in link else None
            if isinstance(fd, int):
                written.add(said(os.write, fd, b"x"))
                os.close(fd)
    busy.kill()
    yield "running", busy.wait() == -9
    # Its own: the standard streams, what it listed or loaded, its sockets.
    yield "others", sorted(link for link in seen if not link.startswith(("/", "pipe:", "socket:")) or "memfd" in link or "scrim" in link)
    yield "written", sorted(written)


# --- passed by a process outside: the secret, the directory above it ---


def receive(path):
    link = socket.socket(socket.AF_UNIX)
    os.chdir(os.path.dirname(path))
    link.connect(os.path.basename(path))
    fds = array.array("i")
    _, control, _, _ = link.recvmsg(1, socket.CMSG_SPACE(2 * fds.itemsize))
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def content(path, flags=os.O_RDONLY, **options):
    fd = os.open(path, flags, **options)
    try:
        return os.read(fd, 100).decode() == SECRET and "secret"
    finally:
        os.close(fd)


def passed(top, path):
    secret, directory = receive(path)
    # An open file is open: that is not promised.
    yield "read", said(lambda: os.pread(secret, 100, 0).decode() == SECRET and "secret")
    yield "reopen", said(content, f"/proc/self/fd/{secret}")
    yield "reopen for writing", said(lambda: os.close(os.open(f"/dev/fd/{secret}", os.O_RDWR)) or "opened")
    yield "stat of its link", said(lambda: os.stat(f"/proc/self/fd/{secret}") and "there")
    yield "link", said(lambda: attacks.linkat(f"/proc/self/fd/{secret}", top + "/mine") and "linked")
    yield "execute", said(lambda: os.execve(secret, ["x"], {}))
    yield "openat", said(content, "vault/secret", dir_fd=directory)
    yield "openat ..", said(content, "vault/../vault/secret", dir_fd=directory)
    yield "by its link", said(content, f"/proc/self/fd/{directory}/vault/secret")
    yield "stat", said(lambda: os.stat("vault/secret", dir_fd=directory) and "there")
    yield "list", "secret" in os.listdir(f"/proc/self/fd/{directory}/vault")
    yield "list by descriptor", "secret" in os.listdir(os.open("vault", os.O_RDONLY, dir_fd=directory))
    yield "fchdir", said(lambda: os.fchdir(directory) or content("vault/secret"))
    yield "rename", said(lambda: os.rename("vault/secret", "mine", src_dir_fd=directory, dst_dir_fd=directory) or "renamed")


# --- taken from another process ---


def take(pid, fd):
    pidfd = syscall(SYS_PIDFD_OPEN, pid, 0)
    return os.pread(syscall(SYS_PIDFD_GETFD, pidfd, fd, 0), 100, 0).decode() == SECRET and "secret"


def taken(top, outside):
    """Descriptor 9 of OUTSIDE is the secret. A child of ours has it nowhere, and cannot be taken from either."""
    yield "outside", said(take, int(outside), 9)
    child = os.fork()
    if child == 0:
        threading.Event().wait(30)
        os._exit(0)
    yield "child", said(lambda: syscall(SYS_PIDFD_GETFD, syscall(SYS_PIDFD_OPEN, child, 0), 1, 0) > 0)
    yield "compared", said(syscall, SYS_KCMP, os.getpid(), child, 0, 1, 1)
    os.kill(child, 9)
    os.waitpid(child, 0)


def main():
    if str(os.geteuid()) != os.environ["ESCAPE_EUID"]:
        sys.exit("not the user wanted")
    what = {"children": children, "moments": moments, "passed": passed, "taken": taken}[sys.argv[1]]
    print(json.dumps(list(what(*sys.argv[2:]))))


main()
