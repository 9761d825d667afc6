#!/usr/bin/env bash
# The tests again, each time with one kernel feature taken away by a filter around everything (test/features/without.c):
# as on older kernels and in containers. Each feature is made up for, or its absence refused at the start.
#   scripts/features-off.sh [--quick] [FEATURE...]     default: all; without --list names them
#   SCRIM_FEATURES_BUILD=DIR     a built tree (default: build/release; it is built where it is not)
# --quick: for each feature the tests that it concerns most, as scripts/test.sh does; else all but the unit tests that a
# filter around them says nothing new to. Prints a table; the output of failing tests is in DIR/features-off/.
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_FEATURES_BUILD:-build/release}
quick=false
if [ "${1:-}" = --quick ]; then
	quick=true
	shift
fi
export SCRIM_MUST_RUN=1
if [ ! -x "$build/test/without" ]; then
	cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
	ninja -C "$build"
fi

# What is refused at the start has a test of its own, integration.features_refused.
refused=" wait_killable seccomp ptrace pidfd_open "

# The tests that would notice first.
most_concerned() {
	case $1 in
	openat2) echo '^(escape\.hide|unit\.vfs_open|integration\.program_tar\.tmpfs)$' ;;
	process_vm) echo '^(escape\.hide\.user|integration\.program_find\.tmpfs|unit\.memory)$' ;;
	docker) echo '^(escape\.(hide|append\.user)|integration\.(process_calls|program_(tar|find)\.tmpfs))$' ;;
	pidfd_getfd | kcmp) echo '^(escape\.append|integration\.program_find\.tmpfs)$' ;;
	linux-6.1) echo '^(escape\.(hide\.user|mask)|integration\.(process_calls\.user|program_python\.tmpfs)|unit\.vfs_exec)$' ;;
	unshare) echo '^(unit\.vfs_names|integration\.program_(tar|copy)\.tmpfs)$' ;;
	statx | fchmodat2) echo '^(unit\.vfs_attr|integration\.program_copy\.tmpfs)$' ;;
	*) echo '^(integration\.program_(tar|perl)\.tmpfs|integration\.run_contract)$' ;;
	esac
}

# Tests that need the feature for what they do themselves.
need_it() {
	case $1 in
	docker) echo '|^(integration\.(filter_calls|binfmt|features_lend)|escape\.procfs|steer\.)' ;; # fetch a listener; mount
	pidfd_getfd) echo '|^(integration\.(filter_calls|features_lend)|steer\.)' ;;
	linux-6.1 | pidfd_thread | kcmp) echo '|^integration\.features_lend' ;; # takes them away by itself, and first nothing
	statx) echo '|^unit\.vfs_stat$' ;;
	openat2) echo '|^unit\.vfs_exec$' ;; # changes its mount namespace beneath a view of its own
	esac
}

if [ $# -eq 0 ]; then
	mapfile -t features < <("$build/test/without" --list | awk '{print $1}')
	set -- "${features[@]}"
fi
mkdir -p "$build/features-off"
table=()
failed=0
for feature in "$@"; do
	start=$SECONDS log=$build/features-off/$feature.log
	which=(-L 'unit|integration|escape' -E "^unit\.(fuzz|policy|glob|profile|shellcheck|bash|clang)$(need_it "$feature")")
	if $quick; then which=(-R "$(most_concerned "$feature")"); fi
	what=works
	if [ "${refused#* "$feature" }" != "$refused" ]; then
		what=refused
		status=0
		ctest --test-dir "$build" --output-on-failure --no-tests=error -R '^integration\.features_refused$' >"$log" 2>&1 ||
			status=$?
	else
		# Races and signals on a busy machine: what fails once is run once more, as in scripts/test.sh.
		status=0
		"$build/test/without" "$feature" -- ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" \
			--repeat until-pass:2 "${which[@]}" >"$log" 2>&1 || status=$?
	fi
	good=$(grep -c ' Passed ' "$log" || true)
	bad=$(sed -n 's/^[^(]*- \([^ ]*\) (\(Failed\|Timeout\|Subprocess aborted\|SEGFAULT\)).*/\1/p' "$log" | sort -u | tr '\n' ' ')
	table+=("$(printf '%-14s %-8s %4s %4d s  %s' "$feature" "$what" "$good" $((SECONDS - start)) "${bad:--}")")
	if [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; then
		failed=1
		grep -a -A60 'Failed\|FAIL:' "$log" | head -200
	fi
done
printf '\n%-14s %-8s %4s %6s  %s\n' feature '' passed time failed
printf '%s\n' "${table[@]}"
exit "$failed"
