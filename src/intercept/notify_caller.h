/* SPDX-License-Identifier: Apache-2.0 */
/* The caller of a held notification: a process reached through its tid and /proc. */
#pragma once

#include <linux/seccomp.h>

#include "intercept/description.h"
#include "vfs/caller.h"

struct notify_caller {
	struct caller caller; /* first */
	int listener;
	int proc_fd;
	pid_t reaper; /* the ancestor of everything in the view */
	uint64_t id;
	pid_t tgid; /* 0: not asked yet */
	bool has_umask;
	mode_t umask;
	/*
	 * Where its descriptions are out of reach (intercept/description.h): the descriptor that the operation, which
	 * has failed and done nothing, cannot do without, or -1; and once it has lent it, our copy, or -1.
	 */
	int wanted;
	int lent, lent_number;
	struct description_pidfd pidfd;
};

void notify_caller_init(struct notify_caller *caller, int listener, int proc_fd, pid_t reaper);
/* The caller of NOTIF from now on. */
void notify_caller_begin(struct notify_caller *caller, const struct seccomp_notif *notif);
/* Its descriptor NUMBER is what it has lent: COPY, owned from now on. */
void notify_caller_lend(struct notify_caller *caller, int number, int copy);
/* Before the reply: nothing of the caller's is held any more. */
void notify_caller_end(struct notify_caller *caller);
