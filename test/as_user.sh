#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a test as an ordinary user, in a directory of that user's own: as uid 65534 where we are root, as ourselves where we
# are an ordinary user already. That it is one is asserted: no uid 0 and no capability.
#   launch.sh SOURCE as_user.sh COMMAND ARGUMENT...
set -eu
scratch=$(mktemp -d /tmp/scrim-user-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
as=()
if [ "$(id -u)" -eq 0 ]; then
	chown 65534:65534 "$scratch"
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi
cd "$scratch"
# shellcheck disable=SC2016 # for the other shell
"${as[@]}" env HOME="$scratch" sh -c '
	grep -q "^CapEff:.0000000000000000$" /proc/self/status && [ "$(id -u)" -ne 0 ] || {
		echo "as_user.sh: this is no ordinary user"
		exit 1
	}
	echo "as uid $(id -u)"
	exec "$@"' sh "$@"
