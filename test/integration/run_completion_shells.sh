#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is made for fish and zsh offers every subcommand and every option that --help names, and what may follow.
#   run_completion_shells.sh SCRIM DIRECTORY    (DIRECTORY has scrim.fish and _scrim)
set -eu
scrim=$(realpath "$1")
directory=$2
PATH=$(dirname "$scrim"):$PATH
failed=0
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$home/.config/scrim/keys" "$home/.config/scrim/profiles"
touch "$home/.config/scrim/keys/mine.key" "$home/.config/scrim/profiles/strict.profile"
export HOME=$home XDG_CONFIG_HOME=$home/.config LC_ALL=C.UTF-8

# by_fish WORDS: what is offered for the last.
by_fish() {
	fish --no-config -c "source $directory/scrim.fish; complete -C '$1'"
}

# by_zsh COMMAND: what _arguments is given for that subcommand; without one the subcommands.
by_zsh() {
	zsh -fc "_arguments() { print -rl -- \"\$@\" }; _describe() { print -rl -- \${(P)4} }
		words=(scrim ${1:+$1 }-) CURRENT=\$#words; source $directory/_scrim"
}

lacks() {
	echo "FAILED: $1 does not offer $2 for $3"
	failed=1
}

fish --no-config --no-execute "$directory/scrim.fish"
zsh -n "$directory/_scrim"
commands=$("$scrim" --help | awk '/^  [a-z]/ { print $1 }')
[ "$(wc -w <<<"$commands")" -ge 15 ]
offered=$(by_fish 'scrim ')
described=$(by_zsh '')
for command in $commands; do
	grep -q "^$command	" <<<"$offered" || lacks fish "$command" "scrim"
	grep -q "^$command:" <<<"$described" || lacks zsh "$command" "scrim"
	in_fish=$(by_fish "scrim $command --")
	in_zsh=$(by_zsh "$command")
	for option in $("$scrim" "$command" --help | sed 's/(.*)//' | grep -oE -- '^ +[^ ].*' | grep -oE -- '(^ +|, )--[a-z-]+[a-z]' | tr -d ' ,' | sort -u) --help; do
		grep -qE -- "^$option(=|	|$)" <<<"$in_fish" || lacks fish "$option" "$command"
		grep -qE -- "[*,{]$option(\}|\[)" <<<"$in_zsh" || grep -qE -- "^\*?$option\[" <<<"$in_zsh" || lacks zsh "$option" "$command"
	done
done
# What rules and programs want.
by_fish 'scrim run --profile ' | grep -q '^strict' || lacks fish strict 'run --profile'
by_fish 'scrim key --key ' >/dev/null
by_fish 'scrim cat --key ' | grep -q '^mine' || lacks fish mine 'cat --key'
by_fish 'scrim run -- ca' | grep -q '^cat' || lacks fish cat 'run --'
by_fish 'scrim check --hide ' | grep -q strict && lacks fish 'files only' 'check --hide'
by_zsh run | grep -q -- ':profile:_scrim_profiles' || lacks zsh profiles run
by_zsh cat | grep -q -- ':key:_scrim_keys' || lacks zsh keys cat
# Nothing that a subcommand does not know.
for command in run tree check explain learn encrypt rekey cp; do
	for option in $(by_fish "scrim $command --" | sed 's/[=	].*//'); do
		if "$scrim" "$command" "$option" 2>&1 </dev/null | grep -qE 'unknown option|unrecognized|invalid option'; then
			echo "FAILED: fish offers $option for $command"
			failed=1
		fi
	done
done
exit $failed
