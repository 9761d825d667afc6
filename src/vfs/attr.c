/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes, sizes and status flags. Calls by path act on the judged object through its O_PATH descriptor:
 * the magic link in procfs leads to that very object, a symlink included. Calls by descriptor that change the object
 * do the same; those that need the open file description act on a copy of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/early.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/private.h"
#include "vfs/target.h"
#include "vfs/vnode/vnode.h"

/* Judge a change of the object and see that the caller still waits for it. */
static int ready(struct op *op, const struct walk *walk, enum intent intent)
{
	int error = judge(op, walk, intent);

	return error ? error : op->caller->ops->validate(op->caller);
}

static int done(long result, struct outcome *out)
{
	return result < 0 ? -errno : outcome_value(out, result);
}

/* The same where metadata of the object were changed; TIMES as in vnodes_touched(). */
static int changed(struct op *op, const struct walk *walk, long result, const struct timespec times[2],
		   struct outcome *out)
{
	if (result < 0)
		return -errno;
	encrypted_touched(op, walk, times);
	return outcome_value(out, result);
}

static int change_mode(struct op *op, const struct walk *walk, mode_t mode, struct outcome *out)
{
	char name[FD_NAME_MAX];
	int error = ready(op, walk, INTENT_METADATA);

	if (error)
		return error;
	/* As kernels since 6.6 say it for every file system; older ones changed some of them. */
	if (S_ISLNK(walk->stat.st_mode))
		return fd_readonly(walk->fd) ? -EROFS : -EOPNOTSUPP;
	return changed(op, walk, chmod(fd_name(walk->fd, name), mode), NULL, out);
}

int vfs_chmod(struct op *op, int dirfd, mode_t mode, int flags, struct outcome *out)
{
	int error = target_find(op, &op->walk[0], dirfd, flags);

	return error ? error : change_mode(op, &op->walk[0], mode, out);
}

int vfs_fchmod(struct op *op, int fd, mode_t mode, struct outcome *out)
{
	int error = target_descriptor(op, &op->walk[0], fd);

	return error ? error : change_mode(op, &op->walk[0], mode, out);
}

static int change_owner(struct op *op, const struct walk *walk, uid_t uid, gid_t gid, struct outcome *out)
{
	int error = ready(op, walk, INTENT_METADATA);

	return error ? error : changed(op, walk, fchownat(walk->fd, "", uid, gid, AT_EMPTY_PATH), NULL, out);
}

int vfs_chown(struct op *op, int dirfd, uid_t uid, gid_t gid, int flags, struct outcome *out)
{
	int error = target_find(op, &op->walk[0], dirfd, flags);

	return error ? error : change_owner(op, &op->walk[0], uid, gid, out);
}

int vfs_fchown(struct op *op, int fd, uid_t uid, gid_t gid, struct outcome *out)
{
	int error = target_descriptor(op, &op->walk[0], fd);

	return error ? error : change_owner(op, &op->walk[0], uid, gid, out);
}

static bool valid_nsec(long nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec <= 999999999);
}

int vfs_utimens(struct op *op, int dirfd, const struct timespec times[2], int flags, bool null_path,
		struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	char name[FD_NAME_MAX];
	const struct timespec both_now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	bool now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	int error;

	if (null_path)
		error = target_descriptor(op, walk, dirfd);
	else
		error = target_find(op, walk, dirfd, flags);
	if (error)
		return error;
	/* The kernel looks at them only now. */
	if (times && (!valid_nsec(times[0].tv_nsec) || !valid_nsec(times[1].tv_nsec)))
		return -EINVAL;
	error = ready(op, walk, now ? INTENT_TOUCH : INTENT_METADATA);
	if (error)
		return error;
	return changed(op, walk, utimensat(AT_FDCWD, fd_name(walk->fd, name), times, 0), times ? times : both_now, out);
}

/*
 * RLIMIT_FSIZE of the caller, as fs/attr.c:inode_newsize_ok() has it: the kernel would look at ours. For a regular file
 * that is to have SIZE bytes. What is over it is -EFBIG, and the caller gets SIGXFSZ.
 */
static bool over_limit(struct op *op, int fd, int64_t size)
{
	struct stat now;

	return fstat(fd, &now) == 0 && size > now.st_size &&
	       (uint64_t)size > op->caller->ops->size_limit(op->caller);
}

static int too_large(struct op *op)
{
	op->caller->ops->signal(op->caller, SIGXFSZ);
	return -EFBIG;
}

static int truncate_encrypted(struct op *op, struct walk *walk, int64_t length, struct outcome *out)
{
	int error = encrypted_check_access(walk, W_OK);

	if (!error)
		error = encrypted_present(op, walk, &walk->stat);
	if (!error && length > walk->stat.st_size && (uint64_t)length > op->caller->ops->size_limit(op->caller))
		error = too_large(op);
	if (!error)
		error = encrypted_truncate(op, walk, length);
	return error ? error : outcome_value(out, 0);
}

int vfs_truncate(struct op *op, int64_t length, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	char name[FD_NAME_MAX];
	int error = target_find(op, walk, AT_FDCWD, 0);

	if (error)
		return error;
	if (S_ISDIR(walk->stat.st_mode))
		return -EISDIR;
	if (!S_ISREG(walk->stat.st_mode))
		return -EINVAL;
	/* write=discard keeps what an open wrote; here nobody holds a copy that could be cut. */
	error = ready(op, walk, walk->verdict.content == CONTENT_MASK ? INTENT_METADATA : INTENT_TRUNCATE);
	if (error)
		return error;
	if (is_encrypted(walk))
		return truncate_encrypted(op, walk, length, out);
	fd_name(walk->fd, name);
	if (walk->private && encrypted_check_access(walk, W_OK) == 0 && (error = private_check_size(op, walk, length)))
		return error;
	/* Who may not write is told that first. */
	if (over_limit(op, walk->fd, length)) {
		_cleanup_close_ int writer = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		return writer < 0 ? -errno : too_large(op);
	}
	return done(truncate(name, length), out);
}

static bool writable(int flags)
{
	return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
}

/* A descriptor that is open for writing stays so, as on a mount that has become read-only. */
static int judge_cut(struct op *op, struct walk *walk)
{
	if (walk->verdict.write == WRITE_READONLY)
		walk->verdict.write = WRITE_FREE;
	return judge(op, walk, INTENT_TRUNCATE);
}

int vfs_ftruncate(struct op *op, int fd, int64_t length, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct walk *walk = &op->walk[0];
	int flags, error;

	if (length < 0)
		return -EINVAL;
	error = target_description(op, walk, fd, &copy, &flags);
	if (error)
		return error;
	if (!S_ISREG(walk->stat.st_mode) || !writable(flags))
		return -EINVAL;
	error = judge_cut(op, walk);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (!error && over_limit(op, copy, length))
		error = too_large(op);
	if (!error && walk->private)
		error = private_check_size(op, walk, length);
	if (!error && walk->crypt_memfd)
		error = encrypted_truncate(op, walk, length);
	if (error)
		return error;
	return walk->crypt_memfd ? outcome_value(out, 0) : done(ftruncate(copy, length), out);
}

/*
 * Does this fallocate() meet the limit? Where it extends the file, and on tmpfs also where it does not
 * (mm/shmem.c:shmem_fallocate()). Before that, without a signal, a size is refused that the file system has not: it is
 * asked by a collapse beyond the end, which changes nothing.
 */
static bool allocates_too_much(struct op *op, const struct walk *walk, int copy, int mode, int64_t offset, int64_t length)
{
	const int extending = FALLOC_FL_ZERO_RANGE | FALLOC_FL_UNSHARE_RANGE;
	struct statfs fs;
	int64_t end;

	if (offset < 0 || length <= 0 || __builtin_add_overflow(offset, length, &end) || !S_ISREG(walk->stat.st_mode) ||
	    (mode & ~(FALLOC_FL_KEEP_SIZE | extending)) || !over_limit(op, copy, end))
		return false;
	if (fstatfs(copy, &fs) < 0 || (fs.f_type == TMPFS_MAGIC ? mode & extending : mode & FALLOC_FL_KEEP_SIZE))
		return false;
	return fallocate(copy, FALLOC_FL_COLLAPSE_RANGE, end - 1, 1) == 0 || errno != EFBIG;
}

/*
 * Of an encrypted file no space can be set aside: what it would need is not known. So a size is all that is given, and
 * what was asked to be zero is made a hole. (tmpfs, of which COPY is, can do neither of the other two.)
 */
static int allocate_encrypted(struct op *op, struct walk *walk, int copy, int mode, int64_t offset, int64_t length)
{
	int64_t end;
	struct stat now;
	int error;

	if (offset < 0 || length <= 0)
		return -EINVAL;
	if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ||
	    ((mode & FALLOC_FL_PUNCH_HOLE) && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (__builtin_add_overflow(offset, length, &end))
		return -EFBIG;
	if (fstat(copy, &now) < 0)
		return -errno;
	error = vnodes_load(op->view->vnodes, now.st_dev, now.st_ino);
	if (error)
		return error;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && offset < now.st_size &&
	    fallocate(copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0)
		return -errno;
	if ((mode & FALLOC_FL_KEEP_SIZE) || end <= now.st_size) {
		/* It counts as a change all the same (file_modified() in ext4, XFS and btrfs). */
		(void)futimens(copy, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}});
		return 0;
	}
	return encrypted_truncate(op, walk, end);
}

int vfs_fallocate(struct op *op, int fd, int mode, int64_t offset, int64_t length, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct walk *walk = &op->walk[0];
	int64_t end;
	int flags, error = target_description(op, walk, fd, &copy, &flags);

	if (error)
		return error;
	/* Extending is appending; everything else changes what is there (vfs_fallocate() has the order). */
	if (offset >= 0 && length > 0 && writable(flags) && S_ISREG(walk->stat.st_mode) && (mode & ~FALLOC_FL_KEEP_SIZE)) {
		if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		error = judge_cut(op, walk);
	}
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (!error && writable(flags) && allocates_too_much(op, walk, copy, mode, offset, length))
		error = too_large(op);
	if (!error && walk->private && writable(flags) && offset >= 0 && length > 0 && !__builtin_add_overflow(offset, length, &end))
		error = private_check_size(op, walk, end);
	if (!error && walk->crypt_memfd && writable(flags)) {
		error = allocate_encrypted(op, walk, copy, mode, offset, length);
		return error ? error : outcome_value(out, 0);
	}
	return error ? error : done(fallocate(copy, mode, offset, length), out);
}

/*
 * F_SETFL on the shared description; only O_APPEND of an append-only file is not the caller's to clear. (With O_ASYNC,
 * the number that a later signal reports in si_fd is ours.)
 */
int vfs_fcntl_setfl(struct op *op, int fd, int flags, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct walk *walk = &op->walk[0];
	struct stat memfd;
	int now, error = target_description(op, walk, fd, &copy, &now);

	if (error)
		return error;
	if (walk->verdict.write == WRITE_APPEND && writable(now) && (now & O_APPEND) && !(flags & O_APPEND))
		return op_refuse(op, walk, REFUSAL_APPEND, walk->verdict.write_rule, -EPERM);
	/* Without it what is there already can be written over: then it has to be known. */
	if (walk->crypt_memfd && (now & O_APPEND) && !(flags & O_APPEND)) {
		if (fstat(copy, &memfd) < 0)
			return -errno;
		error = vnodes_load(op->view->vnodes, memfd.st_dev, memfd.st_ino);
		if (error)
			return error;
	}
	error = op->caller->ops->validate(op->caller);
	return error ? error : done(syscall(SYS_fcntl, copy, F_SETFL, (unsigned long)(unsigned)flags), out);
}

/* Natively no file on a disk has seals; on a copy, so that nobody can put one of ours there after it was looked at. */
int vfs_fcntl_seals(struct op *op, int fd, int command, unsigned seals, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct stat stat;
	int flags, error = target_share(op, fd, &copy, &flags);

	if (!error && fstat(copy, &stat) < 0)
		error = -errno;
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	if (vnodes_find(op->view->vnodes, stat.st_dev, stat.st_ino, NULL, NULL, NULL, NULL, NULL) == 0)
		return -EINVAL;
	return done(syscall(SYS_fcntl, copy, command, (unsigned long)seals), out);
}
