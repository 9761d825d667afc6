/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat, openat2, creat: flags as fs/open.c (build_open_how, build_open_flags) takes them. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "intercept/handlers.h"

#define OPEN_HOW_SIZE_VER0 24
#define PAGE 4096

/* Every flag that open(2) knows; it ignores others, openat2(2) does not. */
#define VALID_OPEN_FLAGS                                                                                               \
	((uint64_t)(O_RDONLY | O_WRONLY | O_RDWR | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |     \
		    O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | 0100000 /* O_LARGEFILE */ | O_DIRECTORY | O_NOFOLLOW |     \
		    O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE))
#define VALID_OPENAT2_FLAGS VALID_OPEN_FLAGS
#define O_PATH_FLAGS ((uint64_t)(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC))
#define TMPFILE_BIT ((uint64_t)(O_TMPFILE & ~O_DIRECTORY))
#define VALID_RESOLVE                                                                                                  \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |           \
	 RESOLVE_CACHED)

/* The checks that do not look at the disk. Returns 0 or the errno. */
static int check_how(struct open_how *how)
{
	uint64_t flags = how->flags;
	bool creates = (flags & O_CREAT) || (flags & TMPFILE_BIT);

	if (flags & ~VALID_OPENAT2_FLAGS)
		return -EINVAL;
	if (how->resolve & ~(uint64_t)VALID_RESOLVE)
		return -EINVAL;
	if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (creates ? (how->mode & ~(uint64_t)07777) != 0 : how->mode != 0)
		return -EINVAL;
	if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT) && !(flags & TMPFILE_BIT))
		return -EINVAL;
	if (flags & TMPFILE_BIT) {
		if (!(flags & O_DIRECTORY) || (flags & O_CREAT))
			return -EINVAL;
		if ((flags & O_ACCMODE) == O_RDONLY)
			return -EINVAL;
	}
	if ((flags & O_PATH) && (flags & ~O_PATH_FLAGS))
		return -EINVAL;
	if ((how->resolve & RESOLVE_CACHED) && (flags & (O_TRUNC | O_CREAT | TMPFILE_BIT)))
		return -EAGAIN;
	return 0;
}

static int open_with(struct op *op, int dirfd, uint64_t path, struct open_how *how, struct outcome *out)
{
	int error = check_how(how);

	if (!error)
		error = op_read_path(op, 0, path, false);
	if (error)
		return error;
	/* Whether a path is in the kernel's cache is nobody's business inside: never. */
	if (how->resolve & RESOLVE_CACHED)
		return -EAGAIN;
	return vfs_open(op, dirfd, how, out);
}

/* What open(2) makes of its flags and mode before the common checks. */
static struct open_how plain_how(int flags, uint64_t mode)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)flags & VALID_OPEN_FLAGS, .mode = mode & 07777};

	if (how.flags & O_PATH)
		how.flags &= O_PATH_FLAGS;
	if (!(how.flags & O_CREAT) && !(how.flags & TMPFILE_BIT))
		how.mode = 0;
	return how;
}

HANDLER(handle_open)
{
	struct open_how how = plain_how((int)args[1], args[2]);

	(void)nr;
	return open_with(op, AT_FDCWD, args[0], &how, out);
}

HANDLER(handle_openat)
{
	struct open_how how = plain_how((int)args[2], args[3]);

	(void)nr;
	return open_with(op, (int)args[0], args[1], &how, out);
}

HANDLER(handle_creat)
{
	struct open_how how = plain_how(O_CREAT | O_WRONLY | O_TRUNC, args[1]);

	(void)nr;
	return open_with(op, AT_FDCWD, args[0], &how, out);
}

/* copy_struct_from_user: what a newer struct has beyond ours must be zero. */
static int read_how(struct op *op, uint64_t address, uint64_t size, struct open_how *how)
{
	size_t known = size < sizeof(*how) ? (size_t)size : sizeof(*how);
	char *tail = op->scratch[0];
	int error;

	if (size < OPEN_HOW_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE)
		return -E2BIG;
	memset(how, 0, sizeof(*how));
	if (size > known) {
		error = op->caller->ops->read(op->caller, address + known, tail, (size_t)size - known);
		if (error)
			return error;
		for (size_t i = 0; i < size - known; i++) {
			if (tail[i])
				return -E2BIG;
		}
	}
	return op->caller->ops->read(op->caller, address, how, known);
}

HANDLER(handle_openat2)
{
	struct open_how how;
	int error = read_how(op, args[2], args[3], &how);

	(void)nr;
	return error ? error : open_with(op, (int)args[0], args[1], &how, out);
}
