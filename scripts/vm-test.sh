#!/usr/bin/env bash
# Tests on another kernel, in a virtual machine (emulated: it needs no /dev/kvm): Debian's own, with Yama as Ubuntu sets it.
#   scripts/vm-test.sh [--kernel PACKAGE] [--yama SCOPE] [--fetch | TESTS]
#     PACKAGE   a kernel package of Debian's; default: what linux-image-cloud-amd64 depends on
#     SCOPE     kernel.yama.ptrace_scope, default 1
#     --fetch   only see that the kernel is there
#     TESTS     as ctest -R takes it; default: what depends on the kernel and on Yama most. "all": every unit, integration
#               and escape test, which takes hours
#   SCRIM_VM_BUILD=DIR   a built tree; default: build/release, built where it is not
# Needs root (the machine's root directory is the host's, served by virtiofsd; it cannot change anything), a Debian mirror
# for the kernel, which is not installed, and the packages qemu-system-x86 and busybox-static.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
build=$(realpath -m "${SCRIM_VM_BUILD:-build/release}")
package=
scope=1
fetch=false
while :; do
	case ${1:-} in
	--kernel) package=$2 && shift 2 ;;
	--yama) scope=$2 && shift 2 ;;
	--fetch) fetch=true && shift ;;
	*) break ;;
	esac
done
# All of what Yama decides (who may trace: steering, lending, orphans), and what an older kernel has not.
tests=${1:-'^(integration\.(features_refused|doctor|parents(\.user)?)|escape\.append\.user|unit\.(memory|crypt_vectors|crypt_xaes))$'}
limit=1100
[ "$tests" = "${1:-}" ] && limit=86400
[ "$tests" != all ] || tests='^(unit|integration|escape|steer)\.'
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
[ -n "$package" ] || package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -1)

# The kernel, once.
cache=$build/vm/$package
if [ ! -e "$cache/done" ]; then
	mkdir -p "$cache/download"
	(cd "$cache/download" && apt-get download "$package")
	dpkg-deb -x "$cache"/download/*.deb "$cache"
	rm -r "$cache/download"
	touch "$cache/done"
fi
! $fetch || exit 0
kernel=$(echo "$cache"/boot/vmlinuz-*)

# The first process and the modules it needs.
work=$(mktemp -d /var/tmp/scrim-vm-XXXXXX)
cleanup() {
	for process in ${served:-} ${machine:-}; do kill "$process" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/root"/{bin,modules,proc,sys,dev}
cp "$(command -v busybox)" "$work/root/bin/busybox"
cp test/vm/init "$work/root/init"
chmod +x "$work/root/init"
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk fuse virtiofs overlay \
	crypto_null gf128mul ghash-generic ctr gcm aes_generic af_alg algif_hash algif_skcipher algif_aead crypto_user; do
	find "$cache" -name "$module.ko" -exec cp {} "$work/root/modules/" \;
done
(cd "$work/root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
for disk in a b; do
	truncate -s 4G "$work/$disk"
	mke2fs -q -t ext4 "$work/$disk"
done

"$server" --socket-path="$work/socket" -o source=/ -o sandbox=chroot -o cache=always -o xattr >"$work/virtiofsd.log" 2>&1 &
served=$!
for _ in $(seq 50); do
	[ -S "$work/socket" ] && break
	sleep 0.1
done
log=$build/vm/last.log
timeout --foreground "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot \
	-object memory-backend-memfd,id=memory,size=3072M,share=on -numa node,memdev=memory \
	-chardev socket,id=files,path="$work/socket" -device vhost-user-fs-pci,chardev=files,tag=host \
	-drive file="$work/a",format=raw,if=virtio,cache=unsafe -drive file="$work/b",format=raw,if=virtio,cache=unsafe \
	-nic none -kernel "$kernel" -initrd "$work/initrd" \
	-append "console=ttyS0 quiet panic=-1 scrim.build=$build scrim.source=$source scrim.yama=$scope scrim.tests=$tests" \
	</dev/null >"$log" 2>&1 &
machine=$!
wait "$machine" || true
cat "$log"
grep -aq '^the tests ended with status 0' "$log"
