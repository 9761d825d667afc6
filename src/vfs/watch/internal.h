/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Locks, taken in this order: of all queues (the list, references), then of one (all else of it).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>

#include "vfs/watch/queues.h"

#define WATCH_BUCKETS 256u
#define EVENT_MAX     (sizeof(struct inotify_event) + NAME_ROOM)
#define NAME_ROOM     272u /* NAME_MAX and NUL, rounded up as the kernel does */

/* Stands for one watch of the kernel's queue, from the call that made it until IN_IGNORED was taken out of that. */
struct watch {
	struct watch *next;
	int wd;
	dev_t dev;
	ino_t ino;
	uint32_t mask;  /* the events that the program asked for */
	bool directory;
	bool once;      /* IN_ONESHOT: the kernel's has it not, since a hidden name must not use it up */
	bool spent;     /* it is removed, and no event but IN_IGNORED is told any more */
	size_t path_len;
	char *path;
};

struct queue {
	struct queue *next;
	struct queues *all;
	unsigned references;  /* under the lock of all; one is the list's */
	dev_t pipe_dev;
	ino_t pipe_ino;
	uint64_t id;

	pthread_mutex_t lock;
	int source;           /* the kernel's queue */
	int pipe;             /* the writing end, O_NONBLOCK */
	bool full;            /* the pipe was; the source is not waited for until it has room */
	bool waits_full;      /* what the thread waits for is as when it is full */
	bool ended;           /* nobody can read any more */
	struct watch *watches[WATCH_BUCKETS]; /* by wd */
	/* Taken out of the source, not looked at yet: the bytes from `at` to `len`. */
	size_t at, len;
	char events[4096] __attribute__((aligned(8)));
	/* Looked at, and to be written when there is room; before anything else. 0: nothing. */
	size_t due_len;
	char due[EVENT_MAX] __attribute__((aligned(8)));
	/* The last that was written: what is the same and comes before it is read is not told again. */
	size_t last_len;
	char last[EVENT_MAX] __attribute__((aligned(8)));
};

struct queues {
	const struct policy *policy;
	const struct pins *pins;
	pthread_mutex_t lock;
	struct queue *first;
	_Atomic unsigned count;
	uint64_t next_id;
	bool started;
	_Atomic bool stop;
	pthread_t thread;
	int epoll, kick;
};

/* watches.c; need the queue's lock. */
struct watch *watch_find(struct queue *queue, int wd);
void watch_drop(struct queue *queue, int wd);
void watches_free(struct queue *queue);

/* sift.c: may the program know of an event of NAME (NULL: none) in what WATCH is of? */
bool sift_shows(const struct queues *all, const struct watch *watch, const char *name);

/* feed.c; needs the queue's lock. Until nothing is left, or the pipe is full. */
void feed(struct queue *queue);

/* queues.c; needs the queue's lock: what the thread waits for. */
void queue_wait_for(struct queue *queue);
