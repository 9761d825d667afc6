/* SPDX-License-Identifier: Apache-2.0 */
/* The caller of a held notification: a process reached through its tid and /proc. */
#pragma once

#include <linux/seccomp.h>

#include "intercept/description.h"
#include "intercept/wards/wards.h"
#include "vfs/caller.h"

struct parents;

/* Threads whose ways in are kept, by number: each has two descriptors at most. */
#define DOORS 16

/* What is kept of a thread that was served, from call to call of one worker. */
struct door {
	pid_t home_tid;
	bool used;	/* since another thread wanted this place */
	unsigned calls; /* until the home was opened */
	int home;	/* O_PATH of /proc/TID; -EBADF: none. Once the thread is gone nothing is found in it */
	struct description_pidfd pidfd;
};

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
	struct door doors[DOORS];
	int stands; /* the home where this thread stands between calls; -EBADF: it stands in /proc */
	struct parents *parents;
	struct threads *threads;
	pid_t created; /* who created something last: only of one that does so again the mask is remembered */
	/* In a view whose supervisor has more than an ordinary user; else NULL. */
	struct wards *wards;
	struct rights *rights; /* of the thread that serves this caller */
	struct creds *creds;   /* the caller's, a reference, while they matter (wards_matter()); else NULL */
	unsigned looking;      /* how deep in calls that look at the caller with the supervisor's own rights */
};

struct notify_caller_config {
	int listener;
	int proc_fd;
	pid_t reaper;
	struct parents *parents;
	struct threads *threads;
	struct wards *wards;   /* or NULL */
	struct rights *rights; /* with wards */
};

void notify_caller_init(struct notify_caller *caller, const struct notify_caller_config *config);
/* The caller of NOTIF from now on. */
void notify_caller_begin(struct notify_caller *caller, const struct seccomp_notif *notif);
/* Its descriptor NUMBER is what it has lent: COPY, owned from now on. */
void notify_caller_lend(struct notify_caller *caller, int number, int copy);
/* Before the reply: nothing of the caller's is held any more. */
void notify_caller_end(struct notify_caller *caller);
/*
 * The calling thread acts as the caller from now on, where that makes a difference; REAL: with its real ids, as access(2)
 * does. Returns 0 or a negative errno.
 */
int notify_caller_take(struct notify_caller *caller, bool real);
/* It has all of the supervisor's rights again. */
void notify_caller_return(struct notify_caller *caller);
