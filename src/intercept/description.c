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

/*
 * A pidfd by which the descriptors of the caller are reached, DESCRIPTION_OUT_OF_REACH, or a negative errno. OF_THREAD:
 * it stands for this very thread, as long as that lives.
 */
static int pidfd_of(struct caller *caller, bool *ret_of_thread)
{
	pid_t tid = caller->tid, tgid;
	int fd, error;

	*ret_of_thread = !atomic_load_explicit(&no_thread_pidfds, memory_order_relaxed);
	if (!atomic_load_explicit(&no_thread_pidfds, memory_order_relaxed)) {
		fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : fd;
		atomic_store_explicit(&no_thread_pidfds, true, memory_order_relaxed);
		*ret_of_thread = false;
	}
	/* Most callers are the first thread of their process, which such a pidfd stands for. */
	fd = (int)syscall(SYS_pidfd_open, tid, 0);
	*ret_of_thread = fd >= 0;
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

static int copy_by(int pidfd, int fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0), error = -errno;

	if (copy >= 0)
		return copy;
	if ((error == -EPERM || error == -ENOSYS) && getfd_is_absent()) {
		atomic_store_explicit(&no_getfd, true, memory_order_relaxed);
		return DESCRIPTION_OUT_OF_REACH;
	}
	return error;
}

int description_copy(struct caller *caller, int fd, struct description_pidfd *kept)
{
	bool of_thread;
	int copy;

	if (fd < 0)
		return -EBADF;
	if (atomic_load_explicit(&no_getfd, memory_order_relaxed))
		return DESCRIPTION_OUT_OF_REACH;
	if (kept->fd >= 0 && kept->tid == caller->tid) {
		copy = copy_by(kept->fd, fd);
		if (copy != -ESRCH)
			return copy;
	}
	_cleanup_close_ int pidfd = pidfd_of(caller, &of_thread);
	if (pidfd < 0)
		return pidfd;
	copy = copy_by(pidfd, fd);
	if (of_thread) {
		safe_close(kept->fd);
		kept->fd = steal_fd(&pidfd);
		kept->tid = caller->tid;
	}
	return copy;
}
