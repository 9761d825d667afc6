/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/deep.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/op.h"
#include "vfs/overlay/mask.h"
#include "vfs/overlay/fstypes.h"
#include "vfs/overlay/pins.h"
#include "vfs/private.h"
#include "vfs/walk_parts.h"

void walk_init(struct walk *walk)
{
	walk->fd = -EBADF;
	walk->parent_fd = -EBADF;
	walk->path_len = 0;
	walk->path[0] = '\0';
	walk->name_len = 0;
	walk->name[0] = '\0';
	walk->exists = walk->slash = walk->detached = walk->private = walk->mask_memfd = walk->crypt_memfd = false;
	walk->last = LAST_NAME;
}

void walk_release(struct walk *walk)
{
	walk->fd = safe_close(walk->fd);
	walk->parent_fd = safe_close(walk->parent_fd);
	walk->exists = walk->slash = walk->detached = walk->private = walk->mask_memfd = walk->crypt_memfd = false;
	walk->last = LAST_NAME;
	walk->path_len = 0;
	walk->name_len = 0;
}

int walk_reopen(const struct walk *walk, int flags)
{
	char name[FD_NAME_MAX];
	int dir;
	const char *text = fd_name_at(walk->fd, name, &dir);
	int fd = -EBADF;

	/* O_EXCL without O_CREAT is for the driver of a block device. */
	if (flags & O_CREAT)
		flags &= ~(O_CREAT | O_EXCL);
	/* What F_GETFL shows: a link that has to be followed cannot be opened so, a directory can be by its own name. */
	if ((flags & O_NOFOLLOW) && S_ISDIR(walk->stat.st_mode))
		fd = openat(walk->fd, ".", flags | O_CLOEXEC);
	if (fd < 0)
		fd = openat(dir, text, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void walk_set_verdict(struct op *op, struct walk *walk)
{
	match_verdict(op->view->policy, &walk->state, &walk->verdict);
}

/* Where no path leads no rule does. */
static void set_default(struct op *op, struct walk *walk)
{
	walk->path_len = 0;
	walk->path[0] = '\0';
	match_root(op->view->policy, &walk->state);
	walk->verdict = (struct verdict){.visibility_rule = RULE_NONE, .content_rule = RULE_NONE, .write_rule = RULE_NONE};
}

/* What a name that may not be seen answers; 0 when it may be. */
int walk_judge_visible(struct op *op, const struct walk *walk)
{
	switch (walk->verdict.visibility) {
	case VIS_HIDE:
		return op_refuse(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule, -ENOENT);
	case VIS_DENY:
		return op_refuse(op, walk, REFUSAL_DENIED, walk->verdict.visibility_rule, -EACCES);
	case VIS_SHOW:
	case VIS_WAY:
		break;
	}
	return 0;
}

/* The object at walk->fd is known by `stat`: let pinned identity and masked memfds say their part. */
void walk_apply_identity(struct op *op, struct walk *walk)
{
	if (pins_any(op->view->pins))
		pins_apply(op->view->pins, op->view->policy, walk->stat.st_dev, walk->stat.st_ino, &walk->verdict);
	if (op->view->fstypes)
		fstypes_apply(op->view->fstypes, walk->stat.st_dev, &walk->verdict);
}

void walk_apply_absent(struct op *op, struct walk *walk, int dir)
{
	struct stat stat;

	if (op->view->fstypes && fstat(dir, &stat) == 0)
		fstypes_apply(op->view->fstypes, stat.st_dev, &walk->verdict);
}

/* An object without a path: the default verdict, unless it is content that we made, which is the file that it stands for. */
int walk_apply_detached(struct op *op, struct walk *walk)
{
	_cleanup_close_ int object = -EBADF;
	size_t len = sizeof(walk->path);
	int32_t rule;

	walk->detached = true;
	if (op->view->needs.mask && S_ISREG(walk->stat.st_mode) &&
	    masks_find(op->view->masks, walk->stat.st_dev, walk->stat.st_ino, &object, &rule, walk->path, &len) == 0) {
		struct stat real;

		if (fstat(object, &real) < 0)
			return -errno;
		walk->mask_memfd = true;
		walk->path_len = len;
		match_path(op->view->policy, walk->path, len, &walk->state);
		walk_set_verdict(op, walk);
		walk->verdict.content = CONTENT_MASK;
		walk->verdict.content_rule = rule;
		masks_present(&real, walk->stat.st_size, &walk->stat);
		safe_close(walk->fd);
		walk->fd = steal_fd(&object);
		return 0;
	}
	if (op->view->privates && private_apply_detached(op, walk))
		return 0;
	set_default(op, walk);
	walk_apply_identity(op, walk);
	return op->view->needs.crypt && S_ISREG(walk->stat.st_mode) ? encrypted_apply_detached(op, walk) : 0;
}

/* Path, state and verdict of the object at FD, from what the kernel says its path is. */
int walk_place_at(struct op *op, struct walk *walk, int fd, bool *ret_detached)
{
	int len = fd_path(fd, walk->path, sizeof(walk->path), ret_detached);

	if (len == -ENAMETOOLONG) {
		op_own_rights(op);
		int error = deep_place(op->view->policy, fd, &walk->state, walk->path, sizeof(walk->path), &walk->path_len);
		op_lend_rights(op);

		if (error)
			return error;
		*ret_detached = false;
		walk_set_verdict(op, walk);
		return 0;
	}
	if (len < 0)
		return len;
	if (*ret_detached) {
		set_default(op, walk);
		return 0;
	}
	walk->path_len = (size_t)len;
	match_path(op->view->policy, walk->path, walk->path_len, &walk->state);
	walk_set_verdict(op, walk);
	return 0;
}

int walk_append(struct walk *walk, const char *name, size_t len)
{
	size_t at = walk->path_len;

	if (at == 1) /* "/" */
		at = 0;
	if (at + 1 + len >= sizeof(walk->path))
		return -ENAMETOOLONG;
	walk->path[at] = '/';
	memcpy(walk->path + at + 1, name, len);
	walk->path_len = at + 1 + len;
	walk->path[walk->path_len] = '\0';
	return 0;
}

int walk_open_start(struct op *op, int dirfd, int *ret_fd)
{
	return dirfd == AT_FDCWD ? op->caller->ops->open_cwd(op->caller, ret_fd)
				 : op->caller->ops->open_object(op->caller, dirfd, ret_fd);
}

/*
 * All that is on a procfs has its block size (fs/proc/root.c, proc_fill_super(): 1024), which hardly another file system
 * without a device has: so most need not be asked what they are.
 */
bool walk_may_be_procfs(const struct op *op, const struct stat *stat)
{
	return major(stat->st_dev) == 0 && stat->st_blksize == op->view->proc_blksize &&
	       stat->st_dev != op->view->root_stat.st_dev;
}

bool walk_strange_procfs(const struct op *op, const struct walk *walk, int fd, const struct stat *stat)
{
	struct statfs fs;

	if (!walk_may_be_procfs(op, stat))
		return false;
	if (stat->st_dev == op->view->proc_dev)
		return !walk_under_proc(walk);
	/* What cannot be asked is not let through. */
	return fstatfs(fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC;
}

bool walk_under_proc(const struct walk *walk)
{
	return walk->path_len >= 5 && memcmp(walk->path, "/proc", 5) == 0 &&
	       (walk->path_len == 5 || walk->path[5] == '/');
}

static int resolve_text(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
			uint64_t resolve, struct at_once *at_once)
{
	int error = -EAGAIN;

	walk_release(walk);
	if (len == 0 && !(flags & WALK_EMPTY))
		return -ENOENT;
	if (len && !resolve && (flags & WALK_PARENT)) {
		error = walk_parent_quickly(op, walk, dirfd, text, len, flags, at_once);
	} else if (len && !resolve) {
		error = walk_through_links(op, walk, text, len, flags, at_once);
		if (error == -EAGAIN) {
			walk_release(walk);
			error = walk_quickly(op, walk, dirfd, text, len, flags, at_once);
		}
	}
	if (error == -EAGAIN) {
		walk_release(walk);
		error = walk_slowly(op, walk, dirfd, text, len, flags, resolve);
	}
	if (error)
		walk_release(walk);
	return error;
}

int walk_resolve(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		 uint64_t resolve)
{
	return resolve_text(op, walk, dirfd, text, len, flags, resolve, NULL);
}

int walk_open(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
	      uint64_t resolve, uint64_t open_flags, int *ret_fd)
{
	struct at_once at_once = {.flags = open_flags, .fd = -EBADF};
	int error = resolve_text(op, walk, dirfd, text, len, flags, resolve, &at_once);

	if (!error)
		*ret_fd = at_once.fd;
	return error;
}

/* Some rule speaks of content or of writing. */
static bool touches_content(const struct policy_needs *needs)
{
	return needs->mask || needs->append || needs->readonly || needs->crypt;
}

int walk_descriptor(struct op *op, struct walk *walk, int fd)
{
	int object, error;

	walk_release(walk);
	error = walk_open_start(op, fd, &object);
	return error ? error : walk_object(op, walk, object);
}

int walk_object(struct op *op, struct walk *walk, int fd)
{
	bool detached = false;
	int error;

	walk_release(walk);
	walk->fd = fd;
	walk->exists = true;
	if (fstat(walk->fd, &walk->stat) < 0)
		return -errno;
	error = walk_place_at(op, walk, walk->fd, &detached);
	/* A file too deep for a path cannot be climbed from; that it is visible its descriptor proves. */
	if (error == -ENAMETOOLONG && !touches_content(&op->view->needs))
		detached = true;
	else if (error)
		return error;
	if (detached)
		return walk_apply_detached(op, walk);
	walk_apply_identity(op, walk);
	return 0;
}
