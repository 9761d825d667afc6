/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that can be mediated, and some that are screened. Widths: the prototypes of the kernel's SYSCALL_DEFINEs. */
#include "abi.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define INT(v) {ABI_INT, (long)(v), NULL, 0}
#define MODE(v) {ABI_MODE, (v), NULL, 0}
#define LONG(v) {ABI_LONG, (long)(v), NULL, 0}
#define DIRFD {ABI_DIRFD, 0, NULL, 0}
#define FD {ABI_FD, 0, NULL, 0}
#define LIST {ABI_LIST, 0, NULL, 0}
#define SOCKET {ABI_SOCKET, 0, NULL, 0}
#define PATH(s) {ABI_PATH, 0, s, 0}
#define OUT {ABI_OUT, 0, NULL, 0}
#define IN(x) {ABI_IN, 0, &(x), sizeof(x)}
#define CALL(nr_, ...) {#nr_, SYS_##nr_, {__VA_ARGS__}}
#define CALL_AS(name_, nr_, ...) {name_, nr_, {__VA_ARGS__}}

static const struct open_how how = {.flags = O_RDWR, .resolve = RESOLVE_NO_MAGICLINKS};
static const struct timeval two_timevals[2] = {{1000000000, 1}, {1000000001, 2}};
static const struct timespec two_timespecs[2] = {{1000000002, 3}, {1000000003, 4}};
static const struct utimbuf utimbuf = {1000000004, 1000000005};
static const struct sockaddr_un nobody = {AF_UNIX, "nobody"};
static const struct sockaddr_un file = {AF_UNIX, "file"};
static const struct sockaddr_un fresh = {AF_UNIX, "new"};
static const struct msghdr empty_message;
static const struct mmsghdr empty_messages[2];
static const char some_bytes[8] = "content";
static const unsigned handle_bytes[34] = {128};
static const uint64_t file_attr[3];
static const struct {
	uint64_t value;
	uint32_t size, flags;
} xattr_args;

const struct abi_call abi_calls[] = {
	CALL(open, PATH("file"), INT(O_RDWR), MODE(0)),
	CALL_AS("open O_CREAT", SYS_open, PATH("new"), INT(O_RDWR | O_CREAT | O_EXCL), MODE(0640)),
	CALL_AS("open O_PATH", SYS_open, PATH("link"), INT(O_PATH | O_NOFOLLOW), MODE(0)),
	CALL_AS("open O_TMPFILE", SYS_open, PATH("dir"), INT(O_RDWR | O_TMPFILE), MODE(0600)),
	CALL(creat, PATH("new"), MODE(0604)),
	CALL(openat, DIRFD, PATH("file"), INT(O_RDONLY), MODE(0)),
	CALL_AS("openat O_CREAT", SYS_openat, DIRFD, PATH("new"), INT(O_WRONLY | O_CREAT), MODE(0406)),
	CALL(openat2, DIRFD, PATH("file"), IN(how), LONG(sizeof(how))),
	CALL(stat, PATH("file"), OUT),
	CALL(lstat, PATH("link"), OUT),
	CALL(newfstatat, DIRFD, PATH("file"), OUT, INT(0)),
	CALL_AS("newfstatat AT_EMPTY_PATH", SYS_newfstatat, FD, PATH(""), OUT, INT(AT_EMPTY_PATH)),
	CALL(fstat, FD, OUT),
	CALL(statx, DIRFD, PATH("link"), INT(AT_SYMLINK_NOFOLLOW), INT(0x7ff), OUT),
	CALL(access, PATH("file"), INT(6)),
	CALL(faccessat, DIRFD, PATH("file"), INT(1)),
	CALL(faccessat2, DIRFD, PATH("file"), INT(4), INT(AT_EACCESS)),
	CALL(statfs, PATH("file"), OUT),
	CALL(fstatfs, FD, OUT),
	CALL(readlink, PATH("link"), OUT, INT(100)),
	CALL(readlinkat, DIRFD, PATH("link"), OUT, INT(2)),
	CALL_AS("readlinkat size 0", SYS_readlinkat, DIRFD, PATH("link"), OUT, INT(0)),
	CALL_AS("readlinkat size -1", SYS_readlinkat, DIRFD, PATH("link"), OUT, INT(-1)),
	CALL(chdir, PATH("dir")),
	CALL(fchdir, LIST),
	CALL(getcwd, OUT, LONG(4096)),
	CALL(getdents, LIST, OUT, INT(4096)),
	CALL(getdents64, LIST, OUT, INT(4096)),
	CALL(mkdir, PATH("new"), MODE(0751)),
	CALL(mkdirat, DIRFD, PATH("new"), MODE(0715)),
	CALL(mknod, PATH("new"), MODE(S_IFIFO | 0640), INT(0)),
	CALL(mknodat, DIRFD, PATH("new"), MODE(S_IFREG | 0604), INT(0)),
	CALL(symlink, PATH("anything"), PATH("new")),
	CALL(symlinkat, PATH("anything"), DIRFD, PATH("new")),
	CALL(link, PATH("file"), PATH("new")),
	CALL(linkat, DIRFD, PATH("link"), DIRFD, PATH("new"), INT(AT_SYMLINK_FOLLOW)),
	CALL(unlink, PATH("file")),
	CALL(unlinkat, DIRFD, PATH("empty"), INT(AT_REMOVEDIR)),
	CALL(rmdir, PATH("empty")),
	CALL(rename, PATH("file"), PATH("new")),
	CALL(renameat, DIRFD, PATH("file"), DIRFD, PATH("new")),
	CALL(renameat2, DIRFD, PATH("file"), DIRFD, PATH("new"), INT(1)),
	CALL(chmod, PATH("file"), MODE(0604)),
	CALL(fchmod, FD, MODE(0640)),
	CALL(fchmodat, DIRFD, PATH("file"), MODE(0644)),
	CALL(fchmodat2, DIRFD, PATH("file"), MODE(0611), INT(0)),
	CALL(chown, PATH("file"), INT(-1), INT(-1)),
	CALL(lchown, PATH("link"), INT(-1), INT(-1)),
	CALL(fchown, FD, INT(-1), INT(-1)),
	CALL(fchownat, DIRFD, PATH("file"), INT(-1), INT(-1), INT(AT_SYMLINK_NOFOLLOW)),
	CALL(utime, PATH("file"), IN(utimbuf)),
	CALL(utimes, PATH("file"), IN(two_timevals)),
	CALL(futimesat, DIRFD, PATH("file"), IN(two_timevals)),
	CALL(utimensat, DIRFD, PATH("link"), IN(two_timespecs), INT(AT_SYMLINK_NOFOLLOW)),
	CALL(truncate, PATH("file"), LONG(3)),
	CALL(ftruncate, FD, LONG(5)),
	CALL(fallocate, FD, INT(0), LONG(0), LONG(9000)),
	CALL(setxattr, PATH("file"), PATH("user.abi"), IN(some_bytes), LONG(8), INT(1)),
	CALL(lsetxattr, PATH("file"), PATH("user.abi"), IN(some_bytes), LONG(8), INT(0)),
	CALL(fsetxattr, FD, PATH("user.abi"), IN(some_bytes), LONG(8), INT(2)),
	CALL(getxattr, PATH("file"), PATH("user.there"), OUT, LONG(100)),
	CALL(lgetxattr, PATH("file"), PATH("user.there"), OUT, LONG(1)),
	CALL(fgetxattr, FD, PATH("user.there"), OUT, LONG(0)),
	CALL(listxattr, PATH("file"), OUT, LONG(100)),
	CALL(llistxattr, PATH("link"), OUT, LONG(100)),
	CALL(flistxattr, FD, OUT, LONG(1)),
	CALL(removexattr, PATH("file"), PATH("user.there")),
	CALL(lremovexattr, PATH("file"), PATH("user.there")),
	CALL(fremovexattr, FD, PATH("user.there")),
	CALL_AS("setxattrat", 463, DIRFD, PATH("file"), INT(0), PATH("user.abi"), IN(xattr_args), LONG(sizeof(xattr_args))),
	CALL_AS("getxattrat", 464, DIRFD, PATH("file"), INT(0), PATH("user.there"), IN(xattr_args), LONG(sizeof(xattr_args))),
	CALL_AS("listxattrat", 465, DIRFD, PATH("file"), INT(0), OUT, LONG(100)),
	CALL_AS("removexattrat", 466, DIRFD, PATH("file"), INT(0), PATH("user.there")),
	CALL_AS("file_getattr", 468, DIRFD, PATH("file"), OUT, LONG(24), INT(0)),
	CALL_AS("file_setattr", 469, DIRFD, PATH("file"), IN(file_attr), LONG(24), INT(0)),
	CALL(inotify_add_watch, FD, PATH("dir"), INT(IN_CREATE)),
	CALL(name_to_handle_at, DIRFD, PATH("file"), IN(handle_bytes), OUT, INT(0)),
	CALL(execve, PATH("text"), OUT, OUT),
	CALL(execveat, DIRFD, PATH("text"), OUT, OUT, INT(AT_SYMLINK_NOFOLLOW)),
	CALL_AS("execve of a program", SYS_execve, PATH("/bin/true"), OUT, OUT),
	CALL_AS("execve of a script", SYS_execve, PATH("script"), OUT, OUT),
	CALL(connect, SOCKET, IN(nobody), INT(sizeof(sa_family_t) + 7)),
	CALL_AS("connect to a file", SYS_connect, SOCKET, IN(file), INT(sizeof(sa_family_t) + 5)),
	CALL_AS("connect, too long", SYS_connect, SOCKET, IN(file), INT(-1)),
	CALL(bind, SOCKET, IN(fresh), INT(sizeof(sa_family_t) + 4)),
	CALL(sendto, SOCKET, IN(some_bytes), LONG(7), INT(MSG_NOSIGNAL), IN(nobody), INT(sizeof(sa_family_t) + 7)),
	CALL(sendmsg, SOCKET, IN(empty_message), INT(MSG_DONTWAIT)),
	CALL(sendmmsg, SOCKET, IN(empty_messages), INT(2), INT(MSG_DONTWAIT)),
	CALL(umask, INT(027)),
	CALL_AS("fcntl F_SETFL", SYS_fcntl, FD, INT(F_SETFL), LONG(O_NONBLOCK)),
	CALL_AS("fcntl F_GETFL", SYS_fcntl, FD, INT(F_GETFL), LONG(0)),
	CALL_AS("fcntl F_DUPFD", SYS_fcntl, FD, INT(F_DUPFD), LONG(100)),
	CALL_AS("fcntl F_GET_SEALS", SYS_fcntl, FD, INT(1034), LONG(0)),
	CALL_AS("fcntl F_GETPIPE_SZ", SYS_fcntl, FD, INT(1032), LONG(0)),
	CALL(fsync, FD),
	CALL(fdatasync, FD),
	CALL(sync_file_range, FD, LONG(0), LONG(0), INT(2)),
	CALL(syncfs, FD),
	CALL_AS("pwritev2 RWF_SYNC", SYS_pwritev2, FD, IN(empty_message), LONG(0), LONG(0), LONG(0), INT(4)),
	CALL(pread64, FD, OUT, LONG(10), LONG(0)),
	CALL(dup, FD),
	CALL(dup3, FD, INT(90), INT(O_CLOEXEC)),
	CALL(lseek, FD, LONG(3), INT(SEEK_CUR)),
	CALL_AS("prctl PR_GET_DUMPABLE", SYS_prctl, INT(PR_GET_DUMPABLE), LONG(0), LONG(0), LONG(0), LONG(0)),
	CALL_AS("prctl PR_SET_DUMPABLE", SYS_prctl, INT(PR_SET_DUMPABLE), LONG(2), LONG(0), LONG(0), LONG(0)),
	CALL_AS("ioctl FIONREAD", SYS_ioctl, FD, INT(0x541b), OUT),
	CALL_AS("socket AF_UNIX", SYS_socket, INT(AF_UNIX), INT(SOCK_STREAM), INT(0)),
	CALL_AS("socket, no family", SYS_socket, INT(99), INT(SOCK_STREAM), INT(0)),
	CALL_AS("getppid", SYS_getppid, LONG(0)),
	CALL(msync, LONG(0x7ffff000), LONG(4096), INT(MS_SYNC)),
	CALL(inotify_init1, INT(0x10000000)),
	CALL(setuid, INT(-1)),
	CALL(setresgid, INT(-1), INT(-1), INT(-1)),
	CALL(setfsuid, INT(-1)),
};

const size_t abi_call_count = sizeof(abi_calls) / sizeof(abi_calls[0]);
