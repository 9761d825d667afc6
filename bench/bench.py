# SPDX-License-Identifier: Apache-2.0
"""Measure calls and programs natively, under bare floors, in views and under proot; print one table, write JSON.

Usage: bench.py [OPTION]... SCRIM DIRECTORY-OF-BENCH_CALLS-AND-BENCH_FLOOR

All columns of rows of calls run at once and are asked in turn, a few milliseconds each, many rounds: what the machine
does besides hits all of them alike. Medians and minima are both kept; a row whose samples lie too far apart is marked.
Exit status 1 if a row is missing or no time at all; whether times are good is judged by the reader, with the goals below
the table.
"""
import argparse
import fnmatch
import os
import random
import sys
import tempfile
from dataclasses import dataclass

from columns import MANY, NATIVE, SCRIM, VARIANTS, prefixes, start_columns
from judge import FREE, PINNED, goals, summary
from programs import programs, run
from report import finish, table

KINDS = ("open_close", "open_close_write", "open_close_relative", "open_close_at", "open_close_create", "open_close_path",
         "open_absent", "stat", "lstat_relative", "lstat_at", "fstat_libc", "access", "readlink", "create_unlink",
         "mkdir_rmdir", "rename_twice", "chmod", "utimens", "futimens", "readdir_100", "chdir", "getcwd", "fork_exec", "read", "fstat_raw")
SEVERAL = ("open_close", "stat")
# A floor cannot install an O_PATH descriptor; calls it does not serve are native there and say nothing.
FLOOR_KINDS = ("open_close", "open_close_write", "open_close_relative", "open_close_at", "open_close_create",
               "open_absent", "stat", "lstat_relative", "lstat_at", "fstat_libc", "access", "readlink", "create_unlink",
               "readdir_100", "fork_exec", "read", "fstat_raw")


@dataclass
class Row:
    kind: str
    doers: int = 1
    how: str = "threads"

    def name(self):
        return self.kind if self.doers == 1 else f"{self.kind} x{self.doers} {self.how}"

    def has(self, column):
        if column in VARIANTS:
            return self.kind in SEVERAL and self.doers == 1
        return not column.startswith("floor") or self.kind in FLOOR_KINDS


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few turns of everything, small trees, no build")
    parser.add_argument("--json", help="where the numbers go")
    parser.add_argument("--rows", default="*", help="patterns of names, separated by commas (default: *)")
    parser.add_argument("--columns", default="*", help="patterns likewise; native and \"scrim 1 rule\" are always there")
    parser.add_argument("--places", default=f"{PINNED},{FREE}", help="pinned to one processor, free on all")
    parser.add_argument("--rounds", type=int, help="of the rows of calls (default: 15; --quick: 3), at most of others")
    parser.add_argument("--verbose", action="store_true", help="say on standard error which row is measured")
    parser.add_argument("--dir", help="where files are made (default: /dev/shm for rows of calls, whose journal no other "
                        "load holds up; TMPDIR for programs)")
    parser.add_argument("--nice", type=int, default=0, help="niceness of everything that is measured (root: negative)")
    parser.add_argument("scrim")
    parser.add_argument("programs")
    options = parser.parse_args()
    options.calls = os.path.join(options.programs, "bench_calls")
    options.floor = os.path.join(options.programs, "bench_floor")
    options.source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    options.most_rounds = options.rounds or 1000
    options.rounds = options.rounds or (3 if options.quick else 15)
    options.batch = 1e6 if options.quick else 10e6  # nanoseconds that a sample takes
    return options


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split(","))


def wanted(options, name):
    return matches(name, options.rows)


def wanted_column(options, name):
    return name in (NATIVE, SCRIM) or matches(name, options.columns)


def all_rows(options):
    rows = [Row(kind) for kind in KINDS]
    rows += [Row(kind, doers, "threads") for kind in SEVERAL for doers in (2, 4)] + [Row("open_close", 4, "processes")]
    return [row for row in rows if wanted(options, row.name())]


def turns_for(options, column, row):
    once = column.ask(row, 3)
    least = 3 if row.doers == 1 else 100  # doers do not all start at once
    return max(least, min(20_000, int(options.batch / max(once, 100) / row.doers)))


def say(options, *words):
    if options.verbose:
        print(*words, file=sys.stderr, flush=True)


def measure_row(options, columns, row):
    """{column: summary}, with the supervisor's context switches of a turn."""
    say(options, row.name())
    columns = [column for column in columns if row.has(column.name)]
    turns = {column.name: turns_for(options, column, row) for column in columns}
    found = {column.name: [] for column in columns}
    switches = {}
    for _ in range(options.rounds):
        for column in random.sample(columns, len(columns)):
            found[column.name].append(column.ask(row, turns[column.name]))
    for column in columns:
        if column.supervisor() and row.doers == 1:
            before = column.switches()
            column.ask(row, turns[column.name])
            switches[column.name] = round((column.switches() - before) / turns[column.name], 2)
    cells = {name: summary(values) for name, values in found.items()}
    for name, value in switches.items():
        cells[name]["switches"] = value
    return cells


def measure_calls(options, cpus):
    columns = start_columns(options, cpus, lambda name: wanted_column(options, name))
    rows = {row.name(): measure_row(options, columns, row) for row in all_rows(options)}
    memory = {column.name: column.memory() for column in columns if column.name in (SCRIM, MANY)}
    for column in columns:
        column.end()
    return rows, memory


def measure_program(options, program, cpus):
    found = prefixes(options.scrim, options.work)
    found = {name: found[name] for name in program.columns if name in found} | program.extra
    columns = {name: prefix for name, prefix in found.items() if wanted_column(options, name)}
    found = {name: [] for name in columns}
    rounds = min(program.rounds, options.most_rounds)
    # The first warms up; a build is long enough to be warm, and a single round has to do.
    warm = 0 if rounds <= 3 else 1
    for attempt in range(rounds + warm):
        say(options, program.name, f"round {attempt}")
        for name, prefix in columns.items():
            program.before()
            took = run(prefix + program.argv, program.where, cpus)
            if attempt >= warm:
                found[name].append(took * 1e9)
    return {name: summary(values) for name, values in found.items()}


def measure(options):
    everywhere = os.sched_getaffinity(0)
    places = {PINNED: {min(everywhere)}, FREE: everywhere}
    rows = [program for program in programs(options) if wanted(options, program.name)]
    results = {}
    for place in options.places.split(","):
        calls, memory = measure_calls(options, places[place]) if all_rows(options) else ({}, {})
        results[place] = {
            "calls": calls,
            "supervisor_kib": memory,
            "programs": {program.name: measure_program(options, program, places[place]) for program in rows
                         if place in program.places},
        }
    return results


def implausible(results):
    """Complaints about cells that are no times."""
    for place, result in results.items():
        for row, cells in list(result["calls"].items()) + list(result["programs"].items()):
            if NATIVE not in cells or SCRIM not in cells:
                yield f"{place}, {row}: a column is missing"
            for name, cell in cells.items():
                if not 10 < cell["median"] < 3e12:
                    yield f"{place}, {row}, {name}: {cell['median']} ns"


def main():
    options = arguments()
    if options.nice:
        os.nice(options.nice)
    quiet = options.dir or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="scrim-bench-", dir=options.dir) as options.work, \
            tempfile.TemporaryDirectory(prefix="scrim-bench-", dir=quiet) as options.calls_work:
        results = measure(options)
    found = goals(results)
    table(results, found)
    sys.exit(finish(options, results, found, implausible(results)))


main()
