/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about a place in a policy: where, the line, a caret under the column, the remedy. */
#pragma once

#include "base/errmsg.h"

struct place {
	const char *origin; /* file name, "profile NAME" or "command line" */
	unsigned line;	    /* 0: not a line of a file */
	const char *text;   /* the line, without its end */
	size_t len;
};

/*
 * Say what is wrong at the byte COLUMN (from 0) of the place. REMEDY may be NULL. Returns ERROR.
 */
int complain(struct errmsg *msg, int error, const struct place *place, size_t column, const char *remedy,
	     const char *format, ...) _printf_(6, 7);
