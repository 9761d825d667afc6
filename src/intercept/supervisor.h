/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor: one process that serves the path calls of everything in the view until nothing is left of it. */
#pragma once

#include "base/errmsg.h"
#include "base/log.h"
#include "intercept/launch.h"
#include "vfs/policy/policy.h"

struct vnodes_config;

struct supervisor_config {
	const struct policy *policy; /* compiled */
	const struct vnodes_config *vnodes; /* as in struct view_config; what they report goes to the log */
	struct launch_config launch; /* guard and filter are filled in by the supervisor */
	struct log *log;	     /* not started yet; may be NULL */
	struct run_counters *counters;
	void (*before_start)(void);  /* NULL, or called when all is prepared, before the command comes to be */
	unsigned workers;	     /* 0: as many as fit the machine */
	int record_fd;		     /* where it is written, at the end, what was done with which path (record.h); 0: nowhere */
	const char *stats_file;	     /* NULL, or where the counts of mediated calls are written as JSON at the end (tests) */
};

/*
 * Runs in the supervisor process (single-threaded at entry). Returns 0 when every descendant has ended, or a negative
 * errno with MSG when the run could not start.
 */
int supervisor_main(const struct supervisor_config *config, struct errmsg *msg);
