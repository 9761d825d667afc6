/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is read to be replaced must not be written meanwhile: what was written would be lost. A read lease
 * (fcntl(2), F_SETLEASE) is given only while nobody has the file open for writing, and whoever opens it so later
 * waits until we are done or let go. Where there are no leases (another's file, some file systems) the open files in
 * /proc and the times of the file have to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/open_files.h"
#include "crypt/files/internal.h"

#define TICK 20000000 /* ns: two changes within so short a time may leave one and the same mtime */

/* Is the descriptor open for writing on the file? proc(5), fdinfo. */
static bool writes(void *data, int process, const char *descriptor)
{
	const struct stat *file = data;
	char path[32], text[512], *flags;
	unsigned long bits;
	struct stat st;

	snprintf(path, sizeof(path), "fd/%.16s", descriptor);
	if (fstatat(process, path, &st, 0) < 0 || st.st_ino != file->st_ino || st.st_dev != file->st_dev)
		return false;
	open_files_info(process, descriptor, text, sizeof(text));
	flags = strstr(text, "flags:");
	bits = flags ? strtoul(flags + strlen("flags:"), NULL, 8) : 0;
	return (bits & O_ACCMODE) != O_RDONLY && !(bits & O_PATH);
}

/* A process that has the file open for writing, as far as we may look: "COMMAND (PID)". */
static bool find_writer(struct stat *file, char *ret_who, size_t size)
{
	struct process_name writer;

	if (!open_files_find(writes, file, &writer))
		return false;
	snprintf(ret_who, size, "%s (%d)", writer.command, (int)writer.pid);
	return true;
}

static int busy(const char *path, const char *who, struct errmsg *msg)
{
	return errmsg_set(msg, -EBUSY, "%s: is open for writing by %s; --force goes on nevertheless", path, who);
}

/* 0: nobody has it open for writing. */
static int ask(struct watch *w, const char *path, struct errmsg *msg)
{
	char who[128] = "another process";

	/* What tells us that somebody waits is a signal that is ignored unless somebody asks for it; we look
	 * ourselves. */
	if (fcntl(w->fd, F_SETSIG, SIGURG) == 0 && fcntl(w->fd, F_SETLEASE, F_RDLCK) == 0) {
		w->leased = true;
		return 0;
	}
	if (errno == EAGAIN) {
		find_writer(&w->before, who, sizeof(who));
		return busy(path, who, msg);
	}
	return find_writer(&w->before, who, sizeof(who)) ? busy(path, who, msg) : 0;
}

/* Times have a grain: a file written just now could be written again without a trace. */
static void let_settle(const struct stat *st)
{
	struct timespec now, wait = {.tv_nsec = TICK};

	if (clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec - st->st_mtim.tv_sec <= 1 &&
	    (now.tv_sec - st->st_mtim.tv_sec) * 1000000000L + now.tv_nsec - st->st_mtim.tv_nsec < TICK)
		nanosleep(&wait, NULL);
}

int watch_begin(const struct files *files, int fd, const char *path, struct watch *ret_watch, struct errmsg *msg)
{
	struct watch w = {.fd = fd};
	int r;

	if (fstat(fd, &w.before) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	r = files->force ? 0 : ask(&w, path, msg);
	if (r < 0)
		return r;
	if (!w.leased)
		let_settle(&w.before);
	/* With the lease nothing has changed since; without it, let this be the moment. */
	if (fstat(fd, &w.before) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	*ret_watch = w;
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int watch_check(const struct watch *w, const struct files_place *place, const char *path, struct errmsg *msg)
{
	struct stat now, named;

	if (fstat(w->fd, &now) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	if (now.st_size != w->before.st_size || !same_time(&now.st_mtim, &w->before.st_mtim) ||
	    !same_time(&now.st_ctim, &w->before.st_ctim))
		return errmsg_set(msg, -ESTALE, "%s: was changed meanwhile; it stays as it is now", path);
	if (w->leased && fcntl(w->fd, F_GETLEASE) != F_RDLCK)
		return errmsg_set(msg, -ESTALE, "%s: is being opened for writing; it stays as it is", path);
	if (!place)
		return 0;
	if (fstatat(place->dir, place->name, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != now.st_ino ||
	    named.st_dev != now.st_dev)
		return errmsg_set(msg, -ESTALE, "%s: is another file by now; it stays as it is", path);
	return 0;
}

void watch_end(struct watch *w)
{
	if (w->leased)
		fcntl(w->fd, F_SETLEASE, F_UNLCK);
	w->leased = false;
}
