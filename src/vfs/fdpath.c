/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/fdpath.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *fd_name(int fd, char name[FD_NAME_MAX])
{
	char digits[12];
	unsigned value = (unsigned)fd;
	size_t count = 0;
	size_t at = sizeof("/proc/self/fd/") - 1;

	memcpy(name, "/proc/self/fd/", at);
	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		name[at++] = digits[--count];
	name[at] = '\0';
	return name;
}

/* A name may really end in " (deleted)": then the path leads to the very object. */
static bool leads_to(const char *path, int fd)
{
	struct stat by_path, by_fd;

	return lstat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_dev == by_fd.st_dev &&
	       by_path.st_ino == by_fd.st_ino;
}

int fd_path(int fd, char *path, size_t cap, bool *ret_detached)
{
	static const char deleted[] = " (deleted)";
	const size_t suffix = sizeof(deleted) - 1;
	char name[FD_NAME_MAX];
	ssize_t len = readlink(fd_name(fd, name), path, cap - 1);

	if (len < 0)
		return -errno;
	if ((size_t)len >= cap - 1)
		return -ENAMETOOLONG;
	path[len] = '\0';
	*ret_detached = path[0] != '/';
	if (!*ret_detached && (size_t)len > suffix && memcmp(path + len - suffix, deleted, suffix) == 0)
		*ret_detached = !leads_to(path, fd);
	return (int)len;
}
