/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of an object without opening it: stat, access, readlink, getcwd, statfs; and chdir. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/overlay/mask.h"
#include "vfs/overlay/privates.h"
#include "vfs/private.h"
#include "vfs/proclink.h"
#include "vfs/procmaps.h"
#include "vfs/vnode/vnode.h"
#include "vfs/watch/queues.h"

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

static bool is_masked(const struct walk *walk)
{
	return walk->verdict.content == CONTENT_MASK && S_ISREG(walk->stat.st_mode);
}

/* The object that a call with DIRFD, text and AT_ flags means. WALK_FLAGS besides: 0 or WALK_STAT. */
static int find_with(struct op *op, struct walk *walk, int dirfd, int flags, unsigned walk_flags)
{
	int error;

	if (op->text_len[0] == 0 && (flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD)
		return walk_descriptor(op, walk, dirfd);
	error = walk_resolve(op, walk, dirfd, op->text[0], op->text_len[0],
			     (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0) | walk_flags, 0);
	return error ? error : judge(op, walk, INTENT_LOOKUP);
}

static int find(struct op *op, struct walk *walk, int dirfd, int flags)
{
	return find_with(op, walk, dirfd, flags, 0);
}

/* Make walk->stat what is shown. A masked memfd was made so by the walk. */
static int present(struct op *op, struct walk *walk)
{
	off_t size;
	int error;

	if (walk->private)
		return 0;
	if (is_encrypted(walk))
		return encrypted_present(op, walk, &walk->stat);
	if (walk->mask_memfd || !is_masked(walk))
		return 0;
	op_own_rights(op);
	error = masks_size(op->view->masks, walk->verdict.content_rule, walk->fd, &walk->stat, &size);
	op_lend_rights(op);
	if (!error)
		masks_present(&walk->stat, size, &walk->stat);
	return error;
}

static int give(struct op *op, uint64_t address, const void *bytes, size_t len, struct outcome *out)
{
	int error = op->caller->ops->validate(op->caller);

	if (!error)
		error = op->caller->ops->write(op->caller, address, bytes, len);
	return error ? error : outcome_value(out, 0);
}

int vfs_stat(struct op *op, int dirfd, int flags, uint64_t statbuf, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	int error = find_with(op, walk, dirfd, flags, WALK_STAT);

	if (!error)
		error = present(op, walk);
	return error ? error : give(op, statbuf, &walk->stat, sizeof(walk->stat), out);
}

/* Has the caller's descriptor FD no content (O_PATH)? fs/proc/fd.c, tid_fd_mode(): what it may do is the mode of its link. */
static bool has_no_content(struct op *op, int fd)
{
	struct stat link;
	char name[32];
	int found;

	snprintf(name, sizeof(name), "%d/fd/%d", (int)op->caller->tid, fd);
	op_own_rights(op);
	found = fstatat(op->view->proc_fd, name, &link, AT_SYMLINK_NOFOLLOW);
	op_lend_rights(op);
	return found < 0 || !(link.st_mode & (S_IRUSR | S_IWUSR));
}

/*
 * May a regular file that a descriptor refers to be anything but what it is? Of encrypted files a program has the plaintext,
 * which `fresh` tells; only a descriptor without content (O_PATH) leads to the real file, whose size is one of whole pages.
 */
static bool may_differ(struct op *op, int fd, const struct stat *stat)
{
	const struct policy_needs *needs = &op->view->needs;

	if (!S_ISREG(stat->st_mode))
		return false;
	return needs->mask || (needs->crypt && stat->st_size % 4096 == 0 && has_no_content(op, fd));
}

/* fstat(2) as most C libraries make it has no path at all: no walk, no path, only the object. */
int vfs_fstat(struct op *op, int fd, uint64_t statbuf, struct outcome *out)
{
	struct stat stat;
	int error = op->caller->ops->stat_object(op->caller, fd, &stat);

	if (error)
		return error;
	if (privates_shown(op->view->privates, &stat))
		return give(op, statbuf, &stat, sizeof(stat), out);
	if (op->view->needs.crypt && S_ISREG(stat.st_mode) &&
	    vnodes_find(op->view->vnodes, stat.st_dev, stat.st_ino, NULL, NULL, NULL, NULL, &stat) == 0)
		return give(op, statbuf, &stat, sizeof(stat), out);
	if (may_differ(op, fd, &stat)) {
		struct walk *walk = &op->walk[0];

		error = walk_descriptor(op, walk, fd);
		if (!error)
			error = present(op, walk);
		if (error)
			return error;
		stat = walk->stat;
	}
	return give(op, statbuf, &stat, sizeof(stat), out);
}

static void timestamp_of(const struct timespec *time, struct statx_timestamp *ret)
{
	ret->tv_sec = time->tv_sec;
	ret->tv_nsec = (uint32_t)time->tv_nsec;
}

/* What of an encrypted file is not the real one's. */
static void statx_of(const struct stat *shown, struct statx *sx)
{
	sx->stx_size = (uint64_t)shown->st_size;
	sx->stx_blocks = (uint64_t)shown->st_blocks;
	/* Times that were not asked for are not told by every file system. */
	if (sx->stx_mask & STATX_ATIME)
		timestamp_of(&shown->st_atim, &sx->stx_atime);
	if (sx->stx_mask & STATX_MTIME)
		timestamp_of(&shown->st_mtim, &sx->stx_mtime);
	if (sx->stx_mask & STATX_CTIME)
		timestamp_of(&shown->st_ctim, &sx->stx_ctime);
}

int vfs_statx(struct op *op, int dirfd, int flags, unsigned mask, uint64_t statxbuf, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	struct statx sx;
	int error;

	error = find(op, walk, dirfd, flags);
	if (!error)
		error = present(op, walk);
	if (error)
		return error;
	memset(&sx, 0, sizeof(sx));
	if (syscall(SYS_statx, walk->fd, "", AT_EMPTY_PATH | (flags & (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC)), mask,
		    &sx) < 0)
		return -errno;
	if (is_masked(walk)) {
		sx.stx_size = (uint64_t)walk->stat.st_size;
		sx.stx_blocks = (uint64_t)walk->stat.st_blocks;
	} else if (walk->private) {
		private_show_statx(op, walk, &sx);
	} else if (is_encrypted(walk)) {
		statx_of(&walk->stat, &sx);
	}
	return give(op, statxbuf, &sx, sizeof(sx), out);
}

int vfs_access(struct op *op, int dirfd, int mode, int flags, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	int error = find(op, walk, dirfd, flags);

	if (error)
		return error;
	if (op->caller->lent)
		flags |= AT_EACCESS;
	if (syscall(SYS_faccessat2, walk->fd, "", mode, AT_EMPTY_PATH | (flags & AT_EACCESS)) < 0)
		return -errno;
	/* A directory's own write permission is that of the names in it; each of them is judged when it is made. */
	if ((mode & W_OK) && !(S_ISDIR(walk->stat.st_mode) && walk->verdict.write != WRITE_READONLY)) {
		error = judge(op, walk, INTENT_WRITE);
		if (error)
			return error;
	}
	if ((mode & X_OK) && S_ISREG(walk->stat.st_mode)) {
		error = judge(op, walk, INTENT_EXECUTE);
		if (error)
			return error;
	}
	return outcome_value(out, 0);
}

/* The text of a link of procfs as the caller sees it. Returns its length, a negative errno, or 0: not such a link. */
static ssize_t read_proc_link(struct op *op, struct walk *walk, char target[PATH_MAX])
{
	_cleanup_close_ int object = -EBADF, real = -EBADF;
	const char *base = strrchr(walk->path, '/');
	size_t dir_len, path_len = PATH_MAX;
	struct stat stat;
	enum proclink kind;
	ssize_t len;
	int32_t rule;
	int error;

	if (!base || walk->stat.st_dev != op->view->proc_dev)
		return 0;
	dir_len = (size_t)(base - walk->path);
	kind = proclink_classify(op, walk->path, dir_len, base + 1, &walk->stat);
	if (kind == PROCLINK_NONE)
		return 0;
	if (kind == PROCLINK_FORBIDDEN)
		return op_refuse(op, walk, REFUSAL_UNSERVED, RULE_NONE, -EACCES);
	if (kind != PROCLINK_MAGIC) {
		error = proclink_self_text(op, kind, target, &len);
		return error ? error : len;
	}
	if (!op->view->needs.mask && !op->view->needs.crypt && !op->view->privates && !queues_any(op->view->queues))
		return 0;
	/* A descriptor of what we made names what it stands for. */
	bool own = proclink_is_own(op, walk->path, walk->path_len);
	if (own)
		op_own_rights(op);
	object = open(walk->path, O_PATH | O_CLOEXEC);
	error = object < 0 ? procmaps_mapped(walk, &stat) : fstat(object, &stat) < 0 ? -errno : 0;
	if (own)
		op_lend_rights(op);
	if (!error && queues_own(op->view->queues, &stat))
		return snprintf(target, PATH_MAX, "anon_inode:inotify");
	if (error || !S_ISREG(stat.st_mode))
		return 0;
	len = private_link_text(op->view, &stat, target, PATH_MAX);
	if (len)
		return len;
	if (op->view->needs.mask && masks_find(op->view->masks, stat.st_dev, stat.st_ino, &real, &rule, target, &path_len) == 0)
		return (ssize_t)path_len;
	return op->view->needs.crypt ? encrypted_link_text(op->view, &stat, target, PATH_MAX) : 0;
}

/* Returns the length or a negative errno. */
static ssize_t read_link(struct op *op, const struct walk *walk, char target[PATH_MAX])
{
	bool own = proclink_is_own(op, walk->path, walk->path_len);
	ssize_t len;

	if (own)
		op_own_rights(op);
	len = readlinkat(walk->fd, "", target, PATH_MAX);
	if (len < 0)
		len = -errno;
	if (own)
		op_lend_rights(op);
	return len;
}

int vfs_readlink(struct op *op, int dirfd, uint64_t buffer, int size, bool empty_ok, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	char target[PATH_MAX];
	ssize_t len;
	int error;

	if (size <= 0)
		return -EINVAL;
	error = find(op, walk, dirfd, AT_SYMLINK_NOFOLLOW | (empty_ok ? AT_EMPTY_PATH : 0));
	if (error)
		return error;
	if (!S_ISLNK(walk->stat.st_mode))
		return op->text_len[0] == 0 ? -ENOENT : -EINVAL;
	len = read_proc_link(op, walk, target);
	if (len == 0) {
		len = read_link(op, walk, target);
	}
	if (len < 0)
		return (int)len;
	if (len > size)
		len = size;
	error = give(op, buffer, target, (size_t)len, out);
	return error ? error : outcome_value(out, len);
}

int vfs_getcwd(struct op *op, uint64_t buffer, uint64_t size, struct outcome *out)
{
	_cleanup_close_ int cwd = -EBADF;
	char path[PATH_MAX + 2]; /* the longest that there is, its NUL, and room to see that it was not cut */
	struct verdict verdict;
	bool detached;
	int len, error;

	error = op->caller->ops->open_cwd(op->caller, &cwd);
	if (error)
		return error;
	len = fd_path(cwd, path, sizeof(path), &detached);
	if (len < 0)
		return len;
	if (detached)
		return -ENOENT;
	policy_verdict(op->view->policy, path, (size_t)len, &verdict);
	if (verdict.visibility == VIS_HIDE)
		return -ENOENT;
	if (size < (uint64_t)len + 1)
		return -ERANGE;
	error = give(op, buffer, path, (size_t)len + 1, out);
	return error ? error : outcome_value(out, len + 1);
}

int vfs_chdir(struct op *op, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	int error = find(op, walk, AT_FDCWD, 0);

	if (error)
		return error;
	if (!S_ISDIR(walk->stat.st_mode))
		return -ENOTDIR;
	if (syscall(SYS_faccessat2, walk->fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	out->kind = OUT_ERRAND;
	out->fd = steal_fd(&walk->fd);
	out->errand.nr = SYS_chdir;
	out->errand.object_arg = 0;
	return 0;
}

/* The file system that its name is on. */
static int statfs_private(struct op *op, const struct walk *walk, uint64_t buffer, struct outcome *out)
{
	_cleanup_close_ int dir = -EBADF;
	struct statfs fs;
	struct stat raw;
	int error = fstat(walk->fd, &raw) < 0 ? -errno : private_statfs_object(op, &raw, &dir);

	if (error)
		return error;
	return fstatfs(dir, &fs) < 0 ? -errno : give(op, buffer, &fs, sizeof(fs), out);
}

int vfs_statfs(struct op *op, uint64_t buffer, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	struct statfs fs;
	int error = find(op, walk, AT_FDCWD, 0);

	if (error)
		return error;
	if (walk->private)
		return statfs_private(op, walk, buffer, out);
	if (fstatfs(walk->fd, &fs) < 0)
		return -errno;
	return give(op, buffer, &fs, sizeof(fs), out);
}

int vfs_fstatfs(struct op *op, int fd, uint64_t buffer, struct outcome *out)
{
	_cleanup_close_ int object = -EBADF, real = -EBADF;
	struct statfs fs;
	struct stat stat;
	int32_t rule;
	int error = op->caller->ops->open_object(op->caller, fd, &object);

	if (error)
		return error;
	if (fstat(object, &stat) < 0)
		return -errno;
	if (private_statfs_object(op, &stat, &real) < 0 &&
	    (!op->view->needs.mask || masks_find(op->view->masks, stat.st_dev, stat.st_ino, &real, &rule, NULL, NULL) < 0) &&
	    (!op->view->needs.crypt || vnodes_find(op->view->vnodes, stat.st_dev, stat.st_ino, &real, NULL, NULL, NULL, NULL) < 0))
		real = steal_fd(&object);
	if (fstatfs(real, &fs) < 0)
		return -errno;
	return give(op, buffer, &fs, sizeof(fs), out);
}
