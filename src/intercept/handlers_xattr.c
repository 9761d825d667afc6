/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes in all their forms (fs/xattr.c). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "intercept/handlers.h"
#include "vfs/early.h"

#define FLAGS_AT (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
#define PAGE 4096

/* struct xattr_args of linux/xattr.h, which older headers lack. */
struct args_of_xattrat {
	uint64_t value;
	uint32_t size;
	uint32_t flags;
};

/* copy_struct_from_user(): newer callers may pass more, all zero. */
static int read_args(struct op *op, uint64_t address, uint64_t usize, struct args_of_xattrat *ret)
{
	char tail[PAGE];
	size_t more;

	if (usize < sizeof(*ret))
		return -EINVAL;
	if (usize > PAGE)
		return -E2BIG;
	more = (size_t)usize - sizeof(*ret);
	/* What is beyond is looked at first. */
	if (more) {
		if (op->caller->ops->read(op->caller, address + sizeof(*ret), tail, more) < 0)
			return -EFAULT;
		for (size_t i = 0; i < more; i++) {
			if (tail[i])
				return -E2BIG;
		}
	}
	return op->caller->ops->read(op->caller, address, ret, sizeof(*ret));
}

/* With AT_EMPTY_PATH, no path is as good as an empty one. */
static int read_path(struct op *op, uint64_t path, int at_flags)
{
	if ((at_flags & AT_EMPTY_PATH) && !path) {
		op->text[0][0] = '\0';
		op->text_len[0] = 0;
		return 0;
	}
	return op_read_path(op, 0, path, at_flags & AT_EMPTY_PATH);
}

static int set_xattr(struct op *op, int dirfd, uint64_t path, int at_flags, uint64_t name, uint64_t value, uint64_t size,
		     int flags, struct outcome *out)
{
	int error, early;

	if (at_flags & ~FLAGS_AT)
		return -EINVAL;
	error = read_path(op, path, at_flags);
	if (!error)
		return vfs_setxattr(op, dirfd, at_flags, name, value, size, flags, out);
	early = early_setxattr(op, name, value, size, flags);
	return early ? early : error;
}

static int get_xattr(struct op *op, int dirfd, uint64_t path, int at_flags, uint64_t name, uint64_t value, uint64_t size,
		     struct outcome *out)
{
	int error, early;

	if (at_flags & ~FLAGS_AT)
		return -EINVAL;
	error = read_path(op, path, at_flags);
	if (!error)
		return vfs_getxattr(op, dirfd, at_flags, name, value, size, out);
	early = early_xattr_name(op, name);
	return early ? early : error;
}

static int list_xattr(struct op *op, int dirfd, uint64_t path, int at_flags, uint64_t list, uint64_t size,
		      struct outcome *out)
{
	int error;

	if (at_flags & ~FLAGS_AT)
		return -EINVAL;
	error = read_path(op, path, at_flags);
	return error ? error : vfs_listxattr(op, dirfd, at_flags, list, size, out);
}

static int remove_xattr(struct op *op, int dirfd, uint64_t path, int at_flags, uint64_t name, struct outcome *out)
{
	int error, early;

	if (at_flags & ~FLAGS_AT)
		return -EINVAL;
	error = read_path(op, path, at_flags);
	if (!error)
		return vfs_removexattr(op, dirfd, at_flags, name, out);
	early = early_xattr_name(op, name);
	return early ? early : error;
}

/*
 * Since Linux 6.13 (path_getxattrat() in fs/xattr.c) AT_FDCWD in place of a descriptor is the working directory. Whether
 * it is on this kernel shows in a call of our own. True: OP has the empty path that stands for it.
 */
static bool is_working_directory(struct op *op, int fd)
{
	if (fd != AT_FDCWD || (syscall(SYS_fgetxattr, AT_FDCWD, "user.scrim", NULL, 0) < 0 && errno == EBADF))
		return false;
	op->text[0][0] = '\0';
	op->text_len[0] = 0;
	return true;
}

HANDLER(handle_setxattr)
{
	(void)nr;
	return set_xattr(op, AT_FDCWD, args[0], 0, args[1], args[2], args[3], (int)args[4], out);
}

HANDLER(handle_lsetxattr)
{
	(void)nr;
	return set_xattr(op, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, args[1], args[2], args[3], (int)args[4], out);
}

HANDLER(handle_fsetxattr)
{
	(void)nr;
	if (is_working_directory(op, (int)args[0]))
		return vfs_setxattr(op, AT_FDCWD, AT_EMPTY_PATH, args[1], args[2], args[3], (int)args[4], out);
	return vfs_fsetxattr(op, (int)args[0], args[1], args[2], args[3], (int)args[4], out);
}

HANDLER(handle_setxattrat)
{
	struct args_of_xattrat more;
	int error = read_args(op, args[4], args[5], &more);

	(void)nr;
	if (error)
		return error;
	return set_xattr(op, (int)args[0], args[1], (int)args[2], args[3], more.value, more.size, (int)more.flags, out);
}

HANDLER(handle_getxattr)
{
	(void)nr;
	return get_xattr(op, AT_FDCWD, args[0], 0, args[1], args[2], args[3], out);
}

HANDLER(handle_lgetxattr)
{
	(void)nr;
	return get_xattr(op, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, args[1], args[2], args[3], out);
}

HANDLER(handle_fgetxattr)
{
	(void)nr;
	if (is_working_directory(op, (int)args[0]))
		return vfs_getxattr(op, AT_FDCWD, AT_EMPTY_PATH, args[1], args[2], args[3], out);
	return vfs_fgetxattr(op, (int)args[0], args[1], args[2], args[3], out);
}

HANDLER(handle_getxattrat)
{
	struct args_of_xattrat more;
	int error = read_args(op, args[4], args[5], &more);

	(void)nr;
	if (error)
		return error;
	if (more.flags)
		return -EINVAL;
	return get_xattr(op, (int)args[0], args[1], (int)args[2], args[3], more.value, more.size, out);
}

HANDLER(handle_listxattr)
{
	(void)nr;
	return list_xattr(op, AT_FDCWD, args[0], 0, args[1], args[2], out);
}

HANDLER(handle_llistxattr)
{
	(void)nr;
	return list_xattr(op, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, args[1], args[2], out);
}

HANDLER(handle_flistxattr)
{
	(void)nr;
	if (is_working_directory(op, (int)args[0]))
		return vfs_listxattr(op, AT_FDCWD, AT_EMPTY_PATH, args[1], args[2], out);
	return vfs_flistxattr(op, (int)args[0], args[1], args[2], out);
}

HANDLER(handle_listxattrat)
{
	(void)nr;
	return list_xattr(op, (int)args[0], args[1], (int)args[2], args[3], args[4], out);
}

HANDLER(handle_removexattr)
{
	(void)nr;
	return remove_xattr(op, AT_FDCWD, args[0], 0, args[1], out);
}

HANDLER(handle_lremovexattr)
{
	(void)nr;
	return remove_xattr(op, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, args[1], out);
}

HANDLER(handle_fremovexattr)
{
	(void)nr;
	if (is_working_directory(op, (int)args[0]))
		return vfs_removexattr(op, AT_FDCWD, AT_EMPTY_PATH, args[1], out);
	return vfs_fremovexattr(op, (int)args[0], args[1], out);
}

HANDLER(handle_removexattrat)
{
	(void)nr;
	return remove_xattr(op, (int)args[0], args[1], (int)args[2], args[3], out);
}
