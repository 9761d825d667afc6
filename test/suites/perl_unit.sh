#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run test files of perl, one after the other, each with the switches of its first line.
#   perl_unit.sh OUT FILE...    (from the directory that they expect) what FILE says: OUT/NUMBER, and its name before it
out=$1
shift
number=0
for file; do
	number=$((number + 1))
	switches=$(sed -n '1s/^#!.*perl *\(-[A-Za-z -]*\).*/\1/p' "$file")
	status=0
	# shellcheck disable=SC2086 # one word for each switch
	timeout -s KILL 180 perl $switches "$file" >"$out/tap.$number" 2>&1 || status=$?
	echo "$number $status $file" >>"$out/files"
done
