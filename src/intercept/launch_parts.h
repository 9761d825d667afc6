/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the three processes that a launch makes out of one: launch.c, reaper.c, command.c. */
#pragma once

#include <sys/types.h>

#include "intercept/launch.h"

/* Descriptors that exist in the one table of supervisor, reaper and (until it stands alone) command. */
struct launch_parts {
	const struct launch_config *config;
	pid_t supervisor;
	int stdio[3]; /* the user's; -1: was closed */
	int report;   /* write end: struct launch_report to the supervisor, which closes it as soon as it has one */
	/* Shared memory: the command stands and has reported; from then on the number `report` means something else. */
	_Atomic int *stands;
	int exited;   /* eventfd, or -EBADF: struct launch has it */
	int go;	      /* read end: one byte lets the command go */
};

/* How far the command came. Exactly one is read. */
struct launch_report {
	int error;	  /* 0 or a negative errno */
	pid_t command;
	int listener;
	char what[64];	  /* what failed */
};

/* Both end the process. */
_Noreturn void reaper_run(const struct launch_parts *parts);
_Noreturn void command_run(const struct launch_parts *parts);

/* A fork that may share the descriptor table; libc's own would not. */
pid_t launch_clone(void);

void launch_tell_supervisor(const struct launch_parts *parts, int error, int listener, const char *what);
