/* SPDX-License-Identifier: Apache-2.0 */
/* execve(2), execveat(2). */
#include <fcntl.h>

#include "intercept/handlers.h"

HANDLER(handle_execve)
{
	int error = op_read_path(op, 0, args[0], false);

	return error ? error : vfs_exec(op, AT_FDCWD, 0, nr, args, out);
}

HANDLER(handle_execveat)
{
	int flags = (int)args[4];
	int error = op_read_path(op, 0, args[1], flags & AT_EMPTY_PATH);

	return error ? error : vfs_exec(op, (int)args[0], flags, nr, args, out);
}
