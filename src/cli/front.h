/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front process: what the user started. It stays in the caller's process group, stands for the command towards
 * the shell (signals, stops, exit status) and has no part in serving the view.
 */
#pragma once

#include <stdbool.h>

#include "intercept/supervisor.h"

struct front_config {
	struct supervisor_config supervisor; /* launch.front_*, process_group and original_signals are filled in here */
	bool die_with_parent; /* when our parent dies, everything does */
	bool wait_for_end;    /* stay until the supervisor has ended (tests: its statistics are written by then) */
	/*
	 * In the process that becomes the supervisor, before anything else: with the signals, terminal and descriptors of the
	 * user, so that it may ask for passphrases. Completes CONFIG. NULL: nothing to do.
	 */
	int (*prepare)(void *data, struct supervisor_config *config, struct errmsg *msg);
	void *prepare_data;
	const int *private_fds; /* for `prepare` alone, which closes them */
	size_t private_fd_count;
	bool commits;	      /* encrypted files are written: wait until what the command wrote is committed */
	int status_fd;	      /* lines of JSON on what becomes of the command go there; front's alone; 0: nowhere */
	const char *hint;     /* what to say after the count of refusals: where to read more; NULL: nothing */
};

/* Start the supervisor, stand for the command until it ends. Returns the exit status of scrim. */
int front_run(struct front_config *config);
