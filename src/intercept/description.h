/* SPDX-License-Identifier: Apache-2.0 */
/* The open file description behind a descriptor of a caller: pidfd_getfd(2), as far as it is to be had. */
#pragma once

#include "vfs/caller.h"

/* Nothing within our rights reaches it: the caller has to lend it (steer/lend.c). */
#define DESCRIPTION_OUT_OF_REACH (-EREMOTE)

/*
 * A copy of the caller's descriptor FD. Returns it, DESCRIPTION_OUT_OF_REACH, or a negative errno that is the caller's.
 * What the machine lacks is found out once, by failing. Thread-safe.
 */
int description_copy(struct caller *caller, int fd);
