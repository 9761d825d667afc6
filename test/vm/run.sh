#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inside the machine: the tests, their verdict on the console, the end.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 SCRIM_MUST_RUN=1 SCRIM_HAS_AF_ALG=1 TERM=dumb
read -ra words </proc/cmdline
for word in "${words[@]}"; do
	case $word in
	scrim.build=*) build=${word#*=} ;;
	scrim.tests=*) tests=${word#*=} ;;
	scrim.yama=*) echo "${word#*=}" >/proc/sys/kernel/yama/ptrace_scope ;;
	esac
done
ip link set lo up 2>/dev/null
mkdir -p "$HOME"
echo "Linux $(uname -r), kernel.yama.ptrace_scope $(cat /proc/sys/kernel/yama/ptrace_scope)"
status=0
# A processor that is emulated is slow: what has a time limit gets ten times as much.
cd "$build" && setsid -w ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 3000 -j 2 -R "$tests" ||
	status=$?
echo "the tests ended with status $status"
sync
echo o >/proc/sysrq-trigger
sleep 60
