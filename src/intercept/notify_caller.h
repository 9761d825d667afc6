/* SPDX-License-Identifier: Apache-2.0 */
/* The caller of a held notification: a process reached through its tid and /proc. */
#pragma once

#include <linux/seccomp.h>

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
};

void notify_caller_init(struct notify_caller *caller, int listener, int proc_fd, pid_t reaper);
/* The caller of NOTIF from now on. */
void notify_caller_begin(struct notify_caller *caller, const struct seccomp_notif *notif);
