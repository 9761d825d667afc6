/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, owners, times, sizes, status flags, watches: fs/open.c, fs/utimes.c, fs/fcntl.c, fs/notify. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

#include "intercept/handlers.h"
#include "vfs/early.h"

#define FLAGS_AT (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

static int change_mode(struct op *op, int dirfd, uint64_t path, uint64_t mode, int flags, struct outcome *out)
{
	int error;

	if (flags & ~FLAGS_AT)
		return -EINVAL;
	error = op_read_path(op, 0, path, flags & AT_EMPTY_PATH);
	return error ? error : vfs_chmod(op, dirfd, (mode_t)(uint16_t)mode, flags, out);
}

HANDLER(handle_chmod)
{
	(void)nr;
	return change_mode(op, AT_FDCWD, args[0], args[1], 0, out);
}

HANDLER(handle_fchmod)
{
	(void)nr;
	return vfs_fchmod(op, (int)args[0], (mode_t)(uint16_t)args[1], out);
}

HANDLER(handle_fchmodat)
{
	(void)nr;
	return change_mode(op, (int)args[0], args[1], args[2], 0, out);
}

HANDLER(handle_fchmodat2)
{
	(void)nr;
	return change_mode(op, (int)args[0], args[1], args[2], (int)args[3], out);
}

static int change_owner(struct op *op, int dirfd, uint64_t path, uint64_t uid, uint64_t gid, int flags,
			struct outcome *out)
{
	int error;

	if (flags & ~FLAGS_AT)
		return -EINVAL;
	error = op_read_path(op, 0, path, flags & AT_EMPTY_PATH);
	return error ? error : vfs_chown(op, dirfd, (uid_t)uid, (gid_t)gid, flags, out);
}

HANDLER(handle_chown)
{
	(void)nr;
	return change_owner(op, AT_FDCWD, args[0], args[1], args[2], 0, out);
}

HANDLER(handle_lchown)
{
	(void)nr;
	return change_owner(op, AT_FDCWD, args[0], args[1], args[2], AT_SYMLINK_NOFOLLOW, out);
}

HANDLER(handle_fchown)
{
	(void)nr;
	return vfs_fchown(op, (int)args[0], (uid_t)args[1], (gid_t)args[2], out);
}

HANDLER(handle_fchownat)
{
	(void)nr;
	return change_owner(op, (int)args[0], args[1], args[2], args[3], (int)args[4], out);
}

/* do_utimes(): a NULL path means the descriptor itself, which takes no flags. */
static int change_times(struct op *op, int dirfd, uint64_t path, const struct timespec *times, int flags,
			struct outcome *out)
{
	int error;

	if (path == 0 && dirfd != AT_FDCWD) {
		op->text[0][0] = '\0';
		return flags ? -EINVAL : vfs_utimens(op, dirfd, times, 0, true, out);
	}
	if (flags & ~FLAGS_AT)
		return -EINVAL;
	error = op_read_path(op, 0, path, flags & AT_EMPTY_PATH);
	return error ? error : vfs_utimens(op, dirfd, times, flags, false, out);
}

static int read_timevals(struct op *op, uint64_t address, struct timespec ret[2])
{
	struct timeval tv[2];
	int error = op->caller->ops->read(op->caller, address, tv, sizeof(tv));

	if (error)
		return error;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ret[i] = (struct timespec){.tv_sec = tv[i].tv_sec, .tv_nsec = tv[i].tv_usec * 1000};
	}
	return 0;
}

static int change_times_by_timeval(struct op *op, int dirfd, uint64_t path, uint64_t address, struct outcome *out)
{
	struct timespec times[2];
	int error = address ? read_timevals(op, address, times) : 0;

	return error ? error : change_times(op, dirfd, path, address ? times : NULL, 0, out);
}

HANDLER(handle_utime)
{
	struct timespec times[2] = {{0}, {0}};
	struct utimbuf buf;

	(void)nr;
	if (!args[1])
		return change_times(op, AT_FDCWD, args[0], NULL, 0, out);
	if (op->caller->ops->read(op->caller, args[1], &buf, sizeof(buf)) < 0)
		return -EFAULT;
	times[0].tv_sec = buf.actime;
	times[1].tv_sec = buf.modtime;
	return change_times(op, AT_FDCWD, args[0], times, 0, out);
}

HANDLER(handle_utimes)
{
	(void)nr;
	return change_times_by_timeval(op, AT_FDCWD, args[0], args[1], out);
}

HANDLER(handle_futimesat)
{
	(void)nr;
	return change_times_by_timeval(op, (int)args[0], args[1], args[2], out);
}

HANDLER(handle_utimensat)
{
	struct timespec times[2];

	(void)nr;
	if (!args[2])
		return change_times(op, (int)args[0], args[1], NULL, (int)args[3], out);
	if (op->caller->ops->read(op->caller, args[2], times, sizeof(times)) < 0)
		return -EFAULT;
	/* Nothing to do: the kernel does not even look at the path. */
	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return outcome_value(out, 0);
	return change_times(op, (int)args[0], args[1], times, (int)args[3], out);
}

HANDLER(handle_truncate)
{
	int64_t length = (int64_t)args[1];
	int error;

	(void)nr;
	if (length < 0)
		return -EINVAL;
	error = op_read_path(op, 0, args[0], false);
	return error ? error : vfs_truncate(op, length, out);
}

HANDLER(handle_ftruncate)
{
	(void)nr;
	return vfs_ftruncate(op, (int)args[0], (int64_t)args[1], out);
}

HANDLER(handle_fallocate)
{
	(void)nr;
	return vfs_fallocate(op, (int)args[0], (int)args[1], (int64_t)args[2], (int64_t)args[3], out);
}

HANDLER(handle_fcntl)
{
	(void)nr;
	if ((unsigned)args[1] == F_GET_SEALS || (unsigned)args[1] == F_ADD_SEALS)
		return vfs_fcntl_seals(op, (int)args[0], (int)args[1], (unsigned)args[2], out);
	if ((unsigned)args[1] != F_SETFL) {
		/* Registers only: nothing that could change after it was looked at. */
		out->kind = OUT_CONTINUE;
		return 0;
	}
	return vfs_fcntl_setfl(op, (int)args[0], (int)args[2], out);
}

HANDLER(handle_inotify_init)
{
	(void)nr;
	(void)args;
	return vfs_inotify_init(op, 0, out);
}

HANDLER(handle_inotify_init1)
{
	(void)nr;
	return vfs_inotify_init(op, (int)args[0], out);
}

HANDLER(handle_inotify_rm_watch)
{
	(void)nr;
	return vfs_inotify_rm_watch(op, (int)args[0], (int)args[1], out);
}

HANDLER(handle_inotify_add_watch)
{
	int early, error;

	(void)nr;
	error = op_read_path(op, 0, args[1], false);
	if (!error)
		return vfs_inotify_add_watch(op, (int)args[0], (uint32_t)args[2], out);
	early = early_inotify(op, (int)args[0], (uint32_t)args[2]);
	return early ? early : error;
}
