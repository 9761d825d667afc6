#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inside the machine: the tests, their verdict on the console, the end.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 SCRIM_MUST_RUN=1 SCRIM_HAS_AF_ALG=1 TERM=dumb SCRIM_SLOW=10
run=
read -ra words </proc/cmdline
for word in "${words[@]}"; do
	case $word in
	scrim.build=*) build=${word#*=} ;;
	scrim.source=*) source=${word#*=} ;;
	scrim.labels=*) labels=${word#*=} ;;
	scrim.tests=*) tests=${word#*=} ;;
	scrim.run=*) run=$(base64 -d <<<"${word#*=}") ;;
	scrim.yama=*) echo "${word#*=}" >/proc/sys/kernel/yama/ptrace_scope ;;
	esac
done
ip link set lo up 2>/dev/null
mkdir -p "$HOME"
echo "Linux $(uname -r), kernel.yama.ptrace_scope $(cat /proc/sys/kernel/yama/ptrace_scope)"
status=0
# The kernel's own ciphers by AF_ALG, which many machines that tests run on have not: there outside, refused inside.
hash='import socket; s = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET); s.bind(("hash", "sha256"))
f, _ = s.accept(); f.send(b"abc"); print(f.recv(4).hex())'
[ "$(python3 -c "$hash" 2>&1)" = ba7816bf ] || {
	echo "no AF_ALG outside"
	status=1
}
case $("$build/src/scrim" run -r 'hide /nonexistent-scrim' -- python3 -c "$hash" 2>&1) in
*"Address family not supported"*) ;;
*) echo "AF_ALG inside" && status=1 ;;
esac
# A processor that is emulated is slow: what has a time limit gets ten times as much (in memory, as all that is written).
sed -i 's/TIMEOUT "\([0-9]*\)"/TIMEOUT "\10"/' "$build/test/CTestTestfile.cmake"
# Keys by serial number came with 6.2: then a key of type logon has to work.
[ "$(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -1)" != 6.2 ] || export SCRIM_HAS_KEY_SERIAL=1
cd "$build" || status=1
if [ -n "$run" ]; then
	bash -c "$run" || status=$?
else
	setsid -w ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 3000 -j 2 -L "$labels" -R "$tests" || status=$?
	[ "$labels" != kernel ] || "$source/test/vm/afalg.sh" "$build/src/scrim" /dev/vdc || status=1
fi
echo "the tests ended with status $status"
sync
echo o >/proc/sysrq-trigger
sleep 60
