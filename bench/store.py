# SPDX-License-Identifier: Apache-2.0
"""Measure what the encrypted file costs beside plain files, a bare loop, age and gocryptfs; print a table, write JSON.

Usage: store.py [OPTION]... BENCH_STORE

Columns of a row are asked in turn within one process, ratios formed of samples that stand next to each other. On tmpfs and
on the file system of --dir. Exit status 1 if a row is missing or no time at all; whether times are good is judged by the
reader, with the goals below the table.
"""
import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from judge import Goal, Ratio, summary
from report import finish

STORE, STORE_2, BARE, PLAIN = "store", "store 2 threads", "bare", "plain"
LAYOUTS = [(chunk, slot) for slot in (12, 13) for chunk in (12, 14, 16)]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small files, a few turns")
    parser.add_argument("--layouts", action="store_true", help="chunks of 4, 16, 64 KiB by slots of 4, 8 KiB instead")
    parser.add_argument("--json", help="where the numbers go")
    parser.add_argument("--rows", default="*", help="patterns of names, separated by commas (default: *)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--size", type=int, help="of the large file (default: 1 GiB; --quick: 16 MiB)")
    parser.add_argument("--commits", type=int, help="in all (default: 100,000; --quick: 200)")
    parser.add_argument("--places", default="tmpfs,disk")
    parser.add_argument("--dir", default=os.environ.get("TMPDIR", "/var/tmp"), help="on a disk (default: TMPDIR, /var/tmp)")
    parser.add_argument("bench")
    options = parser.parse_args()
    options.size = options.size or (16 << 20 if options.quick else 1 << 30)
    options.commits = options.commits or (200 if options.quick else 100_000)
    options.files = 200 if options.quick else 10_000
    options.reads = 500 if options.quick else 20_000
    options.rounds = options.rounds or (2 if options.quick else 7)
    return options


def ask(options, row, where, **more):
    """The answer of bench_store."""
    words = [options.bench, row, where, f"--size={options.size}"]
    words += [f"--{name}={value}" for name, value in ({"rounds": options.rounds} | more).items()]
    result = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=3600)
    return json.loads(result.stdout)


def cells(answer):
    return {name: summary(values) for name, values in answer["columns"].items()}


def commit_row(options, where, **more):
    # A hundred commits a sample: the neighbours in time are asked in turn.
    count = min(100, options.commits // 2)
    answer = ask(options, "commit", where, count=count, rounds=min(1000, options.commits // count), **more)
    return cells(answer), {key: answer[key] for key in ("commits", "bytes_each", "syncs_each")}


def seconds(words, **more):
    began = time.perf_counter()
    subprocess.run(words, check=True, timeout=600, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **more)
    return time.perf_counter() - began


def whole_by_age(options, where, samples):
    plain, out, key = (os.path.join(where, name) for name in ("plain", "out.age", "age.key"))
    if not os.path.exists(key):
        subprocess.run(["age-keygen", "-o", key], check=True, stderr=subprocess.DEVNULL)
    with open(key, encoding="ascii") as f:
        recipient = next(line for line in f if "public key" in line).split()[-1]
    began = time.perf_counter()
    seconds(["age", "-r", recipient, "-o", out, plain])
    with open(out, "rb") as f:
        os.fdatasync(f.fileno())  # all others do
    samples.append((time.perf_counter() - began) * 1e9)
    os.unlink(out)


class Gocryptfs:
    """A mount of it; through it plain files are written."""

    def __init__(self, where):
        self.cipher, self.mount = os.path.join(where, "cipher"), os.path.join(where, "mount")
        os.mkdir(self.cipher)
        os.mkdir(self.mount)
        word = ["-q", "-extpass", "echo password"]
        seconds(["gocryptfs", "-init", "-scryptn", "10", *word, self.cipher])
        seconds(["gocryptfs", *word, self.cipher, self.mount])

    def end(self):
        subprocess.run(["fusermount", "-u", self.mount], check=False)


def peers(options, where, wanted):
    """Rows of other programs on the same files, one after the other each round."""
    found = {}
    mount = Gocryptfs(where) if shutil.which("gocryptfs") and os.access("/dev/fuse", os.W_OK) else None
    plain = os.path.join(where, "plain")
    try:
        if wanted("encrypt_peers"):
            samples = {STORE: [], STORE_2: []}
            for _ in range(min(3, options.rounds)):
                for name, values in ask(options, "encrypt_store", where, rounds=1)["columns"].items():
                    samples[name] += values
                if shutil.which("age"):
                    whole_by_age(options, where, samples.setdefault("age", []))
                if mount:
                    answer = ask(options, "copy_plain", mount.mount, rounds=1, plain=plain)
                    samples.setdefault("gocryptfs", []).extend(answer["columns"][PLAIN])
            found["encrypt_peers"] = {name: summary(values) for name, values in samples.items()}
        if wanted("create_peers") and mount:
            samples = {STORE: [], "gocryptfs": []}
            for _ in range(min(3, options.rounds)):
                for row, place, name in (("create_store", where, STORE), ("create_plain", mount.mount, "gocryptfs")):
                    answer = ask(options, row, place, rounds=1, count=options.files, bytes=4000, plain=plain)
                    samples[name] += next(iter(answer["columns"].values()))
            found["create_peers"] = {name: summary(values) for name, values in samples.items()}
    finally:
        if mount:
            mount.end()
    return found


def measure(options, where):
    def wanted(name):
        return any(fnmatch.fnmatch(name, pattern) for pattern in options.rows.split(","))

    rows, counts = {}, {}
    for row in ("encrypt", "decrypt"):
        if wanted(row):
            rows[row] = cells(ask(options, row, where))
    for chunk in (14, 12):
        name = f"read_{1 << chunk - 10}"
        if wanted(name):
            rows[name] = cells(ask(options, "read", where, chunk=chunk, count=options.reads))
    if wanted("commit"):
        rows["commit"], counts["commit"] = commit_row(options, where)
    for size in (4000, 3000):
        if wanted(f"create_{size}"):
            rows[f"create_{size}"] = cells(ask(options, "create", where, count=options.files, bytes=size))
    rows |= peers(options, where, wanted)
    return {"rows": rows, "counts": counts}


def measure_layouts(options, where):
    found = {}
    for chunk, slot in LAYOUTS:
        layout = {"chunk": chunk, "slot": slot}
        rows = {}
        if slot == 12 or options.quick:  # the slot plays no part in these
            rows |= {row: cells(ask(options, row, where, **layout)) for row in ("encrypt", "decrypt")}
            rows["read"] = cells(ask(options, "read", where, count=options.reads, **layout))
        rows["commit"], counts = commit_row(options, where, **layout)
        for size in (3000, 4000, 7000):
            rows[f"create_{size}"] = cells(ask(options, "create", where, count=options.files, bytes=size, **layout))
        found[f"{1 << chunk - 10} KiB chunks, {1 << slot - 10} KiB slots"] = {
            "rows": rows, "counts": {"commit": counts}, "usage": ask(options, "usage", where, **layout)["bytes"]}
    return found


# row, column, over, limit, at least: of the inverse where more is better, since samples are times.
GOALS = (
    ("encrypt", BARE, STORE, 0.9, True), ("decrypt", BARE, STORE, 0.9, True),
    ("encrypt", BARE, STORE_2, 1.6 * 0.9, True), ("decrypt", BARE, STORE_2, 1.6 * 0.9, True),
    ("encrypt", STORE, STORE_2, 1.6, True), ("decrypt", STORE, STORE_2, 1.6, True),
    ("commit", STORE, PLAIN, 1.2, False),
    ("create_4000", STORE, PLAIN, 2.5, False), ("create_3000", STORE, PLAIN, 2.0, False),
    ("encrypt_peers", "age", STORE, 1, True), ("encrypt_peers", "gocryptfs", STORE, 1, True),
    ("create_peers", "gocryptfs", STORE, 1, True),
)
# row, microseconds above the plain column.
ABOVE = (("read_16", 6.0), ("read_4", 2.0))
COMMIT_BYTES, COMMIT_SYNCS = 28 << 10, 1


def goals(place, result):
    rows, counts = result["rows"], result["counts"]
    for row, over, under, limit, at_least in GOALS:
        if over in rows.get(row, {}) and under in rows[row]:
            ratio = Ratio.of(rows[row][over]["samples"], rows[row][under]["samples"])
            yield Goal(place, f"{row}: time of {over} / {under}", ratio.median, ratio.minima, limit, at_least, ratio.noisy)
    for row, limit in ABOVE:
        if row in rows:
            pair = rows[row][STORE], rows[row][PLAIN]
            yield Goal(place, f"{row}: us above pread", (pair[0]["median"] - pair[1]["median"]) / 1e3,
                       (pair[0]["min"] - pair[1]["min"]) / 1e3, limit)
    if "commit" in counts:
        each = counts["commit"]
        yield Goal(place, "commit: bytes written each", each["bytes_each"], each["bytes_each"], COMMIT_BYTES)
        yield Goal(place, "commit: fdatasync each", each["syncs_each"], each["syncs_each"], COMMIT_SYNCS)


def table(place, result):
    print(f"\n{place}: microseconds, medians of the rounds (minima)")
    for row, columns in result["rows"].items():
        texts = [f"{name} {cell['median'] / 1e3:,.1f} ({cell['min'] / 1e3:,.1f})" for name, cell in columns.items()]
        print(f"{row:14}" + ", ".join(texts))
    for row, values in result["counts"].items():
        print(f"{row:14}" + ", ".join(f"{name} {value:,.2f}" for name, value in values.items()))
    if "usage" in result:
        print("bytes on disk " + ", ".join(f"{size}: {value}" for size, value in result["usage"].items()))


def print_goals(found):
    print(f"\n{'goals':60}{'median':>12}{'minima':>12}{'goal':>14}")
    for goal in found:
        sign = ">=" if goal.at_least else "<="
        print(f"{goal.place + ', ' + goal.what:60}{goal.value:12.2f}{goal.minima:12.2f}{sign:>5}{goal.limit:9.2f}  "
              f"{goal.mark()}")


def implausible(results):
    for place, result in results.items():
        if not result["rows"]:
            yield f"{place}: no rows"
        for row, columns in result["rows"].items():
            for name, cell in columns.items():
                if not 50 < cell["min"] < 3e12:
                    yield f"{place}, {row}, {name}: {cell['min']} ns"


def main():
    options = arguments()
    places = {"tmpfs": "/dev/shm", "disk": options.dir}
    results, found = {}, []
    for place in options.places.split(","):
        with tempfile.TemporaryDirectory(prefix="scrim-bench-", dir=places[place]) as where:
            kind = subprocess.run(["stat", "-f", "-c", "%T", where], stdout=subprocess.PIPE, text=True, check=True)
            name = {"ext2/ext3": "ext4"}.get(kind.stdout.strip(), kind.stdout.strip())  # stat cannot tell them
            if options.layouts:
                results |= {f"{name}, {layout}": result for layout, result in measure_layouts(options, where).items()}
            else:
                results[name] = measure(options, where)
    for place, result in results.items():
        table(place, result)
        found += goals(place, result)
    if not options.layouts:
        print_goals(found)
    sys.exit(finish(options, results, found, implausible(results)))


main()
