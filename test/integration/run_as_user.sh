#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a test of this directory as an ordinary user, from copies that such a user can reach (a checkout beneath /root).
#   run_as_user.sh PROGRAM TEST.py
set -eu
here=$(dirname "$(realpath "$0")")
scratch=$(mktemp -d /tmp/scrim-user-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
cp "$1" "$here"/run_*.py "$here"/drivers.py "$here"/terminal.py "$scratch/"
run=(env -i "HOME=$scratch" PATH=/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1
	python3 "$scratch/$(basename "$2")" "$scratch/$(basename "$1")")
cd "$scratch"
if [ "$(id -u)" -eq 0 ]; then
	chown -R 65534:65534 "$scratch"
	setpriv --reuid 65534 --regid 65534 --clear-groups "${run[@]}"
else
	"${run[@]}"
fi
