# SPDX-License-Identifier: Apache-2.0
"""name_to_handle_at, file_getattr, file_setattr: inside as natively, and as the rules say."""

import os
import subprocess

from escape_support import WITHOUT_CALLS, check, equal, main, write

CALLS = r"""
import ctypes, errno, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
directory = sys.argv[1].encode()
AT_FDCWD, NOFOLLOW, FOLLOW, EMPTY = -100, 0x100, 0x400, 0x1000
def call(nr, *args):
    result = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "ok" if result == 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno()) if result < 0 else result
def say(*words):
    print(*words)
def handle(dirfd, path, room, flags, mount=True):
    buffer = ctypes.create_string_buffer(struct.pack("Ii", room, 0) + b"\xee" * 200)
    mount_id = ctypes.create_string_buffer(b"\xee" * 16)
    said = call(303, dirfd, path, buffer, mount_id if mount else 0, flags)
    say("handle", path, room, flags, said, buffer.raw[:48].hex(), mount_id.raw[:8].hex() if said == "ok" else "")
f, link, dangling = directory + b"/f", directory + b"/link", directory + b"/dangling"
fd, path_fd, dirfd = os.open(f, os.O_RDONLY), os.open(f, os.O_PATH), os.open(directory, os.O_RDONLY)
os.chdir(directory)
for path in (f, b"f", link, directory, directory + b"/", f + b"/", b"absent", b"", dangling, b"x" * 300):
    for flags in (0, FOLLOW, EMPTY, FOLLOW | EMPTY):
        handle(AT_FDCWD, path, 128, flags)
for at in (fd, path_fd, dirfd, -1, 999):
    for path in (b"", b"f", f):
        handle(at, path, 128, EMPTY)
        handle(at, path, 128, 0)
for room in (0, 1, 4, 8, 12, 127, 128, 129, 1 << 31):
    handle(AT_FDCWD, f, room, 0)
for flags in (1, 2, 0x200, 0x202, NOFOLLOW, 4, 1 << 31):
    handle(AT_FDCWD, f, 128, flags)
say(call(303, AT_FDCWD, f, 0, 0, 0), call(303, AT_FDCWD, f, ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128)), 0, 0),
    call(303, AT_FDCWD, 0, 0, 0, 0))

def getattr(dirfd, path, size, flags, room=5000):
    buffer = ctypes.create_string_buffer(b"\xee" * room)
    said = call(468, dirfd, path, buffer, size, flags)
    say("get", path, size, flags, said, buffer.raw[:64].hex())
for path in (f, b"f", link, dangling, directory, b"absent", b"", 0, f + b"/", b"/proc/self/status", b"/dev/null"):
    for flags in (0, NOFOLLOW, EMPTY, NOFOLLOW | EMPTY, FOLLOW):
        getattr(AT_FDCWD, path, 24, flags)
for at in (fd, path_fd, dirfd, -1, 999):
    for path in (b"", 0, b"f", f):
        getattr(at, path, 24, EMPTY)
for size in (0, 23, 24, 25, 32, 64, 4095, 4096, 4097):
    getattr(AT_FDCWD, f, size, 0)
say(call(468, AT_FDCWD, f, 0, 24, 0), call(468, AT_FDCWD, b"absent", 0, 24, 0))

def setattr(dirfd, path, xflags, size, flags, more=b"", projid=0):
    buffer = ctypes.create_string_buffer((struct.pack("QIIII", xflags, 0, 0, projid, 0) + more).ljust(5000, b"\0"))
    say("set", path, hex(xflags), size, flags, call(469, dirfd, path, buffer, size, flags))
NODUMP, NOATIME, APPEND = 0x80, 0x40, 0x10
for path in (f, link, dangling, directory, b"absent", b"", b"/proc/self/status"):
    for flags in (0, NOFOLLOW, EMPTY, FOLLOW):
        setattr(AT_FDCWD, path, NODUMP, 24, flags)
getattr(AT_FDCWD, f, 24, 0)
for at in (fd, path_fd, -1):
    for path in (b"", b"f", f):
        setattr(at, path, NODUMP | NOATIME, 24, EMPTY)
getattr(AT_FDCWD, f, 24, 0)
for xflags in (0, 1 << 20, 1 << 63, 0x80000000):
    for path in (f, b"absent"):
        setattr(AT_FDCWD, path, xflags, 24, 0)
for size in (0, 23, 24, 32, 4096, 4097):
    setattr(AT_FDCWD, f, 0, size, 0)
setattr(AT_FDCWD, f, 0, 32, 0, b"\1")
setattr(AT_FDCWD, f, 0, 24, 0, b"\1")
say(call(469, AT_FDCWD, f, 0, 24, 0), call(469, AT_FDCWD, b"absent", 0, 24, 0))
getattr(AT_FDCWD, f, 24, 0)
"""

RULED = r"""
import ctypes, errno, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(nr, path, *args):
    result = libc.syscall(ctypes.c_long(nr), ctypes.c_long(-100), path.encode(), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "ok" if result == 0 else errno.errorcode[ctypes.get_errno()]
for path in sys.argv[1:]:
    attr = ctypes.create_string_buffer(24)
    print(call(303, path, ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128)), ctypes.create_string_buffer(8), 0),
          call(468, path, attr, 24, 0), call(469, path, attr, 24, 0))
"""


def make(place):
    directory = os.path.join(place.path, "a")
    os.mkdir(directory)
    write(os.path.join(directory, "f"), "content")
    os.symlink("f", os.path.join(directory, "link"))
    os.symlink("nowhere", os.path.join(directory, "dangling"))
    return directory


def body(escape):
    for place in escape.places:
        directory = make(place)
        command = [escape.python, "-c", CALLS, directory]
        native = escape.native(command).stdout.splitlines()
        for name in ("f", ""):
            subprocess.run(["chattr", "-dA", os.path.join(directory, name)], check=True)
        mediated = {"name_to_handle_at": 80, "file_getattr": 50, "file_setattr": 30}
        inside = escape.view(["hide /absent"], command, mediated=mediated).stdout.splitlines()
        check(len(native) > 200 and sum(" ok " in line for line in native) > 40, f"{place.name}: natively most of it works")
        equal(len(inside), len(native), f"{place.name}: as many answers")
        for one, other in zip(native, inside):
            equal(other, one, f"{place.name}")
        paths = []
        for name in ("hidden", "denied", "mask", "append", "readonly", "free"):
            paths.append(write(os.path.join(directory, name), name))
        paths.append(os.path.join(directory, "hidden-absent"))
        base = os.path.join(directory, "")
        rules = [f"hide {base}hidden*", f"deny {base}denied", f"mask {base}mask", f"append {base}append", f"readonly {base}readonly"]
        said = escape.view(rules, [escape.python, "-c", RULED, *paths]).stdout.split("\n")
        free = escape.native([escape.python, "-c", RULED, paths[5]]).stdout.strip()
        handle, get, put = free.split()

        def refused(handle, get, put):
            # What a filter around all of us answers is the same for every name.
            if "file_getattr" in WITHOUT_CALLS:
                get = put = "ENOSYS"
            return f"{handle} {get} {put}"

        wanted = [refused("ENOENT", "ENOENT", "ENOENT"), refused("EACCES", "EACCES", "EACCES"), refused(handle, get, "EACCES"),
                  refused(handle, get, "EPERM"), refused(handle, get, "EROFS"), free, refused("ENOENT", "ENOENT", "ENOENT"), ""]
        equal(said, wanted, f"{place.name}: as rules say")


main(body)
