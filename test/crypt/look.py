# SPDX-License-Identifier: Apache-2.0
"""What a program can see of files in the directory it stands in: look.py OTHER, where OTHER is a directory beside it.

Run twice, on a plain directory without a view and on an encrypted one inside, it must print the same (identity.py). So
nothing that is another one's by nature is printed: inode numbers, times, absolute paths are compared here, not shown.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import subprocess
import sys
import time

OTHER = sys.argv[1]
HERE = os.getcwd()
libc = ctypes.CDLL(None, use_errno=True)


def show(what, *values):
    print(what + ":", *values, flush=True)


def attempt(what, function, *args):
    try:
        show(what, function(*args))
    except OSError as error:
        show(what, errno.errorcode.get(error.errno, error.errno))


def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def write(name, data, mode=0o644):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    os.write(fd, data)
    os.close(fd)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def relative(text):
    return text.replace(HERE, "HERE").replace(os.path.realpath(OTHER), "OTHER")


def identity(fd, name):
    """Path and descriptor agree; what of it is the same everywhere."""
    one, other = os.fstat(fd), os.stat(name)
    raw = ctypes.create_string_buffer(144)
    call(5, fd, raw)  # fstat, as no libc of today makes it
    device, inode = struct.unpack_from("QQ", raw)
    agree = (one == other, one.st_mtime_ns == other.st_mtime_ns, one.st_ctime_ns == other.st_ctime_ns,
             one.st_blocks == other.st_blocks, (device, inode) == (other.st_dev, other.st_ino))
    return agree, oct(one.st_mode), one.st_nlink, one.st_size, one.st_uid, one.st_gid, one.st_blksize


def flags_of(fd):
    """Without O_LARGEFILE, and what of an open is not kept inside (PARITY): O_NOFOLLOW, O_TMPFILE."""
    return oct(fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o20700000)


def test_open():
    for text in ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_WRONLY|O_APPEND", "O_RDWR|O_APPEND", "O_RDWR|O_NONBLOCK", "O_RDONLY|O_TRUNC",
                 "O_RDWR|O_CREAT", "O_RDWR|O_CREAT|O_EXCL", "O_WRONLY|O_CREAT|O_TRUNC", "O_RDONLY|O_DIRECTORY", "O_RDONLY|O_NOFOLLOW",
                 "O_PATH", "O_PATH|O_NOFOLLOW", "O_RDONLY|O_NOATIME"):
        flags = 0
        for word in text.split("|"):
            flags |= getattr(os, word)
        for name in ("there", "absent", "link", "dir", "dir/", "there/", "nowhere/x"):
            write("there", b"0123456789")
            attempt(f"open {text} {name}", lambda: opened(name, flags))
            if os.path.exists("absent"):
                os.unlink("absent")


def opened(name, flags):
    fd = os.open(name, flags)
    try:
        found = os.fstat(fd)
        return flags_of(fd), stat.S_IFMT(found.st_mode), found.st_size if stat.S_ISREG(found.st_mode) else "", \
            os.get_inheritable(fd), relative(os.readlink(f"/proc/self/fd/{fd}"))
    finally:
        os.close(fd)


def test_modes():
    for mode in (0o000, 0o200, 0o400, 0o444, 0o600, 0o755, 0o1644):
        name = f"mode-{mode:o}"
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        os.write(fd, b"made")
        show(name, identity(fd, name), os.pread(fd, 9, 0))
        os.close(fd)
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            attempt(f"{name} again {flags}", lambda: opened(name, flags))
        for how in (os.R_OK, os.W_OK, os.X_OK):
            show(f"{name} access {how}", os.access(name, how))
    os.mkdir("narrow", 0o555)
    write("dir/kept", b"kept", 0o444)
    attempt("create in a directory that cannot be written", write, "narrow/x", b"")
    show("read there", read("dir/kept"))


def test_metadata():
    write("meta", b"x" * 5000)
    fd = os.open("meta", os.O_RDWR)
    show("at first", identity(fd, "meta"))
    os.fchmod(fd, 0o640)
    show("fchmod", identity(fd, "meta"))
    os.chmod("meta", 0o4755)
    show("chmod", identity(fd, "meta"))
    os.fchown(fd, os.getuid(), os.getgid())
    os.chown("meta", -1, os.getgid())
    show("chown", identity(fd, "meta"))
    os.utime(fd, ns=(10**18 + 5, 10**18 + 7))
    show("futimens", identity(fd, "meta"), os.stat("meta").st_mtime_ns, os.fstat(fd).st_atime_ns)
    os.utime("meta", ns=(2 * 10**18, 3 * 10**18))
    show("utimensat", identity(fd, "meta"), os.stat("meta").st_mtime_ns, os.fstat(fd).st_atime_ns)
    os.close(fd)
    show("kept", os.stat("meta").st_mtime_ns)
    fd = os.open("meta", os.O_RDWR)
    show("kept when opened", os.fstat(fd).st_mtime_ns)
    os.write(fd, b"y")
    show("moves by a write", os.fstat(fd).st_mtime_ns > 3 * 10**18 or os.fstat(fd).st_mtime_ns < 2 * 10**18, identity(fd, "meta"))
    attempt("setxattr", os.setxattr, fd, "user.one", b"1")
    attempt("setxattr by name", os.setxattr, "meta", "user.two", b"2")
    attempt("listxattr", lambda: sorted(n for n in os.listxattr(fd) if n.startswith("user.")))
    attempt("getxattr", os.getxattr, "meta", "user.one")
    attempt("fgetxattr", os.getxattr, fd, "user.two")
    attempt("removexattr", os.removexattr, fd, "user.one")
    attempt("gone", os.getxattr, "meta", "user.one")
    attempt("trusted", os.getxattr, fd, "trusted.x")
    a, b, c = os.fstatvfs(fd), os.statvfs("meta"), os.statvfs(".")
    show("statvfs", a.f_bsize == b.f_bsize == c.f_bsize, a.f_blocks == b.f_blocks == c.f_blocks, a.f_fsid == c.f_fsid, a.f_namemax)
    os.close(fd)


def test_sizes():
    write("size", b"0123456789")
    fd = os.open("size", os.O_RDWR)

    def now(what):
        show(what, identity(fd, "size"), hash_of(read("size")), os.lseek(fd, 0, os.SEEK_END))

    for size in (4, 0, 100000, 70000, 12345):
        os.ftruncate(fd, size)
        now(f"ftruncate {size}")
    for size in (3, 200000, 5):
        os.truncate("size", size)
        now(f"truncate {size}")
    os.pwrite(fd, b"abc" * 20000, 50)
    for mode, offset, length in ((0, 0, 100), (0, 60000, 9000), (1, 100000, 4096), (3, 4096, 8192), (3, 100, 5), (3, 0, 10**6),
                                 (0x10, 30, 40), (0x11, 69000, 4096), (0x10, 69000, 4096), (2, 0, 10), (0, -1, 5), (0, 0, 0),
                                 (0x100, 0, 1)):
        attempt(f"fallocate {mode} {offset} {length}", call, 285, fd, mode, offset, length)
        now("then")
    attempt("truncate below nothing", os.truncate, "size", -1)
    reading = os.open("size", os.O_RDONLY)
    attempt("ftruncate of a reader", os.ftruncate, reading, 1)
    attempt("fallocate of a reader", call, 285, reading, 0, 0, 1)
    attempt("write of a reader", os.write, reading, b"x")
    os.close(reading)
    os.close(fd)


def hash_of(data):
    value = len(data)
    for at in range(0, len(data), 97):
        value = (value * 31 + data[at]) % 1000003
    return value


def test_names():
    write("one", b"first")
    fd = os.open("one", os.O_RDWR)
    link = f"/proc/self/fd/{fd}"

    def now(what):
        show(what, relative(os.readlink(link)), os.fstat(fd).st_nlink, os.stat(link).st_size, read(link), sorted(os.listdir(".")))

    now("opened")
    os.rename("one", "two")
    now("renamed")
    os.link("two", "three")
    now("linked")
    os.mkdir("below")
    os.rename("two", "below/two")
    now("moved")
    os.rename("below", "beneath")
    now("directory moved")
    write("other", b"other content")
    attempt("exchange", call, 316, -100, ctypes.c_char_p(b"other"), -100, ctypes.c_char_p(b"three"), 2)
    show("exchanged", read("other"), read("three"))
    attempt("noreplace", call, 316, -100, ctypes.c_char_p(b"other"), -100, ctypes.c_char_p(b"three"), 1)
    held = os.open("three", os.O_RDONLY)
    os.rename("other", "three")
    show("over an open one", os.read(held, 99), os.fstat(held).st_nlink, relative(os.readlink(f"/proc/self/fd/{held}")), read("three"))
    os.close(held)
    os.unlink("three")
    os.unlink("beneath/two")
    now("unlinked")
    os.write(fd, b"still")
    now("written")
    again = os.open(link, os.O_RDWR)
    show("opened by its link", os.read(again, 99), flags_of(again), os.fstat(again).st_ino == os.fstat(fd).st_ino)
    attempt("link of one that was unlinked", call, 265, -100, ctypes.c_char_p(link.encode()), -100, ctypes.c_char_p(b"back"), 0x400)
    os.close(again)
    os.close(fd)
    os.rmdir("beneath")
    write("lone", b"x")
    attempt("slash", os.unlink, "lone/")
    attempt("rmdir of a file", os.rmdir, "lone")
    os.unlink("lone")


def test_tmpfile():
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_EXCL):
        fd = os.open(".", os.O_TMPFILE | flags, 0o640)
        os.write(fd, b"unnamed")
        show("tmpfile", os.fstat(fd).st_nlink, os.fstat(fd).st_size, oct(os.fstat(fd).st_mode), flags_of(fd))
        attempt("named", call, 265, -100, ctypes.c_char_p(b"/proc/self/fd/%d" % fd), -100, ctypes.c_char_p(b"named"), 0x400)
        if os.path.exists("named"):
            show("it", identity(fd, "named"), read("named"))
            os.unlink("named")
        os.close(fd)
    attempt("tmpfile for reading", os.open, ".", os.O_TMPFILE)


def test_o_path():
    write("object", b"p" * 12000)
    fd = os.open("object", os.O_PATH)
    show("o_path", identity(fd, "object"), flags_of(fd))
    attempt("read", os.read, fd, 1)
    attempt("fchmod", os.fchmod, fd, 0o600)
    attempt("fsync", os.fsync, fd)
    attempt("ftruncate", os.ftruncate, fd, 1)
    attempt("getxattr", os.getxattr, fd, "user.x")
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    show("reopened", hash_of(os.read(again, 20000)), flags_of(again))
    os.close(again)
    os.unlink("object")
    show("unlinked", os.fstat(fd).st_size, os.fstat(fd).st_nlink)
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    show("reopened without a name", hash_of(os.read(again, 20000)), relative(os.readlink(f"/proc/self/fd/{again}")))
    os.close(again)
    os.close(fd)


def test_sync():
    write("durable", b"d" * 9000)
    fd = os.open("durable", os.O_RDWR)
    reader = os.open("durable", os.O_RDONLY)
    read_end, write_end = os.pipe()
    for what, one in (("file", fd), ("reader", reader), ("directory", os.open(".", os.O_RDONLY)), ("pipe", read_end), ("none", 999)):
        attempt(f"fsync {what}", os.fsync, one)
        attempt(f"fdatasync {what}", os.fdatasync, one)
        attempt(f"sync_file_range {what}", call, 277, one, 0, 0, 7)
        attempt(f"sync_file_range bad {what}", call, 277, one, 0, 0, 8)
        attempt(f"sync_file_range negative {what}", call, 277, one, -1, 0, 7)
        attempt(f"syncfs {what}", call, 306, one)
    os.sync()
    os.close(read_end)
    os.close(write_end)
    mapping = mmap.mmap(fd, 9000)
    mapping[5:8] = b"abc"
    show("msync", mapping.flush())
    show("content", hash_of(read("durable")), os.pread(reader, 10, 0))
    attempt("msync of nothing", call, 26, 0x10000000000, 4096, 4)
    attempt("msync unaligned", call, 26, 1, 4096, 4)
    attempt("msync both", call, 26, 0, 4096, 5)
    mapping.close()
    attempt("get seals", fcntl.fcntl, fd, 1034)
    attempt("add seals", fcntl.fcntl, fd, 1033, 8)
    os.write(fd, b"x")
    attempt("seals of a memfd", lambda: fcntl.fcntl(os.memfd_create("m", 2), 1034))
    os.close(fd)
    os.close(reader)


def test_append():
    write("grows", b"first\n")
    fd = os.open("grows", os.O_WRONLY | os.O_APPEND)
    os.pwrite(fd, b"second\n", 0)
    show("appended", read("grows"), os.lseek(fd, 0, os.SEEK_CUR))
    show("flags", fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK), flags_of(fd))
    os.pwrite(fd, b"FIRST", 0)
    show("written over", read("grows"))
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"third\n")
    show("again", read("grows"), identity(fd, "grows"))
    os.close(fd)


def test_shared():
    write("shared", bytes(8192))
    one, other = os.open("shared", os.O_RDWR), os.open("shared", os.O_RDWR)
    os.pwrite(one, b"seen", 100)
    show("by the other", os.pread(other, 4, 100))
    first, second = mmap.mmap(one, 8192), mmap.mmap(other, 8192)
    first[5000:5003] = b"map"
    show("mapped", second[5000:5003], os.pread(other, 3, 5000))
    os.pwrite(other, b"back", 6000)
    show("and back", first[6000:6004])
    first.close()
    second.close()
    fcntl.flock(one, fcntl.LOCK_EX)
    attempt("flock", fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(one)
    attempt("after close", fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork() == 0:
        try:
            fcntl.lockf(os.open("shared", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    show("no posix lock", os.WEXITSTATUS(os.wait()[1]))
    fcntl.lockf(other, fcntl.LOCK_EX)
    if os.fork() == 0:
        try:
            fcntl.lockf(os.open("shared", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    show("posix lock", os.WEXITSTATUS(os.wait()[1]))
    os.close(other)


def run(*argv, **more):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    return done.returncode, relative(done.stdout.decode(errors="replace"))


def copy(source, name, mode=0o755):
    write(name, read(source), mode)


def test_exec():
    copy("/bin/readlink", "rl")
    copy("/bin/cat", "ct")
    show("exe", run("./rl", "/proc/self/exe"), run(f"{HERE}/rl", "/proc/self/exe"))
    show("comm", run("./ct", "/proc/self/comm"), run("sleepy", "/proc/self/comm", executable="./ct"))
    write("script", b"#!/bin/sh\necho \"$0\" \"$@\"; cat /proc/$$/comm; readlink /proc/$$/exe\n", 0o755)
    show("script", run("./script", "a", "b c"))
    write("chain", f"#!{HERE}/interpreter -x\nhidden\n".encode(), 0o755)
    write("interpreter", b"#!/bin/sh\necho interpreter \"$@\"\n", 0o755)
    show("chain", run("./chain", "y"))
    copy("/bin/echo", "binary")
    write("by binary", f"#!{HERE}/binary said\n".encode(), 0o755)
    show("a script's binary interpreter", run("./by binary", "z"))
    os.chmod("rl", 0o644)
    attempt("not executable", run, "./rl")
    os.chmod("rl", 0o755)
    write("nonsense", b"\x7fELFxxxx", 0o755)
    attempt("no program", run, "./nonsense")
    write("nothing", b"", 0o755)
    attempt("empty", run, "./nothing")
    fd = os.open("rl", os.O_RDONLY)
    show("fexecve", run("rl", "/proc/self/exe", executable=f"/proc/self/fd/{fd}", pass_fds=[fd]))
    os.close(fd)
    writer = os.open("rl", os.O_WRONLY)
    attempt("open for writing", run, "./rl")
    os.close(writer)
    show("closed", run("./rl", "/proc/self/exe"))
    library = next(line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8") if "libz.so" in line or "libexpat.so" in line
                   or "libm.so" in line)
    copy(library, "library.so")
    ctypes.CDLL(f"{HERE}/library.so")
    with open("/proc/self/maps", encoding="utf-8") as maps:
        show("library", sorted({(relative(line.split()[5]), line.split()[1]) for line in maps
                                if "library.so" in line or "scrim-crypt" in line}))
    copy("/bin/sleep", "runs")
    sleeper = subprocess.Popen(["./runs", "60"])
    pid = sleeper.pid
    show("its exe", relative(os.readlink(f"/proc/{pid}/exe")), os.stat(f"/proc/{pid}/exe").st_ino == os.stat("runs").st_ino)
    mine, until = [], time.monotonic() + 10
    # Popen returns when the exec cannot fail any more; then the kernel maps the program.
    while not mine and time.monotonic() < until:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            mine = [line.split(None, 5) for line in maps if "runs" in line or "memfd:scrim-crypt" in line]
    found = os.stat("runs")
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    show("its maps", {relative(line[5].strip()) for line in mine}, {line[4] == str(found.st_ino) for line in mine},
         {line[3] == device for line in mine})
    attempt("busy", write, "runs", b"x")
    attempt("busy for truncate", os.truncate, "runs", 0)
    show("its content", read(f"/proc/{pid}/exe") == read("/bin/sleep"))
    os.unlink("runs")
    show("unlinked", relative(os.readlink(f"/proc/{pid}/exe")))
    sleeper.kill()
    sleeper.wait()


def test_mapped():
    write("mapped", b"m" * 20000)
    fd = os.open("mapped", os.O_RDWR)
    mapping = mmap.mmap(fd, 20000)
    found = os.fstat(fd)
    for name in ("maps", "smaps", "task/%d/maps" % os.getpid()):
        with open(f"/proc/self/{name}", encoding="utf-8") as text:
            lines = [line for line in text if "mapped" in line or "memfd:scrim-crypt" in line]
        words = [line.split(None, 5) for line in lines]
        show(os.path.basename(name), [relative(w[5].strip()) for w in words], [w[4] == str(found.st_ino) for w in words],
             [w[3] == f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}" for w in words],
             [line.index(line.split(None, 5)[5]) for line in lines])
    links = [relative(os.readlink("/proc/self/map_files/" + link)) for link in os.listdir("/proc/self/map_files")]
    show("map_files", [link for link in links if "mapped" in link or "scrim-crypt" in link])
    if os.path.exists("/proc/self/numa_maps"):
        with open("/proc/self/numa_maps", encoding="utf-8") as text:
            show("numa_maps", [relative(word) for line in text for word in line.split() if "mapped" in word and "file=" in word],
                 sum("scrim-crypt" in line for line in text))
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as text:
        info = dict(line.split(":", 1) for line in text.read().splitlines())
    plain = os.open(".", os.O_RDONLY)
    with open(f"/proc/self/fdinfo/{plain}", encoding="utf-8") as text:
        mount = dict(line.split(":", 1) for line in text.read().splitlines())["mnt_id"]
    show("fdinfo", info["pos"].strip(), info["flags"].strip()[-4:], info["mnt_id"] == mount,
         int(info.get("ino", found.st_ino)) == found.st_ino)
    mapping.close()
    os.close(plain)
    os.close(fd)


def test_edges():
    """Between here and the other place; natively they are one file system, and that is what differs: not shown."""
    write("edge", b"edge")
    run("mv", "edge", OTHER)
    show("moved out", read(os.path.join(OTHER, "edge")), os.path.exists("edge"))
    run("mv", os.path.join(OTHER, "edge"), "back")
    show("moved in", read("back"), os.path.exists(os.path.join(OTHER, "edge")))
    os.unlink("back")


def test_programs():
    script = r"""
set -e
export LC_ALL=C
seq 1 5000 >numbers; cat numbers numbers | cksum; wc numbers
cp numbers copy; cmp numbers copy; cp -p numbers kept; test kept -nt numbers && echo newer; test kept -ot numbers && echo older
dd if=numbers of=cut bs=100 count=3 skip=2 2>/dev/null; cksum cut; dd if=cut of=numbers bs=10 seek=7 conv=notrunc 2>/dev/null; cksum numbers
dd if=numbers of=synced bs=4k conv=fsync 2>/dev/null; cksum synced
sed -i s/1/one/ copy; cksum copy; perl -pi -e 's/2/two/' copy; cksum copy
mv copy moved; ls; rm moved
printf 'original\n' >note; printf 'changed\n' >note.tmp; ln note note~; mv note.tmp note; cat note note~; rm note~
printf 'more\n' >>note; tee -a note <numbers | tail -n 1; tail -n 2 note
sort -r -o numbers numbers; head -n 3 numbers; tac numbers | head -n 2
split -b 1000 numbers part-; cat part-* | cksum; rm part-*
tar cf all.tar note numbers; tar xf all.tar -O note | cksum; tar tf all.tar; gzip -k numbers; gunzip -c numbers.gz | cksum
mkdir sub; cp -a note sub/; find . -type f | sort; find . -newer note -name 'no*'; du -b note | cut -f1
truncate -s 1M big; stat -c '%s' big; grep -c . note; diff note sub/note && echo same
printf 'all: out\nout: in\n\tcp in out; echo made\n' >Makefile; echo in >in; make -s; make -s; sleep 0.01; touch in; make -s
python3 -c 'import sqlite3; d=sqlite3.connect("db"); d.execute("create table t(a)"); d.executemany("insert into t values(?)", [(i,) for i in range(999)]); d.commit(); print(d.execute("select sum(a) from t").fetchone(), d.execute("pragma integrity_check").fetchone())'
printf 'import os\nprint(os.path.basename(__file__))\n' >module.py; python3 -c 'import module'; python3 module.py
for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5; do echo "$i $j" >>lines; done) & done; wait; sort lines | cksum
"""
    for line in run("sh", "-c", script):
        show("programs", line)
    write("follow", b"")
    follower = subprocess.Popen(["timeout", "60", "tail", "-n", "0", "-f", "follow"], stdout=subprocess.PIPE)
    time.sleep(0.5)
    with open("follow", "a", encoding="utf-8") as file:
        file.write("a line\n")
    time.sleep(0.2)
    with open("follow", "a", encoding="utf-8") as file:
        file.write("another\n")
    try:
        show("tail -f", follower.stdout.readline(), follower.stdout.readline())
    finally:
        follower.terminate()
        follower.wait()


os.umask(0o022)
for name, function in list(globals().items()):
    if name.startswith("test_") and (len(sys.argv) < 3 or sys.argv[2] in name):
        os.mkdir(name)
        os.chdir(name)
        write("there", b"0123456789")
        os.symlink("there", "link")
        os.mkdir("dir")
        HERE = os.getcwd()
        function()
        os.chdir("..")
