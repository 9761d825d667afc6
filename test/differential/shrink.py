# SPDX-License-Identifier: Apache-2.0
"""Delta debugging: the fewest lines that still show a difference of the same kind."""

import re

TRIES = 300


def kind_of(found):
    """What must stay: the kind of call and how its two results differ in the rough."""
    def rough(line):
        return re.sub(r"^\d+ ", "", line).split(" = ")[0]
    return rough(found[1])


def shrink(lines, found, differ):
    tries = 0
    wanted = kind_of(found)

    def still(candidate):
        nonlocal tries
        tries += 1
        try:
            different = differ(candidate)
        except RuntimeError:
            return False
        return different is not None and kind_of(different) == wanted

    # What comes after the call does not matter, unless it was the tree.
    number = found[1].split(" ")[0]
    if number.isdigit():
        tree = [line for line in lines if line.startswith("+ ")]
        calls = [line for line in lines if not line.startswith("+ ")]
        cut = tree + calls[:int(number) + 1]
        if still(cut):
            lines = cut
    size = max(1, len(lines) // 2)
    while tries < TRIES:
        at, smaller = 0, False
        while at < len(lines) and tries < TRIES:
            candidate = lines[:at] + lines[at + size:]
            if candidate and still(candidate):
                lines = candidate
                smaller = True
            else:
                at += size
        if size > 1:
            size = max(1, size // 2)
        elif not smaller:
            break
    return lines
