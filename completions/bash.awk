# SPDX-License-Identifier: Apache-2.0
# For generate.sh: its lines to the tables that scrim.bash goes by.
BEGIN {
	FS = "\t"
	print "# Made by completions/generate.sh."
	print "# shellcheck shell=bash"
}

$1 == "command" {
	commands = commands (n++ ? " " : "") $2
	names[n] = $2
	next
}

# What kind of word is wanted behind OPTION of a command.
function takes(option, long, argument,    kind) {
	if (argument == "-" || argument == "?")
		return
	if (long == "chdir" || argument ~ /^DIR/)
		kind = "directory"
	else if (long == "askpass")
		kind = "command"
	else if (argument ~ /FILE|GLOB|OUT/)
		kind = "file"
	else
		kind = "value"
	wanted = wanted "\t['" $2 " " option "']=" kind "\n"
}

{
	if ($4 != "-") {
		options[$2] = options[$2] " --" $4
		takes("--" $4, $4, $5)
	} else {
		options[$2] = options[$2] " -" $3
	}
	if ($3 != "-")
		takes("-" $3, $4, $5)
}

END {
	print "_scrim_commands='" commands "'"
	print "declare -gA _scrim_options=("
	for (i = 1; i <= n; i++)
		print "\t[" names[i] "]='" substr(options[names[i]], 2) "'"
	print ")"
	print "declare -gA _scrim_takes=("
	printf "%s", wanted
	print ")"
}
