# SPDX-License-Identifier: Apache-2.0
"""Run bench_calls natively, under the bare floors and in views; print one table and write JSON.

Usage: bench.py [--short] [--json FILE] SCRIM BENCH_CALLS BENCH_FLOOR

Exit status 1 if a row is missing or no time at all; times themselves are judged by the reader.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = ("open_close", "open_close_relative", "open_absent", "stat", "fstat", "access", "readlink", "create_unlink",
        "readdir_100", "chdir", "exec", "read")
FLOOR_ROWS = ("open_close", "open_close_relative", "open_absent", "stat", "fstat", "exec", "read")
LITERALS, WILDCARDS = 10_000, 100


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="a few turns of everything")
    parser.add_argument("--json", help="where the numbers go")
    parser.add_argument("scrim")
    parser.add_argument("calls")
    parser.add_argument("floor")
    return parser.parse_args()


def environment():
    kept = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD",)}
    kept["LC_ALL"] = "C.UTF-8"
    return kept


def run(argv, cpus):
    """Standard output. Pinned runs have everything, the supervisor too, on one processor."""
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=1200, env=environment(), preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if result.returncode != 0:
        sys.exit(f"{argv}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def many_rules(path):
    with open(path, "w") as f:
        for n in range(LITERALS):
            f.write(f"hide /srv/secrets/{n % 100:02}/key-{n:05}\n")
        for n in range(WILDCARDS):
            f.write(f"hide /srv/*/private-{n:03}/**/*.key{n}\n")


def starts(argv, cpus, count):
    """Microseconds from the start of ARGV to its end, the median."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        run(argv, cpus)
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took)


def measure(options, work):
    rules = os.path.join(work, "many.conf")
    many_rules(rules)
    secret = os.path.join(work, "secret")
    one = [options.scrim, "run", "--log", "/dev/null", "--hide", secret]
    columns = {
        "native": [],
        "floor addfd_send": [options.floor, "addfd_send"],
        "floor split": [options.floor, "split"],
        "scrim 1 rule": one + ["--"],
        "scrim 10,100 rules": [options.scrim, "run", "--log", "/dev/null", "-c", rules, "--"],
    }
    everywhere = os.sched_getaffinity(0)
    places = {"one processor": {min(everywhere)}, "free": everywhere}
    scale = "2" if options.short else "100"
    calls, start = {}, {}
    for place, cpus in places.items():
        calls[place] = {}
        for name, prefix in columns.items():
            rows = FLOOR_ROWS if name.startswith("floor") else ROWS
            calls[place][name] = json.loads(run(prefix + [options.calls, work, scale, *rows], cpus))
        commands = {"native": ["/bin/true"], "scrim": one + ["--", "/bin/true"],
                    "scrim 10,100 rules": columns["scrim 10,100 rules"] + ["/bin/true"]}
        if shutil.which("bwrap"):
            commands["bwrap"] = ["bwrap", "--dev-bind", "/", "/", "/bin/true"]
        start[place] = {name: starts(argv, cpus, 3 if options.short else 50) for name, argv in commands.items()}
    return calls, start


def table(calls, start):
    for place, columns in calls.items():
        split = columns["floor split"]
        print(f"\nmicroseconds a call, {place}; x: over native, f: over the floor that splits")
        print(f"{'':20}" + "".join(f"{name:>26}" for name in columns))
        for row in ROWS:
            line = f"{row:20}"
            for values in columns.values():
                if row not in values:
                    line += f"{'-':>26}"
                    continue
                ratio = f"x{values[row] / columns['native'][row]:.1f}"
                floor = f"f{values[row] / split[row]:.2f}" if row in split else ""
                line += f"{values[row] / 1000:12.2f} {ratio:>6} {floor:>6}"
            print(line)
        print(f"start and end of /bin/true, {place}: "
              + ", ".join(f"{name} {value / 1000:.2f} ms" for name, value in start[place].items()))


def plausible(calls, start):
    """Complaints about rows that are missing or are no times."""
    for place, columns in calls.items():
        for name, values in columns.items():
            for row in FLOOR_ROWS if name.startswith("floor") else ROWS:
                value = values.get(row)
                if not isinstance(value, (int, float)) or not 10 < value < 1e9:
                    yield f"{place}, {name}, {row}: {value!r}"
        for name, value in start[place].items():
            if not 50 < value < 30e6:
                yield f"{place}, start, {name}: {value!r}"


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="scrim-bench-") as work:
        with open(os.path.join(work, "secret"), "w") as f:
            f.write("x")
        calls, start = measure(options, work)
    table(calls, start)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"kernel": platform.release(), "processors": os.cpu_count(), "load": os.getloadavg(),
                       "nanoseconds": calls, "start_microseconds": start}, f, indent=1)
    complaints = list(plausible(calls, start))
    for complaint in complaints:
        print("FAIL:", complaint)
    sys.exit(1 if complaints else 0)


main()
