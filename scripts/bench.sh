#!/usr/bin/env bash
# Measure: what calls cost natively, under the bare floor of a supervisor, and in a view; the start over bwrap's.
# One table with ratios on standard output, the numbers as JSON beside it. A quiet machine gives better numbers.
#   scripts/bench.sh [FILE.json]    (default: bench.json in the build directory)
#   SCRIM_BENCH_BUILD=DIR           where to build (default: build/release)
#   SCRIM_BENCH_SHORT=1             a few turns of everything
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_BENCH_BUILD:-build/release}
options=()
if [ -n "${SCRIM_BENCH_SHORT:-}" ]; then options+=(--short); fi

# Into the log of the build, so that the table stands alone.
mkdir -p "$build"
if ! { cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
	ninja -C "$build" scrim bench_calls bench_floor; } >"$build/bench.log" 2>&1; then
	cat "$build/bench.log" >&2
	exit 1
fi
exec env PYTHONDONTWRITEBYTECODE=1 python3 bench/bench.py "${options[@]}" --json "${1:-$build/bench.json}" \
	"$build/src/scrim" "$build/bench/bench_calls" "$build/bench/bench_floor"
