/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/target.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "vfs/overlay/mask.h"

/* How often a descriptor may turn out to be another one between two looks before the caller is told it is bad. */
#define SWAP_ATTEMPTS 16

int target_find(struct op *op, struct walk *walk, int dirfd, int flags)
{
	if (op->text_len[0] == 0 && (flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD)
		return walk_descriptor(op, walk, dirfd);
	return walk_resolve(op, walk, dirfd, op->text[0], op->text_len[0],
			    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), 0);
}

int target_share(struct op *op, int fd, int *ret_copy, int *ret_flags)
{
	_cleanup_close_ int copy = -EBADF;
	int flags, error;

	if (fd < 0)
		return -EBADF;
	error = op->caller->ops->share_fd(op->caller, fd, &copy);
	if (error)
		return error;
	flags = fcntl(copy, F_GETFL);
	if (flags < 0)
		return -errno;
	if (flags & O_PATH)
		return -EBADF;
	*ret_copy = steal_fd(&copy);
	*ret_flags = flags;
	return 0;
}

/* Masked content of ours stands for the masked file. */
static bool is_same(struct op *op, const struct stat *shared, const struct walk *walk)
{
	_cleanup_close_ int object = -EBADF;
	struct stat walked, real;
	int32_t rule;

	if (fstat(walk->fd, &walked) < 0)
		return false;
	if (walk->mask_memfd) {
		if (masks_find(op->view->masks, shared->st_dev, shared->st_ino, &object, &rule, NULL, NULL) < 0 ||
		    fstat(object, &real) < 0)
			return false;
		shared = &real;
	}
	return shared->st_dev == walked.st_dev && shared->st_ino == walked.st_ino;
}

int target_description(struct op *op, struct walk *walk, int fd, int *ret_copy, int *ret_flags)
{
	for (int i = 0; i < SWAP_ATTEMPTS; i++) {
		_cleanup_close_ int copy = -EBADF;
		struct stat shared;
		int error = target_share(op, fd, &copy, ret_flags);

		if (!error)
			error = walk_descriptor(op, walk, fd);
		if (error)
			return error;
		if (fstat(copy, &shared) < 0)
			return -errno;
		if (!is_same(op, &shared, walk))
			continue;
		walk->verdict.visibility = VIS_SHOW;
		*ret_copy = steal_fd(&copy);
		return 0;
	}
	return -EBADF;
}

int target_descriptor(struct op *op, struct walk *walk, int fd)
{
	_cleanup_close_ int copy = -EBADF;
	int flags;

	return target_description(op, walk, fd, &copy, &flags);
}
