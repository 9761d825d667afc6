/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/overlay/memfd.h"
#include "vfs/overlay/privates.h"
#include "vfs/private_parts.h"
#include "vfs/walk_parts.h"

static const char deleted[] = " (deleted)";
static const char kinds_note[] = "create=private keeps regular files only";

/* The name, or its object, is as if no rule hid it; what rules say of writing it holds. */
static void reveal(struct walk *walk)
{
	walk->private = true;
	walk->verdict.visibility = VIS_SHOW;
	walk->verdict.content = CONTENT_PLAIN;
	walk->verdict.content_rule = RULE_NONE;
}

bool private_covers(const struct op *op, const struct walk *walk)
{
	int32_t rule = walk->verdict.visibility_rule;

	return op->view->privates && walk->verdict.visibility == VIS_HIDE && rule != RULE_NONE &&
	       policy_rule(op->view->policy, (uint32_t)rule)->create_private;
}

int private_look(struct op *op, struct walk *walk, int dir, const char *name)
{
	int fd, error = privates_find(op->view->privates, dir, name, &fd, &walk->stat);

	if (error && error != -ENOENT)
		return error;
	reveal(walk);
	if (!error) {
		safe_close(walk->fd);
		walk->fd = fd;
	}
	walk->exists = !error;
	return 0;
}

bool private_apply_detached(struct op *op, struct walk *walk)
{
	bool gone;
	int len;

	if (!privates_may_be(op->view->privates, &walk->stat))
		return false;
	len = privates_path(op->view->privates, &walk->stat, walk->path, sizeof(walk->path), &gone, NULL);
	if (len < 0 || !privates_shown(op->view->privates, &walk->stat)) {
		walk->path[0] = '\0';
		return false;
	}
	walk->path_len = (size_t)len;
	match_path(op->view->policy, walk->path, walk->path_len, &walk->state);
	walk_set_verdict(op, walk);
	reveal(walk);
	walk->detached = gone;
	return true;
}

int private_check_parent(const struct walk *walk, const struct stat *victim)
{
	struct stat dir;
	uid_t uid = op_fsuid();

	if (syscall(SYS_faccessat2, walk->parent_fd, "", W_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0 ||
	    fstat(walk->parent_fd, &dir) < 0)
		return -errno;
	if (dir.st_nlink == 0)
		return -ENOENT;
	/* check_sticky() of fs/namei.c; whoever is root may. */
	if (victim && (dir.st_mode & S_ISVTX) && uid != 0 && uid != victim->st_uid && uid != dir.st_uid)
		return -EPERM;
	return 0;
}

/* The owner, group and mode that a file has which the caller makes with MODE in the directory of WALK. */
static int set_owner(struct op *op, const struct walk *walk, int fd, mode_t mode)
{
	struct stat dir;
	mode_t mask;
	int error = op->caller->ops->umask(op->caller, &mask);

	if (error)
		return error;
	if (fstat(walk->parent_fd, &dir) < 0)
		return -errno;
	if ((dir.st_mode & S_ISGID) && fchown(fd, (uid_t)-1, dir.st_gid) < 0)
		return -errno;
	return fchmod(fd, mode & 07777 & ~mask) < 0 ? -errno : 0;
}

int private_prepare(struct op *op, const struct walk *walk, int file, bool exclusive, struct private_new **ret)
{
	op_own_rights(op);
	int error = privates_prepare(op->view->privates, walk->parent_fd, walk->name, file, exclusive, ret);
	op_lend_rights(op);

	return error == -ENOSPC ? op_refuse_noted(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule,
						  "private files have reached private.files or private.total", error)
				: error;
}

/* Make an empty file called so, with what the caller may have of it in FLAGS open at *RET_FD (if that is not NULL). */
static int make(struct op *op, struct walk *walk, mode_t mode, uint64_t flags, int *ret_fd)
{
	struct private_new *new = NULL;
	_cleanup_close_ int file = -EBADF, opened = -EBADF;
	int error = private_check_parent(walk, NULL);

	if (!error)
		error = privates_make(&file);
	/* Before it has its mode: who creates a file may open it, whatever that says. */
	if (!error && ret_fd)
		error = memfd_reopen(file, (int)(flags & ~(uint64_t)O_TRUNC), &opened);
	if (!error)
		error = set_owner(op, walk, file, mode);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (!error)
		error = private_prepare(op, walk, file, true, &new);
	if (!error)
		error = privates_commit(op->view->privates, &new);
	if (!error && ret_fd)
		*ret_fd = steal_fd(&opened);
	return error;
}

int private_create(struct op *op, struct walk *walk, const struct open_how *how, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	int accmode = (int)(how->flags & O_ACCMODE);
	uint64_t flags = how->flags;
	int error = judge(op, walk, INTENT_CREATE);

	if (!error)
		error = judge(op, walk, accmode == O_RDONLY ? INTENT_READ : accmode == O_WRONLY ? INTENT_WRITE : INTENT_READWRITE);
	if (walk->verdict.write == WRITE_APPEND && accmode != O_RDONLY)
		flags |= O_APPEND;
	if (!error)
		error = make(op, walk, (mode_t)how->mode, flags, &fd);
	return error ? error : outcome_fd(out, &fd, how->flags & O_CLOEXEC);
}

int private_open(struct op *op, const struct walk *walk, uint64_t flags, int *ret_fd)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC), stopped;
	int error;

	if (writes && (privates_room(op->view->privates, walk->fd, &stopped) == 0 || stopped)) {
		/* Who may not is told that first. */
		if (syscall(SYS_faccessat2, walk->fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
			return -errno;
		if (stopped || !(flags & O_TRUNC))
			return op_refuse_noted(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule,
					       "private files have reached private.total", -ENOSPC);
	}
	error = memfd_reopen(walk->fd, (int)flags, ret_fd);
	if (!error && writes)
		privates_written(op->view->privates, walk->fd);
	return error;
}

int private_check_size(struct op *op, const struct walk *walk, int64_t length)
{
	struct stat now;
	bool stopped;
	uint64_t room;

	if (fstat(walk->fd, &now) < 0)
		return -errno;
	room = privates_room(op->view->privates, walk->fd, &stopped);
	privates_written(op->view->privates, walk->fd);
	if (length <= now.st_size || (!stopped && (uint64_t)(length - now.st_size) <= room))
		return 0;
	return op_refuse_noted(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule,
			       "private files have reached private.total", -ENOSPC);
}

int private_refuse_kind(struct op *op, const struct walk *walk)
{
	return op_refuse_noted(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule, kinds_note, -EACCES);
}

int private_mknod(struct op *op, struct walk *walk, mode_t mode)
{
	if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != S_IFREG)
		return private_refuse_kind(op, walk);
	return make(op, walk, mode, 0, NULL);
}

int private_unlink(struct op *op, struct walk *walk, bool rmdir_call)
{
	int error;

	if (fd_readonly(walk->parent_fd))
		return -EROFS;
	if (!walk->exists)
		return -ENOENT;
	if (rmdir_call || walk->slash)
		return -ENOTDIR;
	error = judge(op, walk, INTENT_REMOVE);
	if (!error)
		error = private_check_parent(walk, &walk->stat);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	return error ? error : privates_remove(op->view->privates, walk->parent_fd, walk->name);
}

bool private_inside(const struct op *op, const struct walk *walk)
{
	return op->view->privates && walk->exists && S_ISDIR(walk->stat.st_mode) && privates_any(op->view->privates, &walk->stat);
}

void private_show_statx(struct op *op, const struct walk *walk, struct statx *sx)
{
	_cleanup_close_ int dir = -EBADF;
	char path[PATH_MAX];
	struct stat raw;
	bool gone;

	sx->stx_ino = walk->stat.st_ino;
	sx->stx_nlink = (uint32_t)walk->stat.st_nlink;
	sx->stx_dev_major = major(walk->stat.st_dev);
	sx->stx_dev_minor = minor(walk->stat.st_dev);
	if (fstat(walk->fd, &raw) == 0 &&
	    privates_path(op->view->privates, &raw, path, sizeof(path), &gone, &dir) >= 0 && (sx->stx_mask & STATX_MNT_ID))
		sx->stx_mnt_id = fd_mount(dir);
}

int private_statfs_object(struct op *op, const struct stat *stat, int *ret_fd)
{
	char path[PATH_MAX];
	bool gone;
	int len = privates_path(op->view->privates, stat, path, sizeof(path), &gone, ret_fd);

	return len < 0 ? len : 0;
}

ssize_t private_link_text(const struct view *view, const struct stat *stat, char *text, size_t cap)
{
	bool gone;
	int len = privates_path(view->privates, stat, text, cap, &gone, NULL);

	if (len < 0)
		return len == -ENOENT ? 0 : len;
	if (gone && (size_t)len + sizeof(deleted) > cap)
		return -ENAMETOOLONG;
	if (gone)
		memcpy(text + len, deleted, sizeof(deleted));
	return len + (gone ? (ssize_t)sizeof(deleted) - 1 : 0);
}
