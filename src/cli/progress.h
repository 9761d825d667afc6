/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on standard error, when that is a terminal and the work takes long. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	bool wanted; /* a terminal that can move its cursor, and nobody asked for silence */
	bool shown;
	const char *name;
	struct timespec start, last;
};

void progress_init(struct progress *p, bool quiet);

/* NAME (the caller's, until the end) begins. */
void progress_begin(struct progress *p, const char *name);

/* DONE of TOTAL bytes (0: nobody knows). Cheap when called often. */
void progress_update(struct progress *p, uint64_t done, uint64_t total);

/* Take the bar away, for a message or for good. */
void progress_clear(struct progress *p);

/* "1.5 MiB" */
void format_bytes(uint64_t bytes, char *ret_text, size_t size);
