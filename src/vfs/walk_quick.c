/* SPDX-License-Identifier: Apache-2.0 */
/* The quick road: texts without symlinks, `..` and procfs, where the text is the path of the object. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/walk_parts.h"

/* A container's filter knows no openat2(2): known once it has failed. */
static _Atomic bool no_openat2;

static int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Is ERROR, which openat2 gave, the answer to the call and not to the path? */
static bool is_absent(int error)
{
	if (error != -ENOSYS && error != -EPERM)
		return false;
	_cleanup_close_ int fd = sys_openat2(AT_FDCWD, "/", O_PATH, 0);
	if (fd != -ENOSYS && fd != -EPERM)
		return false;
	atomic_store_explicit(&no_openat2, true, memory_order_relaxed);
	return true;
}

/*
 * The text as one path without `.`, `..`, doubled or trailing slashes, behind what walk->path holds already; false
 * when it takes the slow road (also for `.` as a component, whose permission check would be lost).
 */
static bool normalise(struct walk *walk, const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	while (p < end) {
		const char *q;
		size_t n;

		while (p < end && *p == '/')
			p++;
		q = p;
		while (q < end && *q != '/')
			q++;
		n = (size_t)(q - p);
		if (n == 0)
			break;
		if (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))) {
			if (n == 2 || p != text || q == end || q + 1 == end)
				return false;
		} else if (n > NAME_MAX || walk_append(walk, p, n) != 0) {
			return false;
		}
		p = q;
	}
	walk->slash = len > 0 && text[len - 1] == '/';
	return true;
}

/* Step the matcher along walk->path from offset FROM; false when some name on the way is not plainly shown. */
static bool all_shown(struct op *op, struct walk *walk, size_t from)
{
	const char *p = walk->path + from, *end = walk->path + walk->path_len;

	while (p < end) {
		const char *q;

		if (*p == '/')
			p++;
		q = memchr(p, '/', (size_t)(end - p));
		if (!q)
			q = end;
		if (q > p)
			match_step(op->view->policy, &walk->state, p, (size_t)(q - p), &walk->state);
		walk_set_verdict(op, walk);
		if (walk->verdict.visibility != VIS_SHOW)
			return false;
		p = q;
	}
	return true;
}

/*
 * One openat2 with RESOLVE_NO_SYMLINKS on the normalised text. Returns 0, a negative errno that stands, or
 * -EAGAIN: take the slow road.
 */
int walk_quickly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags)
{
	_cleanup_close_ int start = -EBADF;
	size_t base = 0;
	bool detached = false;
	int fd;

	if (atomic_load_explicit(&no_openat2, memory_order_relaxed))
		return -EAGAIN;
	if (text[0] == '/') {
		walk->path_len = 0;
		match_root(op->view->policy, &walk->state);
		walk->path[0] = '/';
		walk->path[1] = '\0';
		walk->path_len = 1;
	} else {
		int error = walk_open_start(op, dirfd, &start);

		if (error)
			return error;
		error = walk_place_at(op, walk, start, &detached);
		if (error || detached || walk->verdict.visibility != VIS_SHOW)
			return -EAGAIN;
		base = walk->path_len;
	}
	size_t from = base > 1 ? base : 0;
	if (!normalise(walk, text, len) || walk->path_len == base || walk_under_proc(walk) ||
	    !all_shown(op, walk, from))
		return -EAGAIN;
	const char *relative = start >= 0 ? walk->path + (base > 1 ? base + 1 : 1) : walk->path;
	fd = sys_openat2(start >= 0 ? start : AT_FDCWD, relative,
			 O_PATH | (flags & WALK_FOLLOW ? 0 : O_NOFOLLOW) | (walk->slash ? O_DIRECTORY : 0),
			 RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd == -ELOOP || (walk->slash && fd == -ENOTDIR) || is_absent(fd) ? -EAGAIN : fd;
	walk->fd = fd;
	if (fstat(fd, &walk->stat) < 0)
		return -errno;
	/* Only the slow road knows its way about procfs. */
	if (walk->stat.st_dev == op->view->proc_dev || walk_strange_procfs(op, walk, fd, &walk->stat))
		return -EAGAIN;
	walk->exists = true;
	walk_set_verdict(op, walk);
	walk_apply_identity(op, walk);
	return walk_judge_visible(op, walk);
}
