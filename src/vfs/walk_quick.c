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
#include "vfs/known.h"
#include "vfs/walk_parts.h"

/* A container's filter knows no openat2(2): known once it has failed. */
static _Atomic bool no_openat2;

static int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Some C libraries say fstat() as newfstatat(2) with an empty path, which takes the kernel longer. */
static int stat_of(int fd, struct stat *ret)
{
	return (int)syscall(SYS_fstat, fd, ret);
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
 * Is the text, from AT on, nothing but names with one slash between them: already what normalise() would make of it, and
 * without `..`? The usual case, in one pass.
 */
static bool is_clean(const char *text, size_t at, size_t len)
{
	size_t name = at;

	if (at >= len)
		return false;
	for (size_t i = at; i <= len; i++) {
		size_t n = i - name;

		if (i < len && text[i] != '/')
			continue;
		if (n == 0 || n > NAME_MAX || (text[name] == '.' && (n == 1 || (n == 2 && text[name + 1] == '.'))))
			return false;
		name = i + 1;
	}
	return true;
}

/*
 * The text as one path without `.`, `..`, doubled or trailing slashes, behind what walk->path holds already; false
 * when it takes the slow road (also for a `.` that does not come first, whose permission check would be lost).
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
			if (n == 2 || p != text)
				return false;
		} else if (n > NAME_MAX || walk_append(walk, p, n) != 0) {
			return false;
		}
		p = q;
	}
	walk->slash = len > 0 && text[len - 1] == '/';
	return true;
}

/* `..` is never taken from a text: to be seen before anything is asked. */
static bool goes_up(const char *text, size_t len)
{
	for (const char *p = text; (p = memmem(p, (size_t)(text + len - p), "..", 2)); p++) {
		if ((p == text || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	}
	return false;
}

/* Where a text leads: the name by which the kernel finds it, from `dirfd`. */
struct place {
	const char *name;
	int dirfd;    /* AT_FDCWD, or `start` */
	int start;    /* where the caller's text starts, or -EBADF */
	bool entered; /* this thread's working directory is where the caller's text starts */
	bool start_itself; /* the text names nothing beneath where it starts: ".", "/" */
};

static void leave(struct op *op, struct place *place)
{
	safe_close(place->start);
	if (place->entered)
		op->caller->ops->leave(op->caller);
}

/*
 * Stand where a relative text starts and put the path of that place into the walk. getcwd(2) says what readlink of a
 * descriptor would, in a fifth of the time: only plain absolute paths are taken.
 */
static int enter(struct op *op, struct walk *walk, int dirfd, struct place *place)
{
	bool detached = false;
	long size;

	if (op_shares_fs()) {
		if (walk_open_start(op, dirfd, &place->start) < 0)
			return -EAGAIN;
		place->dirfd = place->start;
		return walk_place_at(op, walk, place->start, &detached) < 0 || detached ? -EAGAIN : 0;
	}
	if (op->caller->ops->enter(op->caller, dirfd) < 0)
		return -EAGAIN;
	place->entered = true;
	size = syscall(SYS_getcwd, walk->path, sizeof(walk->path));
	if (size < 2 || walk->path[0] != '/')
		return -EAGAIN;
	walk->path_len = (size_t)size - 1;
	return 0;
}

/*
 * Path, state and verdict of the text as it stands, if it leads through no symlink. The disk was not asked about any
 * name of it. Returns 0, or -EAGAIN: take the slow road. Either way the place has to be left.
 */
static int judge_text(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, struct place *place)
{
	bool clean = is_clean(text, text[0] == '/', len);
	size_t base = 1;

	*place = (struct place){.dirfd = AT_FDCWD, .start = -EBADF};
	if (atomic_load_explicit(&no_openat2, memory_order_relaxed) || (!clean && goes_up(text, len)))
		return -EAGAIN;
	if (text[0] == '/') {
		walk->path[0] = '/';
		walk->path[1] = '\0';
		walk->path_len = 1;
	} else {
		if (enter(op, walk, dirfd, place) < 0)
			return -EAGAIN;
		base = walk->path_len;
	}
	if (clean ? walk_append(walk, text + (text[0] == '/'), len - (text[0] == '/')) < 0 : !normalise(walk, text, len))
		return -EAGAIN;
	if (walk_under_proc(walk))
		return -EAGAIN;
	place->start_itself = walk->path_len == base;
	/* How one came to stand where a relative text starts is nobody's question, but there one must be. */
	match_path(op->view->policy, walk->path, base, &walk->state);
	walk_set_verdict(op, walk);
	if (walk->verdict.visibility == VIS_HIDE || walk->verdict.visibility == VIS_DENY ||
	    !match_on(op->view->policy, walk->path, base, walk->path_len, &walk->state))
		return -EAGAIN;
	walk_set_verdict(op, walk);
	if (walk->verdict.visibility != VIS_SHOW)
		return -EAGAIN;
	place->name = walk->path;
	if (text[0] != '/' && place->start_itself)
		place->name = ".";
	else if (text[0] != '/')
		place->name += base == 1 ? 1 : base + 1;
	return 0;
}

/* No rule says anything about the object, neither by its path nor by what it is. */
static bool is_plain(const struct verdict *verdict)
{
	return verdict->visibility == VIS_SHOW && verdict->content == CONTENT_PLAIN && verdict->write == WRITE_FREE;
}

/*
 * What a single name leads to, where no link can stand on the way: looked at without being opened. Returns false where
 * that is not all there is to know.
 */
static bool look_at_single_name(struct op *op, struct walk *walk, const struct place *place, unsigned flags, int *ret_error)
{
	uint64_t moment = known_moment(op->view->known);

	if (walk->slash || !is_plain(&walk->verdict) || strchr(place->name, '/'))
		return false;
	*ret_error = 0;
	if (fstatat(place->dirfd, place->name, &walk->stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		*ret_error = -errno;
		return true;
	}
	if (S_ISLNK(walk->stat.st_mode) && (flags & WALK_FOLLOW))
		return false;
	/* What is on a procfs cannot be told by this. */
	if (walk->stat.st_dev == op->view->proc_dev || walk_may_be_procfs(op, &walk->stat))
		return false;
	walk_apply_identity(op, walk);
	if (!is_plain(&walk->verdict)) {
		walk_set_verdict(op, walk);
		return false;
	}
	walk->exists = true;
	if (S_ISREG(walk->stat.st_mode))
		known_note(op->view->known, moment, walk->path, walk->path_len);
	return true;
}

static int look(struct op *op, struct walk *walk, const struct place *place, unsigned flags)
{
	int error;

	if ((flags & WALK_STAT) && look_at_single_name(op, walk, place, flags, &error))
		return error;
	uint64_t moment = known_moment(op->view->known);
	int fd = sys_openat2(place->dirfd, place->name,
			     O_PATH | (flags & WALK_FOLLOW ? 0 : O_NOFOLLOW) | (walk->slash ? O_DIRECTORY : 0),
			     RESOLVE_NO_SYMLINKS);

	if (fd < 0)
		return fd == -ELOOP || (walk->slash && fd == -ENOTDIR) || is_absent(fd) ? -EAGAIN : fd;
	walk->fd = fd;
	if (stat_of(fd, &walk->stat) < 0)
		return -errno;
	/* Only the slow road knows its way about procfs. */
	if (walk->stat.st_dev == op->view->proc_dev || walk_strange_procfs(op, walk, fd, &walk->stat))
		return -EAGAIN;
	walk->exists = true;
	walk_apply_identity(op, walk);
	if (S_ISREG(walk->stat.st_mode) && is_plain(&walk->verdict))
		known_note(op->view->known, moment, walk->path, walk->path_len);
	return walk_judge_visible(op, walk);
}

/* What a caller may ask of an open that is made at once: nothing that changes the object or that the driver reads. */
#define AT_ONCE                                                                                                        \
	((uint64_t)(O_ACCMODE | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_DIRECTORY | O_APPEND | O_NOCTTY | 0100000))

/* openat2, which is to be interrupted when it lasts. */
static int open_watched(struct op *op, const struct place *place, uint64_t flags)
{
	unsigned waits = atomic_load_explicit(&op->waits, memory_order_relaxed);

	atomic_store_explicit(&op->waits, waits + 1, memory_order_relaxed);
	int fd = sys_openat2(place->dirfd, place->name, flags, RESOLVE_NO_SYMLINKS);
	atomic_store_explicit(&op->waits, waits + 2, memory_order_relaxed);
	return fd;
}

/*
 * Open what PLACE names and see that it is what it was taken for: a regular file, or a directory, that no rule speaks of
 * by its identity. What comes in between is closed again. What may hold this thread (a FIFO) is interrupted; where nobody
 * sees to that, O_NONBLOCK keeps it from waiting, which has to be taken away again.
 */
static int try_place(struct op *op, struct walk *walk, const struct place *place, uint64_t flags, int *ret_fd)
{
	bool directory = flags & O_DIRECTORY, add = !directory && !(flags & O_NONBLOCK) && !op->watched;
	int fd = open_watched(op, place, flags | O_NOCTTY | (add ? O_NONBLOCK : 0));
	_cleanup_close_ int opened = fd;

	if (fd < 0 || stat_of(fd, &walk->stat) < 0)
		return -EAGAIN;
	if (directory ? !S_ISDIR(walk->stat.st_mode) : !S_ISREG(walk->stat.st_mode))
		return -EAGAIN;
	if (walk->stat.st_dev == op->view->proc_dev || walk_strange_procfs(op, walk, fd, &walk->stat))
		return -EAGAIN;
	walk_apply_identity(op, walk);
	if (!is_plain(&walk->verdict))
		return -EAGAIN;
	if (add && fcntl(fd, F_SETFL, (int)(flags & (O_APPEND | O_NONBLOCK))) < 0)
		return -EAGAIN;
	*ret_fd = steal_fd(&opened);
	return 0;
}

static int open_place(struct op *op, struct walk *walk, const struct place *place, uint64_t flags, int *ret_fd)
{
	int error = try_place(op, walk, place, flags, ret_fd);

	/* Once is enough: what is there now may notice a second time. */
	if (error)
		known_drop(op->view->known, walk->path, walk->path_len);
	return error;
}

static bool may_open_at_once(const struct op *op, const struct walk *walk, uint64_t flags)
{
	if ((flags & ~AT_ONCE) || !is_plain(&walk->verdict) || (walk->slash && !(flags & O_DIRECTORY)))
		return false;
	return (flags & O_DIRECTORY) || known_regular(op->view->known, walk->path, walk->path_len);
}

int walk_quickly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		 struct at_once *at_once)
{
	struct place place;
	int error = judge_text(op, walk, dirfd, text, len, &place);

	if (!error && at_once && may_open_at_once(op, walk, at_once->flags) &&
	    open_place(op, walk, &place, at_once->flags, &at_once->fd) == 0) {
		leave(op, &place);
		return 0;
	}
	if (!error) {
		/* An open that came to nothing may have changed it. */
		walk_set_verdict(op, walk);
		error = look(op, walk, &place, flags);
	}
	leave(op, &place);
	return error;
}

/* Split walk->path: the last name goes into walk->name, and the directory that holds it is opened. */
static int open_parent(struct walk *walk, const struct place *place)
{
	char *name = strrchr(walk->path, '/') + 1;
	int fd;

	walk->name_len = walk->path_len - (size_t)(name - walk->path);
	memcpy(walk->name, name, walk->name_len + 1);
	if (name == place->name) {
		fd = sys_openat2(place->dirfd, ".", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	} else if (name == walk->path + 1) {
		fd = sys_openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	} else {
		name[-1] = '\0';
		fd = sys_openat2(place->dirfd, place->name, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
		name[-1] = '/';
	}
	if (fd < 0)
		return fd == -ELOOP || is_absent(fd) ? -EAGAIN : fd;
	walk->parent_fd = fd;
	return 0;
}

/* What stands at the name: exists, stat, and fd unless the name is all that is asked for (WALK_NAME). */
static int look_at_name(struct op *op, struct walk *walk, unsigned flags)
{
	const int no_follow = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	uint64_t moment = known_moment(op->view->known);
	struct stat parent;
	int found;

	if (flags & WALK_NAME) {
		found = fstatat(walk->parent_fd, walk->name, &walk->stat, no_follow);
	} else {
		walk->fd = openat(walk->parent_fd, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		found = walk->fd < 0 ? -1 : fstat(walk->fd, &walk->stat);
	}
	if (found < 0 && errno != ENOENT)
		return -errno;
	walk->exists = found == 0;
	if (!walk->exists && fstat(walk->parent_fd, &parent) < 0)
		return -errno;
	/* Only the slow road knows its way about procfs, and about links. */
	if (walk_strange_procfs(op, walk, walk->fd >= 0 ? walk->fd : walk->parent_fd,
				walk->exists ? &walk->stat : &parent) ||
	    (walk->exists && S_ISLNK(walk->stat.st_mode) && (flags & WALK_FOLLOW)))
		return -EAGAIN;
	if (!walk->exists) {
		walk_apply_absent(op, walk, walk->parent_fd);
		return 0;
	}
	walk_apply_identity(op, walk);
	/* Who looks at the name alone is about to change it. */
	if (!(flags & WALK_NAME) && S_ISREG(walk->stat.st_mode) && is_plain(&walk->verdict))
		known_note(op->view->known, moment, walk->path, walk->path_len);
	return 0;
}

int walk_parent_quickly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
			struct at_once *at_once)
{
	struct place place;
	int error = judge_text(op, walk, dirfd, text, len, &place);

	if (!error && (place.start_itself || (walk->slash && (flags & WALK_FILE))))
		error = -EAGAIN;
	if (!error && at_once && may_open_at_once(op, walk, at_once->flags)) {
		if (open_place(op, walk, &place, at_once->flags, &at_once->fd) == 0) {
			leave(op, &place);
			return 0;
		}
		walk_set_verdict(op, walk);
	}
	if (!error)
		error = open_parent(walk, &place);
	leave(op, &place);
	return error ? error : look_at_name(op, walk, flags);
}
