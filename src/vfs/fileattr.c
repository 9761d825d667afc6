/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles of files (fs/fhandle.c) and their attributes as inode flags and project (fs/file_attr.c), on the judged object. A handle
 * is of no use inside, where open_by_handle_at(2) is refused; programs compare them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/target.h"

#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif
#ifndef AT_HANDLE_MNT_ID_UNIQUE
#define AT_HANDLE_MNT_ID_UNIQUE 0x001
#endif

#define HANDLE_BYTES_MAX 128 /* MAX_HANDLE_SZ of linux/exportfs.h */

/* struct file_handle with room for the longest. */
struct handle {
	uint32_t bytes;
	int32_t type;
	unsigned char value[HANDLE_BYTES_MAX];
};

int vfs_name_to_handle(struct op *op, int dirfd, uint64_t handle_address, uint64_t mount_address, int flags,
		       struct outcome *out)
{
	const struct caller_ops *ops = op->caller->ops;
	struct walk *walk = &op->walk[0];
	size_t mount_size = flags & AT_HANDLE_MNT_ID_UNIQUE ? sizeof(uint64_t) : sizeof(int);
	char link[FD_NAME_MAX];
	struct handle handle;
	const char *name;
	uint64_t mount = 0;
	int error, result;

	error = target_find(op, walk, dirfd, (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH));
	if (error)
		return error;
	/* A file system that has none says so before anything is read. */
	memset(&handle, 0, sizeof(handle));
	name = flags & AT_EMPTY_PATH ? "" : fd_name(walk->fd, link);
	flags |= flags & AT_EMPTY_PATH ? 0 : AT_SYMLINK_FOLLOW;
	if (syscall(SYS_name_to_handle_at, walk->fd, name, &handle, &mount, flags) < 0 && errno != EOVERFLOW)
		return -errno;
	error = ops->read(op->caller, handle_address, &handle, offsetof(struct handle, value));
	if (error)
		return error;
	if (handle.bytes > HANDLE_BYTES_MAX)
		return -EINVAL;
	result = (int)syscall(SYS_name_to_handle_at, walk->fd, name, &handle, &mount, flags);
	if (result < 0 && errno != EOVERFLOW)
		return -errno;
	result = result < 0 ? -EOVERFLOW : 0;
	error = ops->validate(op->caller);
	if (!error)
		error = ops->write(op->caller, mount_address, &mount, mount_size);
	if (!error)
		error = ops->write(op->caller, handle_address, &handle,
				   offsetof(struct handle, value) + (result ? 0 : handle.bytes));
	return error ? error : result ? result : outcome_value(out, 0);
}

/* The object and a name by which the kernel takes it. */
static int find(struct op *op, int dirfd, int flags, char name[FD_NAME_MAX])
{
	struct walk *walk = &op->walk[0];
	int error = op->text_len[0] == 0 && (flags & AT_EMPTY_PATH) && dirfd >= 0 ? target_descriptor(op, walk, dirfd)
										  : target_find(op, walk, dirfd, flags);

	if (!error)
		fd_name(walk->fd, name);
	return error;
}

int vfs_file_getattr(struct op *op, int dirfd, uint64_t attr, size_t size, int flags, struct outcome *out)
{
	char name[FD_NAME_MAX];
	int error = find(op, dirfd, flags, name);

	if (error)
		return error;
	if (syscall(SYS_file_getattr, AT_FDCWD, name, op->scratch[0], size, 0) < 0)
		return -errno;
	error = op->caller->ops->validate(op->caller);
	if (!error)
		error = op->caller->ops->write(op->caller, attr, op->scratch[0], size);
	return error ? error : outcome_value(out, 0);
}

int vfs_file_setattr(struct op *op, int dirfd, uint64_t attr, size_t size, int flags, int path_error, struct outcome *out)
{
	char name[FD_NAME_MAX];
	int error = op->caller->ops->read(op->caller, attr, op->scratch[0], size);

	if (error)
		return error;
	/* What is wrong with the attributes themselves comes before the path, of which this one leads nowhere. */
	if (syscall(SYS_file_setattr, AT_FDCWD, "", op->scratch[0], size, 0) < 0 && errno != ENOENT)
		return -errno;
	error = path_error ? path_error : find(op, dirfd, flags, name);
	if (!error)
		error = judge(op, &op->walk[0], INTENT_METADATA);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	if (syscall(SYS_file_setattr, AT_FDCWD, name, op->scratch[0], size, 0) < 0)
		return -errno;
	encrypted_touched(op, &op->walk[0], NULL);
	return outcome_value(out, 0);
}
