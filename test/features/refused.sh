#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Without these there is no view: the start is refused with 125, the missing thing and what to do about it are named,
# and the command has not run.
#	refused.sh SCRIM WITHOUT
set -eu
scrim=$1 without=$2
place=$(mktemp -d /tmp/scrim-refused-XXXXXX)
trap 'rm -rf "$place"' EXIT
failed=0

# refused FEATURE TEXT...: each text is part of what is said.
refused() {
	local feature=$1 status=0 text
	shift
	"$without" "$feature" -- timeout -s KILL 60 "$scrim" run --hide "$place/secret" -- touch "$place/ran" \
		>"$place/out" 2>"$place/err" || status=$?
	if [ "$status" -ne 125 ]; then
		echo "FAIL: without $feature: status $status, not 125"
		failed=1
	fi
	for text in "$@"; do
		if ! grep -qF -- "$text" "$place/err"; then
			echo "FAIL: without $feature: \"$text\" is not said:"
			failed=1
		fi
	done
	if [ -s "$place/out" ] || [ -e "$place/ran" ]; then
		echo "FAIL: without $feature: the command has run"
		failed=1
	fi
	echo "without $feature: $(cat "$place/err")"
}

refused wait_killable "seccomp" "Linux 5.19"
refused seccomp "seccomp" "CONFIG_SECCOMP_FILTER" "allow seccomp(2)"
refused ptrace "ptrace" "--cap-add SYS_PTRACE"
refused pidfd_open "pidfd_open" "allow it"
# What remains when both ways to the memory are gone is ptrace's own remedy; one of them is enough.
status=0
"$without" process_vm -- "$scrim" run --hide "$place/secret" -- true || status=$?
if [ "$status" -ne 0 ]; then
	echo "FAIL: without process_vm: status $status"
	failed=1
fi
exit "$failed"
