# SPDX-License-Identifier: Apache-2.0
"""A FIFO takes the place of a file that was opened a moment ago, by somebody outside: its open waits, as natively, takes
the caller's signals, holds nobody else up, and goes on when the other end comes. What is opened has no flag of ours.

fifo_in_place.py [--user] SCRIM
"""

import json
import os
import subprocess

from escape_support import LIMIT, check, equal, main, write

ROUNDS = 6

INNER = """
import fcntl, os, signal, stat, sys, threading
path, other = sys.argv[1:]
class Late(Exception):
    pass
def late(number, frame):
    raise Late
signal.signal(signal.SIGALRM, late)
def look():
    fd = os.open(path, os.O_RDONLY)
    what = 'fifo' if stat.S_ISFIFO(os.fstat(fd).st_mode) else 'file'
    what += ' %o' % (fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o100000)
    return what, fd
def say(what):
    os.write(1, (what + '\\n').encode())
for line in sys.stdin:
    if line == 'files\\n':
        # The second time it is known what is there.
        for _ in range(2):
            what, fd = look()
            os.close(fd)
        say(what)
    elif line == 'waits\\n':
        # Meanwhile another thread is served.
        done = []
        thread = threading.Thread(target=lambda: done.append([os.path.exists(other) for _ in range(100)]))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            thread.start()
            what, fd = look()
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.close(fd)
        except Late:
            what = 'interrupted'
        thread.join()
        say(what + ' ' + str(all(done[0])))
    elif line == 'reads\\n':
        what, fd = look()
        say(what + ' ' + os.read(fd, 100).decode())
        os.close(fd)
"""


def put_fifo(path):
    os.mkfifo(path + ".new", 0o600)
    os.rename(path + ".new", path)


def put_file(path):
    write(path + ".new", "x")
    os.rename(path + ".new", path)


def run(esc, place, inside):
    path, other = os.path.join(place.path, "there"), os.path.join(place.path, "other")
    said = []
    put_file(path)
    put_file(other)
    argv = [esc.python, "-uc", INNER, path, other]
    if inside:
        argv = [esc.scrim, "run", "--stats", esc.base + "/stats", "-r", "hide /nonexistent-scrim-fifo", "--"] + argv
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        def ask(what):
            process.stdin.write(what.encode() + b"\n")
            process.stdin.flush()

        for _ in range(ROUNDS):
            ask("files")
            said.append(process.stdout.readline().decode())
            put_fifo(path)
            ask("waits")
            said.append(process.stdout.readline().decode())
            ask("reads")
            # Waits for a reader.
            with open(path, "wb") as f:
                f.write(b"through")
            said.append(process.stdout.readline().decode())
            put_file(path)
        process.stdin.close()
        equal(process.wait(LIMIT), 0, "the program's end")
    return said


def body(esc):
    for place in esc.places:
        native, inside = run(esc, place, False), run(esc, place, True)
        equal(native, ["file 0\n", "interrupted True\n", "fifo 0 through\n"] * ROUNDS, f"{place.name}: natively")
        equal(inside, native, f"{place.name}: inside")
        with open(esc.base + "/stats") as f:
            mediated = json.load(f)["mediated"]
        check(mediated.get("openat", 0) >= 4 * ROUNDS, f"{place.name}: mediated {mediated}")


main(body)
