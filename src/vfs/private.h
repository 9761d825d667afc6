/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private files (overlay/privates.h) as operations meet them. In a walk `private` says that the name is one under which
 * the view has files of its own, or that the object is such a file: then `fd` is the file in memory, `stat` what is shown
 * of it, and the verdict is that of a plain file that can be seen (rules on writing hold). `exists` is about the
 * private file; the disk was not asked. Nothing may be done to `name` in `parent_fd` itself: that is the hidden one.
 */
#pragma once

#include <linux/openat2.h>

#include "vfs/op.h"

/* Is the name at WALK, of which the rules say VIS_HIDE, one for private files? */
bool private_covers(const struct op *op, const struct walk *walk);
/* Look NAME in DIR up and make WALK what it is: exists, fd, stat. 0 or a negative errno; that there is none is no error. */
int private_look(struct op *op, struct walk *walk, int dir, const char *name);
/* walk->fd is a regular file that no path leads to. True: it is a private one, and the walk is it now. */
bool private_apply_detached(struct op *op, struct walk *walk);

/* open(2) with O_CREAT, where there is none yet. */
int private_create(struct op *op, struct walk *walk, const struct open_how *how, struct outcome *out);
/* open(2) of one that was judged. */
int private_open(struct op *op, const struct walk *walk, uint64_t flags, int *ret_fd);
/* May its size become LENGTH? */
int private_check_size(struct op *op, const struct walk *walk, int64_t length);

/* The calls on names, where one at least is private; checked as far as a missing parent. */
int private_mknod(struct op *op, struct walk *walk, mode_t mode);
/* What cannot be made: directories, links, sockets... */
int private_refuse_kind(struct op *op, const struct walk *walk);
int private_unlink(struct op *op, struct walk *walk, bool rmdir_call);
int private_link(struct op *op, const struct walk *source, struct walk *target);
/* Of places that rename(2) has nothing against (one mount, last components that are names, not read-only). */
int private_rename(struct op *op, struct walk *from, struct walk *to, unsigned flags);
/*
 * As may_create() and may_delete() of fs/namei.c ask first: may the caller make or remove names in the directory of WALK?
 * VICTIM: the stat of what is removed, or NULL. 0 or a negative errno.
 */
int private_check_parent(const struct walk *walk, const struct stat *victim);
/* A directory with private files in it is not empty: rmdir, and rename onto it. */
bool private_inside(const struct op *op, const struct walk *walk);

/* What statx(2) and statfs(2) say of one. */
void private_show_statx(struct op *op, const struct walk *walk, struct statx *sx);
int private_statfs_object(struct op *op, const struct stat *stat, int *ret_fd);
/* The text of a link of procfs to the object with this STAT: its length, 0: none of ours, or a negative errno. */
ssize_t private_link_text(const struct view *view, const struct stat *stat, char *text, size_t cap);
