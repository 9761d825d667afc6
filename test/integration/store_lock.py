# SPDX-License-Identifier: Apache-2.0
"""Two processes and one encrypted file: one writer or many readers, and who it is that keeps it busy."""
import ctypes
import fcntl
import os
import struct
import subprocess

from store_support import expect, main

PR_SET_DUMPABLE = 4
F_OFD_SETLK = 37
LOCK_BYTE = (1 << 63) - 2


def lock(fd, kind):
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, LOCK_BYTE, 1, 0))


def test_readers_and_a_writer(place):
    content = os.urandom(4 << 20)
    path = place.file("f", content)
    place.run("encrypt", path)
    # It stands still in the middle, since nobody takes what it writes.
    reader = subprocess.Popen([place.scrim, "cat", "--key-file", place.key, path], stdout=subprocess.PIPE)
    try:
        first = reader.stdout.read(1)
        expect(place.run("cat", path) == content, True, "another reader")
        place.run("verify", path)
        for command in (["compact"], ["rekey", "--new-key-file", place.other]):
            place.run(*command, path, status=1, text=f"f: is in use by scrim ({reader.pid})")
        expect(first + reader.stdout.read() == content, True, "what the reader had")
    finally:
        reader.stdout.close()
        reader.wait()
    place.run("compact", path)


def test_a_writer(place):
    path = place.file("f", b"content")
    place.run("encrypt", path)
    # We have become an ordinary user: other processes of his may look at us only now.
    expect(ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0, "prctl")
    with open("/proc/self/comm") as file:
        ours = f"f: is in use by {file.read().strip()} ({os.getpid()})"
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        lock(fd, fcntl.F_WRLCK)
        for command in ("cat", "verify", "compact"):
            place.run(command, path, status=1, text=ours)
        place.run("decrypt", "-o", "-", path, status=1, text=ours)
        lock(fd, fcntl.F_RDLCK)
        expect(place.run("cat", path), b"content", "beside a reader")
        place.run("compact", path, status=1, text=ours)
    finally:
        os.close(fd)
    place.run("compact", path)


if __name__ == "__main__":
    main(globals())
