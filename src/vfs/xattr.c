/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes (fs/xattr.c): name and value are read before the path is looked up, results are written after.
 * All act on the judged object through its magic link in procfs, which is followed once: a symlink keeps its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vfs/early.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/target.h"

static int read_name(struct op *op, uint64_t address, char name[XATTR_NAME_MAX + 1])
{
	ssize_t len = op->caller->ops->read_string(op->caller, address, name, XATTR_NAME_MAX + 1);

	if (len == 0 || len == -ENAMETOOLONG)
		return -ERANGE;
	return len < 0 ? (int)len : 0;
}

/* The value goes to op->scratch[0]. */
static int read_set(struct op *op, uint64_t name_address, uint64_t value, uint64_t size, int flags,
		    char name[XATTR_NAME_MAX + 1])
{
	int error;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	error = read_name(op, name_address, name);
	if (error)
		return error;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	return size ? op->caller->ops->read(op->caller, value, op->scratch[0], size) : 0;
}

int early_setxattr(struct op *op, uint64_t name, uint64_t value, uint64_t size, int flags)
{
	char text[XATTR_NAME_MAX + 1];

	return read_set(op, name, value, size, flags, text);
}

int early_xattr_name(struct op *op, uint64_t name)
{
	char text[XATTR_NAME_MAX + 1];

	return read_name(op, name, text);
}

/*
 * With an empty path the *xattrat calls want a real descriptor, not an O_PATH one; of AT_FDCWD then, setxattrat and
 * getxattrat make the working directory, listxattrat and removexattrat nothing (path_setxattrat() and the like).
 */
static int find(struct op *op, struct walk *walk, int dirfd, int at_flags, bool cwd)
{
	if (op->text_len[0] == 0 && (at_flags & AT_EMPTY_PATH) && !(cwd && dirfd == AT_FDCWD))
		return target_descriptor(op, walk, dirfd);
	return target_find(op, walk, dirfd, at_flags);
}

static int ready(struct op *op, const struct walk *walk, enum intent intent)
{
	int error = judge(op, walk, intent);

	return error ? error : op->caller->ops->validate(op->caller);
}

/* What LEN bytes of op->scratch[0] (or an error: LEN < 0) and the caller's buffer of SIZE make of the call. */
static int give(struct op *op, ssize_t len, uint64_t buffer, uint64_t size, struct outcome *out)
{
	int error;

	if (len < 0)
		return -errno;
	if (len > 0 && size > 0) {
		error = op->caller->ops->write(op->caller, buffer, op->scratch[0], (size_t)len);
		if (error)
			return error;
	}
	return outcome_value(out, len);
}

static int set_on(struct op *op, const struct walk *walk, const char *name, uint64_t size, int flags,
		  struct outcome *out)
{
	char link[FD_NAME_MAX];
	int error = ready(op, walk, INTENT_METADATA);

	if (error)
		return error;
	if (setxattr(fd_name(walk->fd, link), name, op->scratch[0], size, flags) < 0)
		return -errno;
	encrypted_touched(op, walk, NULL);
	return outcome_value(out, 0);
}

static int get_from(struct op *op, const struct walk *walk, const char *name, uint64_t value, uint64_t size,
		    struct outcome *out)
{
	char link[FD_NAME_MAX];
	int error = ready(op, walk, INTENT_LOOKUP);

	if (error)
		return error;
	/* As the kernel cuts it, which then says E2BIG where a bigger buffer would not have helped. */
	if (size > XATTR_SIZE_MAX)
		size = XATTR_SIZE_MAX;
	return give(op, getxattr(fd_name(walk->fd, link), name, size ? op->scratch[0] : NULL, size),
		    value, size, out);
}

static int list_of(struct op *op, const struct walk *walk, uint64_t list, uint64_t size, struct outcome *out)
{
	char link[FD_NAME_MAX];
	int error = ready(op, walk, INTENT_LOOKUP);

	if (error)
		return error;
	if (size > XATTR_LIST_MAX)
		size = XATTR_LIST_MAX;
	return give(op, listxattr(fd_name(walk->fd, link), size ? op->scratch[0] : NULL, size), list,
		    size, out);
}

static int remove_from(struct op *op, const struct walk *walk, const char *name, struct outcome *out)
{
	struct stat now;
	char link[FD_NAME_MAX];
	int error = ready(op, walk, INTENT_METADATA);

	if (error)
		return error;
	if (removexattr(fd_name(walk->fd, link), name) < 0)
		return -errno;
	/* An ACL that was not there is removed without a change: the last one was of our own writing. */
	if (fstat(walk->fd, &now) < 0 || now.st_ctim.tv_sec != walk->stat.st_ctim.tv_sec || now.st_ctim.tv_nsec != walk->stat.st_ctim.tv_nsec)
		encrypted_touched(op, walk, NULL);
	return outcome_value(out, 0);
}

int vfs_setxattr(struct op *op, int dirfd, int at_flags, uint64_t name, uint64_t value, uint64_t size, int flags,
		 struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_set(op, name, value, size, flags, text);

	if (!error)
		error = find(op, &op->walk[0], dirfd, at_flags, true);
	return error ? error : set_on(op, &op->walk[0], text, size, flags, out);
}

int vfs_getxattr(struct op *op, int dirfd, int at_flags, uint64_t name, uint64_t value, uint64_t size,
		 struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_name(op, name, text);

	if (!error)
		error = find(op, &op->walk[0], dirfd, at_flags, true);
	return error ? error : get_from(op, &op->walk[0], text, value, size, out);
}

int vfs_listxattr(struct op *op, int dirfd, int at_flags, uint64_t list, uint64_t size, struct outcome *out)
{
	int error = find(op, &op->walk[0], dirfd, at_flags, false);

	return error ? error : list_of(op, &op->walk[0], list, size, out);
}

int vfs_removexattr(struct op *op, int dirfd, int at_flags, uint64_t name, struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_name(op, name, text);

	if (!error)
		error = find(op, &op->walk[0], dirfd, at_flags, false);
	return error ? error : remove_from(op, &op->walk[0], text, out);
}

/* The calls on descriptors look at the descriptor in between: after the name, before the value is written. */
int vfs_fsetxattr(struct op *op, int fd, uint64_t name, uint64_t value, uint64_t size, int flags, struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_set(op, name, value, size, flags, text);

	if (!error)
		error = target_descriptor(op, &op->walk[0], fd);
	return error ? error : set_on(op, &op->walk[0], text, size, flags, out);
}

int vfs_fgetxattr(struct op *op, int fd, uint64_t name, uint64_t value, uint64_t size, struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_name(op, name, text);

	if (!error)
		error = target_descriptor(op, &op->walk[0], fd);
	return error ? error : get_from(op, &op->walk[0], text, value, size, out);
}

int vfs_flistxattr(struct op *op, int fd, uint64_t list, uint64_t size, struct outcome *out)
{
	int error = target_descriptor(op, &op->walk[0], fd);

	return error ? error : list_of(op, &op->walk[0], list, size, out);
}

int vfs_fremovexattr(struct op *op, int fd, uint64_t name, struct outcome *out)
{
	char text[XATTR_NAME_MAX + 1];
	int error = read_name(op, name, text);

	if (!error)
		error = target_descriptor(op, &op->walk[0], fd);
	return error ? error : remove_from(op, &op->walk[0], text, out);
}
