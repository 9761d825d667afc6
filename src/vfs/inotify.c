/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7). Where a name may be hidden, or a file encrypted, every queue is one that we feed (watch/queues.h): a watch may be
 * added anywhere later, and a descriptor cannot be exchanged for another one once it was copied or is waited for. Elsewhere it
 * is the kernel's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/early.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/target.h"
#include "vfs/watch/queues.h"

static void cleanup_put(struct queue **queue)
{
	if (*queue)
		queue_put(*queue);
}

/* The caller's description behind FD, and the queue of ours that it reads from: NULL if it is none. */
static int share_queue(struct op *op, int fd, int *ret_copy, struct queue **ret)
{
	_cleanup_close_ int copy = -EBADF;
	struct stat stat;
	int flags, error = target_share(op, fd, &copy, &flags);

	if (error)
		return error;
	if (op->view->queues && fstat(copy, &stat) == 0)
		*ret = queues_find(op->view->queues, &stat);
	*ret_copy = steal_fd(&copy);
	return 0;
}

int vfs_inotify_init(struct op *op, int flags, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	int error;

	if (!op->view->queues) {
		out->kind = OUT_CONTINUE;
		return 0;
	}
	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	error = queues_open(op->view->queues, flags & IN_NONBLOCK, &fd);
	return error ? error : outcome_fd(out, &fd, flags & IN_CLOEXEC);
}

int early_inotify(struct op *op, int fd, uint32_t mask)
{
	_cleanup_close_ int copy = -EBADF;
	_cleanup_(cleanup_put) struct queue *queue = NULL;
	int error = share_queue(op, fd, &copy, &queue);

	if (error && error != -EBADF)
		return error;
	if (queue)
		return queue_check(queue, mask);
	/* The kernel looks at the path last: with a bad one, any other error is about the rest. */
	if (syscall(SYS_inotify_add_watch, copy, (const char *)-1L, mask) >= 0 || errno == EFAULT)
		return 0;
	return -errno;
}

/* The magic link itself has to be followed, and leads to a symlink without following that. */
static int add(const struct walk *walk, int copy, struct queue *queue, uint32_t mask)
{
	char name[FD_NAME_MAX];
	struct queue_place place = {.name = fd_name(walk->fd, name), .stat = &walk->stat, .path = walk->path,
				    .path_len = walk->detached ? 0 : walk->path_len};
	int wd;

	if (queue)
		return queue_add(queue, &place, mask);
	wd = inotify_add_watch(copy, place.name, watch_following(mask, IN_DONT_FOLLOW));
	return wd < 0 ? -errno : wd;
}

int vfs_inotify_add_watch(struct op *op, int fd, uint32_t mask, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	_cleanup_(cleanup_put) struct queue *queue = NULL;
	struct walk *walk = &op->walk[0];
	int wd, error = early_inotify(op, fd, mask);

	if (!error)
		error = target_find(op, walk, AT_FDCWD, mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0);
	if (!error && (mask & IN_ONLYDIR) && !S_ISDIR(walk->stat.st_mode))
		error = -ENOTDIR;
	if (!error)
		error = share_queue(op, fd, &copy, &queue);
	if (!error)
		error = judge(op, walk, INTENT_LOOKUP);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	wd = add(walk, copy, queue, mask);
	return wd < 0 ? wd : outcome_value(out, wd);
}

int vfs_inotify_rm_watch(struct op *op, int fd, int wd, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	_cleanup_(cleanup_put) struct queue *queue = NULL;
	int error = op->view->queues ? share_queue(op, fd, &copy, &queue) : 0;

	if (error)
		return error;
	/* Registers only, and of a queue of the kernel's nothing but a watch can be removed. */
	if (!queue) {
		out->kind = OUT_CONTINUE;
		return 0;
	}
	error = op->caller->ops->validate(op->caller);
	if (!error)
		error = queue_remove(queue, wd);
	return error ? error : outcome_value(out, 0);
}
