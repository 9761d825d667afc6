#!/usr/bin/env bash
# The long loops, whole: for hours before a release, not for every change.
#   scripts/soak.sh [PART...]       parts: lifetime steer programs escape races memory differential store crypt fuzz features vm suites (default: all)
#   SCRIM_SOAK_BUILD=DIR            where to build (default: build): DIR/release, and DIR/fuzz with clang
#   SCRIM_SOAK_ROUNDS=N             how often each part is run (default: 20; lifetime and memory N/10, at least once)
#   SCRIM_FUZZ_RUNS=N               executions of each fuzzer (default: 20,000,000)
#   SCRIM_FUZZ_CALLS=N              random system calls of each kind, as root and as an ordinary user (default: 2,000,000)
# SCRIM_SOAK=1 is set for the tests; those with a loop of their own honour it:
#   integration/lifetime_of_descriptions.py   30,000 turns of each kind instead of 3,000
#   integration/store_rekey.py                commands killed at each step instead of 14; 1,000 copies of a file in use
#   crypt/*.py                                5,000 transactions, 500 commits, 300 kills, 1,000,000 random operations, ...
#   integration/memory_flat.py                a million opens and 10,000 processes instead of 30,000 and 300
# The others are run again and again: what they do (races, storms of signals, real programs) differs each time.
# Stops at the first failure, with its output.
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_SOAK_BUILD:-build}
rounds=${SCRIM_SOAK_ROUNDS:-20}
export SCRIM_SOAK=1 SCRIM_MUST_RUN=1
if [ $# -eq 0 ]; then set -- lifetime steer programs escape races memory differential store crypt fuzz features vm suites; fi

say() { printf '\n== %s, %s ==\n' "$*" "$(date +%T)"; }

release() {
	if [ -z "${built:-}" ]; then
		cmake -G Ninja -S . -B "$build/release" -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
		ninja -C "$build/release"
		built=1
	fi
}

# again TIMES NAME: the tests whose names match, that often; none at all is a failure.
again() {
	release
	for ((round = 1; round <= $1; round++)); do
		say "$2, round $round of $1"
		ctest --test-dir "$build/release" --output-on-failure --no-tests=error --timeout 7200 -R "$2"
	done
}

# Sequences that no run before has made: $rounds times 100,000 calls for each file system and user. What differs is kept,
# shrunk and as C, in the build directory.
differential() {
	local fs user
	release
	mkdir -p "$build/differential"
	for fs in ext4 tmpfs; do
		for user in "" --user; do
			say "differential $fs $user"
			test/launch.sh "$PWD" python3 -B "$PWD/test/differential/differential.py" --fs "$fs" ${user:+"$user"} \
				--calls $((rounds * 100000)) --seed $((RANDOM * 32768 + RANDOM)) --keep "$(realpath "$build/differential")" \
				"$(realpath "$build/release/src/scrim")" "$(realpath "$build/release/test/differential")"
		done
	done
}

# Histories of encrypted files on a disk that lies, other ones each time, and a million random operations against a model:
# $rounds times 75,000 lives are twenty million moments at which the process or the power goes.
store() {
	release
	for ((round = 1; round <= rounds; round++)); do
		say "store, round $round of $rounds"
		"$build/release/test/store_sim" $(((RANDOM * 32768 + RANDOM) * 100000)) 75000
	done
	SCRIM_STORE_OPERATIONS=170000 "$build/release/test/unit_store_model"
	again 1 '^integration.store_'
}

# Encrypted files in a view: all of test/crypt, and 200,000 calls in an encrypted directory, natively and inside.
crypt() {
	local user
	./scripts/install-packages.sh scripts/packages-soak.txt
	release
	mkdir -p "$build/differential"
	for user in "" --user; do
		say "differential, encrypted $user"
		test/launch.sh "$PWD" python3 -B "$PWD/test/differential/differential.py" --fs ext4 --rules crypt ${user:+"$user"} \
			--calls 100000 --seed $((RANDOM * 32768 + RANDOM)) --keep "$(realpath "$build/differential")" \
			"$(realpath "$build/release/src/scrim")" "$(realpath "$build/release/test/differential")"
	done
	again 1 '^crypt\.'
}

# Straight from the corpus, with another seed each time: the tests' own seed and time limit are for quick runs.
# Also system calls made at random, natively and inside, and against hidden files: SCRIM_FUZZ_CALLS of each, other ones
# each time.
fuzz() {
	local fuzzer name
	SCRIM_FUZZ_CALLS="${SCRIM_FUZZ_CALLS:-2000000}" SCRIM_FUZZ_SEED="$RANDOM" again 1 '^escape\.fuzz_calls'
	CC=clang cmake -G Ninja -S . -B "$build/fuzz" -DCMAKE_BUILD_TYPE=Debug -DSCRIM_FUZZ=ON >/dev/null
	ninja -C "$build/fuzz"
	mkdir -p "$build/fuzz/found"
	for fuzzer in "$build"/fuzz/fuzz/fuzz_*; do
		name=${fuzzer##*/fuzz_}
		if [ ! -x "$fuzzer" ] || [ "${name%_seeded}" != "$name" ]; then continue; fi
		mkdir -p "$build/fuzz/found/$name"
		say "fuzzer $name"
		"$fuzzer" -runs="${SCRIM_FUZZ_RUNS:-20000000}" -seed="$RANDOM" -timeout=20 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix="$build/fuzz/found/$name-" "$build/fuzz/found/$name" "fuzz/corpus/$name"
	done
}

for part in "$@"; do
	case $part in
	lifetime) again $(((rounds + 9) / 10)) '^integration\.lifetime' ;;
	steer) again "$rounds" '^steer\.' ;;
	programs) again "$rounds" '^integration\.program_' ;;
	escape) again "$rounds" '^escape\.' ;;
	# Each for ten seconds and more, under rules with and without wildcards.
	races) SCRIM_RACE_MILLISECONDS=10000 again $(((rounds + 19) / 20)) '^escape\.races' ;;
	memory) again $(((rounds + 9) / 10)) '^integration\.memory_flat' ;;
	differential) differential ;;
	store) store ;;
	crypt) crypt ;;
	fuzz) fuzz ;;
	features) release && SCRIM_FEATURES_BUILD=$build/release ./scripts/features-off.sh ;;
	vm) release && SCRIM_VM_BUILD=$build/release ./scripts/vm-test.sh "6.1 6.12" all ;;
	suites) SCRIM_SUITES_BUILD=$build ./scripts/suites.sh ;;
	*)
		echo "scripts/soak.sh: no part '$part': lifetime steer programs escape races memory differential store crypt fuzz features vm suites" >&2
		exit 2
		;;
	esac
done
say "done"
