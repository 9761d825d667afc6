/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the command under the filter.
 *
 *   front process ── supervisor ── reaper (the vault) ── command
 *
 * The reaper shares the supervisor's descriptor table (clone with CLONE_FILES, without CLONE_VM): it is the vault of
 * intercept/steer, the parent and subreaper of the command (so that ptrace stops of callers never mix with waits for
 * children, and Yama scope 1 is satisfied: the supervisor is an ancestor of every caller), and it tells the front
 * process of stops, continuations and the exit of the command. It ends when no descendant is left.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/errmsg.h"

struct guard;
struct sock_fprog;

struct launch_config {
	char *const *argv; /* the command; argv[0] is searched in PATH of envp, by the command itself, inside the view */
	char *const *envp;
	const char *chdir; /* NULL: stay; done inside the view */
	const int *pass_fds; /* kept open besides 0, 1, 2 */
	size_t pass_fd_count;
	pid_t process_group; /* the front process's group, which the command joins; 0: leave */
	int front_socket;    /* SOCK_SEQPACKET; struct front_message goes to the front process, signals come from it */
	bool kill_on_exit;   /* when the command ends, kill what is left of the view */
	const struct guard *guard;
	const struct sock_fprog *filter;
	const void *original_signals; /* struct front_signals of cli/front.c, to restore dispositions and mask */
};

struct launch {
	pid_t reaper;  /* = the vault */
	pid_t command;
	int listener;  /* owned by the caller of launch_start() */
	int go;	       /* write end that releases the command */
};

/* What the reaper tells the front process. */
enum front_event {
	FRONT_STARTED,	 /* value: pid of the command */
	FRONT_STOPPED,	 /* value: signal */
	FRONT_CONTINUED,
	FRONT_EXITED,	 /* value: wait status */
	FRONT_FAILED,	 /* text: why the run could not start; exit 125 */
};
struct front_message {
	int event;
	int value;
	char text[1536];
};
/* The front process asks for a signal to be sent to the command. */
struct front_request {
	int signal;
};

/* Before any thread is started. The command stands under the filter, held before its first exec. */
int launch_start(const struct launch_config *config, struct launch *ret, struct errmsg *msg);
/* Workers serve the listener: let the command go. */
int launch_go(struct launch *launch);
/* Until the reaper has ended, that is until no descendant is left. */
int launch_wait(struct launch *launch);
