/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkdir, mknod, symlink, link, unlink, rmdir, rename in all their forms.
 *
 * The kernel copies both paths at once but tells of a bad one only where it is used: a bad second path is an error
 * after the first has been looked up (fs/namei.c: filename_create, filename_parentat).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "intercept/handlers.h"
#include "vfs/early.h"

#define FLAGS_LINK (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)
#define FLAGS_RENAME (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

/* umode_t has 16 bits. */
static mode_t mode_of(uint64_t arg)
{
	return (mode_t)(uint16_t)arg;
}

/* The second path is bad (ERROR): what is wrong with the first comes before it. */
static int after_first(struct op *op, int dirfd, unsigned flags, int error)
{
	int first = walk_resolve(op, &op->walk[0], dirfd, op->text[0], op->text_len[0], flags, 0);

	walk_release(&op->walk[0]);
	return first ? first : error;
}

static int make_directory(struct op *op, int dirfd, uint64_t path, uint64_t mode, struct outcome *out)
{
	int error = op_read_path(op, 0, path, false);

	return error ? error : vfs_mkdir(op, dirfd, mode_of(mode), out);
}

HANDLER(handle_mkdir)
{
	(void)nr;
	return make_directory(op, AT_FDCWD, args[0], args[1], out);
}

HANDLER(handle_mkdirat)
{
	(void)nr;
	return make_directory(op, (int)args[0], args[1], args[2], out);
}

static int make_node(struct op *op, int dirfd, uint64_t path, uint64_t mode_arg, uint64_t dev, struct outcome *out)
{
	mode_t mode = mode_of(mode_arg);
	int error;

	/* The kernel looks at the type before the path. */
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
	case 0:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	error = op_read_path(op, 0, path, false);
	return error ? error : vfs_mknod(op, dirfd, mode, (unsigned)dev, out);
}

HANDLER(handle_mknod)
{
	(void)nr;
	return make_node(op, AT_FDCWD, args[0], args[1], args[2], out);
}

HANDLER(handle_mknodat)
{
	(void)nr;
	return make_node(op, (int)args[0], args[1], args[2], args[3], out);
}

static int make_symlink(struct op *op, uint64_t target, int dirfd, uint64_t path, struct outcome *out)
{
	int error = op_read_path(op, 0, target, false);

	if (!error)
		error = op_read_path(op, 1, path, false);
	return error ? error : vfs_symlink(op, dirfd, out);
}

HANDLER(handle_symlink)
{
	(void)nr;
	return make_symlink(op, args[0], AT_FDCWD, args[1], out);
}

HANDLER(handle_symlinkat)
{
	(void)nr;
	return make_symlink(op, args[0], (int)args[1], args[2], out);
}

static int make_link(struct op *op, int olddirfd, uint64_t old, int newdirfd, uint64_t new, int flags,
		     struct outcome *out)
{
	unsigned walk_flags = (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	int error;

	if (flags & ~FLAGS_LINK)
		return -EINVAL;
	error = op_read_path(op, 0, old, flags & AT_EMPTY_PATH);
	if (error)
		return error;
	error = op_read_path(op, 1, new, false);
	if (error)
		return after_first(op, olddirfd, walk_flags, error);
	return vfs_link(op, olddirfd, newdirfd, flags, out);
}

HANDLER(handle_link)
{
	(void)nr;
	return make_link(op, AT_FDCWD, args[0], AT_FDCWD, args[1], 0, out);
}

HANDLER(handle_linkat)
{
	(void)nr;
	return make_link(op, (int)args[0], args[1], (int)args[2], args[3], (int)args[4], out);
}

static int remove_name(struct op *op, int dirfd, uint64_t path, int flags, struct outcome *out)
{
	int error;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	error = op_read_path(op, 0, path, false);
	return error ? error : vfs_unlink(op, dirfd, flags, out);
}

HANDLER(handle_unlink)
{
	(void)nr;
	return remove_name(op, AT_FDCWD, args[0], 0, out);
}

HANDLER(handle_unlinkat)
{
	(void)nr;
	return remove_name(op, (int)args[0], args[1], (int)args[2], out);
}

HANDLER(handle_rmdir)
{
	(void)nr;
	return remove_name(op, AT_FDCWD, args[0], AT_REMOVEDIR, out);
}

static int move_name(struct op *op, int olddirfd, uint64_t old, int newdirfd, uint64_t new, unsigned flags,
		     struct outcome *out)
{
	int error;

	if ((flags & ~(unsigned)FLAGS_RENAME) ||
	    ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))))
		return -EINVAL;
	error = op_read_path(op, 0, old, false);
	if (error)
		return error;
	error = op_read_path(op, 1, new, false);
	if (error) {
		early_cut_name(op, 0);
		return after_first(op, olddirfd, WALK_PARENT | WALK_LAST_UNJUDGED, error);
	}
	return vfs_rename(op, olddirfd, newdirfd, flags, out);
}

HANDLER(handle_rename)
{
	(void)nr;
	return move_name(op, AT_FDCWD, args[0], AT_FDCWD, args[1], 0, out);
}

HANDLER(handle_renameat)
{
	(void)nr;
	return move_name(op, (int)args[0], args[1], (int)args[2], args[3], 0, out);
}

HANDLER(handle_renameat2)
{
	(void)nr;
	return move_name(op, (int)args[0], args[1], (int)args[2], args[3], (unsigned)args[4], out);
}
