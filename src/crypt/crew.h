/* SPDX-License-Identifier: Apache-2.0 */
/* A few helper threads that take parts of one piece of work after another, so that it uses more than one processor. */
#pragma once

#include <stdint.h>

#define CREW_MAX 4 /* threads that can work at once, the caller's among them */

struct crew;

/*
 * A crew of THREADS (1..CREW_MAX; more are not used), the caller's own among them. The threads start with the first work
 * worth them, block all signals, and belong to this process: after a fork the child has a crew of one. 0 or a negative
 * errno.
 */
int crew_new(unsigned threads, struct crew **ret_crew);

/* Waits for the helpers to end. No work may be under way. CREW may be NULL. */
void crew_free(struct crew *crew);

/* Threads that may work, the caller's among them. CREW may be NULL: 1. */
unsigned crew_size(const struct crew *crew);

/* Part PART of the work, done by thread WORKER (below crew_size()): no two parts at once have the same one. 0 or a negative
 * errno, after which no further part is begun. */
typedef int (*crew_part)(void *data, unsigned worker, uint64_t part);

/*
 * Have parts 0..PARTS-1 done, in no order, by the helpers and the caller. Returns when none runs any more: 0, or the error
 * of one that failed. Thread safe: a crew that is at work for somebody else leaves the work to the caller alone. CREW may
 * be NULL: the same.
 */
int crew_run(struct crew *crew, uint64_t parts, crew_part part, void *data);
