/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private files: what programs of the view make under names that `hide ... create=private` hides. They are files in
 * memory, seen by this view alone, and end with it. A name is known by the directory it is in (device and inode, which
 * an O_PATH descriptor holds) and its text, so it goes along when that directory is renamed. The disk is never asked
 * whether it has something of that name.
 *
 * Of each file there is one O_PATH descriptor here: programs have descriptions of their own, and permissions are the
 * kernel's affair, by mode and owner of the file in memory. What is shown of one by stat is made of the directory's
 * device, a number that no file on a disk has, and the count of its names.
 *
 * All functions take NULL (no such rule) and are thread-safe. DIR is a descriptor of the directory that the name is in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vfs/policy/policy.h"

struct privates;
struct private_new;

#define PRIVATE_FILES_DEFAULT 4096
#define PRIVATE_TOTAL_DEFAULT ((uint64_t)256 << 20)

/* *RET is NULL when the policy has no such rule. Returns 0 or a negative errno. */
int privates_new(const struct policy *policy, struct privates **ret);
/* Start the thread that sees to the bound. Once, in the process that serves. 0 or a negative errno. */
int privates_start(struct privates *privates);
struct privates *privates_free(struct privates *privates);

/* The file called NAME in DIR: an O_PATH descriptor of it, and what is shown of it. 0, -ENOENT or another error. */
int privates_find(struct privates *privates, int dir, const char *name, int *ret_fd, struct stat *ret_shown);
/* Is any name in the directory with this STAT? */
bool privates_any(struct privates *privates, const struct stat *dir);

/*
 * A new file in memory, empty, open for reading and writing, with mode 0666. It is no private file before it has a name.
 * 0 or a negative errno.
 */
int privates_make(int *ret_fd);
/*
 * Prepare FILE, which privates_make() gave, to be NAME in DIR, in place of what has the name, unless EXCLUSIVE.
 * -EEXIST; -ENOSPC: too many files, or too much in them; other errors. commit cannot fail; either it or discard is called.
 */
int privates_prepare(struct privates *privates, int dir, const char *name, int file, bool exclusive, struct private_new **ret);
/* -EEXIST: EXCLUSIVE, and somebody was faster. *PREPARED is taken. */
int privates_commit(struct privates *privates, struct private_new **prepared);
void privates_discard(struct private_new **prepared);

/* A further name of the private file that OBJECT is a descriptor of. -EEXIST, -ENOENT (it has none any more), -ENOSPC. */
int privates_link(struct privates *privates, int object, int dir, const char *name);
int privates_remove(struct privates *privates, int dir, const char *name);
/* RENAME_NOREPLACE and RENAME_EXCHANGE in FLAGS. -ENOENT, -EEXIST, -ENOMEM. */
int privates_rename(struct privates *privates, int from_dir, const char *from, int to_dir, const char *to, unsigned flags);

/* May be on a file in memory: asked before anything that costs. */
bool privates_may_be(const struct privates *privates, const struct stat *stat);
/*
 * *STAT is what the kernel says of a file; of a private one it becomes what is shown. Returns whether it is one.
 */
bool privates_shown(struct privates *privates, struct stat *stat);
/*
 * The path of the private file with this STAT (the kernel's), as the directory's is now, into PATH (CAP bytes, with NUL).
 * *RET_DELETED: it has no name any more, this was its last. *RET_DIR, if not NULL: an O_PATH descriptor of its directory.
 * Returns the length, -ENOENT (none of ours) or another error.
 */
int privates_path(struct privates *privates, const struct stat *stat, char *path, size_t cap, bool *ret_deleted, int *ret_dir);

/*
 * How much more there is room for in all files together. STOPPED: OBJECT, a descriptor of one (or -1), was stopped for
 * having gone beyond.
 */
uint64_t privates_room(struct privates *privates, int object, bool *ret_stopped);
/* OBJECT was opened to be written to, or its size was changed. */
void privates_written(struct privates *privates, int object);

/* An entry of a listing. ID grows from name to name in the order in which they were made. */
struct private_entry {
	uint64_t id;
	ino_t inode;
	char name[256];
};
/* The first entry of the directory with this STAT whose id is at least FROM. False: there is none. */
bool privates_next(struct privates *privates, const struct stat *dir, uint64_t from, struct private_entry *ret);
