#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What needs the caller's own open file description, where the means to reach it are missing: as natively.
#	lend.sh SCRIM WITHOUT LEND [USER]
set -eu
scrim=$1 without=$2 lend=$3 user=${4:-}
place=$(mktemp -d /tmp/scrim-lend-XXXXXX)
trap 'rm -rf "$place"' EXIT
mkdir "$place/d"
for i in $(seq 60); do : >"$place/d/file-$i"; done
: >"$place/d/secret"
: >"$place/victim"
as=()
if [ -n "$user" ]; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "already an ordinary user: the other test is this one"
		exit 77
	fi
	chown -R "$user" "$place"
	as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
fi
failed=0
for feature in none pidfd_getfd kcmp,pidfd_thread pidfd_thread docker; do
	wrap=()
	[ "$feature" = none ] || wrap=("$without" "$feature" --)
	# Natively it is not there: a name of another length would change how many entries a bite holds.
	mv "$place/d/secret" "$place/secret"
	"${as[@]}" "${wrap[@]}" "$lend" "$place/d" "$place/victim" >"$place/natively"
	mv "$place/secret" "$place/d/secret"
	status=0
	"${as[@]}" "${wrap[@]}" timeout -s KILL 120 "$scrim" run --stats "$place/stats" --log /dev/null \
		--hide "$place/d/secret" --append "$place/elsewhere" -- \
		"$lend" "$place/d" "$place/victim" >"$place/inside" || status=$?
	if ! diff "$place/natively" "$place/inside"; then
		echo "FAIL: $feature: inside differs from natively"
		failed=1
	fi
	if [ "$status" -ne 0 ]; then
		echo "FAIL: $feature: status $status"
		failed=1
	fi
	# Each was served, and with nothing missing none was lent.
	for call in getdents64 ftruncate fallocate fcntl fchmod bind sendto sendmsg inotify_add_watch; do
		if ! grep -q "\"$call\":" "$place/stats"; then
			echo "FAIL: $feature: $call was not mediated"
			failed=1
		fi
	done
	lent=$(sed -n 's/.*"lent": \([0-9]*\).*/\1/p' "$place/stats")
	case $feature in
	none) [ "$lent" -eq 0 ] ;;
	pidfd_thread) [ "$lent" -gt 0 ] && [ "$lent" -lt 100 ] ;; # the thread with a table of its own
	*) [ "$lent" -gt 10 ] ;;
	esac || {
		echo "FAIL: $feature: $lent descriptions were lent"
		failed=1
	}
	echo "$feature: $(wc -l <"$place/inside") lines as natively, $lent lent"
done
exit "$failed"
