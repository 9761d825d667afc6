# SPDX-License-Identifier: Apache-2.0
"""Attacks on a hidden file, to be run natively (where each must succeed) and in a view (where none may).

    attacks.py TOP OUTSIDE    every attack in TOP/ITS-NAME; JSON on standard output: what each has found

An attack says what it has learnt: the secret's content, that it exists, or nothing. Some change it: whoever runs this
looks at the file afterwards.
"""

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

from raw_calls import AT_FDCWD, syscall

SECRET = b"the secret content\n"
O_TMPFILE = 0o20200000
NOREPLACE, EXCHANGE = 1, 2
SYS_OPEN, SYS_STAT, SYS_OPENAT, SYS_NEWFSTATAT, SYS_LINKAT, SYS_RENAMEAT2, SYS_OPENAT2 = 2, 4, 257, 262, 265, 316, 437
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_IO_URING_SETUP = 434, 438, 425


def linkat(source, target):
    return syscall(SYS_LINKAT, AT_FDCWD, source, AT_FDCWD, target, 0x400) or True  # AT_SYMLINK_FOLLOW


class Ground:
    """Where one attack takes place: vault/secret is the prize, open/ is ours."""

    def __init__(self, top, outside):
        self.D = top
        self.V = top + "/vault"
        self.S = top + "/vault/secret"
        self.O = top + "/open"
        self.out = outside
        self.found = set()
        self.errors = []

    def learn(self, data):
        if SECRET.strip() in data:
            self.found.add("content")

    def attempt(self, what, *args, **kwargs):
        try:
            return what(*args, **kwargs)
        except OSError as e:
            self.errors.append(errno.errorcode.get(e.errno, str(e.errno)))
            return None

    def read(self, path, dir_fd=None):
        """Open and read it, or at least learn that it is there."""
        fd = self.attempt(os.open, path, os.O_RDONLY, dir_fd=dir_fd)
        if fd is not None:
            self.attempt(self.read_fd, fd)
        if self.attempt(os.stat, path, dir_fd=dir_fd) is not None:
            self.found.add("exists")
        fd = self.attempt(os.open, path, os.O_PATH, dir_fd=dir_fd)
        if fd is not None:
            self.found.add("exists")
            self.attempt(self.reopen, fd)

    def reopen(self, fd):
        self.read_fd(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))

    def read_fd(self, fd):
        self.learn(os.read(fd, 4096))
        os.close(fd)

    def run(self, *argv, **options):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, **options)
        self.learn(done.stdout)


attacks = {}


def attack(function=None, name=None):
    def register(f):
        attacks[name or f.__name__] = f
        return f

    return register(function) if function else register


# --- spellings: a text, and the directory one stands in ---

SPELLINGS = [
    ("{S}", None),
    ("/{S}", None),
    ("///{S}", None),
    ("/.{S}", None),
    ("/..{S}", None),
    ("/../..{S}", None),
    ("{D}/./vault/secret", None),
    ("{D}//vault///secret", None),
    ("{D}/open/../vault/secret", None),
    ("{D}/open/.././vault/./secret", None),
    ("{D}/vault/../vault/secret", None),
    ("{D}/open/deep/deeper/../../../vault/secret", None),
    ("/usr/..{S}", None),
    ("/proc/..{S}", None),
    ("/proc/self/root{S}", None),
    ("/proc/self/root/proc/self/root{S}", None),
    ("/proc/self/root/..{S}", None),
    ("/proc/{pid}/root{S}", None),
    ("/proc/thread-self/root{S}", None),
    ("/proc/self/task/{tid}/root{S}", None),
    ("/proc/{pid}/task/{tid}/root{S}", None),
    ("/proc/./self/root{S}", None),
    ("/proc/../proc/self/root{S}", None),
    ("/proc/self/../self/root{S}", None),
    ("/proc/self/../{pid}/root{S}", None),
    ("//proc//self//root/{S}", None),
    ("/dev/../proc/self/root{S}", None),
    ("/proc/self/cwd/vault/secret", "{D}"),
    ("/proc/self/cwd/../vault/secret", "{O}"),
    ("/proc/self/cwd/secret", "{V}"),
    ("/proc/{pid}/cwd/vault/secret", "{D}"),
    ("/proc/thread-self/cwd/vault/secret", "{D}"),
    ("/proc/self/task/{tid}/cwd/vault/secret", "{D}"),
    ("/proc/self/fd/{fdD}/vault/secret", None),
    ("/proc/self/fd/{fdO}/../vault/secret", None),
    ("/proc/self/fd/{fdP}/vault/secret", None),
    ("/proc/self/fd/{fdV}/secret", None),
    ("/proc/{pid}/fd/{fdD}/vault/secret", None),
    ("/proc/thread-self/fd/{fdD}/vault/secret", None),
    ("/proc/self/task/{tid}/fd/{fdD}/vault/secret", None),
    ("/proc/self/fd/../fd/{fdD}/vault/secret", None),
    ("/proc/./self/./fd/{fdD}/vault/secret", None),
    ("/dev/fd/{fdD}/vault/secret", None),
    ("/dev/./fd/{fdD}/vault/secret", None),
    ("/dev/fd/../fd/{fdD}/vault/secret", None),
    ("/proc/self/root/dev/fd/{fdD}/vault/secret", None),
    ("vault/secret", "{D}"),
    ("./vault/secret", "{D}"),
    ("../vault/secret", "{O}"),
    ("../../../vault/secret", "{O}/deep/deeper"),
    ("secret", "{V}"),
    ("./secret", "{V}"),
    ("../vault/secret", "{V}"),
    ("self/root{S}", "/proc"),
    ("./self/root{S}", "/proc"),
    ("thread-self/root{S}", "/proc"),
    ("{pid}/root{S}", "/proc"),
    ("root{S}", "/proc/self"),
    ("fd/{fdD}/vault/secret", "/proc/self"),
    ("{fdD}/vault/secret", "/proc/self/fd"),
    ("fd/{fdD}/vault/secret", "/dev"),
    ("{up}{S}", "{O}/deep/deeper"),
]


def spelling(template, directory):
    def run(g):
        fds = {
            "fdD": g.attempt(os.open, g.D, os.O_RDONLY),
            "fdO": g.attempt(os.open, g.O, os.O_RDONLY),
            "fdP": g.attempt(os.open, g.D, os.O_PATH),
            "fdV": g.attempt(os.open, g.V, os.O_RDONLY),
        }
        words = dict(fds, D=g.D, V=g.V, S=g.S, O=g.O, pid=os.getpid(), tid=os.getpid(), up="/".join([".."] * 30))
        if directory and g.attempt(lambda: os.chdir(directory.format(**words)) or True) is None:
            return
        g.read(template.format(**words))

    return run


for number, (template, directory) in enumerate(SPELLINGS):
    attacks[f"spelling{number}"] = spelling(template, directory)

# --- symlinks of our own ---

LINKS = [  # target, what is opened
    ("{S}", "{O}/l"),
    ("../vault/secret", "{O}/l"),
    ("{V}", "{O}/l/secret"),
    ("../vault", "{O}/l/secret"),
    ("..", "{O}/l/vault/secret"),
    ("/", "{O}/l{S}"),
    ("/proc/self/root", "{O}/l{S}"),
    ("/proc/self/root{S}", "{O}/l"),
    ("/proc/self/cwd/vault/secret", "{O}/l"),
    ("/proc/thread-self/root{V}", "{O}/l/secret"),
    ("/dev/fd", "{O}/l/{fdD}/vault/secret"),
    ("/proc/self", "{O}/l/root{S}"),
    (".", "{O}/l/l/l/../vault/secret"),
    ("deep/deeper/../../../vault/secret", "{O}/l"),
]


def link(target, path):
    def run(g):
        os.chdir(g.D)
        words = dict(D=g.D, V=g.V, S=g.S, O=g.O, fdD=os.open(g.D, os.O_RDONLY))
        g.attempt(os.symlink, target.format(**words), g.O + "/l")
        g.read(path.format(**words))

    return run


for number, (target, path) in enumerate(LINKS):
    attacks[f"link{number}"] = link(target, path)


@attack
def link_chain(g):
    os.chdir(g.O)
    os.symlink("../vault/secret", "c0")
    for i in range(1, 30):
        os.symlink(f"c{i - 1}", f"c{i}")
    g.read("c29")


@attack
def link_moved_to_its_target(g):
    """A relative link that leads elsewhere where it is made."""
    os.symlink("secret", g.O + "/l")
    g.attempt(os.rename, g.O + "/l", g.V + "/l")
    g.read(g.V + "/l")


# --- names that move ---


@attack
def rename_parent(g):
    g.attempt(os.rename, g.V, g.D + "/v2")
    g.read(g.D + "/v2/secret")


@attack
def rename_parent_into_ours(g):
    g.attempt(os.rename, g.V, g.O + "/v2")
    g.read(g.O + "/v2/secret")


@attack
def rename_grandparent(g):
    g.attempt(os.rename, g.D, g.D + "-moved")
    g.read(g.D + "-moved/vault/secret")


@attack
def rename_parent_by_descriptor(g):
    fd = os.open(g.D, os.O_PATH)
    g.attempt(os.rename, "vault", "v2", src_dir_fd=fd, dst_dir_fd=fd)
    g.read("v2/secret", dir_fd=fd)


@attack
def rename_onto_empty_directory(g):
    os.mkdir(g.O + "/empty")
    g.attempt(os.rename, g.V, g.O + "/empty")
    g.read(g.O + "/empty/secret")


@attack
def held_directory_moves(g):
    fd = g.attempt(os.open, g.V, os.O_RDONLY)
    g.attempt(os.rename, g.V, g.O + "/v2")
    if fd is not None:
        g.read("secret", dir_fd=fd)


@attack
def working_directory_moves(g):
    g.attempt(os.chdir, g.V)
    g.attempt(os.rename, g.V, g.O + "/v2")
    g.read("secret")


@attack
def held_path_moves(g):
    fd = g.attempt(os.open, g.V, os.O_PATH)
    g.attempt(os.rename, g.V, g.O + "/v2")
    if fd is not None:
        g.read(f"/proc/self/fd/{fd}/secret")


@attack
def exchange_parent(g):
    os.mkdir(g.O + "/mine")
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.V, AT_FDCWD, g.O + "/mine", EXCHANGE)
    g.read(g.O + "/mine/secret")


@attack
def exchange_parent_reversed(g):
    os.mkdir(g.O + "/mine")
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.O + "/mine", AT_FDCWD, g.V, EXCHANGE)
    g.read(g.O + "/mine/secret")


@attack
def exchange_grandparent(g):
    other = g.D + "-other"
    os.mkdir(other)
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.D, AT_FDCWD, other, EXCHANGE)
    g.read(other + "/vault/secret")


@attack
def exchange_with_link_holder(g):
    """What stands at the name then leads to it."""
    os.mkdir(g.O + "/mine")
    os.symlink(g.O + "/mine2/secret", g.O + "/mine/secret")
    os.symlink(g.O + "/mine", g.O + "/mine2")
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.V, AT_FDCWD, g.O + "/mine", EXCHANGE)
    g.read(g.O + "/mine2/secret")


@attack
def exchange_the_file(g):
    with open(g.O + "/mine", "wb") as f:
        f.write(b"mine\n")
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.S, AT_FDCWD, g.O + "/mine", EXCHANGE)
    g.read_fd(os.open(g.O + "/mine", os.O_RDONLY))


@attack
def rename_the_file(g):
    g.attempt(os.rename, g.S, g.O + "/mine")
    g.read(g.O + "/mine")


@attack
def rename_the_file_by_descriptor(g):
    fd = g.attempt(os.open, g.V, os.O_PATH)
    if fd is not None:
        g.attempt(syscall, SYS_RENAMEAT2, fd, "secret", AT_FDCWD, g.O + "/mine", NOREPLACE)
    g.read(g.O + "/mine")


@attack
def link_the_file(g):
    g.attempt(os.link, g.S, g.O + "/mine")
    g.read(g.O + "/mine")


@attack
def link_the_file_by_symlink(g):
    os.symlink(g.S, g.O + "/l")
    g.attempt(linkat, g.O + "/l", g.O + "/mine")
    g.read(g.O + "/mine")


@attack
def link_the_file_by_descriptor(g):
    fd = g.attempt(os.open, g.S, os.O_PATH)
    if fd is not None:
        g.attempt(linkat, f"/proc/self/fd/{fd}", g.O + "/mine")
    g.read(g.O + "/mine")


@attack
def hard_link_that_was_there(g):
    g.read(g.O + "/hard")


@attack
def hard_link_renamed(g):
    g.attempt(os.rename, g.O + "/hard", g.O + "/h2")
    g.read(g.O + "/h2")


@attack
def hard_link_of_hard_link(g):
    g.attempt(os.link, g.O + "/hard", g.O + "/h2")
    g.read(g.O + "/h2")


# --- descriptors, junk, openat2 ---


@attack
def directory_descriptor(g):
    for flags in (os.O_RDONLY, os.O_PATH):
        fd = g.attempt(os.open, g.V, flags)
        if fd is not None:
            g.read("secret", dir_fd=fd)
    g.read("vault/secret", dir_fd=os.open(g.D, os.O_PATH))
    g.read("../vault/secret", dir_fd=os.open(g.O, os.O_RDONLY))


@attack
def junk_in_upper_bits(g):
    junk = 0x7EADBEEF << 32
    fd = os.open(g.D, os.O_RDONLY)
    for number, args in (
        (SYS_OPENAT, (junk | fd, "vault/secret", junk | os.O_RDONLY, 0)),
        (SYS_OPENAT, (junk | 0xFFFFFF9C, g.S, os.O_RDONLY, 0)),
        (SYS_OPEN, (g.S, junk | os.O_RDONLY, junk)),
        (SYS_OPEN, (g.S, os.O_RDONLY | 0x8, 0)),
        (SYS_OPENAT, (-9999, g.S, os.O_RDONLY, 0)),
    ):
        got = g.attempt(syscall, number, *args)
        if got is not None:
            g.read_fd(got)
    buffer = ctypes.create_string_buffer(256)
    for number, args in (
        (SYS_NEWFSTATAT, (junk | fd, "vault/secret", buffer, junk)),
        (SYS_STAT, (g.S, buffer)),
    ):
        if g.attempt(syscall, number, *args) is not None:
            g.found.add("exists")


@attack
def openat2_matrix(g):
    for resolve in range(64):
        for base, path in ((g.D, "vault/secret"), (g.D, "/vault/secret"), (g.O, "../vault/secret"), (g.D, g.S)):
            for flags in (os.O_RDONLY, os.O_PATH):
                how = struct.pack("QQQ", flags, 0, resolve)
                fd = os.open(base, os.O_RDONLY)
                got = g.attempt(syscall, SYS_OPENAT2, fd, path, ctypes.c_char_p(how), 24)
                os.close(fd)
                if got is not None and flags == os.O_PATH:
                    g.found.add("exists")
                    g.attempt(g.reopen, got)
                elif got is not None:
                    g.read_fd(got)


@attack
def every_open_flag(g):
    for flags in (0, os.O_NOFOLLOW, os.O_NONBLOCK, os.O_NOATIME, os.O_SYNC, os.O_DIRECT, os.O_CREAT, os.O_APPEND, os.O_NOCTTY):
        fd = g.attempt(os.open, g.S, os.O_RDONLY | flags)
        if fd is not None:
            g.attempt(g.read_fd, fd)


# --- other ways to content and names ---


@attack
def listings(g):
    for directory in (g.V, g.D):
        for root, dirs, files in os.walk(directory):
            if "secret" in files + dirs:
                g.found.add("exists")
    fd = g.attempt(os.open, g.V, os.O_RDONLY)
    if fd is not None and "secret" in os.listdir(fd):
        g.found.add("exists")


@attack
def listings_by_small_buffers(g):
    for number in (78, 217):  # getdents, getdents64
        for size in (32, 40, 48, 64, 100):
            fd = g.attempt(os.open, g.V, os.O_RDONLY)
            if fd is None:
                return
            buffer = ctypes.create_string_buffer(size)
            for _ in range(50):
                got = g.attempt(syscall, number, fd, buffer, size)
                if not got:
                    break
                if b"secret" in buffer.raw:
                    g.found.add("exists")
            os.close(fd)


@attack
def copies_of_the_parent(g):
    subprocess.run(["cp", "-a", g.D + "/vault", g.O + "/copy"], stderr=subprocess.DEVNULL)
    g.read(g.O + "/copy/secret")
    g.run("tar", "-C", g.D, "-cf", "-", "vault")


@attack
def programs_that_read(g):
    g.run("cat", g.S)
    g.run("sh", "-c", 'cat <"$0"', g.S)
    g.run("grep", "-r", "secret", g.V)
    g.run("find", g.D, "-name", "secret", "-exec", "cat", "{}", "+")
    g.run("dd", "if=" + g.S, "status=none")
    g.run("sh", "-c", 'cd "$0" && cat vault/sec*', g.D)


@attack
def shell_sources_it(g):
    done = subprocess.run(["sh", g.S], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if b"the: " in done.stderr or b"the:" in done.stderr:
        g.found.add("content")


@attack
def loader_runs_it(g):
    done = subprocess.run(["/lib64/ld-linux-x86-64.so.2", g.S], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if b"No such file" not in done.stderr and b"cannot open" not in done.stderr:
        g.found.add("exists")


@attack
def completes_a_directory(g):
    """The emptied directory can be removed when nothing is left in it that cannot be seen."""
    g.attempt(os.rmdir, g.V + "/none")
    g.attempt(shutil.copyfile, g.S, g.O + "/mine")
    g.read(g.O + "/mine")


# --- strangers: a process outside holds the secret (descriptor 9), the directory (8) and stands in it ---

for number, template in enumerate(
    (
        "/proc/{out}/fd/9",
        "/proc/{out}/fd/8/vault/secret",
        "/proc/{out}/cwd/vault/secret",
        "/proc/{out}/root{S}",
        "/proc/{out}/task/{out}/fd/9",
        "/proc/{out}/task/{out}/root{S}",
        "/proc/self/root/proc/{out}/fd/9",
        "/proc/self/../{out}/cwd/vault/secret",
    )
):

    def stranger(g, template=template):
        g.read(template.format(out=g.out, S=g.S))

    attacks[f"stranger{number}"] = stranger


@attack
def stranger_by_own_link(g):
    os.symlink(f"/proc/{g.out}/root", g.O + "/l")
    g.read(g.O + "/l" + g.S)


@attack
def stranger_by_working_directory(g):
    g.attempt(os.chdir, f"/proc/{g.out}/cwd")
    g.read("vault/secret")


@attack(name="root_stranger_pidfd_getfd")
def stranger_pidfd_getfd(g):
    pidfd = g.attempt(syscall, SYS_PIDFD_OPEN, g.out, 0)
    fd = None if pidfd is None else g.attempt(syscall, SYS_PIDFD_GETFD, pidfd, 9, 0)
    if fd is not None:
        g.learn(os.pread(fd, 4096, 0))


# --- other roots, handles: natively root's alone ---


@attack(name="root_chroot")
def chroot(g):
    if g.attempt(lambda: os.chroot(g.D) or True):
        os.chdir("/")
        g.read("/vault/secret")


@attack(name="root_bind_mount")
def bind_mount(g):
    if g.attempt(syscall, 272, 0x00020000) is None:  # unshare(CLONE_NEWNS)
        return
    g.attempt(syscall, 165, "none", "/", None, 0x44000, None)  # MS_REC|MS_PRIVATE
    os.mkdir(g.O + "/mount")
    g.attempt(syscall, 165, g.D, g.O + "/mount", None, 0x1000, None)
    g.read(g.O + "/mount/vault/secret")


@attack(name="root_handle")
def handle(g):
    handle = (ctypes.c_uint * 40)(128)
    mount = ctypes.c_int()
    if g.attempt(syscall, 303, AT_FDCWD, g.S, handle, ctypes.byref(mount), 0) is None:
        return
    fd = g.attempt(syscall, 304, os.open(g.D, os.O_RDONLY), handle, os.O_RDONLY)
    if fd is not None:
        g.read_fd(fd)


@attack(name="root_open_tree")
def open_tree(g):
    fd = g.attempt(syscall, 428, AT_FDCWD, g.D, 1)
    if fd is not None:
        g.read("vault/secret", dir_fd=fd)


# --- changes: whoever runs this looks at the file ---


def change(name):
    return attack(name="change_" + name)


@change("write")
def _(g):
    fd = g.attempt(os.open, g.S, os.O_WRONLY)
    if fd is not None:
        os.write(fd, b"gone")


@change("truncate")
def _(g):
    g.attempt(os.truncate, g.S, 1)


@change("open_trunc")
def _(g):
    g.attempt(os.open, g.S, os.O_RDONLY | os.O_TRUNC)


@change("creat")
def _(g):
    g.attempt(os.open, g.S, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


@change("creat_by_link")
def _(g):
    os.symlink(g.S, g.O + "/l")
    g.attempt(os.open, g.O + "/l", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


@change("chmod")
def _(g):
    g.attempt(os.chmod, g.S, 0o777)


@change("utime")
def _(g):
    g.attempt(os.utime, g.S, (1, 1))


@change("xattr")
def _(g):
    g.attempt(os.setxattr, g.S, b"user.mark", b"v")


@change("unlink")
def _(g):
    g.attempt(os.unlink, g.S)


@change("rm_parent")
def _(g):
    shutil.rmtree(g.V, ignore_errors=True)


@change("rename_onto")
def _(g):
    with open(g.O + "/mine", "wb") as f:
        f.write(b"mine\n")
    g.attempt(os.rename, g.O + "/mine", g.S)


@change("exchange")
def _(g):
    with open(g.O + "/mine", "wb") as f:
        f.write(b"mine\n")
    g.attempt(syscall, SYS_RENAMEAT2, AT_FDCWD, g.O + "/mine", AT_FDCWD, g.S, EXCHANGE)


@change("tmpfile")
def _(g):
    fd = os.open(g.O, O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"mine\n")
    g.attempt(os.unlink, g.S)
    g.attempt(linkat, f"/proc/self/fd/{fd}", g.S)


@change("bind")
def _(g):
    g.attempt(os.unlink, g.S)
    g.attempt(os.chdir, g.D)
    g.attempt(socket.socket(socket.AF_UNIX).bind, "vault/secret")


@change("mkdir")
def _(g):
    g.attempt(os.unlink, g.S)
    g.attempt(os.mkdir, g.S)


@change("rename_directory_onto_parent")
def _(g):
    os.mkdir(g.O + "/mine")
    g.attempt(os.rename, g.V, g.O + "/aside")
    g.attempt(os.rename, g.O + "/mine", g.V)


@change("inherited_by_hard_link")
def _(g):
    fd = g.attempt(os.open, g.O + "/hard", os.O_WRONLY)
    if fd is not None:
        os.write(fd, b"gone")


@change("programs")
def _(g):
    subprocess.run(["sh", "-c", 'echo mine >"$0"; sed -i s/the/a/ "$0"; mv -f "$0" "$0".old; cp /etc/passwd "$0"', g.S],
                   stderr=subprocess.DEVNULL)


def one(name, top, outside):
    """In a child: attacks change directories, roots, and may hang."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        signal.alarm(30)
        g = Ground(os.path.join(top, name), outside)
        try:
            attacks[name](g)
        except OSError as e:
            g.errors.append(f"{e}")
        os.write(theirs, json.dumps([sorted(g.found), g.errors[-3:]]).encode()[:4000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as f:
        said = f.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else [[], [f"died: {status}"]]


if __name__ == "__main__":
    if str(os.geteuid()) != os.environ["ESCAPE_EUID"]:
        sys.exit("not the user wanted")
    chosen = sys.argv[3:] or attacks
    print(json.dumps({name: one(name, sys.argv[1], int(sys.argv[2])) for name in chosen}))
