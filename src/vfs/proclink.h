/* SPDX-License-Identifier: Apache-2.0 */
/* Symlinks of procfs: which mean the caller, which are magic, and which lead out of the view. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vfs/op.h"

enum proclink {
	PROCLINK_NONE,	      /* an ordinary symlink */
	PROCLINK_SELF,	      /* /proc/self */
	PROCLINK_THREAD_SELF, /* /proc/thread-self */
	PROCLINK_MAGIC,	      /* cwd, root, exe, fd/N, map_files, ns of a process of the view */
	PROCLINK_FORBIDDEN,   /* the same of a stranger */
};

/* Classify the symlink NAME, whose STAT this is, in the directory DIR (a canonical path of LEN bytes). */
enum proclink proclink_classify(struct op *op, const char *dir, size_t len, const char *name, const struct stat *stat);

/* The text of /proc/self or /proc/thread-self for the caller: "PID" or "PID/task/TID". TARGET: PATH_MAX bytes. */
int proclink_self_text(struct op *op, enum proclink which, char *target, ssize_t *ret_len);

/* Is walk->path /proc/PID, or below it, of one of scrim's own processes? They are absent inside. */
bool proclink_absent(struct op *op, const struct walk *walk);

/* The pid P when PATH is /proc/P or below it, else 0. */
pid_t proclink_pid(const char *path, size_t len);
