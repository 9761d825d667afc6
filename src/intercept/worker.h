/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers: threads that receive notifications, answer them and receive again. At least one always waits in
 * receive: when the last idle one takes a call, another is started (up to WORKERS_MAX), so that calls are received
 * eagerly even while some worker waits for a slow disk. Answering allocates nothing.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "vfs/view.h"

#define WORKERS_MAX 64
#define SYSCALL_COUNTS 512

struct steer;

struct workers_config {
	int listener;
	pid_t reaper;
	const struct view *view;
	struct steer *steer;
	struct log *log; /* may be NULL */
	unsigned initial; /* threads at the start; 0: a default */
};

struct workers;

int workers_start(const struct workers_config *config, struct workers **ret);
/* How often the call with this number was answered by a worker (steered second halves not counted). */
uint64_t workers_count(const struct workers *workers, int nr);
