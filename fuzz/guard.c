/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

bool guard_on;
ino_t guard_touchable;

/* A policy that lets nothing be changed has let a change through. */
static int changed(void)
{
	if (guard_on)
		abort();
	errno = EPERM;
	return -1;
}

/* The same for an object: a pipe, a socket or the like has no name that a rule could be about. */
static int changed_object(const char *link)
{
	char text[8];

	if (guard_on && readlink(link, text, sizeof(text)) > 0 && text[0] == '/')
		abort();
	errno = EPERM;
	return -1;
}

/* clang-format off */
#define NEVER(name, ...) \
	int __wrap_##name(__VA_ARGS__); \
	int __wrap_##name(__VA_ARGS__) { return changed(); }
NEVER(mkdirat, int dirfd, const char *path, mode_t mode)
NEVER(symlinkat, const char *target, int dirfd, const char *path)
NEVER(linkat, int olddirfd, const char *old, int newdirfd, const char *new, int flags)
NEVER(unlinkat, int dirfd, const char *path, int flags)
#define NEVER_NAMED(name, ...) \
	int __wrap_##name(const char *path, __VA_ARGS__); \
	int __wrap_##name(const char *path, __VA_ARGS__) { return changed_object(path); }
NEVER(truncate, const char *path, off_t length)
NEVER(truncate64, const char *path, off_t length)
NEVER_NAMED(chmod, mode_t mode)
NEVER_NAMED(setxattr, const char *name, const void *value, size_t size, int flags)
NEVER_NAMED(removexattr, const char *name)
/* clang-format on */

int __wrap_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
int __wrap_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	char link[64];

	(void)path, (void)uid, (void)gid, (void)flags;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	return changed_object(link);
}

int __real_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags);
int __wrap_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags);
int __wrap_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	bool now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	struct stat stat;

	if (!now || fstatat(dirfd, path, &stat, 0) < 0 || stat.st_ino != guard_touchable)
		return changed_object(path);
	return __real_utimensat(dirfd, path, times, flags);
}

/* Names of sockets are new files; other addresses are those of the machine, and no socket binds to another family's or to
 * one that is too long. */
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int domain = AF_UNIX;
	socklen_t size = sizeof(domain);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	if (len > sizeof(sa_family_t) && len <= sizeof(struct sockaddr_un) && domain == AF_UNIX && address->sa_family == AF_UNIX && address->sa_data[0])
		return changed();
	errno = EADDRINUSE;
	return -1;
}

/* Sent, as far as anybody knows. */
ssize_t __wrap_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len);
ssize_t __wrap_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	(void)fd, (void)data, (void)flags, (void)to, (void)to_len;
	return (ssize_t)len;
}

static void check_flags(uint64_t flags)
{
	if (guard_on && ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE))
		abort();
}

#define OPENAT(name)                                                                                                   \
	int __real_##name(int dirfd, const char *path, int flags, ...);                                                \
	int __wrap_##name(int dirfd, const char *path, int flags, ...);                                                \
	int __wrap_##name(int dirfd, const char *path, int flags, ...)                                                 \
	{                                                                                                              \
		check_flags((uint64_t)flags);                                                                          \
		return __real_##name(dirfd, path, flags, 0600);                                                        \
	}
OPENAT(openat)
OPENAT(openat64)

#define OPEN(name)                                                                                                     \
	int __real_##name(const char *path, int flags, ...);                                                           \
	int __wrap_##name(const char *path, int flags, ...);                                                           \
	int __wrap_##name(const char *path, int flags, ...)                                                            \
	{                                                                                                              \
		check_flags((uint64_t)flags);                                                                          \
		return __real_##name(path, flags, 0600);                                                               \
	}
OPEN(open)
OPEN(open64)

/* All six are passed on, whatever they are: the kernel ignores those that the call does not have. */
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_mknodat:
	case SYS_renameat2:
		return changed();
	case SYS_openat2:
		check_flags(((const struct open_how *)c)->flags);
		break;
	case SYS_execveat:
		if (guard_on && !((uint64_t)e & AT_EXECVE_CHECK))
			abort();
		break;
	case SYS_tgkill:
		if (guard_on && c)
			abort();
		break;
	}
	return __real_syscall(nr, a, b, c, d, e, f);
}
