# SPDX-License-Identifier: Apache-2.0
# For generate.sh: its lines to a completion function of zsh.
BEGIN {
	FS = "\t"
	print "#compdef scrim"
	print "# Made by completions/generate.sh."
	print "_scrim_profiles() {"
	print "\tlocal -a names"
	print "\tnames=(${XDG_CONFIG_HOME:-~/.config}/scrim/profiles/*.profile(N:t:r) /usr/local/share/scrim/profiles/*.profile(N:t:r) /usr/share/scrim/profiles/*.profile(N:t:r))"
	print "\tcompadd -a names"
	print "}"
	print "_scrim_keys() {"
	print "\tlocal -a names"
	print "\tnames=(${XDG_CONFIG_HOME:-~/.config}/scrim/keys/*.key(N:t:r))"
	print "\tcompadd -a names"
	print "}"
	commands = ""
}

function quoted(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

# Within the brackets of a specification.
function described(text) {
	gsub(/[][\\:]/, "\\\\&", text)
	return "[" text "]"
}

function action(long, argument) {
	if (argument == "-" || argument == "?")
		return ""
	if (long == "profile")
		return ":profile:_scrim_profiles"
	if (long == "key" || long == "new-key")
		return ":key:_scrim_keys"
	if (long == "provider")
		return ":provider:(openssl sodium afalg)"
	if (long == "chdir")
		return ":directory:_directories"
	if (long == "askpass")
		return ":command:_command_names"
	if (argument ~ /FILE|GLOB|OUT|DIR/)
		return ":file:_files"
	return ":value: "
}

$1 == "command" {
	names[++n] = $2
	commands = commands "\t\t" quoted($2 ":" $3) "\n"
	next
}

{
	text = described($6) action($4, $5)
	if ($3 != "-" && $4 != "-")
		line = "'*'" "{-" $3 ",--" $4 "}" quoted(text)
	else
		line = quoted("*" ($3 != "-" ? "-" $3 : "--" $4) text)
	options[$2] = options[$2] "\t\t\t" line " \\\n"
}

END {
	print "_scrim() {"
	print "\tlocal -a commands"
	print "\tcommands=("
	printf "%s", commands
	print "\t)"
	print "\tif ((CURRENT == 2)); then"
	print "\t\t_describe -t commands 'subcommand of scrim' commands"
	print "\t\treturn"
	print "\tfi"
	print "\tlocal command=$words[2]"
	print "\tshift words"
	print "\t((CURRENT--))"
	print "\tcase $command in"
	for (i = 1; i <= n; i++) {
		rest = names[i] ~ /^(run|scratch|learn)$/ ? "'*::command:_normal'" : names[i] == "tree" ? "'*:directory:_directories'" : "'*:file:_files'"
		print "\t" names[i] ")"
		print "\t\t_arguments -s \\"
		printf "%s", options[names[i]]
		print "\t\t\t" rest
		print "\t\t;;"
	}
	print "\tesac"
	print "}"
	print "_scrim \"$@\""
}
