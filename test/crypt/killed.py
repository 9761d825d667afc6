# SPDX-License-Identifier: Apache-2.0
"""The supervisor killed at random moments: everything acknowledged is there, every file is whole.

What the writers announced and what fsync(2) acknowledged comes through a pipe that leads out of the view. Then, from outside:
`scrim verify` of everything; each file is what was acknowledged, or something on the way from there to what was announced since.
In the control (--mode native) the writers themselves are killed.

Usage: killed.py [--user] [--mode ...] SCRIM CRYPT_ACKS     SCRIM_SOAK=1: 300 times instead of 30, and of SQLite 60 instead of 10
"""
import fcntl
import os
import random
import select
import signal
import struct
import subprocess
import time

from place import LIMIT, crypt_only, descendants, expect, main, turns, wait_for_end

RECORD = struct.Struct("=IIIIQQ")
WRITE, TRUNCATE, REPLACE, DONE, FAILED = range(1, 6)
WRITERS = 3
KILLS = turns(30, 300)
SQLITE_KILLS = turns(10, 60)


def content(file, version, offset, length):
    start = offset & ~15
    units = b"".join(struct.pack("<IIQ", file, version, at) for at in range(start, offset + length, 16))
    return units[offset - start:offset - start + length]


class Model:
    """What one file may hold: `acknowledged`, or a state on the way through `pending`."""

    def __init__(self):
        self.acknowledged = None
        self.pending = []

    @staticmethod
    def apply(state, record):
        what, file, version, _, offset, length = record
        if what == REPLACE:
            return content(file, version, 0, length)
        if what == TRUNCATE:
            return state[:length].ljust(length, b"\0")
        return state[:offset].ljust(offset, b"\0") + content(file, version, offset, length) + state[offset + length:]

    def note(self, record):
        if record[0] != DONE:
            self.pending.append(record)
            return
        for one in self.pending:
            self.acknowledged = self.apply(self.acknowledged, one)
        self.pending = []

    def check(self, name, got):
        """Each byte is one of some state; nothing older than what was acknowledged, nothing that was never written."""
        states = [self.acknowledged]
        for one in self.pending:
            states.append(self.apply(states[-1], one))
        if got in states:
            return
        if self.pending and any(one[0] == REPLACE for one in self.pending):
            # The new file is announced, so no state in between may be seen but those of the old one before it.
            at = next(at for at, one in enumerate(self.pending) if one[0] == REPLACE)
            states = states[:at + 1]
        if len(got) not in {len(state) for state in states}:
            raise AssertionError(f"{name}: {len(got)} bytes, of {[len(state) for state in states]}; {self.pending}")
        states = [state.ljust(len(got), b"\0") for state in states]
        for at, byte in enumerate(got):
            if all(state[at] != byte for state in states):
                raise AssertionError(f"{name}: byte {at} of {len(got)} is {byte:#x}, of {[state[at] for state in states]}; "
                                     f"{got[at & ~15:(at & ~15) + 16].hex()}; {self.pending}")


def kill_view(place, process):
    """Kill the supervisor; all of the view is gone afterwards."""
    if place.mode == "native":
        for pid in [*descendants(process.pid), process.pid]:
            os.kill(pid, signal.SIGKILL)
    else:
        below = descendants(process.pid)
        os.kill(place.supervisor(process), signal.SIGKILL)
        expect(process.wait(LIMIT), 125, "the run's end")
        wait_for_end(below)
    process.wait(LIMIT)


class Pipe:
    """What is told from inside, read all the time so that nobody waits."""

    def __init__(self):
        self.read, self.write = os.pipe()
        fcntl.fcntl(self.read, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.text = b""

    def started(self):
        os.close(self.write)

    def during(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.read], [], [], left)[0]:
                more = os.read(self.read, 1 << 20)
                if not more:
                    return
                self.text += more

    def rest(self):
        while more := os.read(self.read, 1 << 20):
            self.text += more
        os.close(self.read)
        return self.text


def options_for(pipe):
    return ("--pass-fd", str(pipe.write))


def one_kill(place, seed, seconds):
    for name in os.listdir(place.tree):
        os.unlink(place.name(name))
    pipe = Pipe()
    process = place.start(place.programs[0], str(seed), place.tree, str(pipe.write), str(WRITERS), options=options_for(pipe),
                          pass_fds=(pipe.write,), stderr=subprocess.PIPE)
    pipe.started()
    pipe.during(seconds)
    ended = process.poll()
    if ended is not None:
        raise AssertionError(f"it ended by itself: {ended}, {process.stderr.read()}")
    kill_view(place, process)
    process.stderr.close()
    text = pipe.rest()
    models, acknowledged = {}, 0
    for at in range(0, len(text) - RECORD.size + 1, RECORD.size):
        record = RECORD.unpack_from(text, at)
        if record[0] == FAILED:
            if record[3] == 38:  # ENOSYS: the call was under way when the supervisor died
                continue
            raise AssertionError(f"file {record[1]}: {os.strerror(record[3])}")
        models.setdefault(record[1], Model()).note(record)
        acknowledged += record[0] == DONE
    place.verify()
    for file, model in models.items():
        name = f"file-{file // 2}-{file % 2}"
        if model.acknowledged is None:
            continue  # its first content was announced and nothing more
        model.check(name, place.content(name))
    return acknowledged


def test_kill(place):
    total = 0
    random.seed(int.from_bytes(os.urandom(4), "big"))
    for turn in range(KILLS):
        seed = random.randrange(1 << 40)
        try:
            total += one_kill(place, seed, random.choice((0.15, 0.4, 1)) * random.random() + 0.02)
        except AssertionError as error:
            raise AssertionError(f"turn {turn}, seed {seed}: {error}") from error
    print(f"  {KILLS} kills, {total} acknowledgements")
    if total < 20 * KILLS:
        raise AssertionError("too little was acknowledged to say anything")
    # What the next view finds can be used.
    place.view("/bin/sh", "-c", "for f in file-*; do [ ! -e $f ] || { cat $f >/dev/null && echo more >> $f; }; done")
    place.verify()


SQLITE = """
import sqlite3, sys
number, mode = int(sys.argv[1]), sys.argv[2]
base = sqlite3.connect(tree + "/base", timeout=60, isolation_level=None)
base.execute("pragma journal_mode=" + mode)
base.execute("pragma synchronous=full")
base.execute("pragma cache_size=20")
base.execute("create table if not exists t (id integer primary key, text blob)")
start = base.execute("select coalesce(max(id), 0) from t").fetchone()[0]
for id in range(start + 1, 1 << 40):
    base.execute("begin immediate")
    base.execute("insert into t values (?, ?)", (id, os.urandom(id % 7 * 700)))
    base.execute("update t set text = ? where id = ?", (b"changed", id // 2))
    base.execute("commit")
    os.write(number, b"%d\\n" % id)
"""
LOOK = """
import sqlite3
base = sqlite3.connect(tree + "/base", timeout=60)
print(base.execute("pragma integrity_check").fetchone()[0])
print(*base.execute("select count(*), max(id) from t").fetchone())
"""


def sqlite_kills(place, mode):
    acknowledged = 0
    for turn in range(SQLITE_KILLS):
        pipe = Pipe()
        process = place.start("/usr/bin/python3", "-c", f"import os\ntree = {place.tree!r}\n" + SQLITE, str(pipe.write), mode,
                              options=options_for(pipe), pass_fds=(pipe.write,), stderr=subprocess.PIPE)
        pipe.started()
        if not select.select([pipe.read], [], [], LIMIT)[0]:
            raise AssertionError(f"no transaction\n{place.describe(process)}")
        pipe.during(random.random() * 0.4)
        kill_view(place, process)
        error = process.stderr.read()
        process.stderr.close()
        lines = pipe.rest().split(b"\n")[:-1]
        if not lines:
            raise AssertionError(f"turn {turn}: {error}")
        last = int(lines[-1])
        place.verify()
        told = place.python(LOOK).decode().split()
        expect(told[0], "ok", f"turn {turn}: integrity")
        count, highest = int(told[1]), int(told[2])
        if count != highest or not last <= highest <= last + 1:
            raise AssertionError(f"turn {turn}: {last} was acknowledged, {highest} is there, {count} rows")
        acknowledged = highest
    print(f"  {SQLITE_KILLS} kills, {acknowledged} transactions")


def test_sqlite_rollback_journal(place):
    sqlite_kills(place, "delete")


def test_sqlite_wal(place):
    sqlite_kills(place, "wal")


@crypt_only
def test_terminated(place):
    """Told to end (SIGTERM, SIGINT, SIGHUP), it commits what there is first, synced or not."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        read, write = os.pipe()
        process = place.start("/bin/sh", "-c", f"exec 4>>file; echo {number.name} >&4; echo >&{write}; exec sleep 100",
                              options=("--pass-fd", str(write)), pass_fds=(write,))
        os.close(write)
        os.read(read, 1)
        os.close(read)
        os.kill(place.supervisor(process), number)
        time.sleep(1)
        kill_view(place, process)
        if number.name.encode() not in place.content("file"):
            raise AssertionError(f"{number.name}: what was written is not there")
    place.verify()


if __name__ == "__main__":
    main(globals())
