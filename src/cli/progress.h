/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on standard error, when that is a terminal and the work takes long: for all files of a command together. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum progress_unit { PROGRESS_BYTES, PROGRESS_FILES };

/* Invariant: `before` is what all files before the one at hand weigh, `weight` what that one does. */
struct progress {
	bool wanted; /* a terminal that can move its cursor, and nobody asked for silence */
	bool shown;
	enum progress_unit unit;
	const char *name;
	uint64_t total; /* of all files, in `unit`; 0: nobody knows */
	uint64_t before, weight;
	struct timespec start, last;
};

void progress_init(struct progress *p, bool quiet);

/* Work on files begins that weigh TOTAL together (0: nobody knows). */
void progress_plan(struct progress *p, enum progress_unit unit, uint64_t total);

/* The file NAME (the caller's, until progress_done()) begins. WEIGHT as it was counted in TOTAL. */
void progress_begin(struct progress *p, const char *name, uint64_t weight);

/* That file is done. */
void progress_done(struct progress *p);

/* One file alone, of which nothing is known before. */
void progress_one(struct progress *p, const char *name);

/* DONE of TOTAL bytes of that file (0: nobody knows). Cheap when called often. */
void progress_update(struct progress *p, uint64_t done, uint64_t total);

/* No bar at all: something else is written to the terminal. */
void progress_off(struct progress *p);

/* Take the bar away, for a message or for good. */
void progress_clear(struct progress *p);

/* "1.5 MiB" */
void format_bytes(uint64_t bytes, char *ret_text, size_t size);
