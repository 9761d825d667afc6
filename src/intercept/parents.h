/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose child a process of the view would be without scrim. The kernel says the reaper of the command, and of every
 * orphan; natively the command's parent is whoever started scrim (front stands for the command), and an orphan's the
 * nearest living subreaper above it (prctl(2), PR_SET_CHILD_SUBREAPER), or init.
 *
 * Which one that is nothing tells but an orphan. When front has ended the supervisor is one itself; before, a process that
 * has no other purpose becomes one: once in a run, when an orphan first asks. Thread-safe.
 */
#pragma once

#include <sys/types.h>

struct parents;

struct parents_config {
	int proc_fd; /* O_PATH of /proc; outlives this */
	pid_t reaper;
	pid_t command;
	int command_pidfd; /* not taken over */
	pid_t front;	   /* the parent of the calling process */
};

/* In the supervisor, whose child the caller of a notification never is. Returns 0 or a negative errno. */
int parents_new(const struct parents_config *config, struct parents **ret);

/*
 * What getppid(2) is to say in the thread TID (of any process). Returns 0, or -ESRCH: there is no such thread. TID is the
 * caller's business to hold.
 */
int parents_of(struct parents *parents, pid_t tid, pid_t *ret);
