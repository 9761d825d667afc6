/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that are made at random, and how often. Left out: what ends, blocks or replaces the process itself, what
 * outlives it (System V objects, message queues), and what would change the machine if it were not refused.
 */
#include "fuzz_calls.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Of newer headers than the oldest that this is built with. */
#define NR_cachestat 451
#define NR_fchmodat2 452
#define NR_statmount 457
#define NR_listmount 458
#define NR_setxattrat 463
#define NR_getxattrat 464
#define NR_listxattrat 465
#define NR_removexattrat 466
#define NR_open_tree_attr 467
#define NR_file_getattr 468
#define NR_file_setattr 469

#define LIST(...) (const long[]){__VA_ARGS__}
#define CHOICE(...) {F_CHOICE, sizeof(LIST(__VA_ARGS__)) / sizeof(long), LIST(__VA_ARGS__)}
#define BITS(b) {F_BITS, (long)(b), NULL}
#define BELOW(n) {F_BELOW, (n), NULL}
#define CONST(n) {F_CONST, (long)(n), NULL}
#define K(kind) {kind, 0, NULL}
#define ZERO K(F_ZERO)
#define PATH K(F_PATH)
#define CREATE K(F_CREATE)
#define FD K(F_FD)
#define DIRFD K(F_DIRFD)
#define OUT K(F_OUT)
#define SIZE K(F_SIZE)
#define OFFSET K(F_OFFSET)
#define MODE K(F_MODE)
#define TIMES K(F_TIMES)
#define ADDRESS K(F_ADDRESS)
#define ADDRLEN K(F_ADDRESS_LENGTH)
#define XATTR K(F_XATTR)
#define BYTES K(F_BYTES)
#define IOVEC K(F_IOVEC)
#define MESSAGE K(F_MESSAGE)
#define HOW K(F_HOW)
#define MEMORY K(F_MEMORY)
#define PID K(F_PID)
#define SIGNAL K(F_SIGNAL)
#define ARGV K(F_ARGV)
#define HANDLE K(F_HANDLE)
#define LIMIT K(F_LIMIT)

#define CALL(nr_, weight_, flags_, ...) {#nr_, SYS_##nr_, weight_, flags_, {__VA_ARGS__}}
#define NEWER(nr_, weight_, flags_, ...) {#nr_, NR_##nr_, weight_, flags_, {__VA_ARGS__}}

#define OPEN_BITS (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_PATH | O_NOATIME)
#define AT_BITS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)
#define IDS CHOICE(-1, -1, 54321, 0)

/* clang-format off */
const struct fuzz_call fuzz_calls[] = {
	/* by path */
	CALL(open, 40, 0, PATH, BITS(OPEN_BITS), MODE),
	CALL(openat, 60, 0, DIRFD, PATH, BITS(OPEN_BITS), MODE),
	CALL(openat2, 20, 0, DIRFD, PATH, HOW, CHOICE(24, 24, 24, 24, 16, 32, 4096)),
	CALL(creat, 8, 0, CREATE, MODE),
	CALL(stat, 20, 0, PATH, OUT),
	CALL(lstat, 20, 0, PATH, OUT),
	CALL(newfstatat, 30, 0, DIRFD, PATH, OUT, BITS(AT_BITS)),
	CALL(statx, 20, 0, DIRFD, PATH, BITS(AT_BITS), BITS(0xfff), OUT),
	CALL(access, 10, 0, PATH, BELOW(8)),
	CALL(faccessat, 10, 0, DIRFD, PATH, BELOW(8)),
	CALL(faccessat2, 10, 0, DIRFD, PATH, BELOW(8), BITS(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)),
	CALL(readlink, 20, 0, PATH, OUT, SIZE),
	CALL(readlinkat, 20, 0, DIRFD, PATH, OUT, SIZE),
	CALL(statfs, 5, 0, PATH, OUT),
	CALL(chdir, 12, 0, PATH),
	CALL(fchdir, 6, 0, FD),
	CALL(getcwd, 10, FUZZ_SIGN, OUT, SIZE),
	CALL(mkdir, 10, 0, CREATE, MODE),
	CALL(mkdirat, 10, 0, DIRFD, CREATE, MODE),
	CALL(mknod, 6, 0, CREATE, CHOICE(S_IFREG | 0644, S_IFIFO | 0600, S_IFSOCK | 0600, S_IFCHR | 0600, 0, 0777), CONST(0x103)),
	CALL(mknodat, 6, 0, DIRFD, CREATE, CHOICE(S_IFREG | 0644, S_IFIFO | 0600, S_IFSOCK | 0600, S_IFBLK | 0600), CONST(0x103)),
	CALL(symlink, 10, 0, PATH, CREATE),
	CALL(symlinkat, 10, 0, PATH, DIRFD, CREATE),
	CALL(link, 12, 0, PATH, CREATE),
	CALL(linkat, 12, 0, DIRFD, PATH, DIRFD, CREATE, BITS(AT_SYMLINK_FOLLOW)),
	CALL(unlink, 8, 0, PATH),
	CALL(unlinkat, 8, 0, DIRFD, PATH, BITS(AT_REMOVEDIR)),
	CALL(rmdir, 6, 0, PATH),
	CALL(rename, 10, 0, PATH, CREATE),
	CALL(renameat, 8, 0, DIRFD, PATH, DIRFD, CREATE),
	CALL(renameat2, 12, 0, DIRFD, PATH, DIRFD, CREATE, BITS(3)),
	CALL(chmod, 6, 0, PATH, CHOICE(0755, 0644, 0700, 0777, 04755, 0444)),
	CALL(fchmodat, 6, 0, DIRFD, PATH, CHOICE(0755, 0644, 0700, 0777)),
	NEWER(fchmodat2, 6, 0, DIRFD, PATH, CHOICE(0755, 0644, 0700), BITS(AT_BITS)),
	CALL(chown, 4, 0, PATH, IDS, IDS),
	CALL(lchown, 4, 0, PATH, IDS, IDS),
	CALL(fchownat, 4, 0, DIRFD, PATH, IDS, IDS, BITS(AT_BITS)),
	CALL(utime, 3, 0, PATH, TIMES),
	CALL(utimes, 3, 0, PATH, TIMES),
	CALL(futimesat, 3, 0, DIRFD, PATH, TIMES),
	CALL(utimensat, 8, 0, DIRFD, PATH, TIMES, BITS(AT_BITS)),
	CALL(truncate, 8, 0, PATH, CHOICE(0, 1, 100, 5000, 70000, -1)),
	CALL(setxattr, 5, 0, PATH, XATTR, BYTES, BELOW(300), BELOW(3)),
	CALL(lsetxattr, 5, 0, PATH, XATTR, BYTES, BELOW(300), BELOW(3)),
	CALL(getxattr, 6, 0, PATH, XATTR, OUT, SIZE),
	CALL(lgetxattr, 6, 0, PATH, XATTR, OUT, SIZE),
	CALL(listxattr, 6, 0, PATH, OUT, SIZE),
	CALL(llistxattr, 6, 0, PATH, OUT, SIZE),
	CALL(removexattr, 4, 0, PATH, XATTR),
	CALL(lremovexattr, 4, 0, PATH, XATTR),
	NEWER(setxattrat, 3, 0, DIRFD, PATH, BITS(AT_BITS), XATTR, BYTES, CHOICE(16, 16, 8, 24)),
	NEWER(getxattrat, 3, 0, DIRFD, PATH, BITS(AT_BITS), XATTR, BYTES, CHOICE(16, 16, 8, 24)),
	NEWER(listxattrat, 5, 0, DIRFD, PATH, BITS(AT_BITS), OUT, SIZE),
	NEWER(removexattrat, 3, 0, DIRFD, PATH, BITS(AT_BITS), XATTR),
	NEWER(file_getattr, 4, 0, DIRFD, PATH, OUT, CHOICE(24, 24, 16, 32, 4096), BITS(AT_BITS)),
	CALL(inotify_add_watch, 8, 0, FD, PATH, BITS(IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_MASK_ADD)),
	CALL(name_to_handle_at, 8, 0, DIRFD, PATH, HANDLE, OUT, BITS(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)),
	CALL(execve, 5, FUZZ_EXEC, PATH, ARGV, ARGV),
	CALL(execveat, 5, FUZZ_EXEC, DIRFD, PATH, ARGV, ARGV, BITS(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)),
	/* sockets */
	CALL(socket, 8, 0, CHOICE(AF_UNIX, AF_UNIX, AF_INET, AF_INET6, 38, 99), CHOICE(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, 9), ZERO),
	CALL(socketpair, 6, 0, CHOICE(AF_UNIX, AF_INET), CHOICE(SOCK_STREAM, SOCK_DGRAM), ZERO, OUT),
	CALL(connect, 12, 0, FD, ADDRESS, ADDRLEN),
	CALL(bind, 12, 0, FD, ADDRESS, ADDRLEN),
	CALL(listen, 4, 0, FD, BELOW(4)),
	CALL(sendto, 12, 0, FD, BYTES, BELOW(1000), BITS(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR), ADDRESS, ADDRLEN),
	CALL(sendmsg, 12, 0, FD, MESSAGE, BITS(MSG_DONTWAIT | MSG_NOSIGNAL)),
	CALL(sendmmsg, 6, 0, FD, MESSAGE, BELOW(3), BITS(MSG_DONTWAIT | MSG_NOSIGNAL)),
	CALL(recvfrom, 6, 0, FD, OUT, SIZE, CONST(MSG_DONTWAIT), ZERO, ZERO),
	CALL(recvmsg, 4, 0, FD, MESSAGE, CONST(MSG_DONTWAIT)),
	CALL(getsockname, 4, 0, FD, OUT, LIMIT),
	CALL(getpeername, 4, 0, FD, OUT, LIMIT),
	CALL(getsockopt, 4, FUZZ_SIGN, FD, CHOICE(1, 1, 0, 6), BELOW(60), OUT, LIMIT),
	CALL(shutdown, 2, 0, FD, BELOW(4)),
	/* by descriptor */
	CALL(read, 30, 0, FD, OUT, SIZE),
	CALL(pread64, 15, 0, FD, OUT, SIZE, OFFSET),
	CALL(readv, 8, 0, FD, IOVEC, BELOW(4)),
	CALL(preadv2, 6, 0, FD, IOVEC, BELOW(3), OFFSET, ZERO, BITS(0x3f)),
	CALL(write, 15, 0, FD, BYTES, BELOW(3000)),
	CALL(pwrite64, 8, 0, FD, BYTES, BELOW(3000), OFFSET),
	CALL(writev, 6, 0, FD, IOVEC, BELOW(3)),
	CALL(pwritev2, 6, 0, FD, IOVEC, BELOW(3), OFFSET, ZERO, BITS(0x1f)),
	CALL(lseek, 12, FUZZ_SIGN, FD, OFFSET, BELOW(6)),
	CALL(fstat, 12, 0, FD, OUT),
	CALL(fstatfs, 3, 0, FD, OUT),
	CALL(getdents, 10, FUZZ_SIGN, FD, OUT, SIZE),
	CALL(getdents64, 20, FUZZ_SIGN, FD, OUT, SIZE),
	CALL(fchmod, 4, 0, FD, CHOICE(0755, 0644, 0700)),
	CALL(fchown, 3, 0, FD, IDS, IDS),
	CALL(ftruncate, 6, 0, FD, CHOICE(0, 1, 100, 5000, 70000, -1)),
	CALL(fallocate, 6, 0, FD, BITS(0x7f), CHOICE(0, 4096, 1, -1), CHOICE(1, 4096, 70000, 0)),
	CALL(fsetxattr, 4, 0, FD, XATTR, BYTES, BELOW(300), BELOW(3)),
	CALL(fgetxattr, 4, 0, FD, XATTR, OUT, SIZE),
	CALL(flistxattr, 4, 0, FD, OUT, SIZE),
	CALL(fremovexattr, 3, 0, FD, XATTR),
	CALL(fcntl, 20, 0, FD, CHOICE(F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_DUPFD_CLOEXEC, F_GETPIPE_SZ,
		F_ADD_SEALS, F_GET_SEALS, F_GETOWN, F_GETSIG, F_OFD_SETLK, F_GETLEASE), CHOICE(0, 1, 5, 20, O_APPEND, O_RDONLY, -1)),
	CALL(flock, 4, 0, FD, CHOICE(LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, 77)),
	CALL(fsync, 1, 0, FD),
	CALL(fdatasync, 1, 0, FD),
	CALL(sync_file_range, 2, 0, FD, OFFSET, OFFSET, BITS(7)),
	CALL(fadvise64, 2, 0, FD, OFFSET, SIZE, BELOW(8)),
	CALL(readahead, 2, 0, FD, OFFSET, SIZE),
	CALL(dup, 8, 0, FD),
	CALL(dup2, 6, 0, FD, CHOICE(8, 9, 10, 11, 12)),
	CALL(dup3, 6, 0, FD, CHOICE(8, 9, 10, 11, 12), CHOICE(0, O_CLOEXEC, 5)),
	CALL(close, 25, 0, CHOICE(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)),
	CALL(close_range, 2, 0, CHOICE(12, 15, 20), CHOICE(18, 20, 24), CHOICE(0, 0, 4, 1)),
	CALL(pipe2, 4, 0, OUT, CONST(O_NONBLOCK)),
	CALL(sendfile, 8, 0, FD, FD, ZERO, SIZE),
	CALL(splice, 6, 0, FD, ZERO, FD, ZERO, SIZE, CONST(2)),
	CALL(tee, 3, 0, FD, FD, SIZE, CONST(2)),
	CALL(vmsplice, 3, 0, FD, IOVEC, BELOW(3), CONST(2)),
	CALL(copy_file_range, 8, 0, FD, ZERO, FD, ZERO, SIZE, ZERO),
	CALL(ioctl, 12, 0, FD, CHOICE(0x5421, 0x5401, 0x541b, 0x5451, 0x80086601, 0x40049409, 0x4020940d, 0xc020660b, 0x801c581f, 0x4008662a), OUT),
	NEWER(cachestat, 2, FUZZ_SIGN, FD, OUT, OUT, ZERO),
	CALL(inotify_init1, 4, FUZZ_REFUSED, CONST(O_NONBLOCK)), /* PARITY, inotify: a pipe */
	CALL(inotify_rm_watch, 4, 0, FD, BELOW(4)),
	CALL(eventfd2, 2, 0, BELOW(4), CONST(O_NONBLOCK)),
	CALL(memfd_create, 4, 0, XATTR, CHOICE(0, 1, 2, 3, 8, 16)),
	CALL(epoll_create1, 2, 0, CHOICE(0, O_CLOEXEC, 3)),
	CALL(epoll_ctl, 3, 0, FD, BELOW(4), FD, OUT),
	CALL(epoll_wait, 2, FUZZ_LOOSE, FD, OUT, BELOW(4), ZERO),
	CALL(poll, 2, FUZZ_LOOSE, OUT, BELOW(3), ZERO),
	CALL(timerfd_create, 1, 0, BELOW(3), CONST(O_NONBLOCK)),
	CALL(signalfd4, 1, 0, CONST(-1), OUT, CONST(8), CONST(O_NONBLOCK)),
	/* memory: in a range of our own */
	CALL(mmap, 15, FUZZ_MAPS, MEMORY, BELOW(70000), CHOICE(0, 1, 3, 5, 7), CHOICE(MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE | MAP_ANONYMOUS), FD,
		CHOICE(0, 0, 0, 4096, 1)),
	CALL(mprotect, 6, 0, MEMORY, BELOW(20000), CHOICE(0, 1, 3, 5, 7, 99)),
	CALL(munmap, 4, 0, MEMORY, BELOW(20000)),
	CALL(msync, 3, 0, MEMORY, BELOW(20000), BELOW(8)),
	CALL(madvise, 4, 0, MEMORY, BELOW(20000), CHOICE(0, 1, 2, 3, 4, 8, 16, 17, 18, 19)),
	CALL(mincore, 3, 0, MEMORY, BELOW(20000), OUT),
	CALL(mlock, 2, 0, MEMORY, BELOW(20000)),
	CALL(munlock, 2, 0, MEMORY, BELOW(20000)),
	/* the process */
	CALL(umask, 4, 0, CHOICE(0, 022, 027, 02)),
	CALL(getppid, 2, FUZZ_SIGN, ZERO),
	CALL(getpgid, 1, FUZZ_SIGN, PID),
	CALL(getsid, 1, FUZZ_SIGN, PID),
	CALL(getresuid, 1, 0, OUT, OUT, OUT),
	CALL(getgroups, 1, 0, BELOW(40), OUT),
	CALL(kill, 2, 0, PID, SIGNAL),
	CALL(tgkill, 1, 0, PID, PID, SIGNAL),
	CALL(fork, 2, FUZZ_CHILD, ZERO),
	CALL(clone, 2, FUZZ_CHILD, CHOICE(17, CLONE_FS | 17, CLONE_FILES | 17, CLONE_FS | CLONE_FILES | 17), ZERO, ZERO, ZERO, ZERO),
	CALL(wait4, 3, FUZZ_LOOSE, CONST(-1), OUT, CONST(WNOHANG), ZERO),
	CALL(unshare, 2, 0, CHOICE(CLONE_FS, CLONE_FILES, CLONE_FS | CLONE_FILES, 0)),
	CALL(prctl, 4, FUZZ_SIGN, CHOICE(PR_GET_NAME, PR_GET_KEEPCAPS, PR_GET_PDEATHSIG, PR_GET_TIMERSLACK, PR_GET_SECUREBITS), OUT),
	CALL(getrlimit, 1, FUZZ_SIGN, BELOW(18), OUT),
	CALL(prlimit64, 2, 0, ZERO, CHOICE(RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_STACK), LIMIT, OUT),
	CALL(getpriority, 1, FUZZ_SIGN, BELOW(4), ZERO),
	CALL(uname, 1, 0, OUT),
	CALL(sysinfo, 1, FUZZ_SIGN, OUT),
	CALL(getrandom, 1, 0, OUT, BELOW(300), BITS(1)),
	CALL(sched_yield, 1, 0, ZERO),
	CALL(setresuid, 1, 0, CONST(-1), CONST(-1), CONST(-1)),
	CALL(setfsuid, 1, FUZZ_SIGN, CONST(-1)),
	/* refused inside, or there for what they might tell */
	CALL(ioctl, 3, FUZZ_REFUSED, FD, CHOICE(0x89e0, 0x5412, 0x40089413, 0xc0086e01, 0x4004660c), OUT),
	CALL(open_by_handle_at, 6, FUZZ_REFUSED, FD, HANDLE, BITS(OPEN_BITS)),
	CALL(chroot, 4, FUZZ_REFUSED, PATH),
	CALL(pivot_root, 2, FUZZ_REFUSED, PATH, PATH),
	CALL(mount, 3, FUZZ_REFUSED, PATH, PATH, XATTR, CHOICE(4096, 0, 32), ZERO),
	CALL(umount2, 3, FUZZ_REFUSED, PATH, BITS(8)),
	CALL(swapon, 1, FUZZ_REFUSED, PATH, ZERO),
	CALL(swapoff, 1, FUZZ_REFUSED, PATH),
	CALL(acct, 1, FUZZ_REFUSED, PATH),
	CALL(uselib, 1, FUZZ_REFUSED, PATH),
	CALL(quotactl, 2, FUZZ_REFUSED, CONST(0x800005 << 8), PATH, ZERO, OUT),
	CALL(fspick, 2, FUZZ_REFUSED, DIRFD, PATH, BITS(7)),
	CALL(fsopen, 1, FUZZ_REFUSED, XATTR, ZERO),
	CALL(open_tree, 4, FUZZ_REFUSED, DIRFD, PATH, BITS(0x80001 | AT_BITS)),
	NEWER(open_tree_attr, 2, FUZZ_REFUSED, DIRFD, PATH, BITS(0x80001), ZERO, ZERO),
	CALL(move_mount, 2, FUZZ_REFUSED, DIRFD, PATH, DIRFD, PATH, ZERO),
	CALL(mount_setattr, 2, FUZZ_REFUSED, DIRFD, PATH, BITS(AT_BITS), OUT, CONST(32)),
	NEWER(statmount, 2, FUZZ_REFUSED, OUT, OUT, SIZE, ZERO),
	NEWER(listmount, 2, FUZZ_REFUSED, OUT, OUT, SIZE, ZERO),
	NEWER(file_setattr, 3, FUZZ_REFUSED, DIRFD, PATH, OUT, CONST(24), BITS(AT_BITS)),
	CALL(fanotify_init, 2, FUZZ_REFUSED, BITS(0xfff), CONST(O_NONBLOCK)),
	CALL(fanotify_mark, 2, FUZZ_REFUSED, FD, BITS(7), BITS(0xfff), DIRFD, PATH),
	CALL(setns, 1, FUZZ_REFUSED, FD, ZERO),
	CALL(pidfd_open, 2, FUZZ_REFUSED, PID, ZERO),
	CALL(pidfd_getfd, 2, FUZZ_REFUSED, FD, FD, ZERO),
	CALL(kcmp, 1, FUZZ_REFUSED, PID, PID, BELOW(8), FD, FD),
	CALL(process_vm_readv, 2, FUZZ_REFUSED, PID, IOVEC, CONST(1), IOVEC, CONST(1), ZERO),
	CALL(ptrace, 2, FUZZ_REFUSED, CHOICE(1, 16, 0x4206), PID, MEMORY, ZERO),
	CALL(io_uring_setup, 2, FUZZ_REFUSED, BELOW(9), OUT),
	CALL(io_setup, 2, FUZZ_REFUSED, BELOW(9), OUT),
	CALL(userfaultfd, 1, FUZZ_REFUSED, CONST(O_NONBLOCK)),
	CALL(perf_event_open, 1, FUZZ_REFUSED, OUT, ZERO, CONST(-1), CONST(-1), ZERO),
	CALL(bpf, 1, FUZZ_REFUSED, BELOW(40), OUT, SIZE),
	CALL(keyctl, 1, FUZZ_REFUSED, BELOW(12), CONST(-3), OUT, SIZE),
	CALL(add_key, 1, FUZZ_REFUSED, XATTR, XATTR, BYTES, BELOW(30), CONST(-3)),
	CALL(lookup_dcookie, 1, FUZZ_REFUSED, SIZE, OUT, SIZE),
	CALL(remap_file_pages, 1, FUZZ_REFUSED, MEMORY, CONST(4096), ZERO, BELOW(9), ZERO),
};

const size_t fuzz_call_count = sizeof(fuzz_calls) / sizeof(fuzz_calls[0]);
