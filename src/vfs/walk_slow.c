/* SPDX-License-Identifier: Apache-2.0 */
/* The slow road: component by component, with symlinks followed here. fs/namei.c gives the order of errors. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/private.h"
#include "vfs/proclink.h"
#include "vfs/walk_parts.h"

#define LINKS_MAX 40 /* MAXSYMLINKS of the kernel */
#define RESOLVE_SCOPED (RESOLVE_BENEATH | RESOLVE_IN_ROOT)

/* A walk in progress: `cur` is where it stands, walk->path and walk->state describe it unless `detached`. */
struct resolver {
	struct op *op;
	struct walk *walk;
	unsigned flags;
	uint64_t resolve;
	int cur;
	int base; /* the scope's root for RESOLVE_BENEATH and RESOLVE_IN_ROOT */
	unsigned links;
	bool detached;
	bool root_known; /* the kernel would have looked up its root by now */
	bool jumped; /* a magic link led here: the object has no name in the text */
	struct stat stat; /* of cur, when `known` */
	struct buffer rest;
	char storage[2 * PATH_MAX + NAME_MAX + 8];
};

static int open_root(struct resolver *r)
{
	int fd = openat(r->op->view->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	safe_close(r->cur);
	r->cur = fd;
	r->walk->path[0] = '/';
	r->walk->path[1] = '\0';
	r->walk->path_len = 1;
	r->detached = false;
	match_root(r->op->view->policy, &r->walk->state);
	walk_set_verdict(r->op, r->walk);
	return 0;
}

static int check_xdev(const struct resolver *r, int next)
{
	return (r->resolve & RESOLVE_NO_XDEV) && fd_mount(r->cur) != fd_mount(next) ? -EXDEV : 0;
}

/* Stand where absolute texts start: the root, or the scope's own for RESOLVE_IN_ROOT. */
static int go_root(struct resolver *r)
{
	int fd, error;

	if (r->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	if (!(r->resolve & RESOLVE_IN_ROOT)) {
		/* nd_jump_root() compares with a root that it may not have looked up yet: then any link is another mount. */
		error = (r->resolve & RESOLVE_NO_XDEV) && !r->root_known ? -EXDEV : check_xdev(r, r->op->view->root_fd);
		r->root_known = true;
		return error ? error : open_root(r);
	}
	error = check_xdev(r, r->base);
	if (error)
		return error;
	fd = fcntl(r->base, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	safe_close(r->cur);
	r->cur = fd;
	error = walk_place_at(r->op, r->walk, r->cur, &r->detached);
	return error;
}

/* The name may not be said to be absent before its parent's own errors: not a directory, no search permission. */
static int parent_errors(int dir, size_t name_len)
{
	_cleanup_close_ int probe = openat(dir, ".", O_PATH | O_CLOEXEC);

	if (probe < 0)
		return -errno;
	return name_len > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* By identity: the scope's root may be moved, or have no path at all. */
static bool at_base(const struct resolver *r)
{
	struct stat cur, base;

	return fstat(r->cur, &cur) == 0 && fstat(r->base, &base) == 0 && cur.st_dev == base.st_dev &&
	       cur.st_ino == base.st_ino && fd_mount(r->cur) == fd_mount(r->base);
}

/* A directory that was moved meanwhile may have led out of the scope (path_is_under() of complete_walk()). */
static int check_scope(const struct resolver *r, int fd)
{
	char base[WALK_PATH_MAX], path[WALK_PATH_MAX];
	bool base_detached, detached;
	int base_len, len;

	if (!(r->resolve & RESOLVE_SCOPED))
		return 0;
	base_len = fd_path(r->base, base, sizeof(base), &base_detached);
	len = fd_path(fd, path, sizeof(path), &detached);
	if (base_len < 0 || len < 0 || base_detached || detached)
		return 0;
	if (base_len == 1)
		return 0;
	if (len < base_len || memcmp(path, base, (size_t)base_len) != 0 || (path[base_len] != '/' && path[base_len]))
		return -EXDEV;
	return 0;
}

static int step_dotdot(struct resolver *r)
{
	struct walk *walk = r->walk;
	int error;

	r->root_known = true;
	if ((r->resolve & RESOLVE_SCOPED) && at_base(r)) {
		error = parent_errors(r->cur, 0);
		return !error && (r->resolve & RESOLVE_BENEATH) ? -EXDEV : error;
	}
	_cleanup_close_ int next = openat(r->cur, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (next < 0)
		return -errno;
	error = check_xdev(r, next);
	if (error)
		return error;
	safe_close(r->cur);
	r->cur = steal_fd(&next);
	error = check_scope(r, r->cur);
	if (error)
		return error;
	/* Never lexically: the directory may have been moved while we stood in it. */
	error = walk_place_at(r->op, walk, r->cur, &r->detached);
	if (error)
		return error;
	return r->detached ? 0 : walk_judge_visible(r->op, walk);
}

/* Put TARGET in front of what is left of the text. */
static int push_link(struct resolver *r, const char *target, size_t len)
{
	char kept[sizeof(r->storage)];
	size_t kept_len = r->rest.len;

	if (len + kept_len > r->rest.cap)
		return -ENAMETOOLONG;
	memcpy(kept, r->rest.data, kept_len);
	buffer_clear(&r->rest);
	buffer_append(&r->rest, target, len);
	return buffer_append(&r->rest, kept, kept_len);
}

/* fs.protected_symlinks: in a sticky directory that others can write, only one's own or the directory owner's. */
static int check_protected(const struct resolver *r, const struct stat *link)
{
	struct stat dir;

	if (!r->op->view->protected_symlinks || link->st_uid == op_fsuid())
		return 0;
	if (fstat(r->cur, &dir) < 0)
		return -errno;
	if ((dir.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) || dir.st_uid == link->st_uid)
		return 0;
	return -EACCES;
}

/* A magic link of /proc: opened first, then judged by where it really leads. */
static int follow_magic(struct resolver *r, const char *name)
{
	struct walk *walk = r->walk;
	int error;

	if (r->resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	if (r->resolve & RESOLVE_SCOPED)
		return -EXDEV;
	bool own = !r->detached && proclink_is_own(r->op, walk->path, walk->path_len);
	if (own)
		op_own_rights(r->op);
	_cleanup_close_ int next = openat(r->cur, name, O_PATH | O_CLOEXEC);
	error = next < 0 ? -errno : 0;
	if (own)
		op_lend_rights(r->op);
	if (!error)
		error = check_xdev(r, next);
	if (error)
		return error;
	safe_close(r->cur);
	r->cur = steal_fd(&next);
	r->jumped = true;
	error = walk_place_at(r->op, walk, r->cur, &r->detached);
	if (error)
		return error;
	return r->detached ? 0 : walk_judge_visible(r->op, walk);
}

/* NEXT is a symlink named NAME in r->cur. */
static int follow_link(struct resolver *r, int next, const struct stat *stat, const char *name, bool last)
{
	enum proclink kind;
	char target[PATH_MAX];
	ssize_t len;
	int error;

	if (++r->links > LINKS_MAX || (r->resolve & RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	kind = proclink_classify(r->op, r->walk->path, r->walk->path_len, name, stat);
	switch (kind) {
	case PROCLINK_MAGIC:
		return follow_magic(r, name);
	case PROCLINK_FORBIDDEN:
		return op_refuse(r->op, r->walk, REFUSAL_UNSERVED, RULE_NONE, -EACCES);
	case PROCLINK_SELF:
	case PROCLINK_THREAD_SELF:
		error = proclink_self_text(r->op, kind, target, &len);
		if (error)
			return error;
		break;
	case PROCLINK_NONE:
		if (last) {
			error = check_protected(r, stat);
			if (error)
				return error;
		}
		len = readlinkat(next, "", target, sizeof(target));
		if (len < 0)
			return -errno;
		if (len == 0)
			return -ENOENT;
		if (len >= (ssize_t)sizeof(target))
			return -ENAMETOOLONG;
		break;
	}
	if (kind == PROCLINK_NONE && !r->detached)
		walk_note_link(r->op, r->walk, name);
	error = push_link(r, target, (size_t)len);
	if (error)
		return error;
	if (target[0] == '/')
		return go_root(r);
	/* Back to the directory that holds the link: its path is what precedes the name. */
	return 0;
}

/* Take the next component off the text. Returns its length; 0 when nothing is left. */
static size_t next_component(struct resolver *r, char name[NAME_MAX + 2], bool *ret_last, bool *ret_slash)
{
	const char *text = r->rest.data, *end = text + r->rest.len, *p = text, *q;
	size_t len;

	while (p < end && *p == '/')
		p++;
	q = p;
	while (q < end && *q != '/')
		q++;
	len = (size_t)(q - p);
	/* A component that cannot be is cut to NAME_MAX + 1: the kernel then says so. */
	memcpy(name, p, len > NAME_MAX ? NAME_MAX + 1 : len);
	name[len > NAME_MAX ? NAME_MAX + 1 : len] = '\0';
	p = q;
	while (p < end && *p == '/')
		p++;
	*ret_last = p == end;
	*ret_slash = p != q;
	/* What is left keeps its leading slash, so that a link's text can be put in front. */
	len = len > NAME_MAX ? NAME_MAX + 1 : len;
	size_t left = (size_t)(end - q);
	memmove(r->rest.data, q, left);
	buffer_truncate(&r->rest, left);
	return len;
}

/* Remember the last name for an operation on its parent. */
static int keep_parent(struct resolver *r, const char *name, size_t len)
{
	int fd = fcntl(r->cur, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	safe_close(r->walk->parent_fd);
	r->walk->parent_fd = fd;
	memcpy(r->walk->name, name, len + 1);
	r->walk->name_len = len;
	return 0;
}

enum step { STEP_ON = 1, STEP_DONE = 2 };

/* The name was a symlink: the walk stands where the link is, DIR_LEN bytes of path. */
static void back_to_directory(struct resolver *r, size_t dir_len)
{
	struct walk *walk = r->walk;

	if (r->detached)
		return;
	walk->path_len = dir_len;
	walk->path[dir_len] = '\0';
	memcpy(&walk->state, &walk->parent_state, match_state_size(&walk->parent_state));
}

static int check_proc(const struct resolver *r, int fd, const struct stat *stat)
{
	if (!walk_strange_procfs(r->op, r->walk, fd, stat))
		return 0;
	return op_refuse_unserved(r->op, "procfs is served at /proc only", -EACCES);
}

/* Look NAME up where the walk stands, in the directory whose path is the first DIR_LEN bytes of the walk's. */
static int open_name(struct resolver *r, const char *name, size_t dir_len)
{
	bool own = !r->detached && proclink_is_own(r->op, r->walk->path, dir_len);
	int fd;

	if (own)
		op_own_rights(r->op);
	fd = openat(r->cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	if (own)
		op_lend_rights(r->op);
	return fd;
}

static int stat_last_name(struct resolver *r, const char *name)
{
	struct walk *walk = r->walk;

	if (fstatat(r->cur, name, &walk->stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		if (errno != ENOENT)
			return -errno;
		walk_apply_absent(r->op, walk, r->cur);
		return STEP_DONE;
	}
	walk->exists = true;
	walk_apply_identity(r->op, walk);
	return STEP_DONE;
}

/* The last name, for an operation on its parent. Returns STEP_DONE, STEP_ON (a link was followed) or an errno. */
static int step_last_name(struct resolver *r, const char *name, size_t len, size_t dir_len)
{
	struct walk *walk = r->walk;
	int error;

	if (walk->slash && (r->flags & WALK_FILE)) {
		error = parent_errors(r->cur, 0);
		return error ? error : -EISDIR;
	}
	if (len > NAME_MAX) {
		error = parent_errors(r->cur, len);
		/* As its file system says it: in procfs such a name is only one that is not there. */
		if (error == -ENAMETOOLONG && faccessat(r->cur, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			error = -errno;
		return error ? error : -ENAMETOOLONG;
	}
	error = keep_parent(r, name, len);
	if (error)
		return error;
	if (walk->verdict.visibility == VIS_HIDE || walk->verdict.visibility == VIS_DENY) {
		error = parent_errors(r->cur, len);
		if (error)
			return error;
		return (r->flags & WALK_LAST_UNJUDGED) ? STEP_DONE : walk_judge_visible(r->op, walk);
	}
	if (r->flags & WALK_NAME)
		return stat_last_name(r, name);
	_cleanup_close_ int next = open_name(r, name, dir_len);
	if (next == -ENOENT) {
		walk_apply_absent(r->op, walk, r->cur);
		return STEP_DONE;
	}
	if (next < 0)
		return next;
	if (fstat(next, &walk->stat) < 0)
		return -errno;
	error = check_xdev(r, next);
	if (!error)
		error = check_proc(r, next, &walk->stat);
	if (error)
		return error;
	if (S_ISLNK(walk->stat.st_mode) && (r->flags & WALK_FOLLOW)) {
		struct stat stat = walk->stat;

		/* Its text may be nothing but slashes: then there is no last name. */
		walk->parent_fd = safe_close(walk->parent_fd);
		back_to_directory(r, dir_len);
		error = follow_link(r, next, &stat, name, true);
		return error ? error : STEP_ON;
	}
	walk->fd = steal_fd(&next);
	walk->exists = true;
	walk_apply_identity(r->op, walk);
	return STEP_DONE;
}

/* A name of the view's own: the same as below, but for where it is looked up. */
static int step_private(struct resolver *r, const char *name, size_t len, bool last, bool slash)
{
	struct walk *walk = r->walk;
	bool parent = last && (r->flags & WALK_PARENT);
	int error = parent_errors(r->cur, len);

	if (!error && parent && slash && (r->flags & WALK_FILE))
		error = -EISDIR;
	if (!error && parent)
		error = keep_parent(r, name, len);
	if (!error)
		error = private_look(r->op, walk, r->cur, name);
	if (error)
		return error;
	if (parent)
		return STEP_DONE;
	if (walk->exists)
		return last && !slash ? STEP_DONE : -ENOTDIR;
	walk->private = false;
	walk_set_verdict(r->op, walk);
	return walk_judge_visible(r->op, walk);
}

static int step_name(struct resolver *r, const char *name, size_t len, bool last, bool slash)
{
	struct walk *walk = r->walk;
	size_t dir_len = walk->path_len;
	struct stat stat;
	int error;

	walk->parent_state.count = 0;
	if (!r->detached) {
		/* The parent's state is needed again if the name turns out to be a symlink. */
		memcpy(&walk->parent_state, &walk->state, match_state_size(&walk->state));
		match_step(r->op->view->policy, &walk->parent_state, name, len, &walk->state);
		walk_set_verdict(r->op, walk);
		error = walk_append(walk, name, len > NAME_MAX ? NAME_MAX : len);
		if (error)
			return error;
	}
	if (!r->detached && private_covers(r->op, walk))
		return step_private(r, name, len, last, slash);
	if (last && (r->flags & WALK_PARENT))
		return step_last_name(r, name, len, dir_len);
	if (!r->detached && (walk->verdict.visibility == VIS_HIDE || walk->verdict.visibility == VIS_DENY)) {
		error = parent_errors(r->cur, len);
		return error ? error : walk_judge_visible(r->op, walk);
	}
	if (proclink_absent(r->op, walk))
		return -ENOENT;
	_cleanup_close_ int next = open_name(r, name, dir_len);
	if (next < 0)
		return next;
	if (fstat(next, &stat) < 0)
		return -errno;
	error = check_xdev(r, next);
	if (!error)
		error = check_proc(r, next, &stat);
	if (error)
		return error;
	if (S_ISLNK(stat.st_mode) && (!last || slash || (r->flags & WALK_FOLLOW))) {
		back_to_directory(r, dir_len);
		return follow_link(r, next, &stat, name, last);
	}
	safe_close(r->cur);
	r->cur = steal_fd(&next);
	return 0;
}

/* One component. Returns 0 to go on, STEP_DONE, or a negative errno. */
static int step(struct resolver *r)
{
	struct walk *walk = r->walk;
	char name[NAME_MAX + 2];
	bool last, slash;
	size_t len = next_component(r, name, &last, &slash);
	bool dot = len == 1 && name[0] == '.', dotdot = len == 2 && name[0] == '.' && name[1] == '.';
	int error;

	if (len == 0)
		return STEP_DONE;
	r->jumped = false;
	walk->slash = last && slash;
	if (!dot && !dotdot) {
		walk->last = LAST_NAME;
		error = step_name(r, name, len, last, slash);
		return error == STEP_ON ? 0 : error;
	}
	if (last && (r->flags & WALK_PARENT)) {
		error = keep_parent(r, name, len);
		if (error)
			return error;
	}
	walk->last = dot ? LAST_DOT : LAST_DOTDOT;
	if (dotdot)
		return step_dotdot(r);
	_cleanup_close_ int here = openat(r->cur, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return here < 0 ? -errno : 0;
}

/* The walk has arrived: r->cur is the object. */
static int arrive(struct resolver *r)
{
	struct walk *walk = r->walk;
	int error;

	if ((r->flags & WALK_PARENT) && walk->parent_fd < 0 && !r->jumped) {
		/* The text was nothing but slashes. */
		walk->last = LAST_ROOT;
		walk->name[0] = '/';
		walk->name[1] = '\0';
		walk->name_len = 1;
		walk->parent_fd = fcntl(r->cur, F_DUPFD_CLOEXEC, 0);
		if (walk->parent_fd < 0)
			return -errno;
	}
	if (fstat(r->cur, &walk->stat) < 0)
		return -errno;
	error = check_proc(r, r->cur, &walk->stat);
	if (error)
		return error;
	if (walk->slash && !S_ISDIR(walk->stat.st_mode))
		return -ENOTDIR;
	walk->fd = steal_fd(&r->cur);
	walk->exists = true;
	if (!r->detached && r->links) {
		/* What counts is the object's own path, not the text that led there. Too deep: the walk knows, no other does. */
		error = walk_place_at(r->op, walk, walk->fd, &r->detached);
		if (error && (error != -ENAMETOOLONG || r->jumped))
			return error;
	}
	if (r->detached)
		return walk_apply_detached(r->op, walk);
	walk_apply_identity(r->op, walk);
	return walk_judge_visible(r->op, walk);
}

int walk_slowly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		       uint64_t resolve)
{
	struct resolver r = {.op = op, .walk = walk, .flags = flags, .resolve = resolve, .cur = -EBADF, .base = -EBADF};
	bool absolute = text[0] == '/' && !(resolve & RESOLVE_IN_ROOT);
	int error;

	if (text[0] == '/' && (resolve & RESOLVE_BENEATH))
		return -EXDEV;
	buffer_init(&r.rest, r.storage, sizeof(r.storage));
	error = buffer_append(&r.rest, text, len);
	if (error)
		return -ENAMETOOLONG;
	if (absolute) {
		r.root_known = true;
		error = open_root(&r);
	} else {
		error = walk_open_start(op, dirfd, &r.cur);
		/* path_init(): it is seen here, since a text of slashes alone has no component that would tell. */
		if (!error && text[0] == '/' && (fstat(r.cur, &walk->stat) < 0 || !S_ISDIR(walk->stat.st_mode)))
			error = -ENOTDIR;
		if (!error)
			error = walk_place_at(op, walk, r.cur, &r.detached);
		if (!error && !r.detached && !(flags & WALK_EMPTY && len == 0))
			error = walk_judge_visible(op, walk);
	}
	if (!error && (resolve & RESOLVE_SCOPED)) {
		r.base = fcntl(r.cur, F_DUPFD_CLOEXEC, 0);
		error = r.base < 0 ? -errno : 0;
	}
	while (!error)
		error = step(&r);
	if (error == STEP_DONE && !walk->private && !((flags & WALK_PARENT) && walk->last == LAST_NAME && walk->parent_fd >= 0))
		error = arrive(&r);
	else if (error == STEP_DONE)
		error = 0;
	safe_close(r.cur);
	safe_close(r.base);
	return error;
}
