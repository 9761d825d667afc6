# SPDX-License-Identifier: Apache-2.0
"""What a mediated call costs in system calls of the supervisor: at most what is written here.

A guard against regressions that no time can be (machines and their load differ). Who makes a call cheaper writes the
new number down; who has to make one dearer does so too, and says why in the commit.

With --user: the view is an ordinary user's, and we are root.

Usage: call_counts.py [--show] [--user] SCRIM BENCH_COUNT BENCH_CALLS
"""
import json
import os
import subprocess
import sys
import tempfile

TURNS = 20
USER = "--user" in sys.argv
# An ordinary user, asserted.
AS_USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
           'test "$(id -u)" = 65534 && exec "$@"', "sh"] if USER else []
# Calls of the worker that serves, from RECV on; and of the threads that steer. For each turn of bench_calls' rows.
LIMITS = {
    "open_close": (7, 0),
    "open_close_write": (7, 0),
    "open_close_relative": (10, 0),
    "open_close_at": (12, 0),
    "open_close_path": (24, 0),
    "open_close_create": (11, 0),
    "open_absent": (7, 0),
    "stat": (8, 0),
    "lstat_relative": (11, 0),
    "lstat_at": (11, 0),
    "fstat_libc": (6, 0),
    "fstat_raw": (0, 0),
    "access": (7, 0),
    "readlink": (12, 0),
    "create_unlink": (27, 0),
    "mkdir_rmdir": (25, 0),
    "rename_twice": (38, 0),
    "chmod": (11, 0),
    "utimens": (11, 0),
    "futimens": (9, 0),
    "readdir_100": (36, 0),
    "chdir": (32, 0),
    "getcwd": (7, 0),
    "fork_exec": (93, 0),
    "read": (0, 0),
}
# Rows that no filter sees; all others have to be mediated, or they prove nothing.
UNTRAPPED = ("fstat_raw", "read")
# A row's first call still counted from the row before, a step that a steer took twice.
SLACK = {"worker": 0.5, "steer": 2}
POLLED = 8  # every so many notifications it is asked whether another waits


def measure(scrim, count, calls):
    with tempfile.TemporaryDirectory(prefix="scrim-counts-") as work:
        secret = os.path.join(work, "secret")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("x")
        if USER:
            os.chown(work, 65534, 65534)
        result = subprocess.run([count, str(TURNS), ",".join(LIMITS), *AS_USER, scrim, "run", "--log", "/dev/null", "--hide", secret,
                                 "--", calls, work], stdout=subprocess.PIPE, timeout=240, check=True)
    return json.loads(result.stdout)


def complaints(rows):
    for name, limits in LIMITS.items():
        row = rows[name]
        if (row["notifications"] >= 1) == (name in UNTRAPPED):
            yield f"{name}: {row['notifications']} notifications a turn"
        for who, limit in zip(("worker", "steer"), limits):
            if row[who] > limit + SLACK[who] + row["notifications"] / POLLED:
                yield f"{name}: {row[who]} calls of the {who}, {limit} are allowed"
                for sequence in row["sequences"]:
                    yield f"    {sequence['times']} times {sequence['call']}: {sequence['made']}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--user"]
    show = arguments[0] == "--show"
    rows = measure(*arguments[show:])
    if show:
        print(f"{'':20} notifications  worker   steer     (calls of the supervisor for each turn)")
        for name, row in rows.items():
            print(f"{name:20} {row['notifications']:13.2f} {row['worker']:7.2f} {row['steer']:7.2f}")
            for sequence in row["sequences"]:
                if sequence["times"] * 10 >= TURNS:
                    print(f"    {sequence['call']:12} {sequence['length']:3}: {sequence['made']}")
    found = list(complaints(rows))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


main()
