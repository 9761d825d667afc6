/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/target.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"

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

int target_description(struct op *op, struct walk *walk, int fd, int *ret_copy, int *ret_flags)
{
	_cleanup_close_ int copy = -EBADF;
	int object, error = target_share(op, fd, &copy, ret_flags);

	if (error)
		return error;
	/* The same description once more: where masked content is met, the walk exchanges it for the masked file. */
	object = fcntl(copy, F_DUPFD_CLOEXEC, 0);
	if (object < 0)
		return -errno;
	error = walk_object(op, walk, object);
	if (error)
		return error;
	walk->verdict.visibility = VIS_SHOW;
	*ret_copy = steal_fd(&copy);
	return 0;
}

int target_descriptor(struct op *op, struct walk *walk, int fd)
{
	int copy, flags, error = target_share(op, fd, &copy, &flags);

	if (!error)
		error = walk_object(op, walk, copy);
	if (!error)
		walk->verdict.visibility = VIS_SHOW;
	return error;
}
