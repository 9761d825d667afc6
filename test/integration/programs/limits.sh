# RLIMIT_FSIZE: what grows files meets the program's own limit, and the program gets the signal.
cat >limits.py <<'END'
import ctypes
import errno
import os
import resource
import signal

libc = ctypes.CDLL(None, use_errno=True)
got = []
signal.signal(signal.SIGXFSZ, lambda number, frame: got.append(number))


def say(what, function):
    got.clear()
    ctypes.set_errno(0)
    try:
        result = function()
        error = ctypes.get_errno() if result == -1 else 0
    except OSError as problem:
        error = problem.errno
    # The interpreter runs handlers between its own instructions.
    for _ in range(3):
        pass
    size = os.path.getsize("file")
    print(what, errno.errorcode.get(error, error), "signals:", len(got), "size:", size)


def fallocate(fd, mode, offset, length):
    return libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


for kind in ("file", "sealed"):
    fd = os.open("file", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    if kind == "sealed":
        os.chmod("file", 0o444)
    reader = os.open("file", os.O_RDONLY)
    for soft in (0, 1000, 4096, 65536, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
        for size in (0, 999, 1000, 1001, 4095, 4097, 65536, 65537, 1 << 30, 100, -1, 1 << 62):
            say(f"{kind} {soft} truncate {size}", lambda: os.truncate("file", size))
            os.ftruncate(fd, 50 if soft else 0)
            say(f"{kind} {soft} ftruncate {size}", lambda: os.ftruncate(fd, size))
            say(f"{kind} {soft} ftruncate of a reader {size}", lambda: os.ftruncate(reader, size))
            os.ftruncate(fd, 0)
            # KEEP_SIZE, ZERO_RANGE with and without it, PUNCH_HOLE
            for mode in (0, 1, 0x10, 0x11, 3):
                if size < 1 << 30 or size > 1 << 40:
                    say(f"{kind} {soft} fallocate {mode} {size}", lambda: fallocate(fd, mode, 0, size))
            say(f"{kind} {soft} fallocate of a reader {size}", lambda: fallocate(reader, 0, 0, min(size, 9999)))
            os.ftruncate(fd, 0)
            say(f"{kind} {soft} write {size}", lambda: os.pwrite(fd, b"abc", max(0, min(size, 1 << 30) - 2)))
            os.ftruncate(fd, 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.close(fd)
    os.close(reader)
    os.unlink("file")
END
python3 limits.py
# Without a handler the signal ends the program; where it is ignored there is the errno only.
for call in 'os.truncate("grown", 5000)' 'os.ftruncate(os.open("grown", os.O_RDWR), 5000)' \
	'os.posix_fallocate(os.open("grown", os.O_RDWR), 0, 5000)'; do
	: >grown
	for action in SIG_DFL SIG_IGN; do
		status=0
		{ bash -c 'ulimit -c 0; ulimit -f 4; exec python3 -c "
import os, signal, sys
signal.signal(signal.SIGXFSZ, signal.$1)
try:
    $2
except OSError as error:
    print(error.strerror)"' bash "$action" "$call" || status=$?; } 2>/dev/null
		echo "$call $action: $status"
		stat -c %s grown
	done
done
# A place too deep for a path, below a directory that can be searched no longer: relative names go on working.
python3 - <<'END'
import os

name = "d" * 200
os.mkdir("top")
top = os.open("top", os.O_RDONLY)
os.chdir("top")
for level in range(60):
    os.mkdir(name)
    os.chdir(name)
for mode in (0o700, 0):
    os.fchmod(top, mode)
    place = f"of {mode:o}"
    os.mkdir(place)
    with open(f"{place}/file", "w") as file:
        file.write(place)
    os.rename(f"{place}/file", "moved")
    os.symlink(f"../../{name}/moved", f"{place}/link")
    print(os.stat(f"{place}/link").st_size, sorted(os.listdir(".")), os.path.exists(f"{place}/hidden-file"))
    os.chdir(place)
    print(os.stat("..").st_nlink, os.access("../moved", os.W_OK))
    os.chdir("..")
os.fchmod(top, 0o700)
END
rm -rf top
