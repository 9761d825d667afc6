/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/fdpath.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DIRECTORY "/proc/self/fd/"

/* O_PATH of this process's /proc/self/fd, once somebody needed it. */
static _Atomic int own_directory = -EBADF;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What the parent opened names the parent's descriptors. */
static void forget_in_child(void)
{
	atomic_store(&own_directory, safe_close(atomic_load(&own_directory)));
	once = (pthread_once_t)PTHREAD_ONCE_INIT;
}

static void open_directory(void)
{
	static bool registered;

	/* Without the handler a child would act on its parent's descriptors: then rather the long way. */
	if (!registered && pthread_atfork(NULL, NULL, forget_in_child) != 0)
		return;
	registered = true;
	atomic_store(&own_directory, open(DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

const char *fd_name(int fd, char name[FD_NAME_MAX])
{
	char digits[12];
	unsigned value = (unsigned)fd;
	size_t count = 0;
	size_t at = sizeof(DIRECTORY) - 1;

	memcpy(name, DIRECTORY, at);
	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		name[at++] = digits[--count];
	name[at] = '\0';
	return name;
}

const char *fd_name_at(int fd, char name[FD_NAME_MAX], int *ret_dir)
{
	int dir;

	pthread_once(&once, open_directory);
	dir = atomic_load_explicit(&own_directory, memory_order_relaxed);
	*ret_dir = dir < 0 ? AT_FDCWD : dir;
	fd_name(fd, name);
	return dir < 0 ? name : name + sizeof(DIRECTORY) - 1;
}

/*
 * A name may really end in " (deleted)": then the path leads to the very object. Where it cannot be followed (a directory
 * that may not be searched) whatever has a name somewhere is taken to have this one.
 */
static bool leads_to(const char *path, int fd)
{
	struct stat by_path, by_fd;

	if (fstat(fd, &by_fd) < 0)
		return false;
	if (lstat(path, &by_path) < 0)
		return errno != ENOENT && errno != ENOTDIR && by_fd.st_nlink > 0;
	return by_path.st_dev == by_fd.st_dev && by_path.st_ino == by_fd.st_ino;
}

int fd_path(int fd, char *path, size_t cap, bool *ret_detached)
{
	static const char deleted[] = " (deleted)";
	const size_t suffix = sizeof(deleted) - 1;
	char name[FD_NAME_MAX];
	int dir;
	const char *text = fd_name_at(fd, name, &dir);
	ssize_t len = readlinkat(dir, text, path, cap - 1);

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

/* The same number from proc(5), where statx(2) is not to be had. */
static uint64_t mount_by_fdinfo(int fd)
{
	char name[48], text[512];
	const char *line;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	_cleanup_close_ int info = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t len = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (len < 0)
		return 0;
	text[len] = '\0';
	line = strstr(text, "mnt_id:");
	return line ? strtoull(line + 7, NULL, 10) : 0;
}

uint64_t fd_mount(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0 || !(sx.stx_mask & STATX_MNT_ID))
		return mount_by_fdinfo(fd);
	return sx.stx_mnt_id;
}

bool fd_readonly(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}
