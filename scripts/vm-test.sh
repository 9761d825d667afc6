#!/usr/bin/env bash
# Tests on another kernel, in a virtual machine (emulated: it needs no /dev/kvm): Debian's own, with Yama as Ubuntu sets it.
#   scripts/vm-test.sh [OPTION...] [KERNEL [LABELS]]
#     KERNEL    6.1 (as Debian 12 has it), 6.12 (as it offers it), or the name of a kernel package; default: both
#     LABELS    of ctest's tests, as ctest -L takes them; default: "kernel", what depends on the kernel and on Yama most, and
#               files encrypted by AF_ALG, which come back and are read here. "all": every unit, integration, escape and crash
#               test, which takes hours
#     --tests REGEX   of these only what ctest -R takes
#     --run COMMAND   instead of tests, in the build directory
#     --yama SCOPE    kernel.yama.ptrace_scope, default 1
#     --fetch         only see that the kernels are there
#   SCRIM_VM_BUILD=DIR   a built tree; default: build/release, built where it is not
# A line for each test on standard output. Needs root (the machine's root directory is the host's, served by virtiofsd; it
# cannot change anything), a Debian mirror for the kernel, which is not installed, and the packages qemu-system-x86 and
# busybox-static.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
build=$(realpath -m "${SCRIM_VM_BUILD:-build/release}")
scope=1
fetch=false
tests=.
run=
while :; do
	case ${1:-} in
	--tests) tests=$2 && shift 2 ;;
	--run) run=$2 && shift 2 ;;
	--yama) scope=$2 && shift 2 ;;
	--fetch) fetch=true && shift ;;
	-*)
		sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	*) break ;;
	esac
done
kernels=${1:-6.1 6.12}
labels=${2:-kernel}
limit=1100
if [ "$labels" != kernel ] || [ -n "$run" ]; then limit=86400; fi
[ "$labels" != all ] || labels='^(unit|integration|escape|steer|crash)$'
if [ "$(id -u)" -ne 0 ]; then
	echo "scripts/vm-test.sh: needs root" >&2
	exit 2
fi
for program in qemu-system-x86_64 busybox mke2fs; do
	command -v "$program" >/dev/null || {
		echo "scripts/vm-test.sh: no $program: scripts/install-packages.sh" >&2
		exit 2
	}
done
for server in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd ""; do
	[ ! -x "$server" ] || break
done
if [ -z "$server" ]; then
	echo "scripts/vm-test.sh: no virtiofsd: scripts/install-packages.sh" >&2
	exit 2
fi
$fetch || [ -x "$build/src/scrim" ] || {
	cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
	ninja -C "$build"
}
# What is newest of a series, by its meta-package.
package_of() {
	local meta
	case $1 in
	6.1) meta=linux-image-cloud-amd64 ;;
	[0-9]*) meta=linux-image-$1-cloud-amd64 ;;
	*) echo "$1" && return ;;
	esac
	apt-cache depends "$meta" | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -1
}

# The kernel, once: in $cache.
fetch_kernel() {
	package=$(package_of "$1")
	[ -n "$package" ] || {
		echo "scripts/vm-test.sh: there is no kernel $1 here (apt-get update)" >&2
		exit 1
	}
	cache=$build/vm/$package
	[ ! -e "$cache/done" ] || return 0
	mkdir -p "$cache/download"
	(cd "$cache/download" && apt-get -q download "$package")
	dpkg-deb -x "$cache"/download/*.deb "$cache"
	rm -r "$cache/download"
	touch "$cache/done"
}
for kernel in $kernels; do fetch_kernel "$kernel"; done
! $fetch || exit 0

work=
# shellcheck disable=SC2317 # by the trap
cleanup() {
	for process in ${served:-} ${machine:-}; do kill "$process" 2>/dev/null || true; done
	[ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

modules="virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk fuse virtiofs overlay crypto_null
	gf128mul ghash-generic cryptd crypto_simd aesni-intel ctr ecb xts gcm sha256_generic hmac aes_generic af_alg algif_hash algif_skcipher algif_aead crypto_user"

# Unpacked: newer packages have them compressed.
copy_module() {
	local file
	file=$(find "$cache" -name "$1.ko*" | head -1)
	case $file in
	*.xz) xz -dc "$file" >"$work/root/modules/$1.ko" ;;
	?*) cp "$file" "$work/root/modules/" ;;
	esac
}

# Encrypted by the machine's kernel, read by OpenSSL here: the disk that came back holds both trees and the recovery key.
read_back() {
	local back=$work/back
	mkdir -p "$back/home"
	tar -xf "$work/c" -C "$back" || return 1
	HOME=$back/home "$build/src/scrim" key import paper --recovery --raw <"$back/recovery" || return 1
	HOME=$back/home "$build/src/scrim" decrypt -r -q --provider openssl --key paper "$back/encrypted" || return 1
	diff -r --no-dereference "$back/plain" "$back/encrypted" || return 1
	echo "by OpenSSL here the same: $(find "$back/plain" -type f | wc -l) files, $(du -sk "$back/plain" | cut -f1) KiB"
}

# boot KERNEL: its tests; the status says whether all passed.
boot() {
	fetch_kernel "$1"
	work=$(mktemp -d /var/tmp/scrim-vm-XXXXXX)
	mkdir -p "$work/root"/{bin,modules,proc,sys,dev}
	cp "$(command -v busybox)" "$work/root/bin/busybox"
	cp test/vm/init "$work/root/init"
	chmod +x "$work/root/init"
	for module in $modules; do copy_module "$module"; done
	(cd "$work/root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
	for disk in a b; do
		truncate -s 4G "$work/$disk"
		mke2fs -q -t ext4 "$work/$disk"
	done
	truncate -s 256M "$work/c"

	"$server" --socket-path="$work/socket" -o source=/ -o sandbox=chroot -o cache=always -o xattr >"$work/virtiofsd.log" 2>&1 &
	served=$!
	for _ in $(seq 100); do
		[ -S "$work/socket" ] && break
		sleep 0.1
	done
	local log=$build/vm/$1.log disks=() status=0
	for disk in a b c; do disks+=(-drive "file=$work/$disk,format=raw,if=virtio,cache=unsafe"); done
	timeout --foreground "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot \
		-object memory-backend-memfd,id=memory,size=3072M,share=on -numa node,memdev=memory \
		-chardev socket,id=files,path="$work/socket" -device vhost-user-fs-pci,chardev=files,tag=host "${disks[@]}" \
		-nic none -kernel "$(echo "$cache"/boot/vmlinuz-*)" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 scrim.build=$build scrim.source=$source scrim.yama=$scope scrim.labels=$labels scrim.tests=$tests scrim.run=$(printf %s "$run" | base64 -w0)" \
		</dev/null >"$log" 2>&1 &
	machine=$!
	wait "$machine" || true
	kill "$served" 2>/dev/null || true
	machine='' served=''
	cat "$log"
	grep -aq '^the tests ended with status 0' "$log" || status=1
	if grep -aq '^encrypted by AF_ALG' "$log"; then read_back || status=1; fi
	rm -rf "$work"
	return $status
}

status=0
for kernel in $kernels; do
	# The emulator now and then trips over how a booting kernel patches itself ("Oops: int3"): that is no test's failure.
	for _ in 1 2 3; do
		result=0
		boot "$kernel" || result=1
		! grep -aq 'kernel.yama.ptrace_scope' "$build/vm/$kernel.log" || break
	done
	[ "$result" -eq 0 ] || status=1
done
exit $status
