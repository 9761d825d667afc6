/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/store/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

#define LOCK_BYTE (INT64_MAX - 1)
/*
 * On this one lies a lock of the process, which excludes nobody that the other does not (it goes too early, with any descriptor
 * of the file) but has a pid: a process with keys is not dumpable, so that nobody may look at its descriptors.
 */
#define NAME_BYTE (INT64_MAX - 3)
#define HOLD_BYTE (INT64_MAX - 2)

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Does this description hold our lock on the file? proc(5): fdinfo has a line "lock:" for each. */
static bool holds_lock(int fdinfo, const char *name, const struct stat *file)
{
	_cleanup_close_ int fd = openat(fdinfo, name, O_RDONLY | O_CLOEXEC);
	char line[512], want[64];
	_cleanup_(cleanup_fclose) FILE *text = NULL;

	if (fd < 0)
		return false;
	text = fdopen(fd, "r");
	if (!text)
		return false;
	steal_fd(&fd);
	snprintf(want, sizeof(want), " %02x:%02x:%llu %lld ", major(file->st_dev), minor(file->st_dev),
		 (unsigned long long)file->st_ino, (long long)LOCK_BYTE);
	while (fgets(line, sizeof(line), text))
		if (strncmp(line, "lock:", 5) == 0 && strstr(line, "OFDLCK") && strstr(line, want))
			return true;
	return false;
}

static bool process_holds_lock(int proc, const char *pid, const struct stat *file)
{
	char path[300];
	_cleanup_close_ int fd = -EBADF;
	_cleanup_(cleanup_closedir) DIR *fdinfo = NULL;

	snprintf(path, sizeof(path), "%s/fdinfo", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fdinfo = fd < 0 ? NULL : fdopendir(fd);
	if (!fdinfo)
		return false;
	steal_fd(&fd);
	for (struct dirent *d; (d = readdir(fdinfo));)
		if (isdigit((unsigned char)d->d_name[0]) && holds_lock(dirfd(fdinfo), d->d_name, file))
			return true;
	return false;
}

static void name_holder(pid_t pid, struct lock_holder *ret_holder)
{
	char path[64];
	_cleanup_close_ int comm = -EBADF;
	ssize_t n;

	ret_holder->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	comm = open(path, O_RDONLY | O_CLOEXEC);
	n = comm < 0 ? 0 : read(comm, ret_holder->command, sizeof(ret_holder->command) - 1);
	ret_holder->command[n > 0 ? strcspn(ret_holder->command, "\n") : 0] = '\0';
}

/* The kernel gives no pid for a lock of a description: for the one beside it, or the processes that we may look at are asked. */
static void find_holder(int fd, bool write, struct lock_holder *ret_holder)
{
	struct flock beside = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = NAME_BYTE,
		.l_len = 1,
	};
	_cleanup_(cleanup_closedir) DIR *proc = NULL;
	struct stat file;

	*ret_holder = (struct lock_holder){0};
	if (fcntl(fd, F_GETLK, &beside) == 0 && beside.l_type != F_UNLCK && beside.l_pid > 0) {
		name_holder(beside.l_pid, ret_holder);
		return;
	}
	proc = opendir("/proc");
	if (!proc || fstat(fd, &file) < 0)
		return;
	for (struct dirent *d; (d = readdir(proc));)
		if (isdigit((unsigned char)d->d_name[0]) && process_holds_lock(dirfd(proc), d->d_name, &file)) {
			name_holder((pid_t)strtol(d->d_name, NULL, 10), ret_holder);
			return;
		}
}

int store_hold(int fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = HOLD_BYTE, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

bool store_is_held(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = HOLD_BYTE, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int store_lock(int fd, bool write, struct lock_holder *ret_holder)
{
	struct flock lock = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = LOCK_BYTE,
		.l_len = 1,
	};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		lock.l_start = NAME_BYTE;
		(void)fcntl(fd, F_SETLK, &lock); /* for the name alone */
		return 0;
	}
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	find_holder(fd, write, ret_holder);
	return -EBUSY;
}
