# SPDX-License-Identifier: Apache-2.0
"""Measure what encrypted files in a view cost beside plain files, gocryptfs and encfs; print a table, write JSON.

Usage: crypt.py [OPTION]... SCRIM BENCH_CRYPT

All columns are asked in turn, so that what the machine does besides hits all alike; ratios are formed of samples that stand
next to each other. "Cold" is the first use after a new view or mount, with what the disk holds in the page cache. Exit status 1 if a
row is missing; whether times are good is judged by the reader, with the goals below the table.
"""
import argparse
import fcntl
import fnmatch
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from columns import environment
from judge import Goal, Ratio, summary
from report import finish

NATIVE, SCRIM, GOCRYPTFS, ENCFS = "native", "scrim", "gocryptfs", "encfs"
PLAIN = "plain in the view"
SQLITE = """
import os, sqlite3, sys, time
print("ready", flush=True)
for line in sys.stdin:
    row, directory, first, count = line.split()
    base = sqlite3.connect(directory + "/base-" + row, isolation_level=None)
    base.execute("pragma synchronous=full")
    base.execute("pragma journal_mode=" + {"sqlite": "delete", "wal": "wal"}[row])
    base.execute("create table if not exists t (id integer primary key, text)")
    began = time.perf_counter()
    for n in range(int(count)):
        base.execute("insert into t (text) values (?)", ("x" * 100,))
    print((time.perf_counter() - began) * 1e9 / int(count), flush=True)
    base.close()
"""


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small files, a few turns")
    parser.add_argument("--json", help="where the numbers go")
    parser.add_argument("--rows", default="*", help="patterns of names, separated by commas (default: *)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--columns", default="*")
    parser.add_argument("--dir", default=os.environ.get("TMPDIR", "/var/tmp"), help="on a disk (default: TMPDIR, /var/tmp)")
    parser.add_argument("scrim")
    parser.add_argument("bench")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 9)
    options.files = 20 if options.quick else 100  # in a sample
    options.stream = 8 if options.quick else 256
    options.transactions = 4 if options.quick else 30
    return options


class Column:
    """One directory, and the program in it: anew for each phase, so that nothing of the last one is cached."""

    def __init__(self, name, options, work):
        self.name, self.options = name, options
        # ext4 places it by its name: not where that of an earlier run was.
        self.directory = os.path.join(work, f"{name}-{os.urandom(3).hex()}")
        self.home = os.path.join(work, "home")
        os.makedirs(self.directory)
        self.process, self.python = None, None

    def mount(self):
        pass

    def unmount(self):
        pass

    def prefix(self):
        return []

    def start(self):
        self.mount()
        self.process = self.run([self.options.bench])
        self.python = self.run([sys.executable, "-c", SQLITE])

    def run(self, command):
        process = subprocess.Popen([*self.prefix(), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=environment() | {"HOME": self.home})
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{self.name}: did not start")
        return process

    def ask(self, row, first, count, directory=None):
        process = self.python if row in ("sqlite", "wal") else self.process
        process.stdin.write(f"{row} {directory or self.directory} {first} {count}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name}, {row}: ended with {process.wait()}")
        return float(answer)

    def end(self):
        for process in (self.process, self.python):
            process.stdin.close()
            process.stdout.close()
            process.wait(60)
        self.unmount()


class Scrim(Column):
    """A view; one for both programs, as two views of a tree would be in each other's way."""

    def prefix(self):
        return [self.options.scrim, "run", "--log", "/dev/null", "-r", f"crypt {self.directory} key=bench", "--"]

    def start(self):
        both = f'exec 3<&0; {sys.executable} -c "$1" <"$2" >"$3" & exec "$4"'
        fifos = [os.path.join(self.home, name) for name in ("to", "from")]
        for fifo in fifos:
            if os.path.exists(fifo):
                os.unlink(fifo)
            os.mkfifo(fifo)
        self.process = subprocess.Popen([*self.prefix(), "/bin/sh", "-c", both, "sh", SQLITE, *fifos, self.options.bench],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment() | {"HOME": self.home})
        python = subprocess.Popen(["/bin/true"])
        python.stdin = open(fifos[0], "w", encoding="utf-8")
        python.stdout = open(fifos[1], encoding="utf-8")
        self.python = python
        for process in (self.process, self.python):
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("scrim: did not start")


class Mounted(Column):
    def __init__(self, name, options, work):
        super().__init__(name, options, work)
        self.cipher = self.directory + "-cipher"
        os.mkdir(self.cipher)
        self.init()

    def init(self):
        pass

    def call(self, *words, **more):
        subprocess.run(words, check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)

    def unmount(self):
        for _ in range(50):
            if subprocess.run(["fusermount", "-u", self.directory], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            time.sleep(0.1)


class Gocryptfs(Mounted):
    WORDS = ("-q", "-extpass", "echo password")

    def init(self):
        self.call("gocryptfs", "-init", "-scryptn", "10", *self.WORDS, self.cipher)

    def mount(self):
        self.call("gocryptfs", *self.WORDS, self.cipher, self.directory)


class Encfs(Mounted):
    def mount(self):
        self.call("encfs", "--standard", "--extpass=echo password", self.cipher, self.directory, input=b"\n")


def spread(work):
    """Have ext4 put each column's directory into a block group of its own, as it does with those below the root (chattr +T). In one
    group the columns would pass by each other's inodes, and by those that an earlier run removed a minute ago, at each creation: a
    millisecond instead of 35 us. What another file system does is its own matter."""
    get, put, topdir = 0x80086601, 0x40086602, 0x00020000  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL
    fd = os.open(work, os.O_RDONLY)
    try:
        flags = struct.unpack("i", fcntl.ioctl(fd, get, struct.pack("i", 0))[:4])[0]
        fcntl.ioctl(fd, put, struct.pack("i", flags | topdir))
    except OSError:
        pass
    finally:
        os.close(fd)


def columns(options, work):
    spread(work)
    os.mkdir(os.path.join(work, "home"))
    subprocess.run([options.scrim, "key", "new", "--raw", "--no-recovery", "bench"], check=True, capture_output=True,
                   env=environment() | {"HOME": os.path.join(work, "home")})
    kinds = {NATIVE: Column, SCRIM: Scrim}
    if os.access("/dev/fuse", os.W_OK):
        kinds |= {name: kind for name, kind in ((GOCRYPTFS, Gocryptfs), (ENCFS, Encfs)) if shutil.which(name)}
    return [kind(name, options, work) for name, kind in kinds.items()
            if name in (NATIVE, SCRIM) or any(fnmatch.fnmatch(name, pattern) for pattern in options.columns.split(","))]


class Table:
    def __init__(self, options, cells):
        self.options, self.cells = options, cells
        self.rows = {}

    def wanted(self, row):
        return any(fnmatch.fnmatch(row, pattern) for pattern in self.options.rows.split(","))

    def phase(self, steps):
        """STEPS(column, round): (row, column of the table, nanoseconds). All columns at once, asked in turn."""
        for column in self.cells:
            column.start()
        try:
            for turn in range(self.options.rounds):
                for column in self.cells:
                    for row, name, took in steps(column, turn):
                        self.rows.setdefault(row, {}).setdefault(name, []).append(took)
        finally:
            for column in self.cells:
                column.end()


def measure(options, work):
    table = Table(options, columns(options, work))
    files = options.files
    plain = os.path.join(work, "plain")
    os.mkdir(plain)

    def create(column, turn):
        yield "create_4k", column.name, column.ask("create", turn * files, files)

    def create_fsync(column, turn):
        yield "create_fsync", column.name, column.ask("sync", 1_000_000 + turn * files, max(1, files // 10))

    def read(column, turn):
        yield "read_cold", column.name, column.ask("read", turn * files, files)
        yield "read_warm", column.name, min(column.ask("read", turn * files, files) for _ in range(3))

    def stat(column, turn):
        yield "stat_cold", column.name, column.ask("stat", turn * files, files)
        yield "stat_warm", column.name, min(column.ask("stat", turn * files, files) for _ in range(3))
        if column.name == SCRIM:
            yield "stat_cold", PLAIN, column.ask("stat", turn * files, files, plain)
            yield "stat_warm", PLAIN, min(column.ask("stat", turn * files, files, plain) for _ in range(3))

    def sqlite(column, _turn):
        for row in ("sqlite", "wal"):
            if table.wanted(row):
                yield row, column.name, column.ask(row, 0, options.transactions)

    def stream(column, _turn):
        yield "stream_256m", column.name, column.ask("stream", 2_000_000, options.stream)

    def append(column, turn):
        for row, number, kib in (("append_4k", 3_000_000, 4), ("append_10m", 3_000_001, 10_240)):
            if turn == 0:
                column.ask("make", number, kib)
            yield row, column.name, column.ask("append", number, 20)
        if table.wanted("edit_10m"):
            yield "edit_10m", column.name, column.ask("edit", 3_000_001, 3)

    if table.wanted("create_4k") or table.wanted("read_cold") or table.wanted("stat_cold"):
        table.phase(create)
        for n in range(options.rounds * files):
            with open(os.path.join(plain, f"file-{n}"), "wb") as file:
                file.write(b"x" * 4000)
    if table.wanted("read_cold") or table.wanted("read_warm"):
        table.phase(read)
    if table.wanted("stat_cold") or table.wanted("stat_warm"):
        table.phase(stat)
    if table.wanted("append_10m"):
        table.phase(append)
    # Not between others: a journal that is being written holds up whoever creates a file.
    if table.wanted("create_fsync"):
        table.phase(create_fsync)
    if table.wanted("sqlite") or table.wanted("wal"):
        table.phase(sqlite)
    if table.wanted("stream_256m"):
        options.rounds = min(options.rounds, 4)
        table.phase(stream)
    return {row: {name: summary(values) for name, values in cells.items()} for row, cells in table.rows.items()
            if table.wanted(row)}


# row, column, over column, limit: what the time of the first may be of that of the second.
GOALS = (
    ("create_4k", SCRIM, GOCRYPTFS, 1 / 3), ("read_cold", SCRIM, GOCRYPTFS, 1 / 4), ("read_warm", SCRIM, GOCRYPTFS, 1 / 6),
    ("stat_warm", SCRIM, PLAIN, 1.15), ("stat_cold", SCRIM, PLAIN, 1.8),
    ("sqlite", SCRIM, NATIVE, 1.5),
    ("stream_256m", SCRIM, NATIVE, 1 / 0.85),
)
def goals(rows):
    for row, over, under, limit in GOALS:
        if over in rows.get(row, {}) and under in rows[row]:
            ratio = Ratio.of(rows[row][over]["samples"], rows[row][under]["samples"])
            yield Goal("disk", f"{row}: time of {over} / {under}", ratio.median, ratio.minima, limit, False, ratio.noisy)
    if SCRIM in rows.get("append_10m", {}):
        # Not as the whole file does, which is 2,560 times as long.
        ratio = Ratio.of(rows["append_10m"][SCRIM]["samples"], rows["append_4k"][SCRIM]["samples"])
        yield Goal("disk", "append of 100 bytes: time for a file of 10 MB / 4 KB", ratio.median, ratio.minima, 2.0, False, ratio.noisy)


def print_table(rows):
    print("\nmicroseconds a turn, medians of the rounds (minima)")
    for row, cells in rows.items():
        print(f"{row:14}" + ", ".join(f"{name} {cell['median'] / 1e3:,.1f} ({cell['min'] / 1e3:,.1f})"
                                      for name, cell in cells.items()))


def print_goals(found):
    print(f"\n{'goals':60}{'median':>10}{'minima':>10}{'goal':>12}")
    for goal in found:
        print(f"{goal.what:60}{goal.value:10.3f}{goal.minima:10.3f}{'<=':>4}{goal.limit:8.3f}  {goal.mark()}")


def implausible(rows):
    for row, cells in rows.items():
        for name, cell in cells.items():
            if not 50 < cell["min"] < 3e12:
                yield f"{row}, {name}: {cell['min']} ns"
    if not rows:
        yield "no rows"


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="scrim-bench-", dir=options.dir) as work:
        rows = measure(options, work)
    print_table(rows)
    found = list(goals(rows))
    print_goals(found)
    sys.exit(finish(options, {"disk": {"rows": rows}}, found, implausible(rows)))


main()
