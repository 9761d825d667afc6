/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define TRIES 15
#define WAIT  10000000 /* ns */
#define LOCK_BYTE (INT64_MAX - 1)
/*
 * On this one lies a lock of the process, which excludes nobody that the other does not (it goes too early, with any
 * descriptor of the file) but has a pid: a process with keys is not dumpable, so that nobody may look at its
 * descriptors.
 */
#define NAME_BYTE (INT64_MAX - 3)
#define HOLD_BYTE (INT64_MAX - 2)

/* Does this description hold our lock on the file? proc(5): fdinfo has a line "lock:" for each. */
static bool holds_lock(void *data, int process, const char *descriptor)
{
	const char *wanted = data;
	char text[4096], *rest = text, *line;

	open_files_info(process, descriptor, text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, "lock:", 5) == 0 && strstr(line, "OFDLCK") && strstr(line, wanted))
			return true;
	return false;
}

/* The kernel gives no pid for a lock of a description: for the one beside it, or the processes that we may look at
 * are asked. */
static void find_holder(int fd, bool write, struct process_name *ret_holder)
{
	struct flock beside = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = NAME_BYTE,
		.l_len = 1,
	};
	struct stat file;
	char wanted[64];

	*ret_holder = (struct process_name){0};
	if (fcntl(fd, F_GETLK, &beside) == 0 && beside.l_type != F_UNLCK && beside.l_pid > 0) {
		*ret_holder = process_name(beside.l_pid);
		return;
	}
	if (fstat(fd, &file) < 0)
		return;
	snprintf(wanted, sizeof(wanted), " %02x:%02x:%llu %lld ", major(file.st_dev), minor(file.st_dev),
		 (unsigned long long)file.st_ino, (long long)LOCK_BYTE);
	open_files_find(holds_lock, wanted, ret_holder);
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

int store_lock(int fd, bool write, struct process_name *ret_holder)
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
	if (ret_holder)
		find_holder(fd, write, ret_holder);
	return -EBUSY;
}

/* One more open: what the first one caused may have been to no avail. */
static void knock(int fd)
{
	char name[32];
	int again;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (again >= 0)
		close(again);
}

int store_lock_patiently(int fd, bool write, struct process_name *ret_holder)
{
	int error = store_lock(fd, write, NULL);

	for (int i = 1; i <= TRIES && error == -EBUSY; i++) {
		nanosleep(&(struct timespec){.tv_nsec = WAIT}, NULL);
		error = store_lock(fd, write, i < TRIES ? NULL : ret_holder);
		if (error == -EBUSY)
			knock(fd);
	}
	return error;
}
