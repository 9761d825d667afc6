#!/usr/bin/env bash
# Install what is needed, build, run every test. Works on a fresh Debian 12 or Ubuntu machine.
#   scripts/test.sh             everything, as CI does; a summary with the time of each part at the end
#   SCRIM_TEST_BUILD=DIR        where to build (default: build)
# The long loops are in scripts/soak.sh.
# shellcheck disable=SC2317 # called through part()
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_TEST_BUILD:-build}
jobs=$(nproc)
# Nothing is skipped: a test that cannot run here has failed.
export SCRIM_MUST_RUN=1

summary=()
failed=0

# part NAME COMMAND...: run it, note how it ended and how long it took.
part() {
	local name=$1 start=$SECONDS status=0
	shift
	printf '\n== %s, %s ==\n' "$name" "$(date +%T)"
	"$@" || status=$?
	summary+=("$(printf '%-6s %5d s  %s' "$([ "$status" -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - start)) "$name")")
	[ "$status" -eq 0 ] || failed=1
	return "$status"
}

finish() {
	printf '\n== summary: %d s ==\n' "$SECONDS"
	printf '%s\n' "${summary[@]}"
}
trap finish EXIT

configure_and_build() {
	local dir=$build/$1 compiler=$2
	shift 2
	cmake -G Ninja -S . -B "$dir" -DCMAKE_C_COMPILER="$compiler" -DSCRIM_WERROR=ON "$@" >/dev/null && ninja -C "$dir"
}

run_tests() {
	local dir=$build/$1
	shift
	ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

# Without these there is nothing to test; a failing test does not keep the other parts from running.
part "packages" ./scripts/install-packages.sh
part "kernels for the virtual machine" env SCRIM_VM_BUILD="$build/release" ./scripts/vm-test.sh --fetch || true
part "release build (gcc), warnings are errors" configure_and_build release gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo
part "build with address and undefined behaviour sanitizers (clang), fuzzers" configure_and_build asan clang \
	-DCMAKE_BUILD_TYPE=Debug -DSCRIM_SANITIZE=address,undefined -DSCRIM_FUZZ=ON
part "build with thread sanitizer (clang)" configure_and_build tsan clang -DCMAKE_BUILD_TYPE=Debug \
	-DSCRIM_SANITIZE=thread

part "threaded tests under thread sanitizer" run_tests tsan -L tsan || true
part "unit tests under address sanitizer" run_tests asan -L unit || true
part "fuzzers" run_tests asan -L fuzz || true
part "unit tests, release build" run_tests release -L unit || true
# Races, signals and terminals on a machine that others use too: what fails once is run once more, visibly.
# scripts/soak.sh does not forgive.
part "integration and escape tests, release build" run_tests release -LE 'unit|fuzz|vm' --repeat until-pass:2 || true
part "on Debian's kernels, Yama scope 1, in a virtual machine" run_tests release -L vm || true
# Whole in scripts/soak.sh.
part "kernel features off, one at a time" env SCRIM_FEATURES_BUILD="$build/release" ./scripts/features-off.sh --quick || true
exit "$failed"
