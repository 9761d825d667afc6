#!/usr/bin/env bash
# Install what is needed, build, run every test. Works on a fresh Debian 12 or Ubuntu machine.
#   scripts/test.sh             everything, as CI does
#   SCRIM_TEST_BUILD=DIR        where to build (default: build)
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_TEST_BUILD:-build}
jobs=$(nproc)

./scripts/install-packages.sh

say() { printf '\n== %s ==\n' "$*"; }

say "release build (gcc), warnings are errors"
cmake -G Ninja -S . -B "$build/release" -DSCRIM_WERROR=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build/release"

say "address and undefined behaviour sanitizers (clang), fuzzers"
CC=clang cmake -G Ninja -S . -B "$build/asan" -DSCRIM_WERROR=ON -DCMAKE_BUILD_TYPE=Debug \
	-DSCRIM_SANITIZE=address,undefined -DSCRIM_FUZZ=ON >/dev/null
ninja -C "$build/asan"

say "thread sanitizer (clang)"
CC=clang cmake -G Ninja -S . -B "$build/tsan" -DSCRIM_WERROR=ON -DCMAKE_BUILD_TYPE=Debug \
	-DSCRIM_SANITIZE=thread >/dev/null
ninja -C "$build/tsan"

# Nothing is skipped: a test that cannot run here has failed.
export SCRIM_MUST_RUN=1
say "unit tests under thread sanitizer"
ctest --test-dir "$build/tsan" --output-on-failure -L tsan -j "$jobs" --no-tests=error
say "unit tests and fuzzers under address sanitizer"
ctest --test-dir "$build/asan" --output-on-failure -L 'unit|fuzz' -j "$jobs" --no-tests=error
say "all tests, release build"
ctest --test-dir "$build/release" --output-on-failure -LE fuzz -j "$jobs" --no-tests=error
