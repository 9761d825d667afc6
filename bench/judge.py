# SPDX-License-Identifier: Apache-2.0
"""What many noisy samples say: medians, minima, ratios of neighbours in time, and whether goals are met."""
import statistics
from dataclasses import dataclass

from columns import MANY, NATIVE, PROOT, SCRIM, SEND, SPLIT

# Beyond this the samples say little: the quartiles of a ratio lie so far apart, or median and minima disagree so much.
NOISY_QUARTILES, NOISY_MINIMA = 0.25, 0.25
PINNED, FREE = "pinned", "free"


def spread(values):
    """From the first quartile to the third, over the median."""
    if len(values) < 4:
        return (max(values) - min(values)) / statistics.median(values)
    quartiles = statistics.quantiles(values, n=4)
    return (quartiles[2] - quartiles[0]) / quartiles[1]


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "spread": round(spread(values), 3),
            "samples": [round(v, 1) for v in values]}


@dataclass
class Ratio:
    """Samples taken one after the other are compared with each other: a load that both met cancels out."""
    median: float
    minima: float
    noisy: bool

    @staticmethod
    def of(over, under):
        pairs = [a / b for a, b in zip(over, under)]
        median, minima = statistics.median(pairs), min(over) / min(under)
        noisy = spread(pairs) > NOISY_QUARTILES or abs(minima / median - 1) > NOISY_MINIMA
        return Ratio(median, minima, noisy)


@dataclass
class Goal:
    place: str
    what: str
    value: float
    minima: float
    limit: float
    at_least: bool = False
    noisy: bool = False

    def met(self):
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def mark(self):
        """The minima are what the machine does when nothing disturbs it; where the two disagree it is said."""
        by_minima = self.minima >= self.limit if self.at_least else self.minima <= self.limit
        if self.met() and by_minima:
            word = "met"
        elif self.met() or by_minima:
            word = "met by the median" if self.met() else "met by the minima"
        else:
            word = "MISSED"
        return word + (", noisy" if self.noisy else "")


def lower_floor(cells):
    """The name of the floor that is lower here."""
    return min((name for name in (SEND, SPLIT) if name in cells), key=lambda name: cells[name]["median"], default=None)


# row, column over column, limit, at least. None as a column: the lower of the two floors.
CALL_GOALS = (
    ("open_close", SCRIM, None, 1.3, False),
    ("open_close_write", SCRIM, SPLIT, 1.3, False),
    ("open_close", PROOT, SCRIM, 2.5, True),
    ("open_close", MANY, SCRIM, 1.1, False),
    ("stat", SCRIM, None, 1.2, False),
    ("fstat_libc", SCRIM, None, 1.2, False),
    ("open_close x4 threads", None, SCRIM, 0.75, True),
    ("open_close x4 processes", None, SCRIM, 0.75, True),
    ("stat x4 threads", None, SCRIM, 0.75, True),
    # Any filter at all costs some tens of nanoseconds a call: the floor has one too.
    ("read", SCRIM, None, 1.05, False),
    ("fstat_raw", SCRIM, None, 1.05, False),
)
# What syd 3.59 takes for open and close on a machine like the one this was written on: 23 us on one processor, 45 on
# two. Ahead by half, and twice as fast.
SYD_MICROSECONDS = {PINNED: 23 / 1.5, FREE: 45 / 2}
# row, limit in each place; over native.
PROGRAM_GOALS = (
    ("build", {PINNED: 1.5, FREE: 1.5}),
    ("git_status", {PINNED: 6.0, FREE: 4.0}),
    ("tar_create", {PINNED: 6.5, FREE: 6.5}),
    ("execs_300", {PINNED: 1.5, FREE: 1.5}),
)
MEMORY_MIB = 16


def samples(cells, name):
    return cells[name]["samples"]


def call_goals(place, rows):
    for row, over, under, limit, at_least in CALL_GOALS:
        cells = rows.get(row, {})
        over, under = over or lower_floor(cells), under or lower_floor(cells)
        if over in cells and under in cells:
            ratio = Ratio.of(samples(cells, over), samples(cells, under))
            yield Goal(place, f"{row}: {over} / {under}", ratio.median, ratio.minima, limit, at_least, ratio.noisy)
    cell = rows.get("open_close", {}).get(SCRIM)
    if cell:
        yield Goal(place, "open_close, us (syd's figure, by half or twice)", cell["median"] / 1e3, cell["min"] / 1e3,
                   SYD_MICROSECONDS[place], noisy=cell["spread"] > NOISY_QUARTILES)


def program_goals(place, rows):
    for row, limits in PROGRAM_GOALS:
        cells = rows.get(row, {})
        if SCRIM in cells:
            ratio = Ratio.of(samples(cells, SCRIM), samples(cells, NATIVE))
            yield Goal(place, f"{row}: {SCRIM} / {NATIVE}", ratio.median, ratio.minima, limits[place], False, ratio.noisy)


def goals(results):
    found = []
    for place, result in results.items():
        found += call_goals(place, result["calls"])
        found += program_goals(place, result["programs"])
        for column, kib in result["supervisor_kib"].items():
            found.append(Goal(place, f"memory of the supervisor, MiB: {column}", kib / 1024, kib / 1024, MEMORY_MIB))
    return found
