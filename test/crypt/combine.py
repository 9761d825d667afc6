# SPDX-License-Identifier: Apache-2.0
"""Encrypted files under other rules too, names between trees and keys, and loaders: combine.py [--user] SCRIM."""
import os
import shutil

from place import crypt_only, expect, is_encrypted, main

ERRNO = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def fails(what):
    try:
        what()
        return "went through"
    except OSError as error:
        return errno.errorcode[error.errno]
def linkat(fd, name):
    if libc.linkat(-100, b"/proc/self/fd/%d" % fd, -100, name.encode(), 0x400) < 0:
        raise OSError(ctypes.get_errno(), name)
def check(got, wanted, what=""):
    assert got == wanted, (what, got, wanted)
"""


@crypt_only
def test_other_rules(place):
    names = ("hidden", "denied", "masked", "redacted", "fixed", "log")
    for name in names:
        place.view("sh", "-c", f"printf 'secret one\\nplain two\\n' >{place.name(name)}")
        if not is_encrypted(place.name(name)):
            raise AssertionError(name)
    rules = [f"hide {place.name('hidden')}", f"deny {place.name('denied')}", f"mask {place.name('masked')}",
             f"mask {place.name('redacted')} redact=secret", f"readonly {place.name('fixed')}", f"append {place.name('log')}"]
    place.python(ERRNO + """
name = lambda n: tree + "/" + n
check(fails(lambda: os.stat(name("hidden"))), "ENOENT")
check(fails(lambda: open(name("hidden"), "w")), "EACCES")
check("hidden" in os.listdir(tree), False)
check(fails(lambda: os.stat(name("denied"))), "EACCES")
# A mask instead of the rule that encrypts: of a file that it redacts the real content is the encrypted one.
check(open(name("masked"), "rb").read(), b"")
check(fails(lambda: open(name("masked"), "r+b")), "EACCES")
check(open(name("fixed"), "rb").read(), b"secret one\\nplain two\\n")
for mode in ("r+b", "ab", "wb"):
    check(fails(lambda: open(name("fixed"), mode)), "EROFS", mode)
check(fails(lambda: os.truncate(name("fixed"), 1)), "EROFS")
check(fails(lambda: os.chmod(name("fixed"), 0o600)), "EROFS")
check(fails(lambda: os.rename(name("fixed"), name("other"))), "EROFS")
check(os.stat(name("fixed")).st_size, 21)
fd = os.open(name("log"), os.O_WRONLY)
check(bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND), True)
os.pwrite(fd, b"three\\n", 0)
check(fails(lambda: fcntl.fcntl(fd, fcntl.F_SETFL, 0)), "EPERM")
check(fails(lambda: os.ftruncate(fd, 1)), "EPERM")
check(fails(lambda: os.open(name("log"), os.O_RDWR)), "EPERM")
check(fails(lambda: os.unlink(name("log"))), "EPERM")
check(open(name("log"), "rb").read(), b"secret one\\nplain two\\nthree\\n")
new = os.open(name("log") + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.write(new, b"x")
""", rules=rules)
    expect(place.content("log"), b"secret one\nplain two\nthree\n")
    expect(place.content("log.new"), b"x")
    for name in names[:5]:
        expect(place.content(name), b"secret one\nplain two\n", name)


@crypt_only
def test_keys_and_edges(place):
    """Equal keys are one tree, whatever rules say so; different ones, and plain places, are not."""
    place.new_key("other")
    for name in ("same", "other", "plain"):
        os.mkdir(os.path.join(place.out, name))
    rules = [f"crypt {place.out}/same key=work", f"crypt {place.out}/other key=other"]
    place.python(ERRNO + """
out = sys.argv[1]
open(tree + "/a", "w").write("a")
open(out + "/plain/p", "w").write("p")
for target in ("other", "plain"):
    check(fails(lambda: os.rename(tree + "/a", f"{out}/{target}/a")), "EXDEV", target)
    check(fails(lambda: os.link(tree + "/a", f"{out}/{target}/a")), "EXDEV", target)
check(fails(lambda: os.rename(out + "/plain/p", tree + "/p")), "EXDEV")
check(fails(lambda: os.rename(out + "/plain/p", tree + "/a")), "EXDEV")
check(fails(lambda: os.rename(out + "/same", out + "/moved")), "EBUSY")
check(fails(lambda: os.rmdir(out + "/other")), "EBUSY")
# Each literal rule has its own place, but the file may be linked where the same is said of it.
check(fails(lambda: os.link(tree + "/a", out + "/same/a")), "went through")
check(open(out + "/same/a").read(), "a")
for where, may in ((tree, ("tree", "same")), (out + "/same", ("tree", "same")), (out + "/other", ("other",)), (out + "/plain", ("plain",))):
    for name, place in (("tree", tree), ("same", out + "/same"), ("other", out + "/other"), ("plain", out + "/plain")):
        fd = os.open(where, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, where.encode())
        said = fails(lambda: linkat(fd, place + "/linked"))
        check(said, "went through" if name in may else "EXDEV", (where, name))
        if said == "went through":
            check(open(place + "/linked").read(), where)
            os.unlink(place + "/linked")
        os.close(fd)
os.symlink("a", tree + "/link")
os.mkfifo(tree + "/fifo")
check(open(tree + "/link").read(), "a")
""", place.out, rules=rules)
    place.verify()


def test_loader(place):
    """A program's loader is opened by the kernel: it cannot be encrypted, and the log says so."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    with open("/bin/true", "rb") as file:
        program = file.read()
    if program.count(loader.encode() + b"\0") != 1:
        raise AssertionError("/bin/true has another loader")
    # The directory's name is made as long as the place it takes in the program, from a root that is short.
    short = "/tmp/scrim-ld-%d" % (os.getpid() % 1000)
    os.symlink(place.tree, short)
    try:
        path = f"{short}/ld"
        if len(path) > len(loader):
            raise AssertionError(path)
        place.view("cp", loader, place.name("ld"))
        changed = os.path.join(place.out, "true")
        with open(changed, "wb") as file:
            file.write(program.replace(loader.encode() + b"\0", path.encode().ljust(len(loader) + 1, b"\0")))
        os.chmod(changed, 0o755)
        done = place.view("sh", "-c", f"{changed}; echo $?").split()
        expect(done, [b"126"] if place.encrypts else [b"0"], place.error)
        if place.encrypts and "PT_INTERP" not in place.logged():
            raise AssertionError(place.logged())
        # Run by its name it is a program as others are.
        expect(place.view(place.name("ld"), shutil.which("echo"), "ran"), b"ran\n")
    finally:
        os.unlink(short)


if __name__ == "__main__":
    main(globals())
