# SPDX-License-Identifier: Apache-2.0
"""No copy of a caller's open file description outlives the reply (lifetime_of_descriptions.c says what shows one).

The watcher's event is asked for under a rule that hides nothing: a queue that the supervisor feeds has its events a
little later (docs/PARITY.md, "inotify").

On both processors and with everything on one. A control supervisor, which replies while it still holds its copy,
must be seen to fail: else this test would pass whatever the supervisor did.

Usage: lifetime_of_descriptions.py [--user] SCRIM CONTROL PROGRAM TINY    SCRIM_SOAK=1: ten times as long
"""

import errno
import json
import os

from escape_support import ORDINARY, check, equal, main, write

LOOPS = 3000 * (10 if os.environ.get("SCRIM_SOAK") else 1)
KINDS = ("flock", "exec", "fifo", "excl", "lease")
EVENTS = ("close_write",)
# What each turn of each kind asks of the supervisor.
VIEWS = (
    ("hide", errno.ENOENT, KINDS, {"openat": 7 * LOOPS, "execve": LOOPS, "unlink": LOOPS, "mknodat": 1, "chdir": 1}),
    ("deny", errno.EACCES, EVENTS, {"openat": LOOPS, "inotify_add_watch": 1, "chdir": 1}),
)
# The control answers too early; which kinds meet that depends on the scheduler, flock nearly always does.
CONTROL_LOOPS = 3000
CONTROL_ATTEMPTS = 10


def fresh(escape, place, name):
    work = os.path.join(place.path, name)
    os.mkdir(work)
    write(os.path.join(work, "secret"), "x")
    return work


def counts(result):
    try:
        return json.loads(result.stdout)
    except ValueError:
        check(False, f"no counts: {result.stdout!r} {result.stderr!r}")
        return {}


def expect_none(name, got, secret, kinds):
    equal(got.get("euid"), os.geteuid(), f"{name}: as whom")
    equal(got.get("secret"), secret, f"{name}: the errno of opening the file of the rule")
    for kind in kinds:
        equal(got.get(kind), 0, f"{name}: refused or late: {kind}")


def body(escape):
    program, tiny = escape.tool("lifetime_of_descriptions"), escape.tool("lifetime_tiny")
    scrim, control = escape.scrim, escape.tool("scrim_control")
    place = escape.places[0]
    everywhere = os.sched_getaffinity(0)
    equal(os.geteuid() in (0, ORDINARY) or "SCRIM_MUST_RUN" not in os.environ, True, "as root or as an ordinary user")
    for spread, where in (("free", everywhere), ("pinned", {min(everywhere)})):
        os.sched_setaffinity(0, where)
        work = fresh(escape, place, f"native-{spread}")
        native = counts(escape.native([program, work, LOOPS, tiny, *KINDS, *EVENTS]))
        expect_none(f"natively, {spread}", native, 0, KINDS + EVENTS)

        for action, secret, kinds, mediated in VIEWS:
            work = fresh(escape, place, f"{action}-{spread}")
            rule = f"{action} {work}/secret"
            result = escape.view([rule], [program, work, LOOPS, tiny, *kinds], mediated, timeout=600)
            expect_none(f"inside with {action}, {spread}", counts(result), secret, kinds)

        escape.scrim = control
        flocks = total = 0
        for attempt in range(CONTROL_ATTEMPTS):
            work = fresh(escape, place, f"control-{spread}-{attempt}")
            rule = f"deny {work}/secret"
            got = counts(escape.view([rule], [program, work, CONTROL_LOOPS, tiny, *KINDS, *EVENTS], timeout=600))
            print(f"control, {spread}: {got}", flush=True)
            flocks += got.get("flock", 0)
            total += sum(got.get(kind, 0) for kind in KINDS + EVENTS)
            if flocks:
                break
        check(flocks > 0, f"{spread}: the control supervisor was never caught ({total} of other kinds)")
        escape.scrim = scrim
        os.sched_setaffinity(0, everywhere)


main(body)
