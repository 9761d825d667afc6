# SPDX-License-Identifier: Apache-2.0
# The options in the --help of the subcommand `name`, for generate.sh.
# A line of them: "  -p, --profile NAME     what it does", or several options at once, whose description may be on the next line.

function emit(short, long, argument) {
	if (count < 64) {
		shorts[count] = short
		longs[count] = long
		arguments[count] = argument
		count++
	}
}

function flush_options(text,    i) {
	for (i = 0; i < count; i++)
		print "option\t" name "\t" shorts[i] "\t" longs[i] "\t" arguments[i] "\t" (text == "" ? longs[i] : text)
	count = 0
}

# The words of options: "-p, --profile NAME", "--setenv NAME=VALUE, --unsetenv NAME".
function parse(words,    parts, n, i, option, argument, short) {
	n = split(words, parts, /, */)
	short = "-"
	for (i = 1; i <= n; i++) {
		option = parts[i]
		argument = "-"
		if (match(option, /\[=/)) {
			argument = "?"
			option = substr(option, 1, RSTART - 1)
		} else if (match(option, / /)) {
			argument = substr(option, RSTART + 1)
			option = substr(option, 1, RSTART - 1)
		}
		if (option ~ /^-[A-Za-z]$/ && i < n && parts[i + 1] ~ /^--/) {
			short = substr(option, 2)
			continue
		}
		if (option ~ /^-[A-Za-z]$/)
			emit(substr(option, 2), "-", argument)
		else if (option ~ /^--[a-z]/)
			emit(short, substr(option, 3), argument)
		short = "-"
	}
}

/^ +-/ {
	flush_options("")
	line = $0
	sub(/^ +/, "", line)
	if (match(line, /  +/)) {
		words = substr(line, 1, RSTART - 1)
		text = substr(line, RSTART + RLENGTH)
	} else if (match(line, /^--?[a-zA-Z-]+ [A-Z]+ [a-z.(]/)) { # a long name, one blank
		words = substr(line, 1, RLENGTH - 2)
		text = substr(line, RLENGTH)
	} else if (match(line, /^--?[a-zA-Z-]+ [a-z.(]/)) {
		words = substr(line, 1, RLENGTH - 2)
		text = substr(line, RLENGTH)
	} else {
		words = line
		text = ""
	}
	parse(words)
	if (text != "")
		flush_options(text)
	next
}

/^          +[^ -]/ && count {
	line = $0
	sub(/^ +/, "", line)
	flush_options(line)
	next
}

{ flush_options("") }
# Those of run that it takes as well: generate.sh puts them in.
/POLICY OPTION/ { print "also\t" name "\tpolicy" }
/OPTION OF RUN|Options are those of/ { print "also\t" name "\tall" }
END {
	flush_options("")
	print "option\t" name "\th\thelp\t-\ta summary of the options"
}
