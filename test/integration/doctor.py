# SPDX-License-Identifier: Apache-2.0
"""scrim doctor: what is taken away is told, with what is lost and what helps, and nothing else is.

    doctor.py SCRIM WITHOUT
"""
import json
import os
import re
import subprocess
import sys

import drivers
from drivers import expect

SCRIM, WITHOUT = (os.path.abspath(path) for path in sys.argv[1:3])
# Of which `without` and which row is to say so; further ones may.
TAKEN = {
    "openat2": {"openat2"}, "process_vm": {"process_vm_readv"}, "pidfd_getfd": {"pidfd_getfd", "kcmp"}, "kcmp": {"kcmp"},
    "mseal": {"mseal"}, "sync_wake_up": {"SYNC_WAKE_UP"}, "pidfd_thread": {"pidfds of threads"}, "statx": {"statx"},
    "execve_check": {"AT_EXECVE_CHECK"}, "unshare": {"unshare(CLONE_FS)"},
    "linux-6.1": {"mseal", "SYNC_WAKE_UP", "pidfds of threads", "AT_EXECVE_CHECK"},
}
NEEDED = {"wait_killable", "seccomp", "ptrace", "pidfd_open"}


def doctor(*before, status=None, words=()):
    done = subprocess.run([*before, SCRIM, "doctor", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)
    if status is not None:
        expect(done.returncode, status, f"{before} {words}: {done}")
    return done.stdout.decode(), done.returncode


def rows(*before):
    text, status = doctor(*before, words=["--json"])
    result = json.loads(text)
    expect(result["good"], status == 0, "good")
    expect(result["good"], all(f["there"] == "yes" for f in result["features"] if f["needed"]), text)
    for feature in result["features"]:
        expect(feature["there"] in ("yes", "no", "unknown"), True, str(feature))
        expect(("lost" in feature, "remedy" in feature), (feature["there"] != "yes",) * 2, str(feature))
    return {f["feature"]: f for f in result["features"]}


def missing(table):
    return {name for name, feature in table.items() if feature["there"] == "no"}


def test_here():
    """Where these tests run a view can be held."""
    table = rows()
    expect((table["views"]["there"], table["provider openssl"]["there"]), ("yes", "yes"), "what is needed")
    text, _ = doctor(status=0)
    expect(re.findall(r"^(yes|no|unknown) +(.*?)(?: \(Linux|:|$)", text, re.M),
           [(f["there"], name) for name, f in table.items()], "the same as text")
    expect(f"on Linux {os.uname().release}" in text, True, text)


def test_taken_away():
    here = missing(rows())
    for what, names in TAKEN.items():
        gone = missing(rows(WITHOUT, what, "--"))
        expect(names <= gone, True, f"without {what}: {gone}")
        if what != "linux-6.1":
            expect(gone - names - here, set(), f"without {what} alone")


def test_needed():
    for what in NEEDED:
        table = rows(WITHOUT, what, "--")
        expect(table["views"]["there"], "no", what)
        expect(len(table["views"]["detail"]) > 20, True, "the reason")
        text, _ = doctor(WITHOUT, what, "--", status=1)
        expect("no view can be held" in text, True, text)


def test_locked_memory():
    if drivers.is_sanitized(SCRIM):
        return
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    table = rows("prlimit", "--memlock=4096", *user)
    expect((table["locked memory"]["there"], table["locked memory"]["detail"]), ("no", "the limit is 4 KiB"), "4 KiB")
    expect(rows("prlimit", "--memlock=65536", *user)["locked memory"]["there"], "yes", "64 KiB")


def test_usage():
    doctor(words=["x"], status=2)
    doctor(words=["--no-such-option"], status=2)
    expect("usage" in doctor(words=["--help"], status=0)[0], True, "help")


drivers.main(globals())
