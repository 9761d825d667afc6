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
for option in $("$scrim" tree --help | grep -oE -- '(^|[ ,])--[a-z-]+[a-z]' | tr -d ' ,' | sort -u); do
	expect "$option" scrim tree -
done
for command in encrypt decrypt cat info verify salvage rekey compact cp; do
	options=$("$scrim" $command --help | grep -oE -- '(^|[ ,])--[a-z-]+[a-z]' | tr -d ' ,' | sort -u)
	[ "$(wc -w <<<"$options")" -ge 8 ] || { echo "FAILED: $command --help names few options"; failed=1; }
	for option in $options; do
		[ "$command $option" = "rekey --new-" ] || expect "$option" scrim $command -
	done
	expect $command scrim ''
done
for option in $("$scrim" key --help | grep -oE -- '--[a-z-]+[a-z]' | sort -u); do
	found=
	for word in new import list show passwd export recovery rm; do
		! complete_words scrim key "$word" x - | grep -qxF -- "$option" || found=1
	done
	[ -n "$found" ] || { echo "FAILED: '$option' is not offered for any subcommand of key" && failed=1; }
done
# ... and nothing that a subcommand would refuse.
for word in new import list show passwd export recovery rm; do
	for option in $(complete_words scrim key "$word" x -); do
		if "$scrim" key "$word" "$option" --help 2>&1 | grep -q "takes no"; then
			echo "FAILED: '$option' is offered for key $word"
			failed=1
		fi
	done
done
home=$(mktemp -d)
mkdir -p "$home/.config/scrim/keys"
touch "$home/.config/scrim/keys/mine.key"
HOME=$home XDG_CONFIG_HOME='' expect mine scrim key show m
rm -r "$home"
expect passwd scrim key pass
expect /usr scrim key import x /us
expect --recovery scrim key import x --rec
for word in run scratch check explain learn tree key --version; do
	expect "$word" scrim ''
done
expect --kill-on-exit scrim run -c x --kill
expect cat scrim run -c x --hide y ca
expect cat scrim run -- ca
expect cat scrim run --args 3 --json-status-fd 4 ca
expect --json scrim check --js
expect --json scrim doctor --
expect --last scrim explain --la
expect fstype scrim run -r fs
expect cat scrim -- ca
expect /usr/bin scrim run cat /usr/bi
expect hide scrim run -r h
expect --memfd-max scrim scratch --mem
expect --log scrim scratch /tmp --lo
expect /usr scrim scratch /us
expect cat scrim scratch /tmp -- ca
exit $failed
