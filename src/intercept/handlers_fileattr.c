/* SPDX-License-Identifier: Apache-2.0 */
/* name_to_handle_at (fs/fhandle.c), file_getattr and file_setattr (fs/file_attr.c). */
#include <errno.h>
#include <fcntl.h>

#include "intercept/handlers.h"

#define HANDLE_UNIQUE      0x001 /* AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE, AT_HANDLE_FID */
#define HANDLE_CONNECTABLE 0x002
#define HANDLE_FID	   0x200
#define PAGE		   4096
#define ATTR_SIZE_FIRST	   24 /* FILE_ATTR_SIZE_VER0 */

HANDLER(handle_name_to_handle_at)
{
	int flags = (int)args[4], error;

	(void)nr;
	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_UNIQUE | HANDLE_CONNECTABLE | HANDLE_FID))
		return -EINVAL;
	if ((flags & HANDLE_CONNECTABLE) && (flags & HANDLE_FID))
		return -EINVAL;
	error = op_read_path(op, 0, args[1], flags & AT_EMPTY_PATH);
	return error ? error : vfs_name_to_handle(op, (int)args[0], args[2], args[3], flags, out);
}

/* What both calls check first; the path's own error goes to *RET_PATH_ERROR. */
static int check(struct op *op, const uint64_t args[6], int *ret_path_error)
{
	int flags = (int)args[4];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (args[3] > PAGE)
		return -E2BIG;
	if (args[3] < ATTR_SIZE_FIRST)
		return -EINVAL;
	/* With AT_EMPTY_PATH no path is as good as an empty one. */
	if ((flags & AT_EMPTY_PATH) && !args[1]) {
		op->text[0][0] = '\0';
		op->text_len[0] = 0;
		*ret_path_error = 0;
		return 0;
	}
	*ret_path_error = op_read_path(op, 0, args[1], flags & AT_EMPTY_PATH);
	return 0;
}

HANDLER(handle_file_getattr)
{
	int path_error = 0, error = check(op, args, &path_error);

	(void)nr;
	if (error || path_error)
		return error ? error : path_error;
	return vfs_file_getattr(op, (int)args[0], args[2], (size_t)args[3], (int)args[4], out);
}

HANDLER(handle_file_setattr)
{
	int path_error = 0, error = check(op, args, &path_error);

	(void)nr;
	return error ? error : vfs_file_setattr(op, (int)args[0], args[2], (size_t)args[3], (int)args[4], path_error, out);
}
