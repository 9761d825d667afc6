#!/usr/bin/env bash
# Other architectures, with Debian's cross compilers and libraries and qemu-user:
#   scripts/cross.sh [ARCHITECTURE...]
#     arm64, i386   all that builds there is built, and the unit tests of the store, the keys and the ciphers are run
#     s390x         the same store, big-endian: it reads the golden files that x86-64 wrote
#   SCRIM_CROSS_BUILD=DIR   where to build, and where the libraries are unpacked (default: build/cross)
# The compilers are Debian packages that are installed (scripts/packages-cross.txt); the libraries are fetched by apt-get download
# for the other architecture, from lists of packages of their own, and unpacked, not installed: this machine's packages and
# lists stay as they are. Needs a Debian mirror and, to install what is missing, root. The view is of x86-64 alone (its
# system calls, its registers), so that of the rooms crypt and base are built.
set -eu
cd "$(dirname "$0")/.."
source=$PWD
build=$(realpath -m "${SCRIM_CROSS_BUILD:-build/cross}")
architectures=("$@")
[ $# -gt 0 ] || architectures=(arm64 i386 s390x)

declare -A triplet=([arm64]=aarch64-linux-gnu [i386]=i686-linux-gnu [s390x]=s390x-linux-gnu)
declare -A folder=([arm64]=aarch64-linux-gnu [i386]=i386-linux-gnu [s390x]=s390x-linux-gnu)
declare -A processor=([arm64]=aarch64 [i386]=i386 [s390x]=s390x)

./scripts/install-packages.sh scripts/packages-cross.txt

# apt with lists of its own, for ARCHITECTURE beside this machine's.
apt_for() {
	local arch=$1 state=$build/$1/apt
	shift
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	[ -e "$state/status" ] || : >"$state/status"
	"$@" -qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" -o Dir::State="$state" -o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" -o APT::Sandbox::User=root
}

# What is linked, with all that it needs, down to the C library that the emulator runs; its headers come with the compiler.
fetch_libraries() {
	local arch=$1 root=$build/$1/root names
	[ ! -e "$root/done" ] || return 0
	mkdir -p "$root" "$build/$arch/download"
	apt_for "$arch" apt-get update
	names=$(apt_for "$arch" apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
		libsodium-dev libssl-dev libcmocka-dev | grep '^lib' | grep -v '[<:]' | sort -u)
	# shellcheck disable=SC2086 # a list of words
	(cd "$build/$arch/download" && apt_for "$arch" apt-get download $names)
	for package in "$build/$arch/download"/*.deb; do dpkg-deb -x "$package" "$root"; done
	rm -r "$build/$arch/download"
	touch "$root/done"
}

configure() {
	local arch=$1 root=$build/$1/root
	cat >"$build/$arch/toolchain.cmake" <<EOF
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${processor[$arch]})
set(CMAKE_C_COMPILER ${triplet[$arch]}-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${processor[$arch]} -L $root)
set(CMAKE_FIND_ROOT_PATH $root)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
EOF
	PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/lib/${folder[$arch]}/pkgconfig:$root/usr/share/pkgconfig \
		cmake -G Ninja -S "$source/test/cross" -B "$build/$arch/build" -DCMAKE_TOOLCHAIN_FILE="$build/$arch/toolchain.cmake" \
		-DCMAKE_BUILD_TYPE=RelWithDebInfo -DSCRIM_HEADERS="$root/usr/include/${folder[$arch]}" -DSCRIM_LIBRARIES="$root/usr/lib/${folder[$arch]}" >/dev/null
}

status=0
for arch in "${architectures[@]}"; do
	[ -n "${triplet[$arch]:-}" ] || {
		echo "scripts/cross.sh: no architecture $arch (arm64, i386, s390x)" >&2
		exit 2
	}
	fetch_libraries "$arch"
	configure "$arch"
	ninja -C "$build/$arch/build"
	ctest --test-dir "$build/$arch/build" --output-on-failure --no-tests=error -j "$(nproc)" || status=1
	file -bL "$build/$arch/build/unit_store_golden" | cut -d, -f1-2
done
exit $status
