/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers: threads that receive notifications, answer them and receive again. One of them receives; it answers what
 * it took itself and goes back, so that a program's calls are served by one warm thread without waking another (which
 * would double the time of a call). Somebody else receives meanwhile when more calls wait already, or when the answer
 * takes long (a slow disk), which a watch looks for; the threads for that are started when they are first needed, up to
 * WORKERS_MAX. Answering allocates nothing.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "vfs/view.h"

#define WORKERS_MAX 64
#define SYSCALL_COUNTS 512

struct parents;
struct record;
struct steer;
struct threads;
struct wards;

struct workers_config {
	int listener;
	pid_t reaper;
	const struct view *view;
	struct steer *steer;
	struct log *log; /* may be NULL */
	struct parents *parents;
	struct threads *threads;
	struct wards *wards; /* NULL: the supervisor has no more than an ordinary user */
	struct record *record; /* NULL: nobody learns from it */
	unsigned initial; /* threads at the start; 0: a default */
};

struct workers;

int workers_start(const struct workers_config *config, struct workers **ret);
/*
 * The watch, which is the calling thread's until END_FD can be read: a call that takes long (a slow disk, a lease to be
 * broken) must not keep others from being received.
 */
void workers_watch(struct workers *workers, int end_fd);
/* How often the call with this number was answered by a worker (steered second halves not counted). */
uint64_t workers_count(const struct workers *workers, int nr);
