# SPDX-License-Identifier: Apache-2.0
"""Random operations of several processes on encrypted files, against a model; view after view goes on with the same files.

After each view: `scrim verify`, and `scrim cat` of each file is what the model says.

Usage: fsx.py [--user] [--mode ...] SCRIM CRYPT_FSX       SCRIM_SOAK=1: 1,000,000 operations instead of 20,000
"""
import os
import random

from place import expect, main, turns

OPERATIONS, VIEWS = turns(20_000, 1_000_000), turns(5, 40)


def test_fsx(place):
    seed = int(os.environ.get("SCRIM_SEED", random.SystemRandom().randrange(1 << 32)))
    print("  seed", seed, flush=True)
    for turn in range(VIEWS):
        try:
            place.view(place.programs[0], str(seed + turn), str(OPERATIONS // VIEWS), place.tree, place.out, limit=1800)
            place.verify()
            expect(sorted(os.listdir(place.tree)), sorted(os.listdir(place.out)), "names")
            for name in os.listdir(place.out):
                with open(os.path.join(place.out, name), "rb") as file:
                    wanted = file.read()
                got = place.content(name)
                if got != wanted:
                    at = next((n for n, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
                    raise AssertionError(f"{name}: {len(got)} bytes, wanted {len(wanted)}; differs at {at}")
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, view {turn}: {error}") from error


if __name__ == "__main__":
    main(globals())
