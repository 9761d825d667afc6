/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/encrypted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/vnode/vnode.h"
#include "vfs/walk_parts.h"

static const char deleted[] = " (deleted)";

bool encrypted_same_key(const struct op *op, int32_t rule, int32_t other)
{
	const struct policy *policy = op->view->policy;

	if (rule < 0 || other < 0)
		return false;
	const char *a = policy_rule(policy, (uint32_t)rule)->crypt_key;
	const char *b = policy_rule(policy, (uint32_t)other)->crypt_key;
	return a && b && strcmp(a, b) == 0;
}

/* Verdict by the name that the object at FD had last: the kernel goes on telling it. False: it had none. */
static bool apply_last_name(struct op *op, struct walk *walk, int fd)
{
	const size_t suffix = sizeof(deleted) - 1;
	bool detached = false;
	int len = fd_path(fd, walk->path, sizeof(walk->path), &detached);

	if (len < 0 || walk->path[0] != '/' || (size_t)len <= suffix || strcmp(walk->path + len - suffix, deleted) != 0) {
		walk->path_len = 0;
		walk->path[0] = '\0';
		return false;
	}
	walk->path_len = (size_t)len - suffix;
	walk->path[walk->path_len] = '\0';
	match_path(op->view->policy, walk->path, walk->path_len, &walk->state);
	walk_set_verdict(op, walk);
	return true;
}

/* Reached by a descriptor without content (O_PATH), which its name did not survive. */
static int apply_removed(struct op *op, struct walk *walk)
{
	struct verdict before = walk->verdict;
	struct verdict last;

	if (!apply_last_name(op, walk, walk->fd))
		return 0;
	last = walk->verdict;
	walk->verdict = before;
	walk->path_len = 0;
	walk->path[0] = '\0';
	match_root(op->view->policy, &walk->state);
	if (last.content == CONTENT_CRYPT && before.content == CONTENT_PLAIN) {
		walk->verdict.content = CONTENT_CRYPT;
		walk->verdict.content_rule = last.content_rule;
	}
	return 0;
}

int encrypted_apply_detached(struct op *op, struct walk *walk)
{
	_cleanup_close_ int object = -EBADF;
	size_t len = sizeof(walk->path);
	struct stat shown;
	int32_t rule;
	bool detached;
	int error = vnodes_find(op->view->vnodes, walk->stat.st_dev, walk->stat.st_ino, &object, &rule, walk->path, &len,
				&shown);

	if (error == -ENOENT)
		return apply_removed(op, walk);
	if (!error)
		error = walk_place_at(op, walk, object, &detached);
	if (error)
		return error;
	if (detached)
		apply_last_name(op, walk, object);
	walk->detached = detached;
	walk->crypt_memfd = true;
	/* Whatever its name says by now: what it was opened as it is until it is closed. */
	walk->verdict.content = CONTENT_CRYPT;
	walk->verdict.content_rule = rule;
	walk->stat = shown;
	safe_close(walk->fd);
	walk->fd = steal_fd(&object);
	return 0;
}

/* The place of WALK, with its real stat, which REAL keeps where the walk does not have it. */
static int place_of(const struct walk *walk, struct stat *real, struct vnode_place *ret)
{
	bool known = !walk->crypt_memfd && walk->exists;

	if (!known && fstat(walk->fd, real) < 0)
		return -errno;
	*ret = (struct vnode_place){
		.rule = walk->verdict.content_rule,
		.object = walk->fd,
		.real = known ? &walk->stat : real,
		.path = walk->path,
		.path_len = walk->detached ? 0 : walk->path_len,
	};
	return 0;
}

/* What only encrypted files answer, or answer for reasons of their own: the log says what can be done. */
static int refuse(struct op *op, const struct walk *walk, int error)
{
	static const int own[] = {-EBADMSG, -ENOKEY, -EBUSY, -EFBIG, -ENOMEM, -ESTALE, -EIO, -ENOSPC, -EDQUOT};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i] == error)
			return op_refuse(op, walk, REFUSAL_CRYPT, walk->verdict.content_rule, error);
	return error;
}

int encrypted_check_access(const struct walk *walk, int mode)
{
	return syscall(SYS_faccessat2, walk->fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno : 0;
}

/* may_open(): O_NOATIME is the owner's alone, which the kernel says to who tries. */
static int check_noatime(const struct walk *walk)
{
	_cleanup_close_ int fd = walk_reopen(walk, O_RDONLY | O_NOATIME | O_NONBLOCK);

	return fd == -EPERM ? fd : 0;
}

int encrypted_check_flags(struct op *op, const struct walk *walk, uint64_t flags)
{
	/* O_SYNC has this bit too. */
	if (flags & O_DSYNC)
		return op_refuse(op, walk, REFUSAL_CRYPT, walk->verdict.content_rule, -EINVAL);
	return 0;
}

static int open_vnode(struct op *op, const struct walk *walk, int flags, bool made, int *ret_fd)
{
	struct vnode_place place;
	struct stat real;
	int error = place_of(walk, &real, &place);

	if (error)
		return error;
	op_own_rights(op);
	error = vnodes_open(op->view->vnodes, &place, flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_NOFOLLOW), made, ret_fd);
	op_lend_rights(op);
	return error ? refuse(op, walk, error) : 0;
}

int encrypted_open(struct op *op, const struct walk *walk, uint64_t flags, bool made, int *ret_fd)
{
	int accmode = (int)(flags & O_ACCMODE), error;
	int mode = accmode == O_RDONLY ? R_OK : accmode == O_WRONLY ? W_OK : R_OK | W_OK;

	if (!made) {
		error = encrypted_check_access(walk, mode | (flags & O_TRUNC ? W_OK : 0));
		if (!error && (flags & O_NOATIME))
			error = check_noatime(walk);
		if (!error)
			error = encrypted_check_flags(op, walk, flags);
		if (error)
			return error;
	}
	return open_vnode(op, walk, (int)flags, made, ret_fd);
}

int encrypted_open_program(struct op *op, const struct walk *walk, int *ret_fd)
{
	return open_vnode(op, walk, O_RDONLY, false, ret_fd);
}

int encrypted_present(struct op *op, const struct walk *walk, struct stat *stat)
{
	struct vnode_place place = {
		.rule = walk->verdict.content_rule,
		.object = walk->fd,
		.real = stat,
		.path = walk->path,
		.path_len = walk->path_len,
	};
	struct stat real, shown;
	int error;

	if (walk->crypt_memfd)
		return 0;
	real = shown = *stat;
	place.real = &real;
	op_own_rights(op);
	error = vnodes_present(op->view->vnodes, &place, &shown);
	op_lend_rights(op);
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		return error;
	if (!error)
		*stat = shown;
	return 0;
}

int encrypted_truncate(struct op *op, const struct walk *walk, int64_t length)
{
	struct vnode_place place;
	struct stat real;
	int error = place_of(walk, &real, &place);

	if (error)
		return error;
	op_own_rights(op);
	error = vnodes_truncate(op->view->vnodes, &place, (uint64_t)length);
	op_lend_rights(op);
	return error ? refuse(op, walk, error) : 0;
}

void encrypted_touched(struct op *op, const struct walk *walk, const struct timespec times[2])
{
	struct vnode_place place;
	struct stat real;

	if (!is_encrypted(walk) || walk->fd < 0 || place_of(walk, &real, &place) < 0)
		return;
	op_own_rights(op);
	(void)vnodes_touched(op->view->vnodes, &place, times);
	op_lend_rights(op);
}

void encrypted_hold(struct walk *walk)
{
	struct stat stat;

	if (!walk->exists || !is_encrypted(walk) || walk->fd >= 0)
		return;
	walk->fd = openat(walk->parent_fd, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	/* Somebody was faster: that one is not what was judged. */
	if (walk->fd >= 0 && (fstat(walk->fd, &stat) < 0 || stat.st_dev != walk->stat.st_dev || stat.st_ino != walk->stat.st_ino))
		walk->fd = safe_close(walk->fd);
}

void encrypted_named(struct op *op, const struct walk *walk, const struct walk *name)
{
	struct stat real;

	if (!is_encrypted(walk) || walk->fd < 0 || fstat(walk->fd, &real) < 0)
		return;
	vnodes_renamed(op->view->vnodes, real.st_dev, real.st_ino, name->path, name->path_len);
}

ssize_t encrypted_link_text(const struct view *view, const struct stat *stat, char *text, size_t cap)
{
	_cleanup_close_ int object = -EBADF;
	char opened[WALK_PATH_MAX];
	size_t len = sizeof(opened);
	struct stat shown, named;
	bool detached;
	int error = vnodes_find(view->vnodes, stat->st_dev, stat->st_ino, &object, NULL, opened, &len, &shown), n;

	if (error)
		return error == -ENOENT ? 0 : error;
	n = fd_path(object, text, cap, &detached);
	if (n < 0 || !detached || shown.st_nlink == 0)
		return n;
	/* The name that we know it by is gone; another, by which it was opened last, may be there. */
	if (len < cap && len < sizeof(opened)) {
		opened[len] = '\0';
		if (lstat(opened, &named) == 0 && named.st_dev == shown.st_dev && named.st_ino == shown.st_ino) {
			memcpy(text, opened, len + 1);
			return (ssize_t)len;
		}
	}
	return n;
}
