#!/usr/bin/env bash
# Measure: what calls and programs cost natively, under bare floors of a supervisor, in views and under proot.
# One table with ratios and goals on standard output, the numbers as JSON beside it. All columns are measured in
# alternation, so that a busy machine harms the ratios little; what it did harm is marked with "?".
#   scripts/bench.sh [OPTION]...
#     --quick                 a few turns of everything, small trees: half a minute instead of an hour
#     --rows PATTERN,...      rows of calls and programs (default: all), e.g. --rows 'open_*,git_status'
#     --columns PATTERN,...   e.g. --columns 'floor*' (native and one rule are always there)
#     --places pinned,free    everything on one processor; on all of them
#     --rounds N --dir DIR --nice N --verbose --json FILE (default: bench.json in the build directory)
#   scripts/bench.sh --counts   system calls of the supervisor for each call instead: no times, the same everywhere
#   scripts/bench.sh --store [--quick] [--layouts] [--rows PATTERN,...] [--rounds N] [--places tmpfs,disk] [--dir DIR]
#                           the encrypted file instead, beside plain files, a bare loop, age and gocryptfs (store.json);
#                           --layouts: with chunks of 4, 16, 64 KiB and slots of 4, 8 KiB
#   scripts/bench.sh --crypt [--quick] [--rows PATTERN,...] [--columns PATTERN,...] [--rounds N] [--dir DIR]
#                           files in an encrypted directory of a view, beside plain ones, gocryptfs and encfs (crypt.json)
#   scripts/bench.sh --glob    patterns against names, beside fnmatch(3)
#   SCRIM_BENCH_BUILD=DIR     where to build (default: build/release)
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_BENCH_BUILD:-build/release}
export PYTHONDONTWRITEBYTECODE=1

# Into the log of the build, so that the table stands alone.
mkdir -p "$build"
if ! { cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
	ninja -C "$build" scrim bench_calls bench_floor bench_count bench_store bench_glob bench_crypt; } >"$build/bench.log" 2>&1; then
	cat "$build/bench.log" >&2
	exit 1
fi
if [ "${1:-}" = --counts ]; then
	exec python3 test/integration/call_counts.py --show "$build/src/scrim" "$build/bench/bench_count" \
		"$build/bench/bench_calls"
fi
if [ "${1:-}" = --glob ]; then
	exec "$build/bench/bench_glob" bench/data/globs.txt bench/data/names.txt
fi
if [ "${1:-}" = --store ]; then
	shift
	exec python3 bench/store.py --json "$build/store.json" "$@" "$build/bench/bench_store"
fi
if [ "${1:-}" = --crypt ]; then
	shift
	exec python3 bench/crypt.py --json "$build/crypt.json" "$@" "$build/src/scrim" "$build/bench/bench_crypt"
fi
exec python3 bench/bench.py --json "$build/bench.json" "$@" "$build/src/scrim" "$build/bench"
