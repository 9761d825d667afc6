# SPDX-License-Identifier: Apache-2.0
"""What went wrong in an earlier program of this kind, each as a case: C1-C23 and W1-W11 (docs/SECURITY.md has the table).

Usage: vectors.py [--user] [--mode ...] SCRIM
"""
import os
import re
import signal
import subprocess
import time

from place import LIMIT, crypt_only, descendants, expect, is_encrypted, main, turns, wait_for_end

LOOK = """
def pieces(limit, seed=7):
    n = 0
    while limit > 0:
        seed = (seed * 1103515245 + 12345) & 0x7fffffff
        size = min(limit, 1 + (seed >> 8) % 128)
        yield bytes([n % 251]) * size
        n += 1
        limit -= size
"""
exec(LOOK)  # pieces(): the same outside as inside
WAIT = "\nprint('ready', flush=True)\nsys.stdin.read()\n"


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Held:
    """A view that runs python CODE and then stays until it is let go."""

    def __init__(self, place, code, *args, **more):
        self.place = place
        self.process = place.start("/usr/bin/python3", "-c", f"import os, sys, fcntl, mmap\ntree = {place.tree!r}\n" + code + WAIT,
                                   *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.lines = []
        while not self.lines or self.lines[-1] != "ready":
            line = self.process.stdout.readline().decode()
            if not line:
                raise AssertionError(f"it ended: {self.process.stderr.read().decode()[-3000:]} {place.logged()}")
            self.lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        status = self.process.wait(LIMIT)
        if status:
            raise AssertionError(f"status {status} at the end: {self.process.stderr.read().decode()[-2000:]} {self.place.logged()[-3000:]}")
        self.process.stdout.close()
        self.process.stderr.close()

    def dead(self):
        """Its end has been caused: wait for it."""
        below = descendants(self.process.pid)
        self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        wait_for_end(below)


def test_C1_very_many_tiny_writes(place):
    code = LOOK + """
with open(tree + "/ones", "wb", buffering=0) as file:
    for n in range(65536):
        file.write(bytes([n & 255]))
with open(tree + "/many", "wb", buffering=0) as file:
    for piece in pieces(8 << 20):
        file.write(piece)
os.sync()
"""
    with Held(place, code) as held:
        if place.mode != "native":
            kib = rss(place.supervisor(held.process))
            if kib > 48 << 10:
                raise AssertionError(f"{kib} KiB in the supervisor")
    expect(place.content("ones") == bytes(range(256)) * 256, True, "64 Ki of one byte")
    expect(place.content("many") == b"".join(pieces(8 << 20)), True, "8 MiB of small writes")
    place.verify()


def test_C2_descriptor_is_no_way_to_exec(place):
    """The plaintext's descriptor can be executed as little as its file."""
    place.python("""
import shutil
shutil.copy("/bin/true", tree + "/program")
def run(what, how):
    pid = os.fork()
    if pid == 0:
        try:
            how()
        except OSError as error:
            os._exit(error.errno)
        os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(what, status, flush=True)
    return status
os.chmod(tree + "/program", 0o644)
fd = os.open(tree + "/program", os.O_RDONLY)
for what, how in (("fexecve", lambda: os.execve(fd, ["x"], {})), ("by link", lambda: os.execv(f"/proc/self/fd/{fd}", ["x"])),
                  ("by name", lambda: os.execv(tree + "/program", ["x"]))):
    assert run(what, how) == 13, what
os.chmod(tree + "/program", 0o755)
for what, how in (("fexecve", lambda: os.execve(fd, ["x"], {})), ("by link", lambda: os.execv(f"/proc/self/fd/{fd}", ["x"])),
                  ("by name", lambda: os.execv(tree + "/program", ["x"]))):
    assert run(what, how) == 0, what
""")


def kek(place):
    with open(os.path.join(place.home, ".config/scrim/keys/work.key"), encoding="utf-8") as file:
        symbols = re.search(r"key=(\S+)", file.read()).group(1).replace("-", "")
    bits = 0
    for symbol in symbols[2:54]:
        bits = bits << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(symbol)
    return (bits >> 4).to_bytes(32, "big")


def memory_of(pid):
    """All that can be read of a process; None: nothing."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                words = line.split()
                if "r" not in words[1] or words[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                    continue
                begin, end = (int(word, 16) for word in words[0].split("-"))
                try:
                    mem.seek(begin)
                    yield words[-1], mem.read(end - begin)
                except (OSError, OverflowError, ValueError):
                    continue
    except OSError:
        return


@crypt_only
def test_C3_no_key_in_memory_that_others_read(place):
    key, text = kek(place), b"0123456789abcdef"
    expect(len(key), 32, "the key")
    with Held(place, """
with open(tree + "/file", "wb") as file:
    file.write(b"0123456789abcdef" * 1000)
held = open(tree + "/file", "rb")
os.sync()
""") as held:
        seen = 0
        for pid in [held.process.pid, *descendants(held.process.pid)]:
            for name, content in memory_of(pid):
                seen += len(content)
                if key in content:
                    raise AssertionError(f"the key is in {name} of {pid}")
    if os.geteuid() == 0 and seen < 1 << 20:
        raise AssertionError("nothing could be read")
    with open(place.name("file"), "rb") as file:
        expect(text in file.read(), False, "plaintext on the disk")


def test_C4_concurrent_writers(place):
    """Each writes the whole file with one call, again and again: in the end it is what one of them wrote."""
    place.python("""
SIZE = 200_000
def child(number):
    for turn in range(60):
        if turn % 3 == 0:
            fd = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
        assert os.pwrite(fd, bytes([65 + number]) * SIZE, 0) == SIZE
        if turn % 7 == 0:
            os.fsync(fd)
        if turn % 3 == 2:
            os.close(fd)
for number in range(8):
    if os.fork() == 0:
        try:
            child(number)
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
        os._exit(0)
assert all(os.wait()[1] == 0 for _ in range(8))
""")
    content = place.content("file")
    expect((len(content), len(set(content))), (200_000, 1), "of one writer")
    place.verify()


def test_C5_append_and_open_at_once(place):
    place.python("""
want = b""
for size in range(1, 129):
    with open(tree + "/file", "ab", buffering=0) as file:
        file.write(bytes([size]) * size)
    want += bytes([size]) * size
    with open(tree + "/file", "rb", buffering=0) as file:
        got = file.read()
    assert got == want, (size, len(got), len(want))
""")
    expect(place.content("file") == b"".join(bytes([n]) * n for n in range(1, 129)), True, "what was appended")
    # Each in a view of its own, too.
    for n in range(4):
        place.view("/bin/sh", "-c", f"printf {n} >> file")
    expect(place.content("file")[-4:], b"0123", "appended by views")


@crypt_only
def test_C7_o_path_does_not_decrypt(place):
    place.python("open(tree + '/file', 'wb').write(b'x' * 40000)")
    with open(place.name("file"), "r+b") as file:
        content = bytearray(file.read())
        content[len(content) // 4::100] = bytes(byte ^ 1 for byte in content[len(content) // 4::100])
        file.seek(0)
        file.write(content)
    told = place.python("""
fd = os.open(tree + "/file", os.O_PATH)
print(os.readlink(f"/proc/self/fd/{fd}") == tree + "/file", os.fstat(fd).st_ino == os.stat(tree + "/file").st_ino)
try:
    os.open(tree + "/file", os.O_RDONLY)
except OSError as error:
    print(error.errno)
try:
    os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
except OSError as error:
    print(error.errno)
""").decode().split()
    expect(told, ["True", "True", "74", "74"], "O_PATH, then EBADMSG")


def test_C8_read_and_write(place):
    place.python("""
with open(tree + "/file", "wb") as file:
    file.write(b"0123456789" * 5000)
with open(tree + "/file", "r+b", buffering=0) as file:
    file.seek(20_000)
    file.write(b"MIDDLE")
    file.seek(20_000)
    assert file.read(8) == b"MIDDLE67", "read back"
    file.seek(90_000)
    file.write(b"far")
    file.seek(0)
    whole = file.read()
assert len(whole) == 90_003 and whole[50_000:90_000] == bytes(40_000), len(whole)
""")
    content = place.content("file")
    wanted = bytearray(b"0123456789" * 5000)
    wanted[20_000:20_006] = b"MIDDLE"
    expect(content == bytes(wanted) + bytes(40_000) + b"far", True, "what is there")


def test_C10_ends_at_once(place):
    """The last command ends right behind its close, or without one."""
    for turn in range(20):
        place.view("/bin/sh", "-c", f"echo turn {turn} > file")
        expect(place.content("file"), f"turn {turn}\n".encode(), "after an end at once")
        place.python(f"os.write(os.open(tree + '/file', os.O_WRONLY | os.O_TRUNC), b'python {turn}'); os._exit(0)")
        expect(place.content("file"), f"python {turn}".encode(), "after an end without close")


def test_C10_grow_and_shrink(place):
    place.python("""
name, want = tree + "/file", b"abcdefgh" * 4000
open(name, "wb").write(want)
def same(what):
    global want
    got = open(name, "rb").read()
    assert got == want and os.stat(name).st_size == len(want), (what, len(got), len(want), os.stat(name).st_size)
def resize(size):
    global want
    want = want[:size].ljust(size, b"\\0")
for size in (100, 50_000, 16_384, 0, 1, 40_000, 39_999):
    os.truncate(name, size); resize(size); same("truncate, closed")
fd = os.open(name, os.O_RDWR)
for size in (70_000, 5, 16_385, 16_384, 33_000):
    os.ftruncate(fd, size); resize(size); same("ftruncate")
    os.truncate(name, size + 7); resize(size + 7); same("truncate, open")
    os.pwrite(fd, b"xyz", size); want = want[:size] + b"xyz" + want[size + 3:]; same("written behind")
os.posix_fallocate(fd, 60_000, 10_000); resize(70_000); same("fallocate")
os.close(fd)
fd = os.open(name, os.O_WRONLY | os.O_APPEND)
os.ftruncate(fd, 20_000); resize(20_000)
os.posix_fallocate(fd, 0, 30_000); resize(30_000)
os.write(fd, b"end"); want += b"end"
os.close(fd)
same("through a descriptor that appends")
open(tree + "/out", "wb").write(want)
""")
    expect(place.content("file") == place.content("out"), True, "outside")


def test_C12_rapid_appends(place):
    """By one, then by several at a time: no block is lost."""
    script = """
i=1
while [ $i -le 128 ]; do
    head -c $i /dev/zero | tr '\\0' x | tee -a one >/dev/null
    echo >> one
    i=$((i + 1))
done
for writer in 1 2 3 4; do
    (i=1; while [ $i -le 64 ]; do printf '%s:%d:%0*d\\n' $writer $i $i 0 >> several; i=$((i + 1)); done) &
done
wait
"""
    place.view("/bin/sh", "-c", script)
    expect(place.content("one") == b"".join(b"x" * n + b"\n" for n in range(1, 129)), True, "one after the other")
    lines = sorted(place.content("several").decode().splitlines())
    expect(lines, sorted(f"{w}:{i}:{'0' * i}" for w in range(1, 5) for i in range(1, 65)), "several at a time")
    place.verify()


def test_C13_ways_to_change_what_is_appended_to(place):
    """Each operation on descriptors with O_APPEND: the content must be that of a plain file (`out` is under no rule)."""
    code = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return result if result >= 0 else -ctypes.get_errno()
def pwritev2(fd, data, offset, flags):
    vector = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.c_char.from_buffer(buffer := bytearray(data))), len(data))
    return call(328, fd, ctypes.byref(vector), 1, offset, 0, flags)
def mapped(fd, protection, then=None):
    try:
        area = mmap.mmap(fd, 4096, mmap.MAP_SHARED, protection)
    except OSError as error:
        return -error.errno
    if protection & mmap.PROT_WRITE:
        area[:5] = b"MAPPD"
    area.close()
    return 0
def attempt(what):
    try:
        return what()
    except OSError as error:
        return -error.errno
def clear(fd):
    result = attempt(lambda: fcntl.fcntl(fd, fcntl.F_SETFL, 0))
    return result, os.write(fd, b"cleared")
def spliced(fd):
    r, w = os.pipe(); os.write(w, b"spliced")
    return call(275, r, 0, fd, ctypes.byref(ctypes.c_int64(0)), 7, 0)
operations = {
    "write after lseek": lambda fd: (os.lseek(fd, 0, 0), os.write(fd, b"first"))[1],
    "pwrite": lambda fd: attempt(lambda: os.pwrite(fd, b"second", 0)),
    "pwritev2": lambda fd: pwritev2(fd, b"third", 0, 0),
    "RWF_APPEND": lambda fd: pwritev2(fd, b"fourth", 0, 0x10),
    "clear": clear,
    "clear with upper bits": lambda fd: (call(72, fd, 4 | 1 << 32, 0), os.write(fd, b"upper")),
    "clear in a child": lambda fd: (os.waitpid(pid, 0)[1] if (pid := os.fork()) else os._exit(attempt(lambda: fcntl.fcntl(fd, 4, 0)) < 0), os.write(fd, b"child")),
    "ftruncate": lambda fd: attempt(lambda: os.ftruncate(fd, 9000)),
    "punch": lambda fd: call(285, fd, 3, 100, 200),
    "extend": lambda fd: call(285, fd, 0, 0, 20000),
    "shared": lambda fd: mapped(fd, mmap.PROT_READ | mmap.PROT_WRITE),
    "splice": spliced,
    "copy_file_range": lambda fd: attempt(lambda: os.copy_file_range(source, fd, 100, 0, 0)),
    "sendfile": lambda fd: attempt(lambda: os.sendfile(fd, source, 0, 100)),
    "again by link": lambda fd: os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), b"LINK", 3),
}
answers = {}
for where in sys.argv[1:]:
    answers[where] = []
    with open(where + "/source", "wb") as file:
        file.write(b"source" * 1000)
    source = os.open(where + "/source", os.O_RDONLY)
    for flags in (os.O_WRONLY, os.O_RDWR):
        for name, operation in operations.items():
            path = f"{where}/{name}-{flags}".replace(" ", "-")
            with open(path, "wb") as file:
                file.write(b"%07d\\n" * 1000 % tuple(range(1000)))
            fd = os.open(path, flags | os.O_APPEND)
            answers[where].append((name, flags, operation(fd)))
            os.close(fd)
tree, out = sys.argv[1:]
wrong = [(a, b) for a, b in zip(answers[tree], answers[out]) if a != b]
assert not wrong, wrong
"""
    place.python(code, place.tree, place.out)
    for name in sorted(os.listdir(place.out)):
        with open(os.path.join(place.out, name), "rb") as file:
            expect(place.content(name) == file.read(), True, name)


@crypt_only
def test_C14_no_key_no_start(place):
    for key, text in (("absent", "absent"), ("", "key")):
        place.view("/bin/sh", "-c", "echo ran > out", rule=f"crypt {place.tree} key={key}", status=125)
        if text not in place.error:
            raise AssertionError(f"{key!r}: {place.error}")
    place.view("/bin/sh", "-c", "echo ran > out", rule=f"crypt {place.tree}", status=None)
    expect(os.listdir(place.tree), [], "what ran without a key")


def test_C15_descriptor_calls_act_on_the_file(place):
    place.python("""
name = tree + "/file"
open(name, "wb").write(b"x" * 1000)
fd = os.open(name, os.O_RDWR)
def same(what):
    a, b, c = os.fstat(fd), os.stat(name), os.stat(f"/proc/self/fd/{fd}")
    for field in ("st_dev", "st_ino", "st_mode", "st_uid", "st_gid", "st_nlink", "st_size", "st_blocks", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(a, field) == getattr(b, field) == getattr(c, field), (what, field, a, b, c)
    return b
same("open")
os.fchmod(fd, 0o604); assert same("fchmod").st_mode & 0o7777 == 0o604
os.fchown(fd, os.getuid(), os.getgid()); same("fchown")
os.setxattr(fd, "user.test", b"value"); same("fsetxattr")
assert os.getxattr(name, "user.test") == b"value" == os.getxattr(fd, "user.test") and os.listxattr(fd) == os.listxattr(name)
os.removexattr(fd, "user.test"); assert "user.test" not in os.listxattr(name)
os.utime(fd, ns=(10**18, 2 * 10**18)); assert same("futimens").st_mtime_ns == 2 * 10**18 and os.stat(name).st_atime_ns == 10**18
os.utime(name, ns=(10**18, 3 * 10**18)); assert same("utimensat").st_mtime_ns == 3 * 10**18
os.ftruncate(fd, 12345); assert same("ftruncate").st_size == 12345
os.pwrite(fd, b"y", 20000); assert same("pwrite").st_size == 20001 and os.stat(name).st_mtime > 10**9
os.link(name, tree + "/other"); assert same("link").st_nlink == 2
assert os.fstatvfs(fd).f_fsid == os.statvfs(name).f_fsid and os.fstatvfs(fd).f_bsize == os.statvfs(name).f_bsize
os.close(fd)
before = os.stat(name)
""")
    if place.encrypts:
        expect(os.stat(place.name("file")).st_mode & 0o7777, 0o604, "the real file's mode")


def test_C15_times_are_the_programs(place):
    """mtime and ctime are those of the writes, never of the write-back; also in the next view."""
    told = place.python("""
import time
def times(name):
    st = os.stat(tree + "/" + name)
    return st.st_mtime_ns, st.st_ctime_ns
with open(tree + "/a", "wb") as file:
    file.write(b"content")
first = times("a")
time.sleep(0.3)
os.sync()
assert times("a") == first, ("sync", first, times("a"))
fd = os.open(tree + "/a", os.O_RDWR)
assert times("a") == first, "open"
os.read(fd, 100)
os.close(fd)
time.sleep(0.1)
assert times("a") == first, "read"
with open(tree + "/b", "wb") as file:
    file.write(b"content")
assert times("b") > times("a"), "order"
os.utime(tree + "/a", ns=(5 * 10**17, 5 * 10**17))
open(tree + "/a", "rb").read()
fd = os.open(tree + "/a", os.O_WRONLY); os.fsync(fd); os.close(fd)
assert times("a")[0] == 5 * 10**17, "utime"
print(*times("a"), *times("b"))
""").decode().split()
    time.sleep(0.2)
    again = place.python("for n in 'ab': st = os.stat(tree + '/' + n); print(st.st_mtime_ns, st.st_ctime_ns)").decode().split()
    expect(again, told, "in another view")
    expect(os.stat(place.name("a")).st_mtime_ns, int(told[0]), "outside, mtime of a")
    expect(os.stat(place.name("b")).st_mtime_ns, int(told[2]), "outside, mtime of b")


def test_C16_setfl_against_a_descriptor_that_moves(place):
    """One thread exchanges what stands at a number while others change its flags: nothing comes into the wrong file."""
    place.python("""
import threading
os.chdir(tree)
a = os.open("appended", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
b = os.open("free", os.O_WRONLY | os.O_CREAT, 0o644)
moving = os.dup(a)
stop = False
def move():
    while not stop:
        os.dup2(a, moving)
        os.dup2(b, moving)
def change():
    for n in range(3000):
        fcntl.fcntl(moving, fcntl.F_SETFL, os.O_NONBLOCK if n % 2 else 0)
mover, changers = threading.Thread(target=move), [threading.Thread(target=change) for _ in range(2)]
mover.start(); [c.start() for c in changers]; [c.join() for c in changers]
stop = True
mover.join()
os.write(a, b"A" * 100); os.write(b, b"B" * 50)
os.close(moving)
assert open("appended", "rb").read() == b"A" * 100 and open("free", "rb").read() == b"B" * 50
""")
    expect((place.content("appended"), place.content("free")), (b"A" * 100, b"B" * 50), "outside")


def test_C16_setfl_of_a_tail(place):
    """A descriptor that could only append gives up O_APPEND: it then writes where it stands, into content it never saw."""
    place.python("open(tree + '/file', 'wb').write(b'0123456789' * 10000)")
    place.python("""
fd = os.open(tree + "/file", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"tail")
fcntl.fcntl(fd, fcntl.F_SETFL, 0)
os.pwrite(fd, b"MIDDLE", 50_001)
os.close(fd)
""")
    wanted = bytearray(b"0123456789" * 10000 + b"tail")
    wanted[50_001:50_007] = b"MIDDLE"
    expect(place.content("file") == bytes(wanted), True, "what is there")


def test_C18_readers_against_a_rewriter(place):
    """64 readers look at each file's hash while a writer saves anew, by rename: always a whole one."""
    place.python("""
import hashlib, random
def save(turn):
    body = random.randbytes(random.randrange(1, 60_000))
    with open(f"{tree}/new", "wb") as file:
        file.write(hashlib.sha256(body).digest() + body)
    os.rename(f"{tree}/new", f"{tree}/file-{turn % 4}")
for turn in range(4):
    save(turn)
readers = []
for number in range(64):
    pid = os.fork()
    if pid == 0:
        status = 0
        for turn in range(int(sys.argv[1])):
            with open(f"{tree}/file-{(number + turn) % 4}", "rb") as file:
                content = file.read()
            if hashlib.sha256(content[32:]).digest() != content[:32]:
                print("torn", len(content), flush=True)
                status = 1
        os._exit(status)
    readers.append(pid)
turn = 0
while readers:
    save(turn)
    turn += 1
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid:
        readers.remove(pid)
        assert status == 0
assert turn > 20, turn
""", str(turns(30, 500)), limit=600)
    place.verify()


def test_C18_readers_in_place(place):
    """Many readers and a writer that rewrites in place under a lock: under the lock each content is whole."""
    place.python("""
import hashlib, random
fd = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
SIZE = 70_000
def rewrite(file, turn):
    body = bytes([turn % 256]) * SIZE
    os.pwrite(file, hashlib.sha256(body).digest() + body, 0)
rewrite(fd, 0)
children = []
for number in range(17):
    pid = os.fork()
    if pid == 0:
        mine = os.open(tree + "/file", os.O_RDWR)
        for turn in range(60):
            if number == 0:
                fcntl.lockf(mine, fcntl.LOCK_EX)
                rewrite(mine, turn)
            else:
                fcntl.lockf(mine, fcntl.LOCK_SH)
                content = os.pread(mine, SIZE + 32, 0)
                if hashlib.sha256(content[32:]).digest() != content[:32] or len(content) != SIZE + 32:
                    os._exit(1)
            fcntl.lockf(mine, fcntl.LOCK_UN)
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
""")
    place.verify()


def test_C18_workers_that_reopen(place):
    """16 workers: write, close, reopen with O_APPEND, F_SETFL. Each line comes once and whole."""
    place.python("""
count = int(sys.argv[1])
def work(number):
    for turn in range(count):
        fd = os.open(tree + "/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | (os.O_NONBLOCK if turn % 2 else 0))
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
        os.write(fd, b"%d %d\\n" % (number, turn))
        os.close(fd)
pids = []
for number in range(16):
    pid = os.fork()
    if pid == 0:
        try:
            work(number)
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
        os._exit(0)
    pids.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
""", str(turns(60, 1000)), limit=900)
    count = turns(60, 1000)
    got = sorted(place.content("log").splitlines())
    expect(got == sorted(b"%d %d" % (n, t) for n in range(16) for t in range(count)), True, f"the lines, {len(got)}")


def test_C18_locks(place):
    """OFD, POSIX and flock locks behave as on a file, and disturb nothing of ours."""
    place.python("""
import struct
SETLK, GETLK = 37, 36
def lock(kind, start=0, length=0):
    return struct.pack("hhqqi4x", kind, 0, start, length, 0)
a = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
b = os.open(tree + "/file", os.O_RDWR)
fcntl.fcntl(a, SETLK, lock(fcntl.F_WRLCK))
try:
    fcntl.fcntl(b, SETLK, lock(fcntl.F_RDLCK)); raise SystemExit("two at a time")
except BlockingIOError:
    pass
os.write(a, b"under lock")
os.fsync(a)
c = os.open(tree + "/file", os.O_WRONLY | os.O_TRUNC)
fcntl.fcntl(a, SETLK, lock(fcntl.F_UNLCK))
fcntl.fcntl(b, SETLK, lock(fcntl.F_WRLCK, 5, 10))
fcntl.fcntl(a, SETLK, lock(fcntl.F_WRLCK, 20, 10))
fcntl.flock(a, fcntl.LOCK_EX)
try:
    fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB); raise SystemExit("two flocks")
except BlockingIOError:
    pass
if os.fork() == 0:
    d = os.open(tree + "/file", os.O_RDWR)
    try:
        fcntl.lockf(d, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
    except BlockingIOError:
        os._exit(0)
    os._exit(1)
assert os.wait()[1] == 0
os.pwrite(b, b"after", 0)
""")
    expect(place.content("file"), b"after", "what is there")


def test_C19_names_that_move(place):
    place.python("""
os.chdir(tree)
os.mkdir("d"); os.mkdir("e")
open("d/a", "w").write("content a")
open("b", "w").write("content b")
held = open("d/a", "rb")
os.rename("d/a", "e/a")
assert held.read() == b"content a" and os.readlink(f"/proc/self/fd/{held.fileno()}") == tree + "/e/a"
os.rename("d", "f"); os.rename("e", "f/e")
assert open("f/e/a").read() == "content a"
os.link("b", "linked"); assert open("linked").read() == "content b"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.renameat2(-100, b"b", -100, b"f/e/a", 2) == 0
assert open("b").read() == "content a" and open("f/e/a").read() == open("linked").read() == "content b"
other = open("b", "r+")
os.rename("linked", "b")
other.seek(0); assert other.read() == "content a"
os.unlink("f/e/a")
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"had no name")
assert libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"named", 0x400) == 0
""")
    expect(place.content("b"), b"content b", "b")
    expect(place.content("named"), b"had no name", "a file that had no name")
    expect(sorted(os.listdir(place.tree)), ["b", "f", "named"], "names")
    place.verify()


@crypt_only
def test_C19_the_edge_of_the_tree(place):
    """Across it EXDEV, so that mv copies; the place of the rule itself EBUSY."""
    place.python("""
import errno
open(tree + "/in", "w").write("in")
outside = sys.argv[1]
open(outside + "/out", "w").write("out")
def fails(what, wanted):
    try:
        what()
    except OSError as error:
        assert error.errno == wanted, error
    else:
        raise SystemExit(f"no errno {wanted}")
fails(lambda: os.rename(tree + "/in", outside + "/in"), errno.EXDEV)
fails(lambda: os.rename(outside + "/out", tree + "/out"), errno.EXDEV)
fails(lambda: os.link(tree + "/in", outside + "/in"), errno.EXDEV)
fails(lambda: os.link(outside + "/out", tree + "/out"), errno.EXDEV)
fails(lambda: os.rename(tree, tree + "-moved"), errno.EBUSY)
""", place.out)
    place.view("/bin/sh", "-c", f"mv in {place.out}/moved && mv {place.out}/out moved")
    with open(os.path.join(place.out, "moved"), "rb") as file:
        expect(file.read(), b"in", "moved out of the tree")
    expect(place.content("moved"), b"out", "moved into the tree")
    expect(is_encrypted(place.name("moved")), True, "on the disk")


def blocks(data, size=16):
    return {data[at:at + size] for at in range(0, len(data) - size + 1, size)} - {bytes(size)}


@crypt_only
def test_C20_no_nonce_twice(place):
    """What is written again is encrypted anew: no ciphertext comes back, none is the other one's with the difference added."""
    versions = []
    for text in (b"\x00", b"\x01", b"\x00"):
        place.python(f"open(tree + '/file', 'r+b' if os.path.exists(tree + '/file') else 'wb').write({text!r} * 200_000)")
        with open(place.name("file"), "rb") as file:
            versions.append(file.read())
    # Pages that a commit did not use stay as they are: bytes at the same place are the same, or have nothing in common.
    for a, b in ((0, 1), (1, 2), (0, 2)):
        length = min(len(versions[a]), len(versions[b]))
        mixed = bytes(x ^ y for x, y in zip(versions[a][:length], versions[b][:length]))
        for run in (b"\x01" * 16, b"\xff" * 16):
            if run in mixed:
                raise AssertionError(f"versions {a} and {b} differ as their plaintexts do, at {mixed.index(run)}")
    fresh = [set() for _ in versions]
    for number, version in enumerate(versions):
        for at in range(16384, len(version), 16):  # behind the slots, whose heads are the same in each version
            if not number or versions[number - 1][at:at + 16] != version[at:at + 16]:
                fresh[number].add(version[at:at + 16])
        if len(fresh[number]) < 180_000 // 16:
            raise AssertionError(f"version {number}: only {len(fresh[number])} blocks were written")
    for at in (1, 2):
        again = (fresh[at] & set().union(*fresh[:at])) - {bytes(16)}
        if again:
            raise AssertionError(f"{len(again)} blocks of ciphertext come back: {[block.hex() for block in again][:3]}")


def test_C21_upper_bits(place):
    place.python("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
libc.syscall(72, ctypes.c_long(fd), ctypes.c_long(4 | 1 << 32), ctypes.c_long(os.O_APPEND))
assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
assert libc.syscall(77, ctypes.c_long(fd | 1 << 32), ctypes.c_long(100)) == 0 and os.stat(tree + "/file").st_size == 100
assert libc.syscall(91, ctypes.c_long(fd | 1 << 33), ctypes.c_long(0o640 | 1 << 40)) == 0 and os.stat(tree + "/file").st_mode & 0o777 == 0o640
assert libc.syscall(74, ctypes.c_long(fd | 1 << 33)) == 0
""")


@crypt_only
def test_C22_no_crypto_of_the_kernels_interface(place):
    """The ciphers are a library's: what speaks to the kernel's interface is not even loaded. As an ordinary user that cannot be seen."""
    with Held(place, "f = open(tree + '/file', 'w+b'); f.write(b'x' * 100_000); f.flush(); os.fsync(f.fileno())") as held:
        pid = place.supervisor(held.process)
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
                maps = file.read()
            expect(("libcrypto" in maps, "libkcapi" in maps), (True, False), "libraries of the supervisor")
        except PermissionError:
            expect(os.geteuid() == 0, False, "the supervisor's maps are closed to root")


@crypt_only
def test_C23_flipped_bits(place):
    """One bit, anywhere: EBADMSG at the open or the right content (nothing is kept there), never other content."""
    place.python("open(tree + '/whole', 'wb').write(bytes(range(256)) * 200)")
    with open(place.name("whole"), "rb") as file:
        whole = file.read()
    places = [*range(0, 160), *range(160, len(whole), max(1, len(whole) // 150))]
    for at in places:
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        with open(place.name(f"{at}"), "wb") as file:
            file.write(changed)
    told = place.python("""
want = bytes(range(256)) * 200
for name in sorted(os.listdir(tree), key=lambda n: (len(n), n)):
    try:
        with open(tree + "/" + name, "rb") as file:
            print(name, "same" if file.read() == want else "OTHER")
    except OSError as error:
        print(name, error.errno)
""").decode()
    answers = dict(line.split() for line in told.splitlines())
    expect(answers.pop("whole"), "same", "the one nobody touched")
    for at in places:
        answer = answers[str(at)]
        # The header stands there twice.
        if answer not in ("same", "74"):
            raise AssertionError(f"bit at {at} of {len(whole)} flipped: {answer}")
    if sum(answer == "74" for answer in answers.values()) < len(places) // 4:
        raise AssertionError(f"too few are found: {answers}")
    # The beginning, without which it is no encrypted file: no plaintext either.
    for name, kept in (("short", whole[:4]), ("magic", b"\0" * 8 + whole[8:]), ("all", bytes(4096) + whole[4096:])):
        with open(place.name(name), "wb") as file:
            file.write(kept)
        told = place.python("""
try:
    print("same" if open(sys.argv[1], "rb").read() == bytes(range(256)) * 200 else "OTHER")
except OSError as error:
    print(error.errno)
""", place.name(name)).decode().strip()
        if told not in ("same", "74"):
            raise AssertionError(f"{name}: {told}")


@crypt_only
def test_C23_wrong_key(place):
    place.new_key("other")
    place.python("open(tree + '/mine', 'w').write('mine')")
    place.python("open(tree + '/theirs', 'w').write('theirs')", rule=f"crypt {place.tree} key=other")
    told = place.python("""
import errno
for name in ("theirs", "mine"):
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND):
        try:
            os.close(os.open(tree + "/" + name, flags)); print("opened")
        except OSError as error:
            print(errno.errorcode[error.errno])
assert open(tree + "/mine").read() == "mine"
""").decode().split()
    expect(told, ["ENOKEY"] * 3 + ["opened"] * 3, "with the wrong key")
    expect(place.content("theirs", key="other"), b"theirs", "what is under another key")


def test_W1_synced_means_durable(place):
    """Each of the calls that promise it, then SIGKILL of the supervisor."""
    calls = {"fsync": "os.fsync(fd)", "fdatasync": "os.fdatasync(fd)", "sync": "os.sync()",
             "msync": "m = mmap.mmap(fd, 0); m[0:6] = b'MAPPED'; m.flush()",
             "syncfs": "libc.syscall(306, fd)", "sync_file_range": "libc.syscall(277, fd, 0, 0, 7)"}
    for name, call in calls.items():
        code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(tree + "/{name}", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"{name} " * 5000)
result = {call if ';' not in call else 'None'}
{call if ';' in call else ''}
assert result in (None, 0), result
"""
        held = Held(place, code)
        os.kill(place.supervisor(held.process) if place.mode != "native" else held.process.pid, signal.SIGKILL)
        held.dead()
        wanted = f"{name} ".encode() * 5000
        expect(place.content(name) == (b"MAPPED" + wanted[6:] if name == "msync" else wanted), True, name)
    place.verify()


def test_W2_opening_twice_never_waits(place):
    place.python("""
import signal
signal.alarm(30)
w = os.open(tree + "/file", os.O_WRONLY | os.O_CREAT, 0o644)
r = os.open(tree + "/file", os.O_RDONLY)
w2 = os.open(tree + "/file", os.O_RDWR | os.O_APPEND)
t = os.open(tree + "/file", os.O_WRONLY | os.O_TRUNC)
os.write(w, b"one"); os.write(w2, b"two")
assert os.read(r, 100) == b"onetwo"
""")
    place.view("/bin/sh", "-c", """
echo start > log
tail -n +1 -f log > seen & tail=$!
i=0; while [ $i -lt 20 ]; do echo line $i >> log; i=$((i + 1)); done
i=0; while ! grep -q 'line 19' seen; do sleep 0.1; i=$((i + 1)); [ $i -lt 200 ] || exit 1; done
kill $tail
""")


def test_W3_everyone_sees_the_same(place):
    place.python("""
a = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
os.write(a, bytes(20_000))
area = mmap.mmap(a, 20_000)
r, w = os.pipe(); r2, w2 = os.pipe()
if os.fork() == 0:
    b = os.open(tree + "/file", os.O_RDWR)
    mine = mmap.mmap(b, 20_000)
    os.pwrite(b, b"from the child", 5000)
    mine[10_000:10_006] = b"mapped"
    os.write(w, b"x"); os.read(r2, 1)
    os._exit(0 if mine[0:6] == b"parent" and os.pread(b, 4, 15_000) == b"more" else 1)
os.read(r, 1)
assert area[5000:5014] == b"from the child" and os.pread(a, 6, 10_000) == b"mapped"
area[0:6] = b"parent"
os.pwrite(a, b"more", 15_000)
os.write(w2, b"x")
assert os.wait()[1] == 0
""")
    content = place.content("file")
    expect((content[:6], content[5000:5014], content[10_000:10_006], content[15_000:15_004]),
           (b"parent", b"from the child", b"mapped", b"more"), "outside")


def test_W3_written_through_a_mapping_after_close(place):
    place.python("""
fd = os.open(tree + "/file", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, bytes(10_000))
import ctypes
area = mmap.mmap(fd, 10_000)
os.close(fd)
area[5000:5005] = b"later"
""")
    expect(place.content("file")[5000:5005], b"later", "written through a mapping when the descriptor was closed")


def test_W4_reading_needs_no_more(place):
    """Opened for reading it can only be read; a file and a directory that may only be read are enough."""
    place.python("open(tree + '/file', 'w').write('content'); os.mkdir(tree + '/d'); open(tree + '/d/file', 'w').write('in d')")
    os.chmod(place.name("file"), 0o444)
    os.chmod(place.name("d/file"), 0o444)
    os.chmod(place.name("d"), 0o555)
    place.python("""
import errno
for name in ("file", "d/file"):
    fd = os.open(tree + "/" + name, os.O_RDONLY)
    assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    for what in (lambda: os.write(fd, b"x"), lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0), lambda: mmap.mmap(fd, 4)):
        try:
            what()
        except OSError as error:
            assert error.errno in (errno.EBADF, errno.EINVAL, errno.EACCES), error
        else:
            raise SystemExit("written to")
    assert os.read(fd, 100).decode() in ("content", "in d")
    if os.geteuid():
        try:
            os.open(tree + "/" + name, os.O_RDWR); raise SystemExit("opened")
        except PermissionError:
            pass
""")
    os.chmod(place.name("d"), 0o755)


@crypt_only
def test_W5_plain_files(place):
    """What is not encrypted is not served: EBADMSG, and the log says what to do. Or as plain= has it."""
    for name, content in (("five", b"plain"), ("hundred", b"0123456789" * 10), ("empty", b"")):
        with open(place.name(name), "wb") as file:
            file.write(content)
    code = """
for name in ("five", "hundred", "empty"):
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND):
        try:
            fd = os.open(tree + "/" + name, flags)
            print(name, os.pread(fd, 200, 0).decode() if flags != os.O_WRONLY | os.O_APPEND else "appends")
        except OSError as error:
            print(name, error.errno)
"""
    told = place.python(code).decode().splitlines()
    expect(told, [f"{name} 74" for name in ("five", "hundred") for _ in range(3)] + ["empty ", "empty ", "empty appends"], "plain files")
    if "scrim encrypt" not in place.logged():
        raise AssertionError(f"the log: {place.logged()}")
    with open(place.name("five"), "rb") as file:
        expect(file.read(), b"plain", "a plain file that was refused")
    told = place.python("for n in ('five', 'hundred'): print(open(tree + '/' + n).read())", rule=place.rule + " plain=read").decode().split()
    expect(told, ["plain", "0123456789" * 10], "plain=read")
    place.python("open(tree + '/five', 'ab').write(b' and more')", rule=place.rule + " plain=adopt")
    expect(place.content("five"), b"plain and more", "plain=adopt")


@crypt_only
def test_W6_append_does_not_read_the_file(place):
    place.python("open(tree + '/large', 'wb').write(bytes(range(256)) * 40_000)")

    def moved(held):
        if not os.access(f"/proc/{place.supervisor(held.process)}/io", os.R_OK) or os.geteuid():
            return 0  # an ordinary user may not look
        with open(f"/proc/{place.supervisor(held.process)}/io", encoding="utf-8") as file:
            values = dict(line.split(": ") for line in file.read().splitlines())
        return int(values["rchar"]) + int(values["wchar"])

    with Held(place, "pass") as held:
        idle = moved(held)
    with Held(place, "for n in range(10): open(tree + '/large', 'ab').write(b'x' * 100)") as held:
        took = moved(held) - idle
    if took > 4 << 20:
        raise AssertionError(f"ten appends to 10 MB moved {took} bytes")
    expect(len(place.content("large")), 256 * 40_000 + 1000, "its length")
    expect(place.content("large")[-1000:], b"x" * 1000, "its end")


def test_W7_sizes(place):
    place.python("""
for size in (0, 1, 100, 4096, 5000, 16_384, 100_000):
    name = f"{tree}/{size}"
    with open(name, "wb", buffering=0) as file:
        file.write(b"x" * size)
        fd = file.fileno()
        assert os.fstat(fd).st_size == os.stat(name).st_size == os.lseek(fd, 0, os.SEEK_END) == size
        assert os.fstat(fd).st_blocks == os.stat(name).st_blocks
    st = os.stat(name)
    assert st.st_size == size and st.st_blocks == (size + 4095) // 4096 * 8 and len(open(name, "rb").read()) == size, (size, st)
""")
    told = place.python("print(*[(int(n), os.stat(tree + '/' + n).st_size) for n in os.listdir(tree)])").decode()
    pairs = re.findall(r"\((\d+), (\d+)\)", told)
    expect(len(pairs), 7, "files")
    expect([pair for pair in pairs if pair[0] != pair[1]], [], "sizes in another view")


@crypt_only
def test_W8_names_are_free_and_versions_are_known(place):
    """A file may be moved and copied as any other; an older version is told by --strict-freshness (scrim-store(7))."""
    place.python("open(tree + '/a', 'w').write('version 1')")
    with open(place.name("a"), "rb") as file:
        old = file.read()
    place.python("open(tree + '/a', 'r+').write('version 2')")
    expect(place.content("a"), b"version 2", "the new version")
    with open(place.name("copy"), "wb") as file:
        file.write(old)
    expect(place.python("print(open(tree + '/copy').read(), end='')"), b"version 1", "a copy")


def test_W9_a_directory_that_moves(place):
    place.python("""
os.makedirs(tree + "/sub/deep")
open(tree + "/sub/deep/file", "w").write("content")
os.rename(tree + "/sub", tree + "/sub2")
assert open(tree + "/sub2/deep/file").read() == "content"
open(tree + "/sub2/deep/file", "a").write(" and more")
""")
    expect(place.content("sub2/deep/file"), b"content and more", "after the move")
    place.verify()


@crypt_only
def test_W9_wildcards(place):
    """A move that would change what is encrypted is EXDEV: ciphertext is never shown as content, nor plaintext stored."""
    rule = f"crypt {place.tree}/**/*.secret key=work files=only"
    place.python("""
os.mkdir(tree + "/d")
open(tree + "/d/a.secret", "w").write("secret")
open(tree + "/d/b", "w").write("plain")
for a, b in (("d/a.secret", "d/a"), ("d/b", "d/b.secret")):
    try:
        os.rename(tree + "/" + a, tree + "/" + b); raise SystemExit("moved " + a)
    except OSError as error:
        assert error.errno == 18, error
os.rename(tree + "/d", tree + "/e")
assert open(tree + "/e/a.secret").read() == "secret"
""", rule=rule)
    place.view("/bin/mv", "e/a.secret", "e/open", rule=rule)
    with open(place.name("e/open"), "rb") as file:
        expect(file.read(), b"secret", "moved out of the rule by mv")
    with open(place.name("e/b"), "rb") as file:
        expect(file.read(), b"plain", "what no rule names")


def test_W10_exec(place):
    """Programs, scripts, their interpreters and libraries that are encrypted. Not ELF interpreters: EACCES."""
    place.view("/bin/sh", "-eu", "-c", r"""
cp /bin/echo echo
test "$(./echo hello)" = hello
printf '#!%s/echo from\n' "$PWD" > script; chmod 755 script
test "$(./script)" = "from ./script"
printf '#!/bin/sh\necho "$0" "$1"\n' > shell; chmod 755 shell
test "$(./shell one)" = "./shell one"
test "$(sh -c 'exec ./shell two')" = "./shell two"
cp /bin/readlink readlink
test "$(./readlink /proc/self/exe)" = "$PWD/readlink"
loader=$(readelf -l /bin/true | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
cp "$loader" loader
echo 'int main(void) { return 42; }' > main.c
cc -o own main.c -Wl,--dynamic-linker="$PWD/loader"
status=0; ./own || status=$?; test $status = "$1"
echo 'int answer(void) { return 7; }' > lib.c
echo 'int answer(void); int main(void) { return answer(); }' > user.c
cc -shared -fPIC -o libanswer.so lib.c
cc -o user user.c -L. -lanswer -Wl,-rpath,"$PWD"
status=0; ./user || status=$?; test $status = 7
cp /bin/cat cat
test "$(./cat /proc/self/maps | grep -c memfd | tr -d '\n')" -le 2
./cat /proc/self/maps | grep -q "$PWD/cat"
! ./cat /proc/self/maps | grep -v scrim-guard | grep memfd
""", "sh", "126" if place.encrypts else "42", env={"TMPDIR": place.tree})
    # The loader that a program names is opened by the kernel itself: such a program is refused.
    if place.encrypts and "loader" not in place.logged():
        raise AssertionError(f"the log: {place.logged()!r}")
    place.verify()


def test_W10_text_busy(place):
    place.python("""
import errno, shutil, subprocess
shutil.copy("/bin/sleep", tree + "/sleep")
process = subprocess.Popen([tree + "/sleep", "100"])
try:
    os.open(tree + "/sleep", os.O_WRONLY); raise SystemExit("opened for writing while it runs")
except OSError as error:
    assert error.errno == errno.ETXTBSY, error
process.kill(); process.wait()
fd = os.open(tree + "/sleep", os.O_WRONLY)
pid = os.fork()
if pid == 0:
    try:
        os.execv(tree + "/sleep", ["sleep", "0"])
    except OSError as error:
        os._exit(error.errno)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.ETXTBSY
os.close(fd)
assert subprocess.run([tree + "/sleep", "0"]).returncode == 0
""")


@crypt_only
def test_parity_rows(place):
    """What docs/PARITY.md, "encrypted files", says is different, and the differential test leaves out."""
    place.python("""
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what):
    try:
        what()
        return 0
    except OSError as error:
        return error.errno
def call(*args):
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return 0 if result >= 0 else ctypes.get_errno()
name = tree + "/file"
open(name, "wb").write(b"x" * 20_000)
for flag in (os.O_SYNC, os.O_DSYNC):
    assert attempt(lambda: os.open(name, os.O_RDWR | flag)) == errno.EINVAL
fd = os.open(name, os.O_RDWR)
assert attempt(lambda: fcntl.fcntl(fd, 1034)) == errno.EINVAL, "F_GET_SEALS"
assert attempt(lambda: fcntl.fcntl(fd, 1033, 1)) == errno.EINVAL, "F_ADD_SEALS"
for mode in (0x8, 0x20):
    assert call(285, fd, mode, 4096, 4096) == errno.EOPNOTSUPP, mode
assert call(285, fd, 0x10, 4096, 4096) == 0 and os.pread(fd, 4096, 4096) == bytes(4096), "ZERO_RANGE"
assert call(285, fd, 1, 100_000, 4096) == 0 and os.fstat(fd).st_size == 20_000, "KEEP_SIZE"
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.create_string_buffer(b"data")), 4)
for flag in (2, 4):
    assert call(328, fd, ctypes.byref(vector), 1, 0, 0, flag) == errno.EOPNOTSUPP, flag
outside = os.open(sys.argv[1] + "/plain", os.O_RDWR | os.O_CREAT)
os.write(outside, b"plain")
for a, b in ((fd, outside), (outside, fd)):
    assert attempt(lambda: os.copy_file_range(a, b, 5, 0, 0)) == errno.EXDEV
# A store behind a read of the same mapping: seen in mtime when it is written back.
os.utime(name, (1, 1))
os.fsync(fd)
area = mmap.mmap(fd, 4096)
assert area[0:1] == b"x"
area[0:1] = b"y"
area.flush()
area.close()
assert os.stat(name).st_mtime > 10**9
os.utime(name, (1, 1))
assert call(285, fd, 1, 0, 4096) == 0 and os.fstat(fd).st_mtime > 10**9, "fallocate that changes nothing"
direct = attempt(lambda: os.close(os.open(name, os.O_RDWR | os.O_DIRECT)))
assert direct in (0, errno.EINVAL), direct
""", place.out)
    if "O_SYNC" not in place.logged() and "O_DSYNC" not in place.logged():
        raise AssertionError(f"the log: {place.logged()!r}")


def test_W11_links_lead_to_the_file(place):
    place.python("""
os.mkdir(tree + "/d")
name = tree + "/d/file"
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"content")
for link in (f"/proc/self/fd/{fd}", f"/dev/fd/{fd}", f"/proc/{os.getpid()}/fd/{fd}", f"/proc/thread-self/fd/{fd}"):
    assert os.readlink(link) == name, (link, os.readlink(link))
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_PATH):
        again = os.open(link, flags)
        if flags == os.O_RDONLY:
            assert os.read(again, 100) == b"content"
        assert os.fstat(again).st_ino == os.stat(name).st_ino, link
        os.close(again)
    assert os.stat(link).st_ino == os.stat(name).st_ino
    os.chmod(link, 0o640); assert os.stat(name).st_mode & 0o777 == 0o640
again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_TRUNC)
assert os.fstat(fd).st_size == 0
os.write(again, b"through a link")
assert os.pread(fd, 100, 0) == b"through a link"
area = mmap.mmap(fd, 0)
maps = open("/proc/self/maps").read()
assert name in maps and "memfd" not in maps.replace("memfd:scrim-guard", ""), [l for l in maps.splitlines() if "memfd" in l or name in l]
links = [os.readlink(f"/proc/self/map_files/{n}") for n in os.listdir("/proc/self/map_files")] if os.access("/proc/self/map_files", os.R_OK) else []
assert not [l for l in links if "memfd" in l and "guard" not in l], links
dirfd = os.open(tree, os.O_RDONLY)
assert os.open("d/file", os.O_RDONLY, dir_fd=dirfd) > 0
os.unlink(name)
assert os.readlink(f"/proc/self/fd/{fd}") == name + " (deleted)"
assert os.pread(fd, 100, 0) == b"through a link"
""")


if __name__ == "__main__":
    main(globals())
