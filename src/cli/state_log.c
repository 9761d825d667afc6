/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/state_log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/directories.h"

static int state_directory(char *path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	/* A relative XDG_STATE_HOME is to be ignored, says its specification. */
	if (state && state[0] == '/')
		n = snprintf(path, size, "%s/scrim", state);
	else if (home && home[0] == '/')
		n = snprintf(path, size, "%s/.local/state/scrim", home);
	else
		return -ENOENT;
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int state_log_path(char *path, size_t size)
{
	int r = state_directory(path, size);
	if (r < 0)
		return r;
	size_t len = strlen(path);
	return (size_t)snprintf(path + len, size - len, "/last.log") < size - len ? 0 : -ENAMETOOLONG;
}

int state_log_create(void *userdata)
{
	char path[PATH_MAX], name[64];

	(void)userdata;
	int r = state_directory(path, sizeof(path));
	if (r < 0)
		return r;
	r = make_directories(path, getenv("HOME"));
	if (r < 0)
		return r;
	_cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return -errno;

	snprintf(name, sizeof(name), ".last.log.%d", (int)getpid());
	unlinkat(directory, name, 0); /* of a run that was killed just here */
	_cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || renameat(directory, name, directory, "last.log") < 0) {
		r = -errno;
		unlinkat(directory, name, 0);
		return r;
	}
	return steal_fd(&fd);
}
