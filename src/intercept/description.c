/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/description.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* A container's filter refuses pidfd_getfd(2). */
static _Atomic bool no_getfd;
/* Before Linux 6.9 a pidfd is a process's. */
static _Atomic bool no_thread_pidfds;

static bool getfd_is_absent(void)
{
	_cleanup_close_ int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	_cleanup_close_ int copy = self < 0 ? self : (int)syscall(SYS_pidfd_getfd, self, self, 0);

	return self >= 0 && copy < 0;
}

/* A pidfd by which the descriptors of thread TID are reached, DESCRIPTION_OUT_OF_REACH, or a negative errno. */
static int pidfd_of(struct caller *caller)
{
	pid_t tid = caller->tid, tgid;
	int fd, error;

	if (!atomic_load_explicit(&no_thread_pidfds, memory_order_relaxed)) {
		fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : fd;
		atomic_store_explicit(&no_thread_pidfds, true, memory_order_relaxed);
	}
	/* Most callers are the first thread of their process. */
	fd = (int)syscall(SYS_pidfd_open, tid, 0);
	if (fd >= 0 || (errno != EINVAL && errno != ENOENT))
		return fd < 0 ? -errno : fd;
	error = caller->ops->tgid(caller, &tgid);
	if (error)
		return error;
	/* Another may have a descriptor table of its own; that this one has none has to be known. */
	if (syscall(SYS_kcmp, tgid, tid, KCMP_FILES, 0, 0) != 0)
		return DESCRIPTION_OUT_OF_REACH;
	fd = (int)syscall(SYS_pidfd_open, tgid, 0);
	return fd < 0 ? -errno : fd;
}

int description_copy(struct caller *caller, int fd)
{
	int copy, error;

	if (fd < 0)
		return -EBADF;
	if (atomic_load_explicit(&no_getfd, memory_order_relaxed))
		return DESCRIPTION_OUT_OF_REACH;
	_cleanup_close_ int pidfd = pidfd_of(caller);
	if (pidfd < 0)
		return pidfd;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy >= 0)
		return copy;
	error = -errno;
	if ((error == -EPERM || error == -ENOSYS) && getfd_is_absent()) {
		atomic_store_explicit(&no_getfd, true, memory_order_relaxed);
		return DESCRIPTION_OUT_OF_REACH;
	}
	return error;
}
