#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The completion offers every option that --help names, and hands over to the command's own completion.
#   run_completion.sh SCRIM COMPLETION
set -eu
scrim=$1
# shellcheck source=/dev/null
source "$2"
failed=0

# complete_words WORD...: what is offered for the last.
complete_words() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_scrim
	printf '%s\n' "${COMPREPLY[@]}"
}

expect() { # WANTED WORD...
	local wanted=$1
	shift
	if ! complete_words "$@" | grep -qxF -- "$wanted"; then
		echo "FAILED: '$wanted' is not offered for: $*"
		failed=1
	fi
}

for option in $("$scrim" run --help | sed 's/(.*)//' | grep -oE -- '(^|[ ,])--[a-z-]+[a-z]' | tr -d ' ,' | sort -u); do
	expect "$option" scrim run -
done
for word in run check explain --version; do
	expect "$word" scrim ''
done
expect --kill-on-exit scrim run -c x --kill
expect cat scrim run -c x --hide y ca
expect cat scrim run -- ca
expect cat scrim -- ca
expect /usr/bin scrim run cat /usr/bi
expect hide scrim run -r h
exit $failed
