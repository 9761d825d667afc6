/* SPDX-License-Identifier: Apache-2.0 */
/* What a verdict answers to an intention: the table of scrim.conf(5) as data. */
#pragma once

#include "vfs/op.h"

enum intent {
	INTENT_LOOKUP,	 /* stat, access F_OK, O_PATH, readlink, getxattr, chdir, listing... */
	INTENT_READ,	 /* open for reading */
	INTENT_WRITE,	 /* open for writing only */
	INTENT_READWRITE, /* O_RDWR */
	INTENT_TRUNCATE,
	INTENT_METADATA, /* chmod, chown, explicit times, setxattr, removexattr */
	INTENT_TOUCH,	 /* utimensat with both times UTIME_NOW or NULL: needs write access only */
	INTENT_CREATE,	 /* a new name: mkdir, mknod, symlink, O_CREAT of an absent name, target of link */
	INTENT_REMOVE,	 /* unlink, rmdir */
	INTENT_MOVE,	 /* source of rename, both sides of exchange */
	INTENT_REPLACE,	 /* target of rename, whether or not it exists */
	INTENT_LINK,	 /* source of link */
	INTENT_EXECUTE,	 /* exec, script interpreter, PT_INTERP */
	INTENT_CONNECT,	 /* connect or send to a socket name */
	INTENT_COUNT,
};

/*
 * Judge INTENT on the object or name of WALK. Returns 0 when allowed; else the negative errno, noted in op->refused.
 * Masked regular files: INTENT_READ is allowed (the open gives the mask's content).
 */
int judge(struct op *op, const struct walk *walk, enum intent intent);

/*
 * May a name move from FROM to TO (rename, link; an exchange asks both ways)? DIRECTORY: the source is a directory.
 * Returns 0, -EXDEV (differs by wildcards alone), -EBUSY (a literal rule at or beneath a directory), or the errno of
 * the literal rule of a file. Noted in op->refused.
 */
int judge_move(struct op *op, const struct walk *from, const struct walk *to, bool directory);
