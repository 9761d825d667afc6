#!/usr/bin/env bash
# Install the packages of packages.txt that are missing. Needs root or sudo only if any is.
#   scripts/install-packages.sh [FILE]
set -eu
list=${1:-$(dirname "$0")/packages.txt}

if ! command -v dpkg-query >/dev/null; then
	echo "no dpkg here: install what $list names by the means of this system" >&2
	exit 0
fi

have() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
while read -r line; do
	# "a|b": whichever there is; a is tried first.
	IFS='|' read -r -a names <<<"$line"
	for name in "${names[@]}"; do
		have "$name" && continue 2
	done
	missing+=("$line")
done < <(sed -e 's/#.*//' -e '/^ *$/d' "$list")
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "as root, install: ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get -qq update
wanted=()
for line in "${missing[@]}"; do
	IFS='|' read -r -a names <<<"$line"
	for name in "${names[@]}"; do
		if apt-cache show "$name" >/dev/null 2>&1; then
			wanted+=("$name")
			continue 2
		fi
	done
	echo "no package: $line" >&2
	exit 1
done
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${wanted[@]}"
