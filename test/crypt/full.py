# SPDX-License-Identifier: Apache-2.0
"""Encrypted files on a file system that is full: errors reach the program and the log, nothing committed is lost, a retry succeeds.

On small file systems mounted in a namespace of our own: a tmpfs; where we are started as root also an ext4 and a btrfs in files, the
latter with a quota. The tests of an ordinary user have them too, since root mounts before it becomes that user.

Usage: full.py [--user] SCRIM
"""
import errno
import os
import signal
import subprocess
import sys
import tempfile
import time

from place import expect, main
from vectors import Held

KEPT = b"kept " * 20_000
SIZE = 8 << 20
SMALL = os.environ.get("SCRIM_SMALL")
MOUNTS = os.environ.get("SCRIM_MOUNTS") == "1"  # started by root, who may mount files


class Full:
    """A tree on a small file system, all but full."""

    def __init__(self, place, kind, code):
        self.place, self.errno = place, getattr(errno, code)
        self.root = os.path.join(SMALL, kind)
        place.tree = os.path.join(self.root, place.top.rsplit("/", 1)[-1])
        os.mkdir(place.tree)
        place.rule = f"crypt {place.tree} key=work"
        place.python(f"f = open(tree + '/kept', 'wb'); f.write({KEPT[:5]!r} * 20_000); f.flush(); os.fsync(f.fileno())")
        self.ballast = os.path.join(place.tree + "-ballast")

    def fill(self, leave=64 << 10):
        """Leave about that many bytes."""
        spare = self.ballast + "-spare"
        with open(spare, "wb") as file:
            file.write(bytes(leave))
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while file.tell() < 4 * SIZE:
                    file.write(bytes(32 << 10))
                    os.fsync(file.fileno())
            except OSError as error:
                expect(error.errno, self.errno, "what the file system says itself")
            else:
                raise AssertionError("no end of room")
        # Not by making the other one shorter: on btrfs that takes room, too.
        os.unlink(spare)
        os.sync()

    def make_room(self):
        os.unlink(self.ballast)
        # btrfs counts what was removed when it is committed.
        os.sync()

    def clean(self):
        subprocess.run(["rm", "-rf", self.place.tree, self.ballast], check=True)


PROGRAM = """
import errno
def attempt(what):
    try:
        what()
        return "good"
    except OSError as error:
        return errno.errorcode[error.errno]
name = tree + "/" + sys.argv[1]
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"new content " * 100_000)
print(attempt(lambda: os.fsync(fd)), attempt(lambda: os.fdatasync(fd)), attempt(lambda: os.close(os.open(name, os.O_RDWR))),
      open(tree + "/kept", "rb").read() == b"kept " * 20_000, os.pread(fd, 12, 12) == b"new content ", flush=True)
sys.stdin.readline()
print(attempt(lambda: os.fsync(fd)), attempt(lambda: os.close(os.open(name, os.O_RDWR))), flush=True)
"""
OVERWRITE = """
import errno
file = open(tree + "/kept", "r+b", buffering=0)
file.write(b"new content " * 100_000)
try:
    os.fsync(file.fileno())
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
"""


def full(place, kind, code):
    here = Full(place, kind, code)
    try:
        here.fill()
        with Held(place, PROGRAM.replace("sys.stdin.readline()", "print('ready', flush=True)\nsys.stdin.readline()"), "new") as held:
            expect(held.lines[0], f"{code} {code} {code} True True", "with no room: fsync, fdatasync, open, another file, the plaintext")
            # Written by a thread of its own, while the program goes on.
            for _ in range(200):
                if "/new" in place.logged():
                    break
                time.sleep(0.02)
            else:
                raise AssertionError(f"the log: {place.logged()!r}")
            here.make_room()
            held.process.stdin.write(b"go on\n")
            held.process.stdin.flush()
            expect(held.process.stdout.readline().decode().strip(), "good good", "with room again: fsync, open")
        expect(place.content("new") == b"new content " * 100_000, True, "what was kept for the retry")
        place.verify()
        # An older version that was committed survives what cannot be written, and a kill.
        here.fill()
        held = Held(place, OVERWRITE)
        expect(held.lines[0], code, "fsync")
        os.kill(place.supervisor(held.process), signal.SIGKILL)
        held.dead()
        here.make_room()
        expect(place.content("kept") == KEPT, True, "what was committed")
        place.verify()
        # The command ends while there is no room: the run says so; the supervisor goes on trying for a minute.
        here.fill()
        place.counts = False
        place.python("f = open(tree + '/kept', 'r+b'); f.write(b'N' * 1_000_000); f.flush(); os._exit(0)", status=125)
        place.counts = True
        if "kept" not in place.logged() + place.error:
            raise AssertionError(f"a run that could not write back: {place.logged()!r} {place.error!r}")
        here.make_room()
        content = KEPT
        for _ in range(200):
            time.sleep(0.1)
            content = place.outside("cat", "--key", "work", place.name("kept"), status=None)
            if content == b"N" * 1_000_000:
                break
            expect(content in (KEPT, b""), True, "what is there meanwhile")  # nothing: while it is being written
        else:
            raise AssertionError("what a run left behind was not written when there was room")
        # The timer tries again: nobody asks.
        here.fill()
        with Held(place, PROGRAM.split("sys.stdin.readline()", maxsplit=1)[0], "timer") as held:
            expect(held.lines[0].split()[0], code, "fsync")
            here.make_room()
            wanted = b"new content " * 100_000
            for _ in range(300):
                time.sleep(0.1)
                if os.path.getsize(place.name("timer")) > len(wanted):
                    break
            else:
                raise AssertionError("the timer has not written when there was room")
        expect(place.content("timer") == wanted, True, "written by the timer")
        place.verify()
    finally:
        here.clean()


def test_no_room_on_tmpfs(place):
    full(place, "tmpfs", "ENOSPC")


if MOUNTS:
    def test_no_room_on_ext4(place):
        full(place, "ext4", "ENOSPC")

    def test_quota_on_btrfs(place):
        full(place, "btrfs/limited", "EDQUOT")


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def image(kind, size, *make):
    """A file system of that KIND in a file, mounted."""
    path, at = os.path.join(SMALL, f"{kind}.image"), os.path.join(SMALL, kind)
    with open(path, "wb") as file:
        file.truncate(size)
    os.mkdir(at)
    run(f"mkfs.{kind}", "-q", *make, path)
    run("mount", "-o", "loop", path, at)
    os.chmod(at, 0o1777)
    return at


def set_up():
    """Small file systems below SMALL, in this namespace."""
    tmpfs = os.path.join(SMALL, "tmpfs")
    os.mkdir(tmpfs)
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=1777", "small", tmpfs)
    if MOUNTS:
        image("ext4", 16 << 20, "-m", "0")
        btrfs = image("btrfs", 120 << 20)
        limited = os.path.join(btrfs, "limited")
        run("btrfs", "subvolume", "create", limited)
        os.chmod(limited, 0o1777)
        run("btrfs", "quota", "enable", btrfs)
        run("btrfs", "qgroup", "limit", str(SIZE), limited)


if __name__ == "__main__":
    if not SMALL:
        directory = tempfile.mkdtemp(prefix="scrim-small-")
        os.chmod(directory, 0o755)
        root = os.geteuid() == 0
        unshare = ["unshare", "-m"] if root else ["unshare", "-Urm"]
        status = subprocess.run([*unshare, sys.executable, *sys.argv],
                                env={**os.environ, "SCRIM_SMALL": directory, "SCRIM_MOUNTS": str(int(root))}).returncode
        subprocess.run(["rm", "-rf", directory], check=True)
        sys.exit(status)
    set_up()
    main(globals())
