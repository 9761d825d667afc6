# SPDX-License-Identifier: Apache-2.0
# For generate.sh: its lines to completions of fish.
BEGIN {
	FS = "\t"
	print "# Made by completions/generate.sh."
	print "function __scrim_profiles"
	print "    for d in (set -q XDG_CONFIG_HOME; and echo $XDG_CONFIG_HOME; or echo ~/.config)/scrim/profiles /usr/local/share/scrim/profiles /usr/share/scrim/profiles"
	print "        for f in $d/*.profile"
	print "            basename $f .profile"
	print "        end"
	print "    end"
	print "end"
	print "function __scrim_keys"
	print "    for f in (set -q XDG_CONFIG_HOME; and echo $XDG_CONFIG_HOME; or echo ~/.config)/scrim/keys/*.key"
	print "        basename $f .key"
	print "    end"
	print "end"
	print "complete -c scrim -n __fish_use_subcommand -s V -l version -d 'print the version'"
	print "complete -c scrim -n __fish_use_subcommand -s h -l help -d 'list the subcommands'"
}

function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/'/, "\\'", text)
	return "'" text "'"
}

# What may follow an option that takes ARGUMENT.
function values(long, argument) {
	if (argument == "-" || argument == "?")
		return ""
	if (long == "profile")
		return " -x -a '(__scrim_profiles)'"
	if (long == "key" || long == "new-key")
		return " -x -a '(__scrim_keys)'"
	if (long == "provider")
		return " -x -a 'openssl sodium afalg'"
	if (long == "chdir")
		return " -x -a '(__fish_complete_directories)'"
	if (long == "askpass")
		return " -x -a '(__fish_complete_command)'"
	if (argument ~ /FILE|GLOB|OUT|DIR/)
		return " -r -F"
	return " -x"
}

$1 == "command" {
	print "complete -c scrim -n __fish_use_subcommand -f -a " $2 " -d " quoted($3)
	next
}

{
	line = "complete -c scrim -n '__fish_seen_subcommand_from " $2 "'"
	if ($3 != "-")
		line = line " -s " $3
	if ($4 != "-")
		line = line " -l " $4
	print line values($4, $5) " -d " quoted($6)
}

END { print "complete -c scrim -n '__fish_seen_subcommand_from run scratch learn' -x -a '(__fish_complete_subcommand --fcs-skip=2)'" }
