/* SPDX-License-Identifier: Apache-2.0 */
/* One message for a person, formed where the context is known and printed once at the top. */
#pragma once

#include "base/cleanup.h"

#define ERRMSG_MAX 1536

struct errmsg {
	char text[ERRMSG_MAX]; /* NUL-terminated; empty when nothing was said */
};

/*
 * Say what went wrong: short, lower case, naming the file and rule and the remedy. The first message stands: a
 * second call on the same errmsg is ignored, so that outer layers cannot hide the cause. MSG may be NULL.
 * Returns ERROR (a negative errno), so that `return errmsg_set(msg, -EINVAL, ...)` reads well.
 */
int errmsg_set(struct errmsg *msg, int error, const char *format, ...) _printf_(3, 4);
