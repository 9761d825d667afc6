/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "vfs/fdpath.h"
#include "vfs/vnode/internal.h"

void vnode_report_fd(struct vnodes *all, int fd, int error, const char *note)
{
	char path[PATH_MAX];
	bool detached;
	int len;

	if (!all->config.report)
		return;
	len = fd_path(fd, path, sizeof(path), &detached);
	all->config.report(all->config.report_data, len > 0 ? path : "", len > 0 ? (size_t)len : 0, error, note);
}
