#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a test where it can do what it wants to:
# - so that the ordinary user it may become can reach what it uses: where the checkout or the build lies in a directory
#   that others may not enter (beneath /root, say), from copies;
# - in a process group of its own, with its parent in another one of the session: in an orphaned one (a CI runner without
#   a shell) the kernel ignores SIGTSTP.
#   launch.sh SOURCE COMMAND ARGUMENT...
set -eu
source=$1
shift

others_reach() { setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$1" 2>/dev/null; }

reached=true
if [ "$(id -u)" -eq 0 ]; then
	for word in "$source/test" "$@"; do
		[ "${word#/}" = "$word" ] || [ ! -e "$word" ] || others_reach "$word" || reached=false
	done
fi
run() {
	set -m
	"$@" &
	wait -f $!
}
if $reached; then
	run "$@"
	exit
fi

place=$(mktemp -d /tmp/scrim-reachable-XXXXXX)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
mkdir "$place/source" "$place/built"
tar -C "$source" --exclude=./.git --exclude='./build*' -cf - . | tar -C "$place/source" --no-same-owner -xf -
chmod -R go+rX "$place/source"
words=()
for word in "$@"; do
	name=${word%%=*}=
	[ "${word#"$name"}" != "$word" ] || name=
	path=${word#"$name"}
	if [ "${path#"$source"}" != "$path" ] && [ -e "$place/source${path#"$source"}" ]; then
		path=$place/source${path#"$source"}
	elif [ "${path#/}" != "$path" ] && [ -f "$path" ] && ! others_reach "$path"; then
		# With what was built beside it under the same first word: programs that find each other by their place.
		base=${path##*/}
		cp "${path%/*}/${base%%_*}"* "$place/built/" 2>/dev/null || cp "$path" "$place/built/"
		path=$place/built/$base
	fi
	words+=("$name$path")
done
chmod -R go+rX "$place/built"
cd "$place"
run "${words[@]}"
