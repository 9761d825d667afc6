# SPDX-License-Identifier: Apache-2.0
"""The table, and how a run of the benchmarks ends."""
import json
import os
import platform

from columns import MANY, NATIVE, PROOT, SCRIM, SEND, SPLIT, VARIANTS
from judge import Ratio, lower_floor, samples

COLUMNS = (NATIVE, SEND, SPLIT, SCRIM, MANY, PROOT)


def ratio_text(cells, over, under, letter):
    if over not in cells or under not in cells or over == under:
        return ""
    ratio = Ratio.of(samples(cells, over), samples(cells, under))
    return f"{letter}{ratio.median:.2f}" + ("?" if ratio.noisy else "")


def calls_table(place, rows):
    print(f"\nmicroseconds a turn, {place}: median; x: over native, f: over the lower floor, s: switches of the "
          "supervisor a turn, ?: noisy")
    print(f"{'':24}{NATIVE:>10}{SEND:>12}{SPLIT:>12}{SCRIM:>36}{MANY:>21}{PROOT:>18}")
    for row, cells in rows.items():
        line = f"{row:24}"
        for name in COLUMNS:
            width = {NATIVE: 10, SEND: 12, SPLIT: 12, SCRIM: 12, MANY: 12, PROOT: 10}[name]
            if name not in cells:
                line += f"{'-':>{width}}" + {SCRIM: " " * 24, MANY: " " * 9, PROOT: " " * 8}.get(name, "")
                continue
            line += f"{cells[name]['median'] / 1e3:{width}.2f}"
            if name == SCRIM:
                switches = cells[name].get("switches")
                line += f"{ratio_text(cells, SCRIM, NATIVE, 'x'):>9}{ratio_text(cells, SCRIM, lower_floor(cells), 'f'):>8}"
                line += f"{'' if switches is None else f's{switches:.1f}':>7}"
            elif name == MANY:
                line += f"{ratio_text(cells, MANY, NATIVE, 'x'):>9}"
            elif name == PROOT:
                line += f"{ratio_text(cells, PROOT, NATIVE, 'x'):>8}"
        print(line)
    for row, cells in rows.items():
        variants = [f"{name} {cells[name]['median'] / 1e3:.2f}" for name in VARIANTS if name in cells]
        if variants:
            print(f"{row}, other floors: " + ", ".join(variants))


def programs_table(place, rows):
    print(f"\nmilliseconds, {place}: median; x: over native, ?: noisy")
    for row, cells in rows.items():
        line = f"{row:24}"
        for name, cell in cells.items():
            ratio = ratio_text(cells, name, NATIVE, "x")
            line += f"  {name} {cell['median'] / 1e6:.1f} {ratio}".rstrip() + ","
        print(line.rstrip(","))


def table(results, goals):
    for place, result in results.items():
        if result["calls"]:
            calls_table(place, result["calls"])
        if result["programs"]:
            programs_table(place, result["programs"])
    if goals:
        print(f"\n{'goals':76}{'median':>10}{'minima':>10}{'goal':>10}")
    for goal in goals:
        sign = ">=" if goal.at_least else "<="
        print(f"{goal.place + ', ' + goal.what:76}{goal.value:10.2f}{goal.minima:10.2f}{sign:>4}{goal.limit:6.2f}  "
              f"{goal.mark()}")


def finish(options, results, found, complaints):
    """Write the JSON where that was asked for, say what cannot be true; the exit status."""
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"kernel": platform.release(), "processors": os.cpu_count(), "load": os.getloadavg(),
                       "quick": options.quick, "nanoseconds": results,
                       "goals": [vars(goal) | {"mark": goal.mark()} for goal in found]}, f, indent=1)
    complaints = list(complaints)
    for complaint in complaints:
        print("FAIL:", complaint)
    return 1 if complaints or not results else 0
