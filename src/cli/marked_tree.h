/* SPDX-License-Identifier: Apache-2.0 */
/* A directory and all beneath it, each name with what a policy says of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/errmsg.h"
#include "vfs/policy/policy.h"

struct tree_entry {
	const char *name;     /* of the start: its canonical path */
	const char *path;     /* canonical, of this name itself */
	const char *target;   /* of a symlink: its text, or "" where it cannot be read; else NULL */
	mode_t type;          /* S_IFMT bits */
	struct verdict verdict;
	struct verdict target_verdict; /* of a symlink: on what it leads to; all defaults where that is nothing */
	unsigned depth;       /* 0: the start */
	bool last;            /* of its directory, as far as names are told */
	int error;            /* of a directory: why it could not be read, a negative errno; or 0 */
	bool cut;             /* of a directory: it is not gone into */
};

struct tree_config {
	const struct policy *policy;
	unsigned depth_max; /* levels below the start; 0: all */
	bool marked_only;   /* names that are not as their directories are, and the directories that lead to them */
	/* A name, and after a directory's those in it, in order of bytes. Not 0 ends the walk. */
	int (*entry)(void *data, const struct tree_entry *entry);
	void *data;
};

/*
 * Walk what START leads to, a directory. Hidden and denied directories are not gone into unless something in them is shown.
 * No symlink is followed. Returns 0, what `entry` returned, or a negative errno with MSG.
 */
int marked_tree_walk(const struct tree_config *config, const char *start, struct errmsg *msg);
