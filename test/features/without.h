/* SPDX-License-Identifier: Apache-2.0 */
/* What a test has to know when it runs under without.c. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHOUT_CALLS "SCRIM_WITHOUT_CALLS"

static inline bool without_told(int nr, const char *mark)
{
	const char *calls = getenv(WITHOUT_CALLS);
	char wanted[16];

	snprintf(wanted, sizeof(wanted), " %d%s=", nr, mark);
	return calls && strstr(calls, wanted);
}

/* Is call NR one that a filter around us answers, so that the kernel, and with it any view, never sees it? */
static inline bool without_call(int nr)
{
	return without_told(nr, "");
}

/* The same with some arguments? */
static inline bool without_some(int nr)
{
	return without_told(nr, "?");
}
