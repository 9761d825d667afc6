/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename(2) and link(2) where a private name takes part. Between private names they are what they are elsewhere. A file
 * of the disk that gets a private name is copied into memory, with its mode, owner, times and attributes, and for rename
 * its old name is then removed: so the ways in which programs save a file work on a hidden name. A private file that is to
 * get a name on the disk is EXDEV, as between file systems: programs that can copy do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/whole.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/overlay/privates.h"
#include "vfs/private_parts.h"

static const char not_out[] = "a private file cannot be renamed to a name on the disk: it has to be copied";

/* User attributes, as far as files in memory have them. SCRATCH of the op holds their names, then their values. */
static void copy_attributes(struct op *op, int from, int to)
{
	static const char user[] = "user.";
	char *names = op->scratch[0], *value = op->scratch[1];
	ssize_t len = flistxattr(from, names, sizeof(op->scratch[0]) - 1);

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t n;

		if (strncmp(names + at, user, sizeof(user) - 1) != 0)
			continue;
		n = fgetxattr(from, names + at, value, sizeof(op->scratch[1]) - 1);
		if (n >= 0)
			(void)fsetxattr(to, names + at, value, (size_t)n, 0);
	}
}

static int copy_content(struct op *op, int from, int to, uint64_t most)
{
	uint64_t done = 0;

	for (;;) {
		ssize_t n = read(from, op->scratch[0], sizeof(op->scratch[0]) - 1);
		int error;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		done += (uint64_t)n;
		if (done > most)
			return -ENOSPC;
		error = write_whole(to, op->scratch[0], (size_t)n);
		if (error < 0)
			return error;
	}
}

/* A description to read what WALK's object, a regular file, holds: of an encrypted one, its plaintext. */
static int open_source(struct op *op, const struct walk *walk, int *ret_fd)
{
	int fd, error;

	if (is_encrypted(walk)) {
		error = encrypted_open_program(op, walk, ret_fd);
		return error;
	}
	/* Who renames a file need not be able to read it. */
	op_own_rights(op);
	fd = walk_reopen(walk, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	op_lend_rights(op);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Bring all of SOURCE into the new file at *RET, and prepare it to be what TARGET names. */
static int bring_in(struct op *op, const struct walk *source, const struct walk *target, bool exclusive, struct private_new **ret)
{
	_cleanup_close_ int from = -EBADF, file = -EBADF;
	struct stat stat, made;
	bool stopped;
	int error = open_source(op, source, &from);

	if (!error)
		error = privates_make(&file);
	if (!error)
		error = copy_content(op, from, file, privates_room(op->view->privates, -1, &stopped));
	if (error)
		return error == -ENOSPC ? op_refuse_noted(op, target, REFUSAL_HIDDEN, target->verdict.visibility_rule,
							  "private files have reached private.total", error)
					: error;
	if (fstat(source->fd, &stat) < 0 || fstat(file, &made) < 0)
		return -errno;
	const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
	copy_attributes(op, from, file);
	/* What cannot be given to its owner is nobody's who could not read it where it was. */
	bool readable = syscall(SYS_faccessat2, source->fd, "", R_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
	op_own_rights(op);
	if ((made.st_uid != stat.st_uid || made.st_gid != stat.st_gid) && fchown(file, stat.st_uid, stat.st_gid) < 0 && !readable)
		error = -errno;
	else
		error = fchmod(file, stat.st_mode & 07777) < 0 || futimens(file, times) < 0 ? -errno : 0;
	op_lend_rights(op);
	return error ? error : private_prepare(op, target, file, exclusive, ret);
}

/* The object that WALK knows by its name alone. */
static int hold_source(struct walk *walk)
{
	struct stat stat;

	if (walk->fd >= 0)
		return 0;
	walk->fd = openat(walk->parent_fd, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (walk->fd < 0 || fstat(walk->fd, &stat) < 0)
		return -errno;
	return stat.st_dev == walk->stat.st_dev && stat.st_ino == walk->stat.st_ino ? 0 : -ENOENT;
}

/* A file of the disk takes a private name. */
static int move_in(struct op *op, struct walk *from, struct walk *to, unsigned flags)
{
	struct private_new *new = NULL;
	int error;

	if (flags & RENAME_EXCHANGE)
		return op_refuse_noted(op, to, REFUSAL_HIDDEN, to->verdict.visibility_rule, not_out, -EXDEV);
	if (!S_ISREG(from->stat.st_mode))
		return private_refuse_kind(op, to);
	error = private_check_parent(from, &from->stat);
	if (!error)
		error = private_check_parent(to, to->exists ? &to->stat : NULL);
	if (!error)
		error = hold_source(from);
	if (!error)
		error = bring_in(op, from, to, false, &new);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (!error && unlinkat(from->parent_fd, from->name, 0) < 0)
		error = -errno;
	if (!error) {
		encrypted_touched(op, from, NULL);
		error = privates_commit(op->view->privates, &new);
	}
	privates_discard(&new);
	return error;
}

/* Is the path of A a directory above the path of B? */
static bool is_above(const struct walk *a, const struct walk *b)
{
	return a->path_len > 0 && b->path_len > a->path_len && b->path[a->path_len] == '/' &&
	       memcmp(a->path, b->path, a->path_len) == 0;
}

/* What rename(2) says of two names before it asks whether the directories may be written to. 0: go on. */
static int check_names(struct op *op, const struct walk *from, const struct walk *to, unsigned flags)
{
	bool exchange = flags & RENAME_EXCHANGE;
	bool from_dir = S_ISDIR(from->stat.st_mode), to_dir = to->exists && S_ISDIR(to->stat.st_mode);
	int error;

	if (to->exists && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!to->exists && exchange)
		return -ENOENT;
	if ((from->slash && !from_dir) || (to->slash && !(exchange ? to_dir : from_dir)))
		return -ENOTDIR;
	if (is_above(from, to))
		return -EINVAL;
	if (to->exists && is_above(to, from))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (!exchange && to->exists && from_dir != to_dir)
		return from_dir ? -ENOTDIR : -EISDIR;
	error = judge(op, from, INTENT_MOVE);
	return error ? error : judge(op, to, exchange ? INTENT_MOVE : INTENT_REPLACE);
}

/* A rename within: what is append-only or read-only stays so. */
static int move_within(struct op *op, const struct walk *from, const struct walk *to, unsigned flags)
{
	int error;

	if (from->verdict.write != to->verdict.write)
		return op_refuse(op, to, REFUSAL_READONLY, to->verdict.write_rule, -EXDEV);
	error = private_check_parent(from, &from->stat);
	if (!error)
		error = private_check_parent(to, to->exists ? &to->stat : NULL);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	return error ? error : privates_rename(op->view->privates, from->parent_fd, from->name, to->parent_fd, to->name, flags);
}

int private_rename(struct op *op, struct walk *from, struct walk *to, unsigned flags)
{
	int error;

	/* What may not be seen speaks first. */
	if (from->verdict.visibility == VIS_HIDE || from->verdict.visibility == VIS_DENY)
		return judge(op, from, INTENT_MOVE);
	if (!from->exists)
		return -ENOENT;
	if (to->verdict.visibility == VIS_HIDE || to->verdict.visibility == VIS_DENY)
		return judge(op, to, flags & RENAME_EXCHANGE ? INTENT_MOVE : INTENT_REPLACE);
	error = check_names(op, from, to, flags);
	if (error)
		return error;
	if (!from->private)
		return move_in(op, from, to, flags);
	if (!to->private)
		return op_refuse_noted(op, from, REFUSAL_HIDDEN, from->verdict.visibility_rule, not_out, -EXDEV);
	return move_within(op, from, to, flags);
}

int private_link(struct op *op, const struct walk *source, struct walk *target)
{
	struct private_new *new = NULL;
	int error;

	struct stat dir;

	if (S_ISDIR(source->stat.st_mode))
		return -EPERM;
	if (fstat(target->parent_fd, &dir) < 0)
		return -errno;
	if (source->private ? source->stat.st_dev != dir.st_dev : fd_mount(source->fd) != fd_mount(target->parent_fd))
		return -EXDEV;
	if (!target->private)
		return op_refuse_noted(op, source, REFUSAL_HIDDEN, source->verdict.visibility_rule, not_out, -EXDEV);
	if (!S_ISREG(source->stat.st_mode))
		return private_refuse_kind(op, target);
	error = judge(op, source, INTENT_LINK);
	if (!error && source->private && source->verdict.write != target->verdict.write)
		error = op_refuse(op, target, REFUSAL_READONLY, target->verdict.write_rule, -EXDEV);
	if (!error)
		error = private_check_parent(target, NULL);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	if (source->private)
		return privates_link(op->view->privates, source->fd, target->parent_fd, target->name);
	error = bring_in(op, source, target, true, &new);
	if (!error)
		error = privates_commit(op->view->privates, &new);
	privates_discard(&new);
	return error;
}
