# SPDX-License-Identifier: Apache-2.0
"""No descriptor of scrim's gets into the view, none of whoever starts it; what one leads to that somebody else gave."""

import array
import ctypes
import errno
import os
import shutil
import socket
import subprocess
import threading

from escape_support import WITHOUT_CALLS, check, equal, fingerprint, main, rows, run_parts, write

SECRET = "the secret content\n"
SYS_IO_URING_SETUP, SYS_IO_URING_ENTER = 425, 426
DISABLED = "/proc/sys/kernel/io_uring_disabled"
IO_URING_OFF = os.path.exists(DISABLED) and open(DISABLED).read().strip() != "0"


def make(place):
    top = os.path.join(place.path, "d")
    os.makedirs(os.path.join(top, "vault"))
    write(os.path.join(top, "vault/secret"), SECRET)
    return top


def rules(top):
    return [[f"hide {top}/vault/secret"], [f"hide {top}/*/secre?", "mask **/nothing", "append **/no.log"]]


def children(escape):
    place = escape.places[0]
    tool = [escape.python, escape.tool("descriptors.py"), "children"]
    top = make(place)
    native = rows(escape.native(tool + [top]))
    equal(len(native), 18, "kinds of children")
    # It can find one that is inherited.
    check(any("/dev/zero" in line for line in native.get("exec", [])), f"what an exec inherits: {native.get('exec')}")
    shutil.rmtree(top)
    for policy in range(2):
        top = make(place)
        inside = rows(escape.view(rules(top)[policy], tool + [top], mediated={"execve": 9, "openat": 100, "connect": 2, "chdir": 2}))
        for name, found in native.items():
            equal(inside.get(name), found, f"descriptors of {name}")
        shutil.rmtree(top)


def moments(escape):
    """For a moment of an exec the guard pages' file is there: sealed, and the same for all (docs/STEERING.md)."""
    top = make(escape.places[0])
    tool = [escape.python, escape.tool("descriptors.py"), "moments", top]
    equal(rows(escape.native(tool)), {"running": True, "others": [], "written": []}, "natively")
    inside = rows(escape.view(rules(top)[0], tool, mediated={"execve": 3, "chdir": 60, "connect": 30}))
    print("   seen:", inside)
    equal(inside.get("running"), True, "it ran")
    check(set(inside.get("others", "?")) <= {"/memfd:scrim-guard (deleted)"}, f"descriptors seen: {inside}")
    check(set(inside.get("written", "?")) <= {"EPERM"}, f"written: {inside}")
    shutil.rmtree(top)


def inherited(escape):
    """What the caller of scrim has open comes in only if it is said so."""
    top = make(escape.places[0])
    secret = os.open(top + "/vault/secret", os.O_RDONLY)
    os.set_inheritable(secret, True)
    command = [escape.python, "-c", f"import os; print(os.pread({secret}, 100, 0).decode(), end='')"]

    def start(*words):
        return subprocess.run([*words, *command], capture_output=True, text=True, close_fds=False, cwd=escape.base).stdout

    scrim = [escape.scrim, "run", "--hide", top + "/vault/secret"]
    equal(start(), SECRET, "natively it is inherited")
    equal(start(*scrim, "--"), "", "inherited in the view")
    equal(start(*scrim, "--pass-fd", str(secret), "--"), SECRET, "passed with --pass-fd")
    os.close(secret)
    # A ring of io_uring, which reads and opens for whoever may enter it. (Over a socket none has gone since Linux 6.7.)
    ring = ctypes.CDLL(None).syscall(ctypes.c_long(SYS_IO_URING_SETUP), ctypes.c_long(4), ctypes.create_string_buffer(120))
    check(ring >= 0 or "io_uring_setup" in WITHOUT_CALLS or IO_URING_OFF, "a ring")
    if ring >= 0:
        os.set_inheritable(ring, True)
        enter = f"import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall({SYS_IO_URING_ENTER}, {ring}, 0, 0, 0, None, 0),"
        command[2] = enter + " ctypes.get_errno())"
        equal(start(), "0 0\n", "natively a ring is entered")
        equal(start(*scrim, "--pass-fd", str(ring), "--"), f"-1 {errno.ENOSYS}\n", "a ring in the view")
        os.close(ring)
    shutil.rmtree(top)


class Outside:
    """A process outside (this one, a thread of it) that passes descriptors to whoever connects."""

    def __init__(self, top):
        self.path = os.path.join(top, "giver")
        self.listener = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(top)
        self.listener.bind("giver")
        os.chdir(here)
        os.chmod(self.path, 0o777)
        self.listener.listen(1)
        self.fds = [os.open(top + "/vault/secret", os.O_RDONLY), os.open(top, os.O_RDONLY)]
        self.thread = threading.Thread(target=self.give)
        self.thread.start()

    def give(self):
        end, _ = self.listener.accept()
        end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self.fds))])
        end.recv(1)
        end.close()

    def end(self):
        self.thread.join()
        self.listener.close()
        for fd in self.fds:
            os.close(fd)


def passed(escape):
    for place in escape.places:
        for policy in (None, 0, 1):
            top = make(place)
            os.chmod(top + "/vault/secret", 0o755)
            outside = Outside(top)
            before = fingerprint(top + "/vault/secret")
            tool = [escape.python, escape.tool("descriptors.py"), "passed", top, outside.path]
            where = f"{place.name}, {policy}"
            if policy is None:
                found = rows(escape.native(tool))
                wanted = {"read": "secret", "reopen": "secret", "reopen for writing": "opened", "stat of its link": "there", "link": "linked",
                          "execute": "ENOEXEC", "openat": "secret", "openat ..": "secret", "by its link": "secret", "stat": "there",
                          "list": True, "list by descriptor": True, "fchdir": "secret", "rename": "renamed"}
            else:
                found = rows(escape.view(rules(top)[policy], tool, mediated={"openat": 8, "newfstatat": 2, "connect": 1}))
                equal(fingerprint(top + "/vault/secret"), before, f"{where}: the secret afterwards")
                wanted = {"read": "secret", "openat": "ENOENT", "openat ..": "ENOENT", "by its link": "ENOENT", "stat": "ENOENT",
                          "reopen": "ENOENT", "reopen for writing": "ENOENT", "stat of its link": "ENOENT", "link": "ENOENT",
                          "execute": "ENOENT", "list": False, "list by descriptor": False, "fchdir": "ENOENT", "rename": "ENOENT"}
            equal(found, wanted, where)
            outside.end()
            shutil.rmtree(top)


def taken(escape):
    top = make(escape.places[0])
    secret = os.open(top + "/vault/secret", os.O_RDONLY)
    stranger = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: os.dup2(secret, 9), close_fds=False)
    tool = [escape.python, escape.tool("descriptors.py"), "taken", top, stranger.pid]
    native = rows(escape.native(tool))
    inside = rows(escape.view(rules(top)[0], tool, mediated={"openat": 10}))
    stranger.kill()
    stranger.wait()
    os.close(secret)
    shutil.rmtree(top)
    # Yama keeps an ordinary user from a process that is not its descendant.
    yama = "/proc/sys/kernel/yama/ptrace_scope"
    scope = int(open(yama).read()) if os.path.exists(yama) else 0
    if "pidfd_getfd" not in WITHOUT_CALLS:
        check(native.get("outside") == "secret" or (scope and escape.uid), f"natively from outside: {native}")
        check(native.get("child") is True, f"natively from a child: {native}")
    equal(inside, {"outside": "EPERM", "child": "EPERM", "compared": "EPERM"}, "inside")


main(lambda escape: run_parts(escape, {"children": children, "moments": moments, "inherited": inherited, "passed": passed, "taken": taken}))
