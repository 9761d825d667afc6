/* SPDX-License-Identifier: Apache-2.0 */
/* stat and its kin, access, readlink, listings, getcwd, chdir, statfs (fs/stat.c, fs/open.c, fs/statfs.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "intercept/handlers.h"

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

/* Read the path of a stat-like call: NULL or "" with AT_EMPTY_PATH means the descriptor. */
static int read_stat_path(struct op *op, uint64_t address, int flags)
{
	if (!address && (flags & AT_EMPTY_PATH)) {
		op->text_len[0] = 0;
		op->text[0][0] = '\0';
		return 0;
	}
	return op_read_path(op, 0, address, flags & AT_EMPTY_PATH);
}

/* Since 6.11 the kernel then does fstat(2), and looks at no other flag (fs/stat.c, vfs_fstatat()). */
static bool is_descriptor(const struct op *op, int dirfd, int flags)
{
	return (flags & AT_EMPTY_PATH) && op->text_len[0] == 0 && dirfd >= 0;
}

HANDLER(handle_stat)
{
	int error = op_read_path(op, 0, args[0], false);

	(void)nr;
	return error ? error : vfs_stat(op, AT_FDCWD, 0, args[1], out);
}

HANDLER(handle_lstat)
{
	int error = op_read_path(op, 0, args[0], false);

	(void)nr;
	return error ? error : vfs_stat(op, AT_FDCWD, AT_SYMLINK_NOFOLLOW, args[1], out);
}

HANDLER(handle_newfstatat)
{
	int dirfd = (int)args[0], flags = (int)args[3], error;

	(void)nr;
	if ((flags & AT_EMPTY_PATH) && !(flags & ~(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW))) {
		/* The fast lane: fstat() of glibc 2.33 to 2.38 is this call with an empty text. */
		char first = 0;

		if (!args[1] || (op->caller->ops->read(op->caller, args[1], &first, 1) == 0 && first == '\0'))
			return vfs_fstat(op, dirfd, args[2], out);
	}
	error = read_stat_path(op, args[1], flags);
	if (!error && is_descriptor(op, dirfd, flags))
		return vfs_fstat(op, dirfd, args[2], out);
	if (flags & ~STAT_FLAGS)
		return -EINVAL;
	return error ? error : vfs_stat(op, dirfd, flags, args[2], out);
}

HANDLER(handle_fstat)
{
	int fd = (int)args[0];

	(void)nr;
	return fd < 0 ? -EBADF : vfs_fstat(op, fd, args[1], out);
}

HANDLER(handle_statx)
{
	int flags = (int)args[2], error;
	unsigned mask = (unsigned)args[3];

	(void)nr;
	if (mask & STATX__RESERVED)
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	error = read_stat_path(op, args[1], flags);
	if ((flags & ~STAT_FLAGS) && (error || !is_descriptor(op, (int)args[0], flags)))
		return -EINVAL;
	return error ? error : vfs_statx(op, (int)args[0], flags, mask, args[4], out);
}

static int access_with(struct op *op, int dirfd, uint64_t path, int mode, int flags, struct outcome *out)
{
	int error;

	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	error = op_read_path(op, 0, path, flags & AT_EMPTY_PATH);
	return error ? error : vfs_access(op, dirfd, mode, flags, out);
}

HANDLER(handle_access)
{
	(void)nr;
	return access_with(op, AT_FDCWD, args[0], (int)args[1], 0, out);
}

HANDLER(handle_faccessat)
{
	(void)nr;
	return access_with(op, (int)args[0], args[1], (int)args[2], 0, out);
}

HANDLER(handle_faccessat2)
{
	(void)nr;
	return access_with(op, (int)args[0], args[1], (int)args[2], (int)args[3], out);
}

HANDLER(handle_readlink)
{
	int error;

	(void)nr;
	if ((int)args[2] <= 0)
		return -EINVAL;
	error = op_read_path(op, 0, args[0], true);
	if (error)
		return error;
	return op->text_len[0] ? vfs_readlink(op, AT_FDCWD, args[1], (int)args[2], false, out) : -ENOENT;
}

HANDLER(handle_readlinkat)
{
	int error;

	(void)nr;
	if ((int)args[3] <= 0)
		return -EINVAL;
	error = op_read_path(op, 0, args[1], true);
	return error ? error : vfs_readlink(op, (int)args[0], args[2], (int)args[3], true, out);
}

HANDLER(handle_getcwd)
{
	(void)nr;
	return vfs_getcwd(op, args[0], args[1], out);
}

HANDLER(handle_chdir)
{
	int error = op_read_path(op, 0, args[0], false);

	(void)nr;
	return error ? error : vfs_chdir(op, out);
}

HANDLER(handle_getdents)
{
	(void)nr;
	return vfs_getdents(op, (int)args[0], args[1], (unsigned)args[2], out);
}

HANDLER(handle_getdents64)
{
	(void)nr;
	return vfs_getdents64(op, (int)args[0], args[1], (unsigned)args[2], out);
}

HANDLER(handle_statfs)
{
	int error = op_read_path(op, 0, args[0], false);

	(void)nr;
	return error ? error : vfs_statfs(op, args[1], out);
}

HANDLER(handle_fstatfs)
{
	(void)nr;
	return (int)args[0] < 0 ? -EBADF : vfs_fstatfs(op, (int)args[0], args[1], out);
}
