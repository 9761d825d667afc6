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

/*
 * A process may look at itself (same_thread_group() in fs/proc and kernel/ptrace.c) also where one with the same
 * credentials may not: after a change of ids, before it executes. Is PATH in the caller's own directory, so that looking
 * it up, or following it, needs nothing else? False unless the supervisor acts with a caller's credentials.
 */
bool proclink_is_own(struct op *op, const char *path, size_t len);
/* Is the object at WALK a file there that is opened by the same rule? Its mode has to allow it in any case. */
bool proclink_opens_own(struct op *op, const struct walk *walk);

/* The pid P when PATH is /proc/P or below it, else 0. */
pid_t proclink_pid(const char *path, size_t len);
