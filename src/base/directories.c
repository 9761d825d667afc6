/* SPDX-License-Identifier: Apache-2.0 */
#include "base/directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int make_directories(const char *path, const char *home)
{
	size_t len = home ? strlen(home) : 0;
	bool in_home = len && strncmp(path, home, len) == 0 && path[len] == '/';
	char part[PATH_MAX];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	if (in_home && access(home, F_OK) < 0)
		return -errno;
	for (char *slash = part + (in_home ? len : 0) + 1;; slash++) {
		slash = strchrnul(slash, '/');
		char byte = *slash;
		*slash = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = byte;
		if (byte == '\0')
			return 0;
	}
}

DIR *open_directory(int dir, const char *path)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (list)
		steal_fd(&fd);
	return list;
}

void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
