#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Completions for bash, fish and zsh from what scrim itself says: --help of the program and of each subcommand.
#   generate.sh SCRIM DIRECTORY     writes DIRECTORY/scrim.bash, DIRECTORY/scrim.fish and DIRECTORY/_scrim
set -eu
scrim=$1
directory=$2
here=$(dirname "$0")

# "command NAME DESCRIPTION", then for each "option NAME SHORT LONG ARGUMENT DESCRIPTION", tabs between. SHORT, LONG and ARGUMENT
# may be "-": there is none.
tell() {
	"$scrim" --help | awk '/^  [a-z]/ { name = $1; sub(/^ *[a-z]+ */, ""); print "command\t" name "\t" $0 }'
	for name in $("$scrim" --help | awk '/^  [a-z]/ { print $1 }'); do
		"$scrim" "$name" --help | awk -v name="$name" -f "$here/options.awk"
	done
}

tell | awk -F '\t' '
	$1 == "also" { if (!seen[$0]++) also[++m] = $0; next }
	{ print }
	$1 == "option" && $2 == "run" && $4 != "help" { run[++n] = $0; if ($4 == "readonly" && !policy) policy = n }
	END {
		for (i = 1; i <= m; i++) {
			split(also[i], f, "\t")
			for (k = 1; k <= (f[3] == "all" ? n : policy); k++) {
				line = run[k]
				sub(/\trun\t/, "\t" f[2] "\t", line)
				print line
			}
		}
	}' >"$directory/options.tsv"
awk -f "$here/fish.awk" "$directory/options.tsv" >"$directory/scrim.fish.new"
awk -f "$here/zsh.awk" "$directory/options.tsv" >"$directory/_scrim.new"
{
	awk -f "$here/bash.awk" "$directory/options.tsv"
	cat "$here/scrim.bash"
} >"$directory/scrim.bash.new"
mv "$directory/scrim.bash.new" "$directory/scrim.bash"
mv "$directory/scrim.fish.new" "$directory/scrim.fish"
mv "$directory/_scrim.new" "$directory/_scrim"
