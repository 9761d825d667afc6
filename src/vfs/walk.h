/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path text to an object and its verdict.
 *
 * The walk resolves as the kernel would for the caller: component by component on O_PATH descriptors, with symlinks
 * followed here (at most 40), /proc/self and /proc/thread-self meaning the caller's, magic links opened first and
 * judged by where they lead. A name that a rule hides ends it with ENOENT, a denied one with EACCES, after the
 * parent's own errors. Texts without symlinks, `..` and /proc take one openat2(RESOLVE_NO_SYMLINKS), which proves that
 * the text is the object's own path.
 */
#pragma once

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vfs/policy/policy.h"

struct op;

enum walk_flags {
	WALK_FOLLOW = 1u << 0, /* a symlink as last component is followed (always, when a slash follows it) */
	/*
	 * Stop at the last name: `parent_fd` and `name` are set; `fd` and `stat` too when the name exists (exists).
	 * The verdict is that of the name. Names that cannot be made or removed: `last` says ".", "..", or "/".
	 * With WALK_FOLLOW a last symlink is followed to where a file would be created; a magic link of procfs leads to an
	 * object that exists and has no parent here.
	 */
	WALK_PARENT = 1u << 1,
	WALK_EMPTY = 1u << 2, /* an empty text means the directory descriptor itself (AT_EMPTY_PATH) */
	/*
	 * A hidden or denied *last* name is not an error of the walk: the operation judges it (creating calls answer
	 * EACCES whether or not it exists). `exists` is then false and the disk was not asked about the name.
	 */
	WALK_LAST_UNJUDGED = 1u << 3,
	WALK_FILE = 1u << 4, /* with WALK_PARENT: a slash behind the last name is EISDIR, before the name is looked at */
	/* With WALK_PARENT, for calls that act on the name and not on the object: `exists` means `stat` alone, no `fd`. */
	WALK_NAME = 1u << 5,
	/* The walk may end without `fd`, with `stat` alone, where no rule speaks of the object. Not with WALK_PARENT. */
	WALK_STAT = 1u << 6,
};

enum walk_last {
	LAST_NAME,
	LAST_DOT,
	LAST_DOTDOT,
	LAST_ROOT, /* the text was "/" */
};

/* A canonical path that fits the kernel's own bound: deeper objects can only be reached relatively. */
#define WALK_PATH_MAX (2 * PATH_MAX)

struct walk {
	int fd;		/* O_PATH descriptor of the object; -EBADF while there is none */
	int parent_fd;	/* WALK_PARENT: O_PATH of the directory that holds `name` */
	bool exists;	/* `fd` and `stat` are set */
	bool slash;	/* the text ended in a slash: a directory is meant */
	bool detached;	/* no path leads to the object (deleted, memfd, pipe): `path` is empty */
	bool private;	/* a name or file of the view's own: private.h */
	bool mask_memfd; /* reached through masked content that we made; everything here is the masked file's */
	bool crypt_memfd; /* reached through the plaintext of an encrypted file; everything here is that file's, `stat` as shown */
	enum walk_last last;
	struct stat stat;
	struct verdict verdict; /* of the object, or of the last name with WALK_PARENT */
	struct match_state state;
	struct match_state parent_state; /* WALK_PARENT only */
	size_t path_len;
	char path[WALK_PATH_MAX]; /* canonical, NUL-terminated */
	size_t name_len;
	char name[NAME_MAX + 1]; /* WALK_PARENT: last component, NUL-terminated */
};

/* Close what it holds; it can be used again. */
void walk_release(struct walk *walk);
/* To be called once on fresh memory. */
void walk_init(struct walk *walk);

/*
 * Resolve TEXT (LEN bytes, NUL-terminated) from DIRFD of the caller (AT_FDCWD, or ignored when TEXT is absolute).
 * FLAGS: enum walk_flags; RESOLVE: the RESOLVE_ flags of openat2(2), RESOLVE_CACHED excepted.
 * Returns 0, or the negative errno the caller would get (rule decisions included and noted in op->refused); then the
 * walk holds nothing.
 */
int walk_resolve(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		 uint64_t resolve);

/* The object behind a descriptor of the caller, as calls on descriptors need it: fd, stat, path, verdict. */
int walk_descriptor(struct op *op, struct walk *walk, int fd);
/* The same for an object behind a descriptor FD of our own, which the walk owns from now on, also after an error. */
int walk_object(struct op *op, struct walk *walk, int fd);

/*
 * Reopen the object with an access mode (open(2) FLAGS without creation flags) through /proc/self/fd.
 * Returns a descriptor of our own or a negative errno.
 */
int walk_reopen(const struct walk *walk, int flags);

/*
 * walk_resolve() for an open with OPEN_FLAGS (as openat2(2) has them, no creation), which may find that it can be made
 * at once: no rule speaks of the path, it leads through no symlink, and it is a directory by O_DIRECTORY or is known to
 * lead to a regular file. Then *RET_FD is a descriptor of our own, all is judged, and the walk holds no object; else it is
 * -EBADF. That the text is the object's own path the kernel proves (RESOLVE_NO_SYMLINKS); what the object is, is looked
 * at again when it is open, and stands in `stat`. With WALK_PARENT too: of a file that is known to be there only `path` and
 * `stat` are set, no parent.
 */
int walk_open(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
	      uint64_t resolve, uint64_t open_flags, int *ret_fd);
