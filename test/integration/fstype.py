# SPDX-License-Identifier: Apache-2.0
"""fstype NAME hide|deny: whatever is on such a file system, mounted before the run or during it."""

import os
import subprocess

from escape_support import check, equal, main, read, write

PROBE = r"""
import errno, os, sys
def name(call, *args):
    try:
        call(*args)
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]
def connect(path):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
for path in sys.argv[1:]:
    there, new = path + "/there", path + "/new"
    print(name(os.stat, path), name(os.stat, there), name(os.open, there, os.O_RDONLY), name(os.listdir, path),
          name(os.open, new, os.O_WRONLY | os.O_CREAT), name(os.mkdir, new), name(os.rename, there, new),
          name(os.truncate, there, 0), name(os.readlink, there), name(os.unlink, there), name(connect, there),
          os.path.basename(path) in os.listdir(os.path.dirname(path)))
"""


def probe(escape, rules, *paths):
    return escape.view(rules, [escape.python, "-c", PROBE, *paths], mediated={"openat": 1}).stdout.splitlines()


def before_the_run(escape):
    disk, shm = escape.places
    for place in escape.places:
        write(os.path.join(place.path, "there"), "x")
    gone = "ENOENT " * 11 + "False"
    shut = "EACCES " * 11 + "True"
    for rule, wanted in (("fstype tmpfs hide", gone), ("fstype tmpfs deny", shut)):
        equal(probe(escape, [rule], "/dev/shm"), [wanted], f"{rule}: the mount, what is on it, and its name in its directory")
    said = escape.view(["fstype tmpfs hide"], ["sh", "-c", 'cat "$0/there" "$1/there"', disk.path, shm.path], expect=1)
    equal(said.stdout, "x", "the disk's is shown, the other not")
    check("No such file" in said.stderr, said.stderr)
    said = escape.view(["fstype proc hide"], ["sh", "-c", "ls -d / /proc; cat /proc/self/stat /proc/1/stat"], expect=1)
    equal((said.stdout, said.stderr.count("No such file")), ("/\n", 3), "a view without /proc")
    # The last rule wins, of whatever kind.
    said = escape.view(["fstype tmpfs hide", f"show {shm.path}"], ["cat", os.path.join(shm.path, "there")])
    equal(said.stdout, "x", "an exception")
    said = escape.view([f"show {shm.path}", "fstype tmpfs hide"], ["cat", os.path.join(shm.path, "there")], expect=1)
    equal(said.stdout, "", "overruled")
    equal(escape.view(["fstype nosuchfs hide"], ["cat", os.path.join(shm.path, "there")]).stdout, "x", "another type")
    explained = escape.native([escape.scrim, "explain", "-r", "fstype tmpfs hide", os.path.join(shm.path, "there")]).stdout
    check("visibility  hide" in explained, explained)


WAIT = r"""
import errno, os, sys
there, parent, new = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for path in (there, os.path.dirname(there)):
    for call in (os.stat, os.listdir, lambda p: os.open(p, os.O_RDONLY), lambda p: os.open(p, os.O_PATH), os.chdir):
        try:
            call(path)
            print("ok", end=" ")
        except OSError as e:
            print(errno.errorcode[e.errno], end=" ")
for where in (there, new):
    try:
        os.close(os.open(where + ".made", os.O_WRONLY | os.O_CREAT))
        print("ok", end=" ")
    except OSError as e:
        print(errno.errorcode[e.errno], end=" ")
"""


def during_the_run(escape):
    """Needs a mount: root."""
    disk = escape.places[0]
    target = os.path.join(disk.path, "target")
    os.mkdir(target)
    for rule, wanted in ((None, "ok NOTDIR ok ok NOTDIR ok ok ok ok ok ok ok "), ("hide", "ENOENT " * 10 + "EACCES ok "),
                         ("deny", "EACCES " * 11 + "ok ")):
        command = [escape.scrim, "run"] + (["-r", f"fstype tmpfs {rule}"] if rule else ["-r", "hide /absent"])
        command += ["--", escape.python, "-c", WAIT, os.path.join(target, "there"), target, os.path.join(disk.path, "other")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        equal(process.stdout.readline(), "ready\n", "started")
        equal(subprocess.run(["mount", "-t", "tmpfs", "none", target]).returncode, 0, "mounted")
        try:
            write(os.path.join(target, "there"), "x")
            got = process.communicate("\n", timeout=60)[0]
            equal(got.replace("ENOTDIR", "NOTDIR"), wanted, f"a file system mounted during the run, {rule}")
        finally:
            subprocess.run(["umount", target])
    os.rmdir(target)


def misuse(escape):
    for rule, text in (("fstype", "the type is missing"), ("fstype tmpfs", "hide or deny is missing"),
                       ("fstype tmpfs show", "neither hide nor deny: show"), ("fstype t*s hide", "not the name of a type"),
                       ("fstype tmpfs hide x", "too many words")):
        said = escape.native([escape.scrim, "check", "-r", rule], expect=1)
        check(text in said.stderr, f"{rule}: {said.stderr}")


def body(escape):
    before_the_run(escape)
    if escape.uid == 0:
        during_the_run(escape)
    misuse(escape)


main(body)
