# SPDX-License-Identifier: Apache-2.0
"""Execs in the space of binfmt_space, one after the other: what came of each. Run natively and in a view.

binfmt_calls.py DIRECTORY
"""

import errno
import os
import sys

os.chdir(sys.argv[1])
HERE = os.getcwd()


def attempt(what, file, argv=None, env=None, prepare=lambda: None):
    print(f"-- {what}", flush=True)
    child = os.fork()
    if child == 0:
        try:
            prepare()
            os.execve(file, argv or [str(file), "one", "two words"], env or {"A": "B", "LC_ALL": "C"})
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)
        os._exit(1)
    print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def by_descriptor(what, name, inheritable, flags=os.O_RDONLY):
    fd = os.open(name, flags)
    os.set_inheritable(fd, inheritable)
    attempt(f"{what}, descriptor", fd, [name, "one"])
    os.close(fd)


NAMES = ["plain.scrimx", "./plain.scrimx", HERE + "/plain.scrimx", "sub/../plain.scrimx", "link.scrimx", "link", "keeps.scrimp",
         "open.scrimo", "creds.scrimc", "all.scrimpo", "fixed.scrimf", "magic", "masked", "shifted", "scripted.scrimx", "elf.scrimx",
         "by-script.scrims", "keeps-by-script.scrimsp", "opens-by-script.scrimso", "script-of-misc", "script-of-open",
         "script-of-keeping", "chain.scrimk", "absent.scrima", "relative.scrimr", "dir.scrimd", "plainfile.scrimm", "hidden.scrimh",
         "denied.scrimn", "loop.scriml", "off.scrimoff", "twice.scrimtwice", "not-executable.scrimx", "nothing.none", "two.dots.scrimx",
         "dot.", "program.pyc", "long-" + "n" * 200 + ".scrimx"]

for name in NAMES:
    attempt(name[:40], name)
attempt("an argument of its own", "plain.scrimx", ["another name"])
attempt("the same, kept", "keeps.scrimp", ["another name", "x"])
attempt("an empty argument", "keeps.scrimp", [""])
attempt("many arguments", "all.scrimpo", ["x" * 100] * 500)
attempt("much environment", "all.scrimpo", None, {f"N{i}": "v" * 200 for i in range(300)})
attempt("other descriptors", "open.scrimo", None, None, lambda: (os.dup2(0, 9), os.dup2(0, 3), os.set_inheritable(3, True)))
attempt("none at the bottom", "open.scrimo", None, None, lambda: os.close(0))
for name in ("plain.scrimx", "magic", "all.scrimpo", "script-of-misc", "link"):
    by_descriptor(name, name, True)
    by_descriptor(name + " that is closed", name, False)
    if os.geteuid():
        continue
    by_descriptor(name + " by O_PATH", name, True, os.O_PATH)
attempt("by a directory", "sub/../magic")
# Who may, changes what is registered meanwhile.
if os.geteuid() == 0:
    place = "/proc/sys/fs/binfmt_misc/"

    def put(name, text):
        with open(place + name, "w") as file:
            file.write(text)

    attempt("not yet registered", "late.scrimlate")
    put("register", f":late:E::scrimlate::{HERE}/show:")
    attempt("registered", "late.scrimlate")
    put("late", "0")
    attempt("switched off", "late.scrimlate")
    put("late", "1")
    attempt("switched on", "late.scrimlate")
    put("register", f":later:E::scrimlate::{HERE}/show:P")
    attempt("registered anew", "late.scrimlate")
    put("status", "0")
    attempt("all switched off", "late.scrimlate")
    put("status", "1")
    put("later", "-1")
    attempt("removed", "late.scrimlate")
    put("late", "-1")
    attempt("both removed", "late.scrimlate")
