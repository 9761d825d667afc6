/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of file events (inotify(7)) that are fed by us, for views in which a name may be hidden or a file encrypted: the
 * program has the reading end of a pipe of packets, one event each; we have the kernel's own queue, hand on what concerns
 * what the program may see, and leave in it what does not fit into the pipe. So memory, merging and overflow are the kernel's.
 *
 * All functions may be called by any worker, and with NULL for the queues where that is said. A path is canonical.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/stat.h>

struct pins;
struct policy;
struct queue;
struct queues;

/* What is watched. */
struct queue_place {
	const char *name; /* leads to the object itself, a symlink included: /proc/self/fd/N */
	const struct stat *stat;
	const char *path;
	size_t path_len;  /* 0: no path leads to it; no event of a name in it is told */
};

/* POLICY and PINS outlive the queues. Returns 0 or -ENOMEM. */
int queues_new(const struct policy *policy, const struct pins *pins, struct queues **ret);
/* Ends the thread. Takes NULL, returns NULL. */
struct queues *queues_free(struct queues *queues);

/*
 * A new queue; *RET_FD, owned by the caller of this function, is what the program gets: O_NONBLOCK if NONBLOCK,
 * close-on-exec for us. When all descriptions of it are closed the queue ends. Returns 0, or as inotify_init1(2).
 */
int queues_open(struct queues *queues, bool nonblock, int *ret_fd);

/* The queue whose reading end STAT describes, to be released with queue_put(); NULL: none. Takes NULL. */
struct queue *queues_find(struct queues *queues, const struct stat *stat);
void queue_put(struct queue *queue);
/* Does STAT describe the reading end of any? Takes NULL. */
bool queues_own(struct queues *queues, const struct stat *stat);

/*
 * MASK without the flags LEAVE, for an object that is named by its magic link, which has to be followed. The kernel asks for
 * one bit at least: IN_EXCL_UNLINK means nothing to a watch without events.
 */
static inline uint32_t watch_following(uint32_t mask, uint32_t leave)
{
	uint32_t rest = mask & ~leave;

	return rest & (IN_ALL_EVENTS | IN_ONLYDIR | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT) ? rest :
														      rest | IN_EXCL_UNLINK;
}

/* What inotify_add_watch(2) says of MASK before it looks at a path: 0 or a negative errno. */
int queue_check(struct queue *queue, uint32_t mask);
/* inotify_add_watch(2), with the rights of the calling thread. IN_DONT_FOLLOW is of no meaning. */
int queue_add(struct queue *queue, const struct queue_place *place, uint32_t mask);
/* inotify_rm_watch(2). */
int queue_remove(struct queue *queue, int wd);

/* What was at the path FROM is at the path TO now, and if EXCHANGED the other way round. Takes NULL. */
void queues_renamed(struct queues *queues, const char *from, const char *to, bool exchanged);

/* Hand on what has happened until now: the effects of a call are to be read when it returns. Takes NULL. */
void queues_pump(struct queues *queues);
/* Is there any queue? Takes NULL. */
bool queues_any(const struct queues *queues);
