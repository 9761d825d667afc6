/* SPDX-License-Identifier: Apache-2.0 */
/* What the two roads of the walk share; nobody else includes this. */
#pragma once

#include "vfs/op.h"

/* The road through every component, for whatever text. Returns as walk_resolve(). */
int walk_slowly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		uint64_t resolve);
/* What a walk that is made for an open may do at once: see walk_open(). */
struct at_once {
	uint64_t flags;
	int fd; /* -EBADF until it is done */
};

/*
 * One openat2 with RESOLVE_NO_SYMLINKS on the normalised text. Returns 0, a negative errno that stands, or -EAGAIN:
 * take the slow road. AT_ONCE may be NULL.
 */
int walk_quickly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
		 struct at_once *at_once);

/* The same with WALK_PARENT: the directory by one openat2, and one look at the name in it. */
int walk_parent_quickly(struct op *op, struct walk *walk, int dirfd, const char *text, size_t len, unsigned flags,
			struct at_once *at_once);
/*
 * walk_quickly() for an absolute text that leads through symlinks which the slow road has met before (walk_links.c), put
 * right first. -EAGAIN too where none is known.
 */
int walk_through_links(struct op *op, struct walk *walk, const char *text, size_t len, unsigned flags,
		       struct at_once *at_once);
/* The slow road follows the link NAME in the directory that is walk->path. */
void walk_note_link(struct op *op, const struct walk *walk, const char *name);

/* walk->verdict from walk->state. */
void walk_set_verdict(struct op *op, struct walk *walk);
/* What a name that may not be seen answers; 0 when it may be. */
int walk_judge_visible(struct op *op, const struct walk *walk);
/* The object at walk->fd is known by `stat`: let pinned identity say its part. */
void walk_apply_identity(struct op *op, struct walk *walk);
/* The same for a name that is not there, in the directory DIR: it is on the same file system. */
void walk_apply_absent(struct op *op, struct walk *walk, int dir);
/* An object without a path: the default verdict, unless it is masked content of ours, which is the masked file. */
int walk_apply_detached(struct op *op, struct walk *walk);
/* Path, state and verdict of the object at FD, from what the kernel says its path is. */
int walk_place_at(struct op *op, struct walk *walk, int fd, bool *ret_detached);
/* One more component behind walk->path; -ENAMETOOLONG. */
int walk_append(struct walk *walk, const char *name, size_t len);
/* What DIRFD of the caller, or AT_FDCWD, refers to. */
int walk_open_start(struct op *op, int dirfd, int *ret_fd);
/*
 * Is the object FD, whose STAT this is, of a procfs mounted somewhere else than at /proc (walk->path; each mount is a
 * file system of its own since Linux 5.8)? What its names mean to the caller is not known, and "self" there is us.
 */
bool walk_strange_procfs(const struct op *op, const struct walk *walk, int fd, const struct stat *stat);
/* May the object with this STAT be on a procfs, at /proc or elsewhere? Never false where it is. */
bool walk_may_be_procfs(const struct op *op, const struct stat *stat);
/* Is walk->path /proc or beneath it? */
bool walk_under_proc(const struct walk *walk);
