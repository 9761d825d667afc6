# SPDX-License-Identifier: Apache-2.0
"""hide ... create=private: programs save, read, list, move and run a hidden name; the disk has what it had before."""

import os
import shutil

from escape_support import check, equal, fingerprint, main, read, run_parts, write

RULE = "hide **/.env create=private"
REAL = b"TOKEN=real\n"


def fresh(place, name, real=REAL):
    """An empty directory; with a real .env unless REAL is None."""
    path = os.path.join(place.path, name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    if real is not None:
        write(os.path.join(path, ".env"), real, 0o640)
    return path


def untouched(path, before, where):
    equal(fingerprint(path), before, f"{where}: the disk afterwards")


# Ways in which programs make and save a file; each leaves {env} with "me=2\n", whatever was there before (nothing).
SAVE = {
    "sh >": "echo me=2 > {env}",
    "sh >>": "echo me=2 >> {env}",
    "sh noclobber": "set -C; echo me=2 > {env}",
    "touch, dd": "touch {env} && echo me=2 | dd of={env} conv=notrunc,fsync status=none",
    "tee": "echo me=2 | tee {env} > /dev/null",
    "cp": "echo me=2 > a && cp a {env} && rm a",
    "cp -a": "echo me=2 > a && cp -a a {env} && rm a",
    "install": "echo me=2 > a && install -m 600 a {env} && rm a",
    "mv": "echo me=2 > {env}.tmp && mv {env}.tmp {env}",
    "mv -f": "echo old > {env} && echo me=2 > {env}.tmp && mv -f {env}.tmp {env}",
    "ln, rm": "echo me=2 > a && ln a {env} && rm a",
    "sed -i": "echo me=1 > {env} && sed -i s/1/2/ {env}",
    "perl -i": "echo me=1 > {env} && perl -pi -e s/1/2/ {env}",
    "patch by ed": "printf 'me=1\\n' > {env} && printf '%s\\n' 1s/1/2/ w q | ed -s {env}",
    "rsync": "mkdir s && echo me=2 > s/.env && rsync -a s/.env {env} && rm s/.env && rmdir s",
    "tar": "mkdir s && echo me=2 > s/.env && tar cf a -C s .env && tar xf a && rm -r s a",
    "python x": "python3 -c \"open('{env}', 'x').write('me=2\\n')\"",
    "python os.replace": "python3 -c \"import os; open('t', 'w').write('me=2\\n'); os.replace('t', '{env}')\"",
    "python tempfile": (
        "python3 -c \"import os, tempfile; f = tempfile.NamedTemporaryFile('w', dir='.', delete=False); f.write('me=2\\n'); "
        "f.flush(); os.fsync(f.fileno()); os.rename(f.name, '{env}')\""
    ),
    "python O_TMPFILE": (
        "python3 -c \"import os; f = os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o600); os.write(f, b'me=2\\n'); "
        "d = os.open('.', os.O_PATH); "
        "os.link('/proc/self/fd/%d' % f, '{env}', src_dir_fd=d, dst_dir_fd=d, follow_symlinks=True)\""
    ),
    "python r+": (
        "echo me=1 > {env}; python3 -c \"f = open('{env}', 'r+'); t = f.read().replace('1', '2'); f.seek(0); f.write(t); f.truncate()\""
    ),
    "python unlink and new": (
        "echo old > {env}; python3 -c \"import os; os.unlink('{env}'); open('{env}', 'w').write('me=2\\n')\""
    ),
    "python mmap": (
        "echo me=1 > {env}; python3 -c \"import mmap; f = open('{env}', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[3:4] = b'2'; m.flush()\""
    ),
    # As write-file-atomic, which npm saves with: a name beside it, fsync, chown, chmod, rename.
    "node atomic": (
        "node -e \"const fs = require('fs'); const t = '{env}.' + process.pid; const f = fs.openSync(t, 'w', 0o666); "
        "fs.writeSync(f, 'me=2\\n'); fs.fsyncSync(f); fs.closeSync(f); const s = fs.statSync(t); fs.chownSync(t, s.uid, s.gid); "
        "fs.chmodSync(t, 0o644); fs.renameSync(t, '{env}')\""
    ),
    "node writeFile": "node -e \"require('fs').writeFileSync('{env}', 'me=2\\n')\"",
    "vi": "echo me=1 > {env} && vi -u NONE -es -c 's/1/2/' -c wq {env}",
    "vi backup": "echo me=1 > {env} && vi -u NONE -es -c 'set backup writebackup backupcopy=no' -c 's/1/2/' -c wq {env} && rm -f {env}~",
    "vi rename": "echo me=1 > {env} && vi -u NONE -es -c 'set nobackup writebackup backupcopy=no' -c 's/1/2/' -c wq {env}",
}
NEEDED = {"patch by ed": "ed", "rsync": "rsync", "node atomic": "node", "node writeFile": "node", "vi": "vi"}


def saving(escape):
    for place in escape.places:
        for real in (REAL, None):
            # Every way where something is hidden, some where nothing is and on the other file system.
            some = real and place is escape.places[0]
            for how, command in list(SAVE.items())[:: 1 if some else 4]:
                if how.split()[0] in ("vi", "patch") and not shutil.which(NEEDED.get(how, how.split()[0])):
                    continue
                path = fresh(place, "save", real)
                before = fingerprint(path)
                where = f"{place.name}: {how}{' over a real one' if real else ''}"
                script = command.replace("{env}", ".env") + " && cat .env && ls -A"
                said = escape.view([RULE], ["sh", "-ec", "umask 022; " + script], cwd=path, mediated={"openat": 1})
                equal(said.stdout, "me=2\n.env\n", f"{where}: {said.stderr[-300:]}")
                after = fingerprint(path)
                # The directory was written to, for names beside it.
                before.pop(path), after.pop(path)
                equal(after, before, f"{where}: the disk afterwards")


FAILS = r"""
import errno, os
def fails(error, call, *args, **named):
    try:
        call(*args, **named)
    except OSError as e:
        assert e.errno == error, (call.__name__, args, e)
    else:
        raise AssertionError((call.__name__, args))
"""
LOOK = FAILS + r"""
import fcntl, mmap, stat, sys
fails(errno.ENOENT, os.stat, ".env")
fails(errno.ENOENT, os.unlink, ".env")
assert ".env" not in os.listdir(".")
os.umask(0o027)
f = os.open(".env", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
fails(errno.EEXIST, os.open, ".env", os.O_RDWR | os.O_CREAT | os.O_EXCL)
fails(errno.EEXIST, os.mkdir, ".env")
a, b = os.fstat(f), os.stat(".env")
assert a == b and stat.S_IMODE(a.st_mode) == 0o640 and a.st_nlink == 1 and a.st_size == 0, (a, b)
assert a.st_dev == os.stat(".").st_dev and a.st_uid == os.geteuid() and a.st_gid == os.getegid()
entry = [e for e in os.scandir(".") if e.name == ".env"]
assert len(entry) == 1 and entry[0].inode() == a.st_ino and entry[0].is_file(follow_symlinks=False), entry
here = os.path.realpath(".")
assert os.readlink("/proc/self/fd/%d" % f) == here + "/.env"
assert ("ino:\t%d\n" % a.st_ino) in open("/proc/self/fdinfo/%d" % f).read()
os.write(f, b"0123456789")
m = mmap.mmap(f, 0)
maps = [l for l in open("/proc/self/maps") if "/.env" in l]
assert len(maps) == 1 and maps[0].split()[4] == str(a.st_ino) and maps[0].rstrip().endswith(here + "/.env"), maps
assert "scrim-private" not in open("/proc/self/maps").read()
assert os.stat(".env").st_size == 10
again = os.open(".env", os.O_RDONLY)
assert os.read(again, 20) == b"0123456789" and os.fstat(again).st_ino == a.st_ino
m[0:1] = b"x"
assert open(".env").read() == "x123456789"
os.truncate(".env", 4)
assert open(".env").read() == "x123"
os.ftruncate(f, 2)
os.posix_fallocate(f, 0, 8)
assert open(".env", "rb").read() == b"x1\0\0\0\0\0\0"
os.utime(".env", (5, 6))
assert os.stat(".env").st_mtime == 6 and os.fstat(f).st_atime == 5
os.chmod(".env", 0o400)
assert stat.S_IMODE(os.fstat(f).st_mode) == 0o400
if os.geteuid():
    fails(errno.EACCES, os.open, ".env", os.O_WRONLY)
    assert not os.access(".env", os.W_OK)
os.chmod(".env", 0o644)
assert os.access(".env", os.R_OK | os.W_OK) and not os.access(".env", os.X_OK)
os.link(".env", "sub/.env")
assert os.stat(".env").st_nlink == 2 and os.path.samefile(".env", "sub/.env")
assert os.listdir("sub") == [".env"]
fails(errno.ENOTEMPTY, os.rmdir, "sub")
fails(errno.EXDEV, os.link, ".env", "visible")
fails(errno.EXDEV, os.rename, ".env", "visible")
fails(errno.ENOTDIR, os.stat, ".env/x")
fails(errno.ENOTDIR, os.open, ".env", os.O_RDONLY | os.O_DIRECTORY)
fails(errno.ENOTDIR, os.rmdir, ".env")
fails(errno.EISDIR, os.open, ".env/", os.O_WRONLY | os.O_CREAT)
os.unlink(".env")
fails(errno.ENOENT, os.stat, ".env")
assert os.fstat(f).st_nlink == 1
os.rename("sub/.env", ".env")
assert os.stat(".env").st_ino == a.st_ino
os.rename("sub", "moved")
open("moved/.env", "w").write("moves along")
os.rename("moved", "sub")
assert open("sub/.env").read() == "moves along" and os.listdir("sub") == [".env"]
os.rename("sub/.env", ".env")
assert open(".env").read() == "moves along" and os.listdir("sub") == []
assert os.fstat(f).st_nlink == 0 and os.readlink("/proc/self/fd/%d" % f) == here + "/.env (deleted)"
os.rmdir("sub")
d = os.open(".", os.O_RDONLY)
assert os.path.exists(".env") and os.stat(".env", dir_fd=d).st_size == 11
p = os.open(".env", os.O_PATH)
assert os.fstat(p) == os.stat(".env") and open("/proc/self/fd/%d" % p).read() == "moves along"
for make in (lambda: os.symlink("x", "b/.env"), lambda: os.mkdir("b/.env"), lambda: os.mkfifo("b/.env"), lambda: os.rename("c", "b/.env")):
    fails(errno.EACCES, make)
if not os.fork():
    assert open(".env").read() == "moves along"
    open(".env", "a").write(" and is shared")
    os._exit(0)
assert os.wait()[1] == 0
assert open(".env").read() == "moves along and is shared"
try:
    os.setxattr(".env", "user.mine", b"v")
    assert os.getxattr(".env", "user.mine") == b"v"
except OSError as e:
    assert e.errno == errno.ENOTSUP
os.unlink(".env")
print("good")
"""


def looking(escape):
    for place in escape.places:
        for real in (REAL, None):
            path = fresh(place, "look", real)
            for name in ("sub", "b", "c"):
                os.mkdir(os.path.join(path, name))
            if real:
                write(os.path.join(path, "b/.env"), real)
            before = {k: v for k, v in fingerprint(path).items() if k.endswith(".env")}
            said = escape.view([RULE], ["python3", "-c", LOOK], cwd=path, mediated={"rename": 3, "link": 1, "getdents64": 2})
            equal(said.stdout, "good\n", f"{place.name}: {said.stderr[-600:]}")
            after = {k: v for k, v in fingerprint(path).items() if k.endswith(".env")}
            equal(after, before, f"{place.name}: the disk afterwards")


MANY = r"""
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
for i in range(300): open("p%d.key" % i, "w").write(str(i))
for i in range(0, 300, 7): os.unlink("p%d.key" % i)
want = sorted(["p%d.key" % i for i in range(300) if i % 7] + ["seen%d" % i for i in range(5)])
assert sorted(os.listdir(".")) == want
for size in (64, 100, 256, 1000, 4096, 32768):
    d = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    buffer, names, at = ctypes.create_string_buffer(size), [], {}
    while True:
        n = libc.syscall(217, d, buffer, size)
        assert n >= 0, (size, ctypes.get_errno(), len(names))
        if n == 0: break
        i = 0
        while i < n:
            inode, offset, length, kind = struct.unpack_from("QqHB", buffer.raw, i)
            name = buffer.raw[i + 19:i + length].split(b"\0")[0].decode()
            names.append(name); at[name] = offset
            if name.startswith("p"): assert os.stat(name).st_ino == inode and kind == 8
            i += length
    assert sorted(n for n in names if n not in (".", "..")) == want, size
    assert libc.syscall(217, d, buffer, size) == 0
    # Each place that was told can be gone back to.
    for k in (0, 3, 6, len(names) // 2, len(names) - 2):
        os.lseek(d, at[names[k]], os.SEEK_SET)
        n = libc.syscall(217, d, buffer, size)
        assert n > 0 and buffer.raw[19:n].split(b"\0")[0].decode() == names[k + 1], (size, k)
    os.lseek(d, 0, os.SEEK_SET)
    assert libc.syscall(217, d, buffer, size) > 0
    os.close(d)
print("good")
"""


def listing(escape):
    for place in escape.places:
        path = fresh(place, "many", None)
        for i in range(5):
            write(os.path.join(path, f"seen{i}"), "x")
        write(os.path.join(path, "real.key"), REAL)
        before = fingerprint(os.path.join(path, "real.key"))
        said = escape.view(["hide **/*.key create=private"], ["python3", "-c", MANY], cwd=path, mediated={"getdents64": 300})
        equal(said.stdout, "good\n", f"{place.name}: {said.stderr[-600:]}")
        untouched(os.path.join(path, "real.key"), before, place.name)
        equal(len(os.listdir(path)), 6, f"{place.name}: names afterwards")


GIT = """
export HOME=$PWD/home GIT_CONFIG_NOSYSTEM=1
git clone -q origin work
cd work
git status --porcelain
cat .env
git checkout -q other
cat .env
git checkout -q -
echo changed >> .env
git status --porcelain
git diff --stat | tail -1
git stash -q
git status --porcelain
git rm -q .env && git commit -qm gone && git checkout -q other && cat .env
git status --porcelain
git clean -qfdx
ls -A
cd .. && rm -rf work
"""


def git(escape):
    for place in escape.places:
        path = fresh(place, "git", None)
        home = os.path.join(path, "home")
        os.mkdir(home)
        write(os.path.join(home, ".gitconfig"), "[user]\n\tname = n\n\temail = n@example.org\n[init]\n\tdefaultBranch = main\n")
        make = (
            "export HOME=$PWD/home GIT_CONFIG_NOSYSTEM=1; git init -q origin && cd origin && echo A=1 > .env && echo x > f && git add -A "
            "&& git commit -qm one && git checkout -qb other && echo B=1 > .env && git commit -qam two && git checkout -q main"
        )
        escape.native(["sh", "-ec", make], cwd=path)
        # Where git will put one there is a real one already, in the other run.
        said = escape.view([RULE], ["sh", "-ec", GIT], cwd=path, mediated={"openat": 10})
        wanted = "A=1\nB=1\n M .env\n 1 file changed, 1 insertion(+)\nB=1\n.env\n.git\nf\n"
        equal(said.stdout, wanted, f"{place.name}: git: {said.stderr[-400:]}")
        equal(sorted(os.listdir(path)), ["home", "origin"], f"{place.name}: after git")
        # Outside the file of the repository is there, and hidden inside: checkout makes the view's own.
        work = os.path.join(path, "origin")
        before = fingerprint(os.path.join(work, ".env"))
        script = "export HOME=$PWD/../home GIT_CONFIG_NOSYSTEM=1; git status --porcelain; git checkout -q .env; cat .env; git status --porcelain"
        said = escape.view([RULE], ["sh", "-ec", script], cwd=work, mediated={"openat": 5})
        equal(said.stdout, " D .env\nA=1\n", f"{place.name}: git checkout .env: {said.stderr[-300:]}")
        untouched(os.path.join(work, ".env"), before, place.name)


def npm(escape):
    """npm itself, where there is one; what it saves files with is in `saving` in any case."""
    if not shutil.which("npm"):
        return
    path = fresh(escape.places[0], "npm", None)
    write(os.path.join(path, ".npmrc"), "secret=1\n")
    write(os.path.join(path, "package.json"), '{"name": "x", "version": "1.0.0"}\n')
    before = fingerprint(os.path.join(path, ".npmrc"))
    script = f"mkdir home; export HOME={path}/home npm_config_update_notifier=false; npm config set --location=project fund=false && cat .npmrc && npm install --offline && ls -A"
    said = escape.view(["hide **/.npmrc create=private"], ["sh", "-ec", script], cwd=path, mediated={"openat": 5}, expect=None)
    check("fund=false\n" in said.stdout and "secret" not in said.stdout, f"npm config: {said.stdout} {said.stderr[-500:]}")
    untouched(os.path.join(path, ".npmrc"), before, "npm")


def running(escape):
    for place in escape.places:
        path = fresh(place, "run")
        write(os.path.join(path, "#"), "")
        script = (
            "printf '#!/bin/sh\\necho script $0\\n' > .env; chmod +x .env; ./.env; cp /bin/readlink .env; ./.env /proc/self/exe; "
            'test "$(readlink -f .env)" = "$PWD/.env"'
        )
        before = fingerprint(os.path.join(path, ".env"))
        said = escape.view([RULE], ["sh", "-ec", script], cwd=path, mediated={"execve": 4})
        equal(said.stdout, f"script ./.env\n{path}/.env\n", f"{place.name}: exec: {said.stderr[-300:]}")
        untouched(os.path.join(path, ".env"), before, place.name)


BOUND = FAILS + r"""
import time
for i in range(8): open("%d.key" % i, "w").close()
fails(errno.ENOSPC, lambda: open("8.key", "w"))
for i in range(2000):
    os.unlink("0.key"); open("0.key", "w").close()
for i in range(1, 8): os.unlink("%d.key" % i)
fails(errno.ENOSPC, os.truncate, "0.key", 3 << 20)
g = os.open("0.key", os.O_RDWR)
fails(errno.ENOSPC, os.posix_fallocate, g, 0, 3 << 20)
fails(errno.ENOSPC, os.ftruncate, g, 3 << 20)
os.close(g)
open("big", "wb").write(bytes(3 << 20))
fails(errno.ENOSPC, os.rename, "big", "1.key")
assert os.stat("big").st_size == 3 << 20 and not os.path.exists("1.key")
os.unlink("big")
f = open("0.key", "wb", buffering=0)
error = None
for i in range(100000):
    try:
        f.write(bytes(65536))
    except OSError as e:
        error = e.errno
        break
    if i > 32: time.sleep(0.001)
assert error == errno.EPERM, error
assert os.stat("0.key").st_size <= 2 << 20, os.stat("0.key").st_size
fails(errno.ENOSPC, lambda: open("2.key", "w"))
os.unlink("0.key"); f.close()
open("2.key", "w").write("room again")
print("good")
"""


def bounds(escape):
    path = fresh(escape.places[0], "bound", None)
    rules = ["hide **/*.key create=private", "option private.files=8", "option private.total=2M"]
    said = escape.view(rules, ["python3", "-c", BOUND], cwd=path, mediated={"openat": 20, "ftruncate": 0})
    equal(said.stdout, "good\n", f"bounds: {said.stderr[-600:]}")


def beside(escape):
    """With other rules, and where names cannot be made."""
    place = escape.places[0]
    path = fresh(place, "beside")
    for name in ("ro", "log", "shut", "all", "all/deep"):
        os.mkdir(os.path.join(path, name))
    for name in ("ro", "log", "shut", "all"):
        write(os.path.join(path, name, ".env"), REAL)
    os.chmod(os.path.join(path, "shut"), 0o555)
    before = {k: v for k, v in fingerprint(path).items() if k.endswith(".env")}
    rules = [f"mask {path}/**", f"readonly {path}/ro", f"append {path}/log/.env", RULE, f"plain {path}/seen", f"hide {path}/no", f"deny {path}/denied"]
    script = FAILS + r"""
fails(errno.EROFS, lambda: open("ro/.env", "w"))
if os.geteuid(): fails(errno.EACCES, lambda: open("shut/.env", "w"))
fails(errno.EACCES, lambda: open("no", "w"))
fails(errno.EACCES, lambda: open("denied", "w"))
f = open("log/.env", "a"); f.write("1\n"); f.close()
open("log/.env", "a").write("2\n")
assert open("log/.env").read() == "1\n2\n"
fails(errno.EPERM, lambda: open("log/.env", "w"))
fails(errno.EPERM, os.truncate, "log/.env", 0)
fails(errno.EPERM, os.unlink, "log/.env")
fails(errno.EPERM, os.rename, "log/.env", ".env")
open(".env", "w").write("x")
assert open(".env").read() == "x"
print("good")
"""
    said = escape.view(rules, ["python3", "-c", script], cwd=path, mediated={"openat": 5})
    equal(said.stdout, "good\n", f"beside: {said.stderr[-600:]}")
    equal({k: v for k, v in fingerprint(path).items() if k.endswith(".env")}, before, "beside: the disk afterwards")
    # A home that is hidden but for a part: what programs keep in it they find again, and nobody else.
    home = fresh(place, "home")
    os.mkdir(os.path.join(home, "work"))
    script = "echo set > ~/.rc; cat ~/.rc; ls -A ~; echo x > ~/work/real"
    said = escape.view([f"hide {home} create=private", f"show {home}/work"], ["env", f"HOME={home}", "sh", "-ec", script], cwd=os.path.join(home, "work"))
    equal(said.stdout, "set\n.rc\nwork\n", f"home: {said.stderr[-300:]}")
    equal(sorted(os.listdir(home)), [".env", "work"], "home afterwards")
    equal(os.listdir(os.path.join(home, "work")), ["real"], "what is shown is real")


def views(escape):
    """Two views at a time have files of their own, and a later one has none."""
    path = fresh(escape.places[0], "two")
    inner = "test ! -e .env && echo two > .env && cat .env"
    said = escape.view([RULE], ["sh", "-ec", "echo one > .env; cat .env"], cwd=path)
    equal(said.stdout, "one\n", "a view")
    said = escape.view([RULE], ["sh", "-ec", inner], cwd=path)
    equal(said.stdout, "two\n", "the next has none of it")
    equal(read(os.path.join(path, ".env")), REAL, "the real one")
    told = escape.native([escape.scrim, "explain", "-r", RULE, "/x/.env"]).stdout
    check("create=private" in told, f"explain: {told}")
    told = escape.native([escape.scrim, "tree", "-r", RULE, path]).stdout
    check(".env  hidden (hide /**/.env create=private)" in told, f"tree: {told}")
    wrong = escape.native([escape.scrim, "explain", "-r", "hide /x create=public", "/x"], expect=125)
    check("create=private" in wrong.stderr, wrong.stderr)
    wrong = escape.native([escape.scrim, "explain", "-r", "deny /x create=private", "/x"], expect=125)
    check("deny has no option create" in wrong.stderr, wrong.stderr)


def body(escape):
    run_parts(
        escape,
        {
            "saving": saving,
            "looking": looking,
            "listing": listing,
            "git": git,
            "npm": npm,
            "running": running,
            "bounds": bounds,
            "beside": beside,
            "views": views,
        },
    )


main(body)
