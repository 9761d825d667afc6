/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls after which something is durable; notified only where a rule encrypts. Of an encrypted file the plaintext in memory
 * is written back before the answer. Of all others the kernel's own call is made here, on a copy of the caller's
 * description, and never let run: between our look at the number and the kernel's, another thread could have put an
 * encrypted file there, and the call would tell of a durability that is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/maps.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/ops.h"
#include "vfs/target.h"
#include "vfs/vnode/vnode.h"

/* -ENOENT: it is none of ours. */
static int sync_vnode(struct op *op, dev_t dev, ino_t ino)
{
	int error;

	op_own_rights(op);
	error = vnodes_sync(op->view->vnodes, dev, ino);
	op_lend_rights(op);
	return error;
}

/* The caller's description, still waited for. */
static int share(struct op *op, int fd, int *ret_copy, struct stat *ret_stat)
{
	_cleanup_close_ int copy = -EBADF;
	int flags, error = target_share(op, fd, &copy, &flags);

	if (!error && fstat(copy, ret_stat) < 0)
		error = -errno;
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	*ret_copy = steal_fd(&copy);
	return 0;
}

int vfs_fsync(struct op *op, int fd, bool data_only, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct stat stat;
	int error = share(op, fd, &copy, &stat);

	if (error)
		return error;
	error = S_ISREG(stat.st_mode) ? sync_vnode(op, stat.st_dev, stat.st_ino) : -ENOENT;
	if (error != -ENOENT)
		return error ? error : outcome_value(out, 0);
	return (data_only ? fdatasync(copy) : fsync(copy)) < 0 ? -errno : outcome_value(out, 0);
}

int vfs_sync_file_range(struct op *op, int fd, int64_t offset, int64_t length, unsigned flags, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF;
	struct stat stat;
	int error = share(op, fd, &copy, &stat);

	if (error)
		return error;
	/* In memory it does nothing, but knows what is wrong with the arguments. */
	if (sync_file_range(copy, offset, length, flags) < 0)
		return -errno;
	error = flags && S_ISREG(stat.st_mode) ? sync_vnode(op, stat.st_dev, stat.st_ino) : -ENOENT;
	return error && error != -ENOENT ? error : outcome_value(out, 0);
}

/* Encrypted files on the device, or all where that is not the file system's own number (btrfs). */
static int sync_device(struct op *op, dev_t dev)
{
	int error;

	op_own_rights(op);
	error = vnodes_sync_all(op->view->vnodes, major(dev) ? dev : 0);
	op_lend_rights(op);
	return error;
}

/* The file system of an encrypted file, which the caller has no description of. */
static int sync_real(struct op *op, int object)
{
	char name[FD_NAME_MAX];
	int error;

	op_own_rights(op);
	_cleanup_close_ int real = open(fd_name(object, name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	error = real < 0 ? -errno : syncfs(real) < 0 ? -errno : 0;
	op_lend_rights(op);
	/* What may be written but not read. */
	if (error == -EACCES || error == -EPERM) {
		sync();
		return 0;
	}
	return error;
}

int vfs_syncfs(struct op *op, int fd, struct outcome *out)
{
	_cleanup_close_ int copy = -EBADF, object = -EBADF;
	struct stat stat, real;
	int error = share(op, fd, &copy, &stat);

	if (error)
		return error;
	error = vnodes_find(op->view->vnodes, stat.st_dev, stat.st_ino, &object, NULL, NULL, NULL, NULL);
	if (error && error != -ENOENT)
		return error;
	if (object >= 0 && fstat(object, &real) < 0)
		return -errno;
	error = sync_device(op, object >= 0 ? real.st_dev : stat.st_dev);
	if (error)
		return error;
	if (object >= 0)
		error = sync_real(op, object);
	else
		error = syncfs(copy) < 0 ? -errno : 0;
	return error ? error : outcome_value(out, 0);
}

int vfs_sync(struct op *op, struct outcome *out)
{
	/* It has no way to say that something failed: the log does, and the next fsync. */
	sync_device(op, 0);
	out->kind = OUT_CONTINUE;
	return 0;
}

static int sync_mapped(uint64_t dev, uint64_t ino, void *data)
{
	int error = sync_vnode(data, (dev_t)dev, (ino_t)ino);

	return error == -ENOENT ? 0 : error;
}

/*
 * What is mapped in the range is looked at, then the call runs: a mapping that is exchanged in between was not there when
 * the call was made.
 */
int vfs_msync(struct op *op, uint64_t address, uint64_t length, struct outcome *out)
{
	char name[32];
	uint64_t end;
	int error;

	if (!__builtin_add_overflow(address, length, &end)) {
		snprintf(name, sizeof(name), "%d/maps", (int)op->caller->tid);
		op_own_rights(op);
		_cleanup_close_ int maps = openat(op->view->proc_fd, name, O_RDONLY | O_CLOEXEC);
		error = maps < 0 ? -errno : 0;
		op_lend_rights(op);
		if (!error)
			error = op->caller->ops->validate(op->caller);
		if (!error)
			error = maps_each_file(maps, address, end, sync_mapped, op);
		if (error)
			return error;
	}
	out->kind = OUT_CONTINUE;
	return 0;
}

/*
 * A write that asks to be durable. It runs in the caller: who exchanges a descriptor under a write of its own has not said which
 * file is meant.
 */
int vfs_durable_write(struct op *op, int fd, struct outcome *out)
{
	struct stat stat;
	int error = op->caller->ops->stat_object(op->caller, fd, &stat);

	if (error)
		return error;
	if (vnodes_find(op->view->vnodes, stat.st_dev, stat.st_ino, NULL, NULL, NULL, NULL, NULL) == 0)
		return op_refuse_unserved(op, "RWF_SYNC and RWF_DSYNC are not served for encrypted files: fsync is",
					  -EOPNOTSUPP);
	out->kind = OUT_CONTINUE;
	return 0;
}
