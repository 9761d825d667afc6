/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/notify_caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/description.h"
#include "intercept/notify.h"
#include "intercept/parents.h"

#define PAGE 4096ul
/* Longer chains of parents than this are not followed. */
#define ANCESTORS_MAX 100000

static struct notify_caller *of(struct caller *caller)
{
	return (struct notify_caller *)caller;
}

/*
 * A caller that has changed its ids can be looked at with CAP_SYS_PTRACE only, which it may not have itself (or as
 * wards_by_ids() says): what is done between these two is done with the supervisor's capabilities. They nest.
 */
static void begin_look(struct caller *caller)
{
	struct notify_caller *self = of(caller);

	if (self->rights && self->looking++ == 0) {
		wards_begin_look(self->wards);
		rights_own(self->rights);
	}
}

static void end_look(struct caller *caller)
{
	struct notify_caller *self = of(caller);

	if (self->rights && --self->looking == 0) {
		rights_lend(self->rights);
		wards_end_look(self->wards);
	}
}

static int caller_read(struct caller *caller, uint64_t address, void *ret, size_t len)
{
	ssize_t n;

	if (len == 0)
		return 0;
	begin_look(caller);
	n = memory_read(caller->tid, address, ret, len);
	end_look(caller);
	return n == (ssize_t)len ? 0 : n < 0 ? (int)n : -EFAULT;
}

static int caller_write(struct caller *caller, uint64_t address, const void *bytes, size_t len)
{
	ssize_t n;

	if (len == 0)
		return 0;
	begin_look(caller);
	n = memory_write(caller->tid, address, bytes, len);
	end_look(caller);
	return n == (ssize_t)len ? 0 : n < 0 ? (int)n : -EFAULT;
}

static ssize_t caller_read_string(struct caller *caller, uint64_t address, char *ret, size_t cap)
{
	size_t len = 0;

	/* Never across a page that need not be there: the string may end at its edge. */
	while (len < cap) {
		size_t chunk = PAGE - ((address + len) & (PAGE - 1));
		char *nul;
		int error;

		if (chunk > cap - len)
			chunk = cap - len;
		/* Most paths are short: the first bite is small. */
		if (len == 0 && chunk > 256)
			chunk = 256;
		error = caller_read(caller, address + len, ret + len, chunk);
		if (error)
			return error;
		nul = memchr(ret + len, '\0', chunk);
		if (nul)
			return nul - ret;
		len += chunk;
	}
	return -ENAMETOOLONG;
}

/* Room for a thread's number and what lies in its directory. */
#define NAME_ROOM 48

static char *put_number(char *at, unsigned value)
{
	char digits[12];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		*at++ = digits[--count];
	return at;
}

/* So many calls of a thread are served before its home is opened. */
#define CALLS_AWAY 2

static struct door *door_of(struct notify_caller *self)
{
	return &self->doors[(unsigned)self->caller.tid % DOORS];
}

/* Where something of the caller's lies: `name` in the directory `dir`. */
struct way {
	int dir;
	bool kept; /* `dir` is a home that was opened for an earlier call: it may be that of a thread that is gone */
	char name[NAME_ROOM];
};

/*
 * The caller's directory of /proc, which is kept: to find it by its number costs more than what is then asked in it.
 * It stands for that very thread as long as anything is found there. Who has just been served keeps its place when
 * another's turn comes: of many threads that take turns some are served quickly, rather than none. Most processes make
 * a call or two of the kind and end.
 * Returns the descriptor, or -EBADF: there is none. To be called between begin_look() and end_look().
 */
static int home_of(struct notify_caller *self, bool anew, bool *ret_kept)
{
	struct door *door = door_of(self);
	char name[NAME_ROOM];

	*ret_kept = door->home >= 0 && door->home_tid == self->caller.tid && !anew;
	if (*ret_kept) {
		door->used = true;
		return door->home;
	}
	if (door->home_tid != self->caller.tid && door->used) {
		door->used = false;
		return -EBADF;
	}
	if (door->home >= 0 && self->stands == door->home)
		self->stands = -EBADF;
	door->home = safe_close(door->home);
	if (door->home_tid != self->caller.tid) {
		door->home_tid = self->caller.tid;
		door->calls = 0;
	}
	if (door->calls++ < CALLS_AWAY)
		return -EBADF;
	*put_number(name, (unsigned)self->caller.tid) = '\0';
	door->home = openat(self->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return door->home;
}

/* To WHAT, and NUMBER unless that is negative. Most calls pass here: no printf. */
static void find_way(struct notify_caller *self, bool anew, const char *what, int number, struct way *ret)
{
	char *at = ret->name;

	ret->dir = home_of(self, anew, &ret->kept);
	if (ret->dir < 0) {
		ret->dir = self->proc_fd;
		at = put_number(at, (unsigned)self->caller.tid);
		*at++ = '/';
	}
	at = stpcpy(at, what);
	if (number >= 0)
		at = put_number(at, (unsigned)number);
	*at = '\0';
}

/* A home that was kept was another's, of the same number: nothing is found in the directory of one that is no more. */
static bool was_stale(const struct way *way, int error)
{
	return way->kept && (error == -ENOENT || error == -ESRCH);
}

static int open_of(struct caller *caller, const char *what, int number, int flags, int *ret_fd)
{
	struct way way = {.kept = false};
	int fd, error;

	begin_look(caller);
	do {
		find_way(of(caller), way.kept, what, number, &way);
		fd = openat(way.dir, way.name, flags | O_CLOEXEC);
		error = fd < 0 ? -errno : 0;
	} while (was_stale(&way, error));
	end_look(caller);
	if (!error)
		*ret_fd = fd;
	return error;
}

static int caller_open_cwd(struct caller *caller, int *ret_fd)
{
	return open_of(caller, "cwd", -1, O_PATH, ret_fd);
}

/* By the link of /proc. Where this thread stands between calls it is found by a short name. */
static int enter_by_link(struct notify_caller *self, int dirfd)
{
	struct way way = {.kept = false};
	int error;

	do {
		find_way(self, way.kept, dirfd < 0 ? "cwd" : "fd/", dirfd, &way);
		error = self->stands != way.dir && fchdir(way.dir) < 0 ? -errno : 0;
		if (!error) {
			self->stands = way.dir;
			error = chdir(way.name) < 0 ? -errno : 0;
		}
	} while (was_stale(&way, error));
	return error;
}

/*
 * By a copy of the caller's descriptor, which takes less than half as long as by the link. Only for what is a directory if
 * the caller is not mistaken: to close another's copy can be noticed (tapes, files of networks).
 */
static int enter_by_copy(struct notify_caller *self, int dirfd)
{
	_cleanup_close_ int copy = description_copy(&self->caller, dirfd, &door_of(self)->pidfd);

	if (copy < 0)
		return copy;
	return fchdir(copy) < 0 ? -errno : 0;
}

/* The worker's working directory is its own (worker_main()); between calls it is one of /proc. */
static int caller_enter(struct caller *caller, int dirfd)
{
	struct notify_caller *self = of(caller);
	int error;

	if (dirfd < 0 && dirfd != AT_FDCWD)
		return -EBADF;
	/* That the caller may search the directory its text is asked: looking up the first name wants it. */
	begin_look(caller);
	error = dirfd < 0 ? -EREMOTE : enter_by_copy(self, dirfd);
	if (error && error != -EBADF && error != -ENOTDIR)
		error = enter_by_link(self, dirfd);
	end_look(caller);
	return error;
}

static void caller_leave(struct caller *caller)
{
	struct notify_caller *self = of(caller);

	/* The home of one that is gone cannot be gone to. */
	if (self->stands >= 0 && fchdir(self->stands) == 0)
		return;
	self->stands = -EBADF;
	/* It cannot fail, and must not: no directory may be kept busy by a worker, nor be mistaken for a home. */
	if (fchdir(self->proc_fd) < 0)
		abort();
}

static int caller_open_object(struct caller *caller, int fd, int *ret_fd)
{
	int error;

	if (fd < 0)
		return -EBADF;
	error = open_of(caller, "fd/", fd, O_PATH, ret_fd);
	return error == -ENOENT ? -EBADF : error;
}

/*
 * The link leads to the object itself, so that the path call is its fstat (proc(5), /proc/pid/fd). Not by a copy of the
 * descriptor: closing that is a call of its file system's, which may write back, or rewind a tape.
 */
static int caller_stat_object(struct caller *caller, int fd, struct stat *ret)
{
	struct way way = {.kept = false};
	struct stat stat;
	int error;

	if (fd < 0 && fd != AT_FDCWD)
		return -EBADF;
	begin_look(caller);
	do {
		find_way(of(caller), way.kept, fd < 0 ? "cwd" : "fd/", fd, &way);
		error = fstatat(way.dir, way.name, &stat, AT_NO_AUTOMOUNT) < 0 ? -errno : 0;
	} while (was_stale(&way, error));
	end_look(caller);
	if (!error)
		*ret = stat;
	return error == -ENOENT && fd != AT_FDCWD ? -EBADF : error;
}

static int share_fd(struct caller *caller, int fd, int *ret_fd)
{
	struct notify_caller *self = of(caller);
	int copy;

	if (self->lent >= 0 && self->lent_number == fd) {
		copy = fcntl(self->lent, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return -errno;
		*ret_fd = copy;
		return 0;
	}
	copy = description_copy(caller, fd, &door_of(self)->pidfd);
	if (copy == DESCRIPTION_OUT_OF_REACH) {
		self->wanted = fd;
		return copy;
	}
	if (copy < 0)
		return copy;
	*ret_fd = copy;
	return 0;
}

static int caller_share_fd(struct caller *caller, int fd, int *ret_fd)
{
	int error;

	begin_look(caller);
	error = share_fd(caller, fd, ret_fd);
	end_look(caller);
	return error;
}

static int read_status(struct notify_caller *caller)
{
	_cleanup_close_ int fd = -EBADF;
	char text[1024];
	const char *line;
	ssize_t len;
	int error = open_of(&caller->caller, "status", -1, O_RDONLY, &fd);

	if (error)
		return error;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	line = strstr(text, "\nUmask:\t");
	if (line) {
		caller->umask = (mode_t)strtoul(line + 8, NULL, 8);
		caller->has_umask = true;
	}
	line = strstr(text, "\nTgid:\t");
	if (!line)
		return -ESRCH;
	caller->tgid = (pid_t)strtol(line + 7, NULL, 10);
	return 0;
}

/* From procfs, which takes microseconds; what is not the first of its thread is remembered. */
static int read_umask(struct notify_caller *self)
{
	pid_t tid = self->caller.tid;
	unsigned age = threads_umask_age(self->threads);
	_cleanup_close_ int pidfd = self->created == tid ? threads_pidfd(tid) : -EBADF;
	int error = read_status(self);

	self->created = tid;
	if (error || !self->has_umask)
		return error ? error : -ESRCH;
	if (pidfd < 0 || !threads_umask_settled(self->threads, self->tgid))
		return 0;
	threads_remember_umask(self->threads, tid, steal_fd(&pidfd), self->umask, age);
	/* It still waits: no exec has given its number to another thread meanwhile. */
	if (notify_valid(self->listener, self->id) == 0)
		return 0;
	threads_forget(self->threads, tid);
	return -ESRCH;
}

static int caller_umask(struct caller *caller, mode_t *ret)
{
	struct notify_caller *self = of(caller);

	if (!self->has_umask && !threads_umask(self->threads, caller->tid, &self->umask)) {
		int error = read_umask(self);

		if (error)
			return error;
	}
	self->has_umask = true;
	*ret = self->umask;
	return 0;
}

static int caller_tgid(struct caller *caller, pid_t *ret)
{
	struct notify_caller *self = of(caller);

	if (!self->tgid) {
		int error = read_status(self);

		if (error)
			return error;
	}
	*ret = self->tgid;
	return 0;
}

/* prlimit(2) asks for ids that are all the same, or CAP_SYS_RESOURCE; this file for neither. */
static uint64_t size_limit_by_text(int proc_fd, pid_t tid)
{
	static const char label[] = "\nMax file size ";
	char path[32], text[4096];
	const char *at;
	char *end;

	snprintf(path, sizeof(path), "%d/limits", tid);
	_cleanup_close_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len <= 0)
		return UINT64_MAX;
	text[len] = '\0';
	at = strstr(text, label);
	if (!at)
		return UINT64_MAX;
	at += sizeof(label) - 1;
	uint64_t limit = strtoull(at, &end, 10);
	return end == at ? UINT64_MAX : limit; /* "unlimited" */
}

static uint64_t caller_size_limit(struct caller *caller)
{
	struct rlimit limit;

	begin_look(caller);
	int r = prlimit(caller->tid, RLIMIT_FSIZE, NULL, &limit);
	uint64_t told = r < 0 ? size_limit_by_text(of(caller)->proc_fd, caller->tid) : 0;
	end_look(caller);
	if (r < 0)
		return told;
	if (limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

static void caller_signal(struct caller *caller, int number)
{
	pid_t tgid;

	if (caller->ops->tgid(caller, &tgid) == 0)
		syscall(SYS_tgkill, tgid, caller->tid, number);
}

static pid_t parent_of(int proc_fd, pid_t pid)
{
	char path[32], text[512];
	_cleanup_close_ int fd = -EBADF;
	const char *end;
	ssize_t len;
	int parent;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool caller_in_view(struct caller *caller, pid_t pid)
{
	struct notify_caller *self = of(caller);
	bool found = false;

	begin_look(caller);
	for (int i = 0; pid > 1 && i < ANCESTORS_MAX && !found; i++) {
		pid = parent_of(self->proc_fd, pid);
		found = pid == self->reaper;
	}
	end_look(caller);
	return found;
}

static int caller_parent(struct caller *caller, pid_t pid, pid_t *ret)
{
	int error;

	begin_look(caller);
	error = parents_of(of(caller)->parents, pid, ret);
	end_look(caller);
	return error;
}

static int caller_validate(struct caller *caller)
{
	struct notify_caller *self = of(caller);

	return notify_valid(self->listener, self->id) ? -ESRCH : 0;
}

static const struct caller_ops notify_caller_ops = {
	.read = caller_read,
	.write = caller_write,
	.read_string = caller_read_string,
	.open_cwd = caller_open_cwd,
	.enter = caller_enter,
	.leave = caller_leave,
	.open_object = caller_open_object,
	.stat_object = caller_stat_object,
	.share_fd = caller_share_fd,
	.umask = caller_umask,
	.tgid = caller_tgid,
	.size_limit = caller_size_limit,
	.signal = caller_signal,
	.in_view = caller_in_view,
	.parent = caller_parent,
	.own_rights = begin_look,
	.lend_rights = end_look,
	.validate = caller_validate,
};

void notify_caller_init(struct notify_caller *caller, const struct notify_caller_config *config)
{
	memset(caller, 0, sizeof(*caller));
	caller->caller.ops = &notify_caller_ops;
	caller->listener = config->listener;
	caller->proc_fd = config->proc_fd;
	caller->lent = caller->wanted = -1;
	caller->stands = -EBADF;
	for (unsigned i = 0; i < DOORS; i++)
		caller->doors[i] = (struct door){.home = -EBADF, .pidfd = {.fd = -EBADF}};
	caller->reaper = config->reaper;
	caller->parents = config->parents;
	caller->threads = config->threads;
	caller->wards = config->wards;
	caller->rights = config->rights;
}

void notify_caller_begin(struct notify_caller *caller, const struct seccomp_notif *notif)
{
	caller->caller.tid = (pid_t)notif->pid;
	caller->id = notif->id;
	caller->tgid = 0;
	caller->has_umask = false;
	caller->wanted = -1;
	caller->caller.lent = false;
	caller->creds = creds_unref(caller->creds);
}

void notify_caller_lend(struct notify_caller *caller, int number, int copy)
{
	struct stat theirs, lent;

	/* Something else may have been put there since, by a signal's handler or a sibling. */
	if (caller->caller.ops->stat_object(&caller->caller, number, &theirs) == 0 && fstat(copy, &lent) == 0 &&
	    theirs.st_dev == lent.st_dev && theirs.st_ino == lent.st_ino) {
		caller->lent = copy;
		caller->lent_number = number;
	} else {
		safe_close(copy);
	}
}

void notify_caller_end(struct notify_caller *caller)
{
	caller->lent = safe_close(caller->lent);
}

int notify_caller_take(struct notify_caller *caller, bool real)
{
	int error;

	if (!wards_matter(caller->wards))
		return 0;
	error = wards_creds(caller->wards, caller->rights, caller->caller.tid, caller->id, &caller->creds);
	if (!error)
		error = wards_take(caller->wards, caller->rights, caller->creds, real);
	caller->caller.lent = !error;
	return error;
}

void notify_caller_return(struct notify_caller *caller)
{
	if (caller->rights)
		rights_return(caller->rights);
}
