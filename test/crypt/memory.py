# SPDX-License-Identifier: Apache-2.0
"""The supervisor's memory and descriptors stay what they are over many opens of encrypted files.

Usage: memory.py [--user] SCRIM         SCRIM_SOAK=1: a million opens instead of 20,000
"""
import os

from place import main, turns
from vectors import Held, rss

OPENS = turns(20_000, 1_000_000)
STEPS = 5
# Vnodes and their plaintext are kept for some seconds, and only so many: what a step leaves behind must not add up. Buffers
# of the workers that a busy machine starts later are the slack. A table of descriptors grows by doubling.
GROWTH_KIB, DESCRIPTORS = 2048, 2048
# What malloc keeps of its arenas comes to its end only after some hundred thousand opens: there the last part of them tells.
MOST_KIB, SINCE = turns((48 * 1024, 1), (96 * 1024, STEPS - 1))

PROGRAM = """
each = int(sys.argv[1])
names = [f"{tree}/file-{n}" for n in range(600)]
for name in names:
    with open(name, "wb") as file:
        file.write(name.encode() * (1 + hash(name) % 300))
kinds = (os.O_RDONLY, os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_PATH, os.O_RDONLY)
def step(count):
    for n in range(count):
        name = names[n * 7919 % len(names)]
        flags = kinds[n % len(kinds)]
        fd = os.open(name, flags)
        if flags == os.O_RDONLY:
            os.read(fd, 100)
        if n % 48 == 2:
            os.pwrite(fd, b"changed", 10)
        if n % 198 == 3:
            os.write(fd, b"appended")
        os.close(fd)
        if n % 100 == 0:
            os.rename(name, name + "-moved"); os.rename(name + "-moved", name)
            with open(tree + "/temporary", "wb") as file:
                file.write(b"x" * 5000)
            os.unlink(tree + "/temporary")
        os.stat(name)
step(3000)
while True:
    print("ready", flush=True)
    if not sys.stdin.readline():
        break
    step(each)
"""


def descriptors(pid):
    """How many it has; where we may not look, for how many its table has room."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("FDSize:"))


def test_memory_flat(place):
    seen = []
    with Held(place, PROGRAM + "\nsys.exit()", str(OPENS // STEPS)) as held:
        pid = place.supervisor(held.process)
        for step in range(STEPS + 1):
            seen.append((rss(pid), descriptors(pid), len(os.listdir(f"/proc/{pid}/task"))))
            if step < STEPS:
                held.process.stdin.write(b"more\n")
                held.process.stdin.flush()
                line = held.process.stdout.readline()
                if line != b"ready\n":
                    raise AssertionError(f"{line!r} {held.process.stderr.read()[-2000:]}")
    print(f"  KiB, descriptors, threads after each part: {seen}")
    if place.mode != "native" and place.mediated()["openat"] < OPENS:
        raise AssertionError(f"mediated: {place.mediated()}")
    if max(one[0] for one in seen) > MOST_KIB or seen[-1][0] - seen[SINCE][0] > GROWTH_KIB:
        raise AssertionError("memory grew")
    if max(one[1] for one in seen) > DESCRIPTORS + 32 * seen[-1][2]:
        raise AssertionError("descriptors grew")
    place.verify()


if __name__ == "__main__":
    main(globals())
