#!/usr/bin/env bash
# Tests on another kernel, in a virtual machine (emulated: it needs no /dev/kvm): Debian's own, with Yama as Ubuntu sets it.
#   scripts/vm-test.sh [--kernel PACKAGE] [--yama SCOPE] [TESTS]
#     PACKAGE   a kernel package of Debian's; default: what linux-image-cloud-amd64 depends on
#     SCOPE     kernel.yama.ptrace_scope, default 1
#     TESTS     as ctest -R takes it; default: what depends on the kernel most. Minutes.
#   SCRIM_VM_BUILD=DIR   a built tree; default: build/release, built where it is not
# Needs root (the machine's root directory is the host's, served by virtiofsd; it cannot change anything) and the packages
# qemu-system-x86 and busybox.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
build=$(realpath -m "${SCRIM_VM_BUILD:-build/release}")
package=
scope=1
while :; do
	case ${1:-} in
	--kernel) package=$2 && shift 2 ;;
	--yama) scope=$2 && shift 2 ;;
	*) break ;;
	esac
done
tests=${1:-'^(integration\.(features_(lend|refused)|filter_requirements)|unit\.(listing|memory|crypt_vectors|crypt_xaes))$'}
if [ "$(id -u)" -ne 0 ]; then
	echo "scripts/vm-test.sh: needs root" >&2
	exit 2
fi
[ -x "$build/src/scrim" ] || {
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
kernel=$(echo "$cache"/boot/vmlinuz-*)

# The first process and the modules it needs.
work=$(mktemp -d /var/tmp/scrim-vm-XXXXXX)
cleanup() {
	[ -z "${served:-}" ] || kill "$served" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
mkdir -p "$work/root"/{bin,modules,proc,sys,dev}
cp "$(command -v busybox)" "$work/root/bin/busybox"
cp test/vm/init "$work/root/init"
chmod +x "$work/root/init"
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk fuse virtiofs overlay \
	crypto_null gf128mul ghash-generic ctr gcm aes_generic af_alg algif_aead crypto_user; do
	find "$cache" -name "$module.ko" -exec cp {} "$work/root/modules/" \;
done
(cd "$work/root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
for disk in a b; do
	truncate -s 4G "$work/$disk"
	mke2fs -q -t ext4 "$work/$disk"
done

/usr/lib/qemu/virtiofsd --socket-path="$work/socket" -o source=/ -o sandbox=chroot -o cache=always -o xattr >"$work/virtiofsd.log" 2>&1 &
served=$!
for _ in $(seq 50); do
	[ -S "$work/socket" ] && break
	sleep 0.1
done
log=$build/vm/last.log
timeout -s KILL 3600 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 6144 -nographic -no-reboot \
	-object memory-backend-memfd,id=memory,size=6144M,share=on -numa node,memdev=memory \
	-chardev socket,id=files,path="$work/socket" -device vhost-user-fs-pci,chardev=files,tag=host \
	-drive file="$work/a",format=raw,if=virtio,cache=unsafe -drive file="$work/b",format=raw,if=virtio,cache=unsafe \
	-nic none -kernel "$kernel" -initrd "$work/initrd" \
	-append "console=ttyS0 quiet panic=-1 scrim.build=$build scrim.source=$source scrim.yama=$scope scrim.tests=$tests" \
	</dev/null 2>&1 | tee "$log"
grep -aq '^the tests ended with status 0' "$log"
