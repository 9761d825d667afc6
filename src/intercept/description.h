/* SPDX-License-Identifier: Apache-2.0 */
/* The open file description behind a descriptor of a caller: pidfd_getfd(2), as far as it is to be had. */
#pragma once

#include "vfs/caller.h"

/* Nothing within our rights reaches it: the caller has to lend it (steer/lend.c). */
#define DESCRIPTION_OUT_OF_REACH (-EREMOTE)

/*
 * The pidfd of the thread asked last: whoever lists one directory lists others. It is that of the thread `tid` as long
 * as it leads to anybody at all, since a number is not given anew while its owner lives; after that it says ESRCH.
 */
struct description_pidfd {
	int fd; /* -EBADF: none */
	pid_t tid;
};

/*
 * A copy of the caller's descriptor FD. Returns it, DESCRIPTION_OUT_OF_REACH, or a negative errno that is the caller's.
 * What the machine lacks is found out once, by failing. KEPT: from call to call of one worker; its descriptor is the
 * worker's to close. Thread-safe.
 */
int description_copy(struct caller *caller, int fd, struct description_pidfd *kept);
