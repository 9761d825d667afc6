/* SPDX-License-Identifier: Apache-2.0 */
/* Text turned into rules. */
#pragma once

#include "vfs/policy/internal.h"
#include "vfs/policy/report.h"

#define INCLUDE_DEPTH_MAX 16

/* Where the lines come from. */
struct reading {
	const char *origin;    /* in messages and in struct rule; lives as long as the policy */
	const char *directory; /* what `include FILE` is relative to */
	bool command_line;     /* relative patterns stand under the working directory */
	const struct reading *includer;
	unsigned depth;
	dev_t device;
	ino_t inode;
};

/* Read lines. Returns 0 or a negative errno with MSG. */
int parse_text(struct policy *policy, const struct reading *reading, const char *text, size_t len, struct errmsg *msg);

/* Read one line. */
int parse_line(struct policy *policy, const struct reading *reading, const struct place *place, struct errmsg *msg);

/* One rule of a verb and a glob that is one argument, whatever is in it. */
int parse_verb(struct policy *policy, const struct reading *reading, const struct place *place, const char *verb,
	       const char *glob, struct errmsg *msg);

/* Read the file PATH, called ORIGIN in messages. */
int parse_file(struct policy *policy, const char *path, const char *origin, struct errmsg *msg);
