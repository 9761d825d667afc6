/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bound of private files. Programs write to files in memory without asking anybody, so a thread looks at those that
 * are in use: what has grown beyond the bound is cut to it and cannot grow any more, and what has neither a name nor
 * anybody who has it open is let go. With nothing in use it sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/overlay/memfd.h"
#include "vfs/overlay/privates_parts.h"

#define LOOK_MIN_MS 4
#define LOOK_MAX_MS 32
#define USERS_EVERY_MS 250 /* how often it is asked who has a file open */

/* Open FILE with FLAGS whatever its mode says: it is our process that made it. */
static int open_file(const struct private_file *file, int flags)
{
	char name[FD_NAME_MAX];
	struct stat stat;
	int fd = open(fd_name(file->fd, name), flags | O_CLOEXEC);

	if (fd >= 0 || errno != EACCES || fstat(file->fd, &stat) < 0)
		return fd < 0 ? -errno : fd;
	if (chmod(name, (stat.st_mode & 07777) | S_IRUSR | S_IWUSR) < 0)
		return -errno;
	fd = open(name, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	(void)chmod(name, stat.st_mode & 07777);
	return fd;
}

/* FILE grew by GREW; OVER bytes are too many. Returns how many of them are gone. */
static uint64_t stop(struct privates *privates, struct private_file *file, uint64_t grew, uint64_t over)
{
	uint64_t cut = grew < over ? grew : over, size;
	struct stat stat;

	_cleanup_close_ int fd = open_file(file, O_RDWR);
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return 0;
	file->stopped = true;
	if (fstat(fd, &stat) < 0)
		return 0;
	size = (uint64_t)stat.st_size;
	if (ftruncate(fd, (off_t)(size > cut ? size - cut : 0)) < 0)
		return 0;
	private_file_measure(privates, file);
	return cut;
}

/* Returns whether anything grew. */
static bool look_at_sizes(struct privates *privates)
{
	bool any = false;

	for (struct private_file *file = privates->used; file; file = file->used_next) {
		uint64_t grew = private_file_measure(privates, file);

		any |= grew > 0;
		if (grew && privates->total > privates->total_max)
			stop(privates, file, grew, privates->total - privates->total_max);
	}
	return any;
}

static bool has_others(const struct private_file *file, bool writers)
{
	_cleanup_close_ int fd = open_file(file, O_RDONLY);

	return fd < 0 || memfd_others(fd, writers);
}

void privates_forget(struct privates *privates)
{
	for (struct private_file **at = &privates->used; *at;) {
		struct private_file *file = *at;

		if (has_others(file, file->links > 0)) {
			at = &file->used_next;
			continue;
		}
		private_file_measure(privates, file);
		*at = file->used_next;
		file->used = false;
		if (file->links == 0)
			private_file_drop(privates, file);
	}
}

static void sleep_for(struct privates *privates, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	/* What wakes it early does no harm. */
	pthread_cond_timedwait(&privates->wake, &privates->lock, &until);
}

void *privates_watch(void *data)
{
	struct privates *privates = data;
	unsigned pause = LOOK_MIN_MS, since = 0;

	PRIVATES_LOCKED(privates);
	while (!privates->end) {
		if (!privates->used) {
			pthread_cond_wait(&privates->wake, &privates->lock);
			pause = LOOK_MIN_MS;
			since = 0;
			continue;
		}
		sleep_for(privates, pause);
		since += pause;
		pause = look_at_sizes(privates) ? LOOK_MIN_MS : pause * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : pause * 2;
		if (since >= USERS_EVERY_MS) {
			privates_forget(privates);
			since = 0;
		}
	}
	return NULL;
}
