/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted files at the end: what the command wrote is committed before the front process goes on, and everything before
 * the supervisor ends, for whatever reason it can notice.
 *
 *   the command has ended            everything that nobody writes; front is told (FRONT_COMMITTED). If it was the last process of
 *                                    the view: told a moment later, so that files are locked no longer when front returns
 *   SIGTERM, SIGINT, SIGHUP, SIGQUIT everything there is; the supervisor goes on serving (whoever shuts a machine down sends
 *                                    SIGTERM to all, and means the programs of the view as well)
 *   the view has ended               everything; tried again for a minute where the disk refuses
 */
#pragma once

struct ending;
struct vnodes;

struct ending_config {
	struct vnodes *vnodes;
	int exited;	  /* readable as soon as the command has ended (struct launch) */
	int front_socket;
	int listener;	  /* of the view's filter */
};

/* Those signals are blocked in the calling thread, and in all that it starts from now on. */
void ending_block_signals(void);

/* Start the thread that waits. After ending_block_signals(). Returns 0 or a negative errno. */
int ending_start(const struct ending_config *config, struct ending **ret);

/* The view has ended: stop the thread, commit everything. The calls of workers are over. ENDING may be NULL. */
void ending_finish(struct ending *ending);
