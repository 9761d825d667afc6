/* SPDX-License-Identifier: Apache-2.0 */
/* What makes data durable: fs/sync.c, mm/msync.c. */
#include "intercept/handlers.h"

HANDLER(handle_fsync)
{
	(void)nr;
	return vfs_fsync(op, (int)args[0], false, out);
}

HANDLER(handle_fdatasync)
{
	(void)nr;
	return vfs_fsync(op, (int)args[0], true, out);
}

HANDLER(handle_sync_file_range)
{
	(void)nr;
	return vfs_sync_file_range(op, (int)args[0], (int64_t)args[1], (int64_t)args[2], (unsigned)args[3], out);
}

HANDLER(handle_syncfs)
{
	(void)nr;
	return vfs_syncfs(op, (int)args[0], out);
}

HANDLER(handle_sync)
{
	(void)nr;
	(void)args;
	return vfs_sync(op, out);
}

/* The filter notifies MS_SYNC only, and of pwritev2 the flags that ask for durability. */
HANDLER(handle_msync)
{
	(void)nr;
	return vfs_msync(op, args[0], args[1], out);
}

HANDLER(handle_pwritev2)
{
	(void)nr;
	return vfs_durable_write(op, (int)args[0], out);
}
