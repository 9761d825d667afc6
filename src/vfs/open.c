/* SPDX-License-Identifier: Apache-2.0 */
/* open(2) and its kin: fs/namei.c (path_openat, do_open) and fs/open.c give the order of errors. */
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/overlay/mask.h"
#include "vfs/private.h"
#include "vfs/proclink.h"
#include "vfs/procmaps.h"
#include "vfs/procstat.h"
#include "vfs/proctexts.h"
#include "vfs/state.h"
#include "vfs/watch/queues.h"

/* A name that appears between our look and our creation is looked at again; this often, then the caller is told. */
#define CREATE_ATTEMPTS 64

static bool wants_write(uint64_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static enum intent access_intent(uint64_t flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return INTENT_READ;
	case O_WRONLY:
		return INTENT_WRITE;
	default:
		return INTENT_READWRITE;
	}
}

/* The caller opens the object itself: by name, in its own thread. */
static int open_errand(struct op *op, struct walk *walk, uint64_t flags, bool may_block, struct outcome *out)
{
	bool plain_open = op->nr == SYS_open || op->nr == SYS_creat;

	out->kind = OUT_ERRAND;
	out->fd = steal_fd(&walk->fd);
	out->errand.nr = plain_open ? SYS_open : SYS_openat;
	out->errand.object_arg = plain_open ? 0 : 1;
	out->errand.args[0] = plain_open ? 0 : (uint64_t)AT_FDCWD;
	/* O_TRUNC asks for write permission and no more; O_EXCL alone is for the driver. */
	if (flags & O_CREAT)
		flags &= ~(uint64_t)O_EXCL;
	out->errand.args[plain_open ? 1 : 2] = flags & ~(uint64_t)(O_NOFOLLOW | O_CREAT);
	out->errand.may_block = may_block;
	return 0;
}

/* Devices whose drivers neither block in open nor look at who opens. */
static bool is_memory_device(const struct stat *stat)
{
	return S_ISCHR(stat->st_mode) && major(stat->st_rdev) == MEM_MAJOR;
}

/* Writing another process's memory through procfs would go round every check; its reading belongs to strangers' pids. */
static int check_proc_mem(struct op *op, const struct walk *walk, uint64_t flags)
{
	const char *base = strrchr(walk->path, '/');
	pid_t pid = proclink_pid(walk->path, walk->path_len);

	if (!pid || !base || strcmp(base, "/mem") != 0)
		return 0;
	if (wants_write(flags))
		return op_refuse_unserved(op, "writing /proc/PID/mem is refused inside a view", -EACCES);
	if (!op->caller->ops->in_view(op->caller, pid))
		return op_refuse_unserved(op, "memory of processes outside the view", -EACCES);
	return 0;
}

static int judge_open(struct op *op, const struct walk *walk, uint64_t flags)
{
	int error = judge(op, walk, access_intent(flags));

	/* may_open(): nothing else is truncated. */
	if (!error && (flags & O_TRUNC) && S_ISREG(walk->stat.st_mode))
		error = judge(op, walk, INTENT_TRUNCATE);
	return error;
}

/* The caller must be allowed to open the real file; making and sharing what is shown instead is our affair. */
static int open_masked(struct op *op, struct walk *walk, int flags, int *ret_fd)
{
	int error;

	if (op->caller->lent) {
		int mode = (flags & O_ACCMODE) == O_RDONLY ? R_OK : (flags & O_ACCMODE) == O_WRONLY ? W_OK : R_OK | W_OK;

		if (syscall(SYS_faccessat2, walk->fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0)
			return -errno;
	}
	op_own_rights(op);
	error = masks_open(op->view->masks, walk->verdict.content_rule, walk->fd, &walk->stat, walk->path, walk->path_len,
			   flags, ret_fd);
	op_lend_rights(op);
	if (error == -ENODATA)
		return op_refuse_noted(op, walk, REFUSAL_MASKED_WRITE, walk->verdict.content_rule,
				       "redact= finds nothing in it; nomatch=empty or nomatch=show would open it", -EACCES);
	return error;
}

static int open_object(struct op *op, struct walk *walk, uint64_t flags, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	int error = judge(op, walk, INTENT_LOOKUP);

	if (error)
		return error;
	if (S_ISDIR(walk->stat.st_mode)) {
		if ((flags & O_CREAT) || wants_write(flags))
			return -EISDIR;
	} else if (flags & O_DIRECTORY) {
		return -ENOTDIR;
	}
	if (S_ISLNK(walk->stat.st_mode))
		return -ELOOP;
	error = judge_open(op, walk, flags);
	if (error)
		return error;
	if (S_ISREG(walk->stat.st_mode)) {
		if (walk->verdict.content == CONTENT_MASK) {
			error = open_masked(op, walk, (int)(flags & ~(uint64_t)(O_CREAT | O_EXCL | O_NOCTTY)), &fd);
			return error ? error : outcome_fd(out, &fd, flags & O_CLOEXEC);
		}
		if (walk->verdict.write == WRITE_APPEND && (flags & O_ACCMODE) != O_RDONLY)
			flags |= O_APPEND;
		if (walk->private) {
			error = flags & O_TRUNC ? op->caller->ops->validate(op->caller) : 0;
			if (!error)
				error = private_open(op, walk, flags, &fd);
			return error ? error : outcome_fd(out, &fd, flags & O_CLOEXEC);
		}
		if (is_encrypted(walk)) {
			error = flags & O_TRUNC ? op->caller->ops->validate(op->caller) : 0;
			if (!error)
				error = encrypted_open(op, walk, flags, false, &fd);
			return error ? error : outcome_fd(out, &fd, flags & O_CLOEXEC);
		}
		error = check_proc_mem(op, walk, flags);
		if (error)
			return error;
	} else if (S_ISFIFO(walk->stat.st_mode) && queues_own(op->view->queues, &walk->stat)) {
		/* Natively it is root's, and nothing that can be opened. */
		return op_fsuid() == 0 ? -ENXIO : -EACCES;
	} else if (S_ISFIFO(walk->stat.st_mode)) {
		if (!(flags & O_NONBLOCK) && (flags & O_ACCMODE) != O_RDWR)
			return open_errand(op, walk, flags, true, out);
	} else if (S_ISCHR(walk->stat.st_mode) && !is_memory_device(&walk->stat)) {
		return open_errand(op, walk, flags, true, out);
	}
	/* What is only opened for a caller that is gone is closed again, and the answer goes nowhere. */
	error = S_ISDIR(walk->stat.st_mode) || (S_ISREG(walk->stat.st_mode) && !(flags & O_TRUNC))
			? 0
			: op->caller->ops->validate(op->caller);
	if (error)
		return error;
	bool own = op->caller->lent && !wants_write(flags) && proclink_opens_own(op, walk);
	if (own)
		op_own_rights(op);
	fd = walk_reopen(walk, (int)flags | O_NOCTTY);
	if (own)
		op_lend_rights(op);
	if (fd < 0)
		return fd;
	if (S_ISREG(walk->stat.st_mode) && !wants_write(flags))
		error = procstat_show(op, walk, &fd);
	if (!error && S_ISREG(walk->stat.st_mode) && !wants_write(flags))
		error = procmaps_show(op, walk, &fd);
	if (!error && S_ISREG(walk->stat.st_mode) && !wants_write(flags))
		error = proctexts_show(op, walk, &fd);
	return error ? error : outcome_fd(out, &fd, flags & O_CLOEXEC);
}

static int open_path(struct op *op, struct walk *walk, int dirfd, const struct open_how *how, struct outcome *out)
{
	int error = walk_resolve(op, walk, dirfd, op->text[0], op->text_len[0],
				 how->flags & O_NOFOLLOW ? 0 : WALK_FOLLOW, how->resolve);

	if (error)
		return error;
	if ((how->flags & O_DIRECTORY) && !S_ISDIR(walk->stat.st_mode))
		return -ENOTDIR;
	error = judge(op, walk, INTENT_LOOKUP);
	return error ? error : open_errand(op, walk, how->flags, false, out);
}

/* What a new real file is opened with: if it is to be ENCRYPTed the flags of the caller are those of the plaintext. */
static int real_flags(uint64_t flags, bool encrypt)
{
	if (!encrypt)
		return (int)flags;
	flags &= ~(uint64_t)(O_ACCMODE | O_APPEND | O_DIRECT | O_NOATIME | O_SYNC | O_ASYNC | O_NONBLOCK);
	return (int)flags | O_RDWR;
}

/* The caller has made *MADE in the crypt tree of WALK just now, with FLAGS: it gets its plaintext. */
static int open_made(struct op *op, struct walk *walk, uint64_t flags, int *made, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	int error;

	safe_close(walk->fd);
	walk->fd = steal_fd(made);
	walk->exists = false; /* `stat` is no stat of it */
	error = encrypted_open(op, walk, flags & ~(uint64_t)(O_TMPFILE | O_TRUNC), true, &fd);
	return error ? error : outcome_fd(out, &fd, flags & O_CLOEXEC);
}

static int open_tmpfile(struct op *op, struct walk *walk, int dirfd, const struct open_how *how, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	bool encrypts;
	int error = walk_resolve(op, walk, dirfd, op->text[0], op->text_len[0],
				 how->flags & O_NOFOLLOW ? 0 : WALK_FOLLOW, how->resolve);

	if (!error)
		error = judge(op, walk, INTENT_LOOKUP);
	if (error)
		return error;
	if (!S_ISDIR(walk->stat.st_mode))
		return -ENOTDIR;
	/* Names are judged when the file is linked; a tree that is not writable, or only a way, holds none at all. */
	if (walk->verdict.visibility == VIS_WAY)
		return op_refuse(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule, -EACCES);
	if (walk->verdict.write == WRITE_READONLY)
		return op_refuse(op, walk, REFUSAL_READONLY, walk->verdict.write_rule, -EROFS);
	encrypts = walk->verdict.content == CONTENT_CRYPT;
	error = encrypts ? encrypted_check_flags(op, walk, how->flags) : 0;
	if (!error)
		error = op_take_umask(op);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	fd = openat(walk->fd, ".", real_flags(how->flags, encrypts) | O_CLOEXEC, (mode_t)how->mode);
	if (fd < 0)
		return -errno;
	if (encrypts)
		return open_made(op, walk, how->flags, &fd, out);
	return outcome_fd(out, &fd, how->flags & O_CLOEXEC);
}

static bool is_protected(const struct stat *object, const struct stat *dir, unsigned level)
{
	if (!(dir->st_mode & S_ISVTX) || object->st_uid == dir->st_uid || object->st_uid == op_fsuid())
		return false;
	return (dir->st_mode & S_IWOTH) || (level >= 2 && (dir->st_mode & S_IWGRP));
}

/* fs.protected_regular and fs.protected_fifos (fs/namei.c, may_create_in_sticky). */
static int check_sticky(const struct op *op, const struct walk *walk)
{
	struct stat dir;
	/* Of other kinds nobody asked for protection, and still they have some. */
	unsigned level = S_ISREG(walk->stat.st_mode)    ? op->view->protected_regular
			 : S_ISFIFO(walk->stat.st_mode) ? op->view->protected_fifos
							: 1;

	if (!level || walk->parent_fd < 0 || S_ISDIR(walk->stat.st_mode))
		return 0;
	if (fstat(walk->parent_fd, &dir) < 0)
		return -errno;
	return is_protected(&walk->stat, &dir, level) ? -EACCES : 0;
}

static int create_file(struct op *op, struct walk *walk, const struct open_how *how, struct outcome *out)
{
	/* One name, and O_EXCL follows no link. */
	bool encrypts = walk->verdict.content == CONTENT_CRYPT;
	int flags = real_flags((how->flags | O_EXCL | O_CLOEXEC | O_NOCTTY) & ~(uint64_t)O_TRUNC, encrypts);
	_cleanup_close_ int fd = -EBADF;
	int append = 0;
	int error = judge(op, walk, INTENT_CREATE);

	if (!error)
		error = judge(op, walk, access_intent(how->flags));
	if (!error && encrypts)
		error = encrypted_check_flags(op, walk, how->flags);
	if (!error)
		error = op_take_umask(op);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	if (walk->verdict.write == WRITE_APPEND && (how->flags & O_ACCMODE) != O_RDONLY)
		append = O_APPEND;
	fd = openat(walk->parent_fd, walk->name, flags | (encrypts ? 0 : append), (mode_t)how->mode);
	if (fd < 0)
		return -errno;
	if (encrypts)
		return open_made(op, walk, how->flags | (uint64_t)append, &fd, out);
	return outcome_fd(out, &fd, how->flags & O_CLOEXEC);
}

/* The same for a regular file that was opened at once; what its directory is cannot be seen: as if it were protected. */
static bool may_be_protected(const struct op *op, struct walk *walk)
{
	char *end = strrchr(walk->path, '/');
	struct stat dir;
	int found;

	if (!op->view->protected_regular || walk->stat.st_uid == op_fsuid())
		return false;
	if (!end || end == walk->path)
		return true;
	*end = '\0';
	found = stat(walk->path, &dir);
	*end = '/';
	return found < 0 || is_protected(&walk->stat, &dir, op->view->protected_regular);
}

/* AT_ONCE: a file that is known to be there may be opened at once. */
static int open_create_once(struct op *op, struct walk *walk, int dirfd, const struct open_how *how, bool at_once,
			    struct outcome *out)
{
	bool exclusive = how->flags & O_EXCL;
	unsigned flags = WALK_PARENT | WALK_LAST_UNJUDGED | WALK_FILE | (exclusive || (how->flags & O_NOFOLLOW) ? 0 : WALK_FOLLOW);
	_cleanup_close_ int fd = -EBADF;
	int error;

	if (at_once && !exclusive)
		error = walk_open(op, walk, dirfd, op->text[0], op->text_len[0], flags, how->resolve,
				  how->flags & ~(uint64_t)O_CREAT, &fd);
	else
		error = walk_resolve(op, walk, dirfd, op->text[0], op->text_len[0], flags, how->resolve);
	if (error)
		return error;
	if (fd >= 0)
		return may_be_protected(op, walk) ? -EAGAIN : outcome_fd(out, &fd, how->flags & O_CLOEXEC);
	if (walk->last != LAST_NAME)
		return exclusive ? -EEXIST : -EISDIR;
	/* Hidden, denied, or on the way down but no directory: there as little as what is not there. */
	if (walk->verdict.visibility == VIS_HIDE || walk->verdict.visibility == VIS_DENY ||
	    (walk->verdict.visibility == VIS_WAY && !(walk->exists && S_ISDIR(walk->stat.st_mode))))
		return judge(op, walk, INTENT_CREATE);
	if (!walk->exists) {
		error = walk->private ? private_create(op, walk, how, out) : create_file(op, walk, how, out);
		/* Somebody was faster: unless that is what O_EXCL asks about, look again. */
		return error == -EEXIST && !exclusive ? -EAGAIN : error;
	}
	if (exclusive)
		return -EEXIST;
	error = check_sticky(op, walk);
	return error ? error : open_object(op, walk, how->flags & ~(uint64_t)O_EXCL, out);
}

static int open_create(struct op *op, struct walk *walk, int dirfd, const struct open_how *how, struct outcome *out)
{
	int error = -EAGAIN;

	for (int attempt = 0; attempt < CREATE_ATTEMPTS && error == -EAGAIN; attempt++)
		error = open_create_once(op, walk, dirfd, how, attempt == 0, out);
	return error == -EAGAIN ? -EEXIST : error;
}

static int open_existing(struct op *op, struct walk *walk, int dirfd, const struct open_how *how, struct outcome *out)
{
	_cleanup_close_ int fd = -EBADF;
	int error = walk_open(op, walk, dirfd, op->text[0], op->text_len[0], how->flags & O_NOFOLLOW ? 0 : WALK_FOLLOW,
			      how->resolve, how->flags, &fd);

	if (error)
		return error;
	return fd >= 0 ? outcome_fd(out, &fd, how->flags & O_CLOEXEC) : open_object(op, walk, how->flags, out);
}

int vfs_open(struct op *op, int dirfd, const struct open_how *how, struct outcome *out)
{
	struct walk *walk = &op->walk[0];

	op->open_flags = how->flags;
	if (op->text_len[0] == sizeof(STATE_PATH) - 1 && memcmp(op->text[0], STATE_PATH, sizeof(STATE_PATH) - 1) == 0 &&
	    !(how->flags & (O_PATH | O_DIRECTORY)) && !wants_write(how->flags)) {
		_cleanup_close_ int state = -EBADF;

		int error = view_state_open(op->view, &state);
		return error ? error : outcome_fd(out, &state, how->flags & O_CLOEXEC);
	}
	if (how->flags & O_PATH)
		return open_path(op, walk, dirfd, how, out);
	if ((how->flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(op, walk, dirfd, how, out);
	if (how->flags & O_CREAT)
		return open_create(op, walk, dirfd, how, out);
	return open_existing(op, walk, dirfd, how, out);
}
