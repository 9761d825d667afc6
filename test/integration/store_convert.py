# SPDX-License-Identifier: Apache-2.0
"""scrim encrypt, decrypt and cat: round trips, what is kept of a file, what is refused and how it is said."""
import errno
import fcntl
import mmap
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

from store_support import Place, expect, is_encrypted, main

KIB = 1024
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND, NODUMP, NOATIME = 0x10, 0x20, 0x40, 0x80
CHANGED = IMMUTABLE | APPEND | NODUMP | NOATIME
SIZES = [0, 1, 100, 3327, 3328, 3329, 4095, 4096, 4097, 7424, 7425, 16383, 16384, 16385, 3 * 16384 + 5, 65536, 1 << 20,
         (4 << 20) + 123]


def random_bytes(size, seed):
    return random.Random(seed).randbytes(size)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def kept(path):
    """What has to be the same afterwards, besides the content."""
    st = os.lstat(path)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return (stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, st.st_atime_ns,
            {name: os.getxattr(path, name) for name in names if not name.startswith("security.selinux")})


def test_sizes(place):
    for layout in ([], ["--chunk-size", "4K"], ["--chunk-size", "64K", "--slot-size", "8K"]):
        for size in SIZES if not layout else SIZES[::3]:
            content = random_bytes(size, size)
            path = place.file("f", content)
            before = kept(path)
            place.run("encrypt", *layout, path)
            expect(kept(path), before, f"{size}: what is kept by encrypt")
            expect(is_encrypted(path), True, f"{size} encrypted")
            if size > 16:
                expect(content[:16] in read(path), False, "plaintext on the disk")
            expect(place.run("cat", path) == content, True, f"{size}: cat")
            before = kept(path)
            place.run("decrypt", path)
            expect(kept(path), before, f"{size}: what is kept by decrypt")
            expect(read(path) == content, True, f"{size}: content")
    expect(place.leftovers(), [], "temporary files")


def extents(path):
    """The data of a file: [(begin, end)]."""
    found, at = [], 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found.append((begin, at))
    return found


def test_holes(place):
    path = place.name("sparse")
    pieces = [(0, 1), (4096 * 5, 4096), (16384 * 40 + 100, 20000), (50 << 20, 1 << 20), ((100 << 20) - 4096, 4096)]
    with open(path, "wb") as file:
        for at, size in pieces:
            file.seek(at)
            file.write(random_bytes(size, at))
        file.truncate((100 << 20) + 77)
    content, before = read(path), extents(path)
    place.run("encrypt", path)
    if os.stat(path).st_blocks * 512 > 2 << 20:
        raise AssertionError(f"holes take space: {os.stat(path).st_blocks} blocks")
    expect(place.content("sparse") == content, True, "cat of holes")
    place.run("decrypt", path)
    expect(read(path) == content, True, "content")
    expect(extents(path), before, "holes")
    # Zeros that were written are no hole.
    path = place.file("zeros", bytes(1 << 20))
    before = os.stat(path).st_blocks
    place.run("encrypt", path)
    place.run("decrypt", path)
    expect(os.stat(path).st_blocks, before, "blocks of zeros")


def test_attributes(place):
    path = place.file("f", b"x" * 5000)
    os.setxattr(path, "user.one", b"first")
    os.setxattr(path, "user.two", random_bytes(1000, 2))
    root = os.geteuid() == 0
    if root:
        os.chown(path, 1234, 5678)
        os.setxattr(path, "trusted.three", b"3")
        os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    modes = [0o644, 0o600, 0o400, 0o755, 0o000 if root else 0o444, 0o4755, 0o2755, 0o6711, 0o1644]
    for mode in modes:
        os.chmod(path, mode)
        os.utime(path, ns=(981173106123456789, 1012709106987654321))
        before = kept(path)
        place.run("encrypt", path)
        expect(kept(path), before, f"encrypt, {mode:o}")
        expect(os.stat(path).st_size, 16384, "encrypted")
        place.run("decrypt", path)
        expect(kept(path), before, f"decrypt, {mode:o}")
    os.chmod(path, 0o640)
    if subprocess.run(["setfacl", "-m", "u:12345:rw,g:7:r", path]).returncode:
        raise AssertionError("setfacl is needed")
    before = kept(path)
    expect("system.posix_acl_access" in before[5], True, "an ACL")
    place.run("encrypt", path)
    place.run("decrypt", path)
    expect(kept(path), before, "ACL")
    # A default ACL of the directory is for new files, which this is none of.
    plain = place.file("plain", b"y")
    before = kept(plain)
    subprocess.run(["setfacl", "-d", "-m", "u:12345:rwx", place.path], check=True)
    place.run("encrypt", plain)
    expect(kept(plain), before, "no ACL")


def inode_flags(path, wanted=None):
    """chattr(1); None: this file system has none of these."""
    fd = os.open(path, os.O_RDONLY)
    try:
        flags = struct.unpack("i", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(4)))[0]
        if wanted is not None:
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("i", flags & ~CHANGED | wanted))
        return flags & CHANGED
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
            return None
        raise
    finally:
        os.close(fd)


def test_inode_flags(place):
    content = random_bytes(50000, 1)
    path = place.file("f", content)
    if inode_flags(path) is None:
        expect(place.kind == "shm" or subprocess.run(["lsattr", "-d", place.path], stderr=subprocess.DEVNULL).returncode != 0,
               True, "lsattr sees flags")
        return
    flags = NODUMP | NOATIME
    inode_flags(path, flags)
    expect(inode_flags(path), flags, "set")
    for command in (["encrypt"], ["rekey", "--full"], ["decrypt"]):
        place.run(*command, path)
        expect(inode_flags(path), flags, f"kept by {command}")
    expect(read(path) == content, True, "content")
    # What a directory hands on to new files is not what the old one had.
    inode_flags(path, 0)
    inode_flags(place.path, NODUMP)
    expect(inode_flags(place.file("new")) in (0, NODUMP), True, "a new file")
    place.run("encrypt", path)
    expect(inode_flags(path), 0, "none")
    for flag, text in ((IMMUTABLE, "is immutable: nothing may take its place (chattr -i)"),
                       (APPEND, "is append-only: nothing may take its place (chattr -a)")):
        path = place.file("fixed", content)
        try:
            inode_flags(path, flag)
        except PermissionError:
            return  # not for everybody
        try:
            place.run("encrypt", path, status=1, text=text)
            place.run("encrypt", "--force", path, status=1, text=text)
            expect((read(path) == content, place.leftovers()), (True, []), "untouched")
            place.run("encrypt", path, "-o", place.name(f"out{flag}"))
        finally:
            inode_flags(path, 0)
        os.unlink(path)


def test_output(place):
    content = random_bytes(50000, 1)
    path, out, back = place.file("f", content, 0o640), place.name("out"), place.name("back")
    os.utime(path, ns=(1, 981173106123456789))
    place.run("encrypt", path, "-o", out)
    expect(read(path) == content, True, "left as it is")
    expect(stat.S_IMODE(os.stat(out).st_mode), 0o640, "mode")
    expect(os.stat(out).st_mtime_ns, 981173106123456789, "mtime")
    place.run("encrypt", path, "-o", out, status=1, text="exists")
    place.run("encrypt", path, "-f", "-o", out)
    place.run("decrypt", out, "-o", back)
    expect(read(back) == content, True, "decrypt -o")
    expect(place.run("decrypt", out, "-o", "-") == content, True, "decrypt -o -")
    stored = place.run("encrypt", path, "-o", "-")
    expect(stored[:8], b"\x89scrim\r\n", "encrypt -o -")
    expect(place.run("decrypt", "-", stdin=None, input=stored) == content, True, "decrypt of a pipe")
    expect(place.run("cat", "-", stdin=None, input=stored) == content, True, "cat of a pipe")
    stored = place.run("encrypt", "-", stdin=None, input=content)
    expect(place.run("cat", "-", stdin=None, input=stored) == content, True, "encrypt of a pipe")
    place.run("encrypt", "-", "-o", place.name("piped"), stdin=None, input=content)
    expect(place.content("piped") == content, True, "encrypt of a pipe into a file")
    place.run("decrypt", out, "-o", "/dev/null")
    expect(stat.S_ISCHR(os.stat("/dev/null").st_mode), True, "/dev/null stays")
    # The same file.
    place.run("encrypt", path, "-o", path, status=1, text="exists")
    place.run("encrypt", path, "-f", "-o", path)
    expect(place.content("f") == content, True, "onto itself")
    place.run("encrypt", out, "-o", place.name("twice"), status=1, text="is encrypted already")
    place.run("decrypt", back, "-o", place.name("not"), status=1, text="is not an encrypted file")
    place.run("decrypt", place.file("empty"), "-o", place.name("empty2"))
    expect(read(place.name("empty2")), b"", "of nothing nothing")
    expect(place.run("cat", out, place.name("piped")) == 2 * content, True, "cat of two")


def test_said(place):
    path = place.file("f", b"content")
    place.run("encrypt", path, text="may be recoverable")
    place.run("encrypt", path, text="f: is encrypted already")
    expect("recoverable" in place.error, False, "said without a reason")
    a, b = place.file("a", b"a"), place.file("b", b"b")
    place.run("encrypt", a, b)
    expect(place.error.count("recoverable"), 1, "said once")
    place.run("decrypt", "-q", a, b)
    expect(place.error, "", "quiet")
    place.run("decrypt", a, status=1, text="a: is not an encrypted file")
    place.run("decrypt", place.file("empty"), text="is empty")
    place.run("decrypt", path, key=place.other, status=12, text="needs the key with the id")
    place.run("cat", path, key=place.other, status=12)
    expect(is_encrypted(path), True, "still there")
    place.run("encrypt", status=2, text="no path")
    place.run("encrypt", "--nonsense", status=2, text="usage")
    place.run("encrypt", a, b, "-o", "x", status=2, text="-o takes one path")
    place.run("encrypt", a, "--chunk-size", "5K", status=2, text="a chunk has")
    place.run("encrypt", a, "--provider", "nobody", status=2, text="no provider 'nobody'")
    place.run("encrypt", a, key=place.name("absent"), status=12)
    expect(read(a), b"a", "untouched")
    place.run("encrypt", a, "--provider", "sodium")
    place.run("decrypt", a, "--provider", "openssl")
    expect(read(a), b"a", "providers agree")
    results = place.json("encrypt", a, b, place.name("absent"), status=1)
    expect(place.error.count("recoverable"), 1, "said once")
    expect([(r["path"], r["result"], r.get("error")) for r in results],
           [(a, "done", None), (b, "done", None), (place.name("absent"), "failed", "ENOENT")], "json")
    expect((results[0]["size_before"], results[0]["size_after"]), (1, 4096), "sizes")
    # A name is text of strangers.
    place.run("decrypt", place.file("a\x1b[31mb\n", b""), text="a\\x1b[31mb\\x0a: is empty")


def test_refused(place):
    path = place.file("f", b"content")
    os.symlink("f", place.name("link"))
    place.run("encrypt", place.name("link"), status=1, text="link: is a symbolic link")
    os.link(path, place.name("second"))
    place.run("encrypt", path, status=1, text="f: has 2 names")
    expect(read(path), b"content", "untouched")
    place.run("encrypt", "--force", path)
    expect((is_encrypted(path), read(place.name("second"))), (True, b"content"), "--force")
    os.unlink(place.name("second"))
    place.run("decrypt", path)
    os.mkfifo(place.name("fifo"))
    place.run("encrypt", place.name("fifo"), status=1, text="fifo: is a FIFO")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(place.name("socket"))
    place.run("encrypt", place.name("socket"), status=1, text="socket: is a socket")
    place.run("encrypt", "/dev/null", status=1, text="/dev/null: is a character device")
    place.run("encrypt", place.path, status=1, text="is a directory")
    place.run("encrypt", place.name("absent"), status=1, text="absent: cannot be looked at: No such file")
    place.run("encrypt", place.key, status=1, text=".key: is the key itself")
    place.run("encrypt", place.file("keyfile", b"scrim-key 1\nid 00\n"), status=1, text="keyfile: is a key file")
    with open(path, "ab") as file, subprocess.Popen(["sleep", "60"], stdout=file) as writer:
        file.close()
        while os.readlink(f"/proc/{writer.pid}/exe").rpartition("/")[2].startswith("python"):
            time.sleep(0.01)
        try:
            place.run("encrypt", path, status=1, text=f"is open for writing by sleep ({writer.pid})")
            expect(read(path), b"content", "untouched")
            place.run("encrypt", "--force", path)
            expect(is_encrypted(path), True, "--force")
        finally:
            writer.kill()
    place.run("decrypt", path)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0):
        file.close()
        place.run("encrypt", path, status=1, text="is open for writing by")
    place.run("encrypt", path)
    place.run("decrypt", path)
    with open(path, "rb"):
        place.run("encrypt", path)
        place.run("decrypt", path)


def test_tree(place):
    contents = {"a": b"1", "b/c": b"22" * 4000, "b/d/e": b"", "b/d/f": os.urandom(30000), "z": b"last"}
    for name, content in contents.items():
        os.makedirs(os.path.dirname(place.name("tree/" + name)), exist_ok=True)
        place.file("tree/" + name, content)
    outside = place.file("outside", b"outside")
    os.symlink(outside, place.name("tree/link"))
    os.symlink(place.path, place.name("tree/b/up"))
    os.mkfifo(place.name("tree/b/fifo"))
    os.link(place.name("tree/z"), place.name("tree/zz"))
    os.unlink(place.name("tree/zz"))
    tree = place.name("tree")
    place.run("encrypt", tree, status=1, text="is a directory")
    place.run("encrypt", "-r", tree, text="5 done, 0 skipped, 0 failed, 3 passed by")
    for text in ("tree/link: passed by: a symbolic link", "b/fifo: passed by: a FIFO"):
        expect(text in place.error, True, text)
    for name, content in contents.items():
        expect(is_encrypted(place.name("tree/" + name)), True, name)
        expect(place.content("tree/" + name) == content, True, name)
    expect(read(outside), b"outside", "a link was followed")
    place.run("encrypt", "-r", tree, text="0 done, 5 skipped, 0 failed, 3 passed by")
    place.file("tree/new", b"new")
    results = {os.path.relpath(r["path"], tree): r["result"] for r in place.json("decrypt", "-r", tree + "/")}
    expect(results, {**dict.fromkeys(contents, "done"), "new": "skipped", "link": "passed", "b/up": "passed",
                     "b/fifo": "passed"}, "json")
    for name, content in contents.items():
        expect(read(place.name("tree/" + name)) == content, True, name)
    # What a killed run left is removed; what somebody is at work with is not.
    left = place.file("tree/.scrim-0123456789abcdef.tmp", b"left")
    busy = place.file("tree/b/.scrim-0123456789abcdef.tmp", b"busy")
    with open(busy, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        place.run("encrypt", "-r", tree, text="was left by a run that was killed; removed")
        expect((os.path.exists(left), read(busy)), (False, b"busy"), "temporary files")
    place.run("encrypt", "-r", tree)
    expect(place.leftovers(), [], "temporary files")


def test_nowhere_to_write(place):
    """What stands in the way is named, and the file is as it was."""
    if os.geteuid() == 0:
        return  # nothing stands in root's way; the file systems that are full or read-only are below
    os.mkdir(place.name("d"))
    path = place.file("d/f", b"content")
    os.chmod(place.name("d"), 0o555)
    place.run("encrypt", path, status=1, text="f: cannot make a file beside it; it is as it was: Permission denied")
    expect(read(path), b"content", "untouched")
    os.chmod(place.name("d"), 0o755)
    os.chmod(path, 0)
    place.run("encrypt", path, status=1, text="f: cannot be opened: Permission denied")
    place.run("encrypt", "/etc/passwd", status=1, text="/etc/passwd")


def test_full(place):
    """No space, a file system that is read-only, a limit of the size of files."""
    content = random_bytes(3 << 20, 9)
    path = place.file("f", content)
    limited = ["bash", "-c", f'ulimit -f 1024; exec "{place.scrim}" encrypt --key-file "{place.key}" "{path}"']
    done = subprocess.run(limited, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    expect((done.returncode, b"File too large" in done.stderr), (1, True), str(done))
    expect((read(path) == content, place.leftovers()), (True, []), "untouched")
    if os.geteuid() != 0:
        return
    small = place.name("small")
    os.mkdir(small)
    subprocess.run(["unshare", "-m", "sh", "-ec", f"""
        mount -t tmpfs -o size=4m none {small}
        cp {path} {small}/f
        ! {place.scrim} encrypt --key-file {place.key} {small}/f 2> {place.path}/error
        cmp {path} {small}/f
        test "$(ls -A {small})" = f
        mount -o remount,ro {small}
        ! {place.scrim} encrypt --key-file {place.key} {small}/f 2> {place.path}/error2
        cmp {path} {small}/f
        """], check=True)
    expect("No space left" in read(place.name("error")).decode(), True, read(place.name("error")))
    expect("Read-only file system" in read(place.name("error2")).decode(), True, read(place.name("error2")))


def test_other_device(place):
    if os.geteuid() != 0:
        return  # mounting is root's
    tree = place.name("tree")
    os.makedirs(tree + "/mounted")
    place.file("tree/f", b"f")
    subprocess.run(["unshare", "-m", "sh", "-ec", f"""
        mount -t tmpfs none {tree}/mounted
        echo inside > {tree}/mounted/f
        {place.scrim} encrypt --key-file {place.key} -r {tree} 2> {place.path}/error
        test "$(cat {tree}/mounted/f)" = inside
        {place.scrim} encrypt --key-file {place.key} -qr --cross-device {tree}
        test "$(head -c 6 {tree}/mounted/f | tail -c 5)" = scrim
        """], check=True)
    expect("mounted: passed by: another file system" in read(place.name("error")).decode(), True, "said")
    expect(is_encrypted(place.name("tree/f")), True, "the rest")


def test_changed_meanwhile(place):
    """What somebody writes who opens the file while it is encrypted is not lost."""
    path = place.name("f")
    content = random_bytes(24 << 20, 3)
    refused = 0
    for turn in range(8):
        place.file("f", content)
        command = [place.scrim, "encrypt", "-q", "--key-file", place.key, path] + (["--force"] if turn % 2 else [])
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        time.sleep(0.003 * turn)
        # Without --force this waits while the command has a lease, and makes it give up.
        with open(path, "r+b") as file:
            if file.read(8) == b"\x89scrim\r\n":
                process.communicate()
                continue  # already the new one
            file.seek(1000)
            file.write(b"changed!")
            file.flush()
            os.fsync(file.fileno())
        error = process.communicate()[1].decode()
        expect(process.returncode, 1 if error else 0, error)
        refused += process.returncode
        now = place.content("f") if is_encrypted(path) else read(path)
        expect(now == content[:1000] + b"changed!" + content[1008:], True, f"turn {turn}: what was written; {error}")
    if not refused:
        raise AssertionError("nothing was ever noticed")


def test_interrupted(place):
    """A signal ends it, and nothing is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = subprocess.Popen([place.scrim, "encrypt", "--key-file", place.key, "-", "-o", place.name("out")],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(bytes(1 << 20))
        process.stdin.flush()
        time.sleep(0.1)
        process.send_signal(number)
        expect(process.wait(), -number, "status")
        process.stdin.close()
        expect((os.path.exists(place.name("out")), place.leftovers()), (False, []), "what is left")


def test_order(place):
    """The content reaches the disk before the name, and the name before the end: what a power loss could mix up."""
    path = place.file("f", random_bytes(100000, 4))
    if not shutil.which("strace"):
        raise AssertionError("strace is needed")
    for command in ("encrypt", "decrypt"):
        trace = place.name("trace")
        subprocess.run(["strace", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,fchmod,"
                        "fsetxattr,utimensat,linkat,openat", place.scrim, command, "--key-file", place.key, path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        calls = [line.split("(")[0] for line in open(trace) if line.split("(")[0] != "openat" and "= -1" not in line]
        renamed = next(i for i, call in enumerate(calls) if call.startswith("rename"))
        before = [i for i, call in enumerate(calls[:renamed]) if call == "fsync"]
        changed = [i for i, call in enumerate(calls[:renamed]) if call in ("pwrite64", "fchmod", "utimensat")]
        expect(bool(before) and max(changed) < before[-1], True, f"{command}: all of it, then fsync, then rename: {calls}")
        expect("fsync" in calls[renamed:], True, f"{command}: the directory behind it: {calls}")
        if command == "encrypt":  # of a file that was just made there is nothing to wait for first
            expect(calls.index("pwrite64") < calls.index("fdatasync"), True, f"a sync of nothing: {calls}")


main(globals())
