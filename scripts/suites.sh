#!/usr/bin/env bash
# The test suites of others, natively and inside views, compared test by test: gnulib's file system tests, CPython's and
# perl's own, stress-ng's file system class. Prints a table native / inside / differences; exit status 1 if there is a
# difference that is not in test/suites/known.txt, or a known one that is none any more. docs/SUITES.md has more.
#   scripts/suites.sh [OPTION...]    options of test/suites/suites.py, such as
#       --suite gnulib --user user --view plain    only that (default: all suites, as root and as an ordinary user, in a
#                                                  view without rules and in one whose rules concern nothing)
#       --steady                                   what differs is not run again to see whether it only fails sometimes
#   SCRIM_SUITES_BUILD=DIR           where to build scrim and gnulib's tests (default: build): DIR/release, DIR/suites
# Takes about an hour on two processors.
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_SUITES_BUILD:-build}

./scripts/install-packages.sh
./scripts/install-packages.sh scripts/packages-suites.txt
cmake -G Ninja -S . -B "$build/release" -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build/release"
mkdir -p "$build/suites"
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 test/suites/suites.py "$build/release/src/scrim" --cache "$build/suites" \
	"$@"
