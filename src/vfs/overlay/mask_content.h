/* SPDX-License-Identifier: Apache-2.0 */
/* What mask rules show: with= files read once, redact= expressions compiled once, and the content made from them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/errmsg.h"
#include "vfs/overlay/redact.h"
#include "vfs/policy/policy.h"

#define MASK_WITH_MAX ((size_t)64 << 20)

struct mask_source {
	enum mask_kind kind;
	bool discard;
	enum mask_nomatch nomatch;
	const char *data; /* MASK_WITH */
	size_t len;
	struct redact *redact;
};

struct mask_sources;

/* *RET is NULL when the policy masks nothing. Returns 0 or a negative errno with MSG (naming rule and file). */
int mask_sources_new(const struct policy *policy, struct mask_sources **ret, struct errmsg *msg);
struct mask_sources *mask_sources_free(struct mask_sources *sources);
/* NULL when RULE does not mask. */
const struct mask_source *mask_sources_get(const struct mask_sources *sources, int32_t rule);

/* What redacted content was made from: when it differs, or was too young to tell, it is made anew. */
struct mask_stamp {
	off_t size;
	struct timespec mtime, ctime;
	bool settled;
};

struct mask_content {
	const char *data;
	size_t len;
	char *owned; /* to be freed, or NULL */
	struct mask_stamp stamp;
};

/*
 * The content that SOURCE shows for OBJECT (O_PATH). Returns 0; -ENODATA: nomatch=deny holds; -EFBIG: nomatch=show holds for
 * a file that is too long to be copied; -ENOMEM; or why it cannot be read.
 */
int mask_content_make(const struct mask_source *source, int object, struct mask_content *ret);
/* Is content with this STAMP still what SOURCE would make of the file with this STAT? */
bool mask_content_fresh(const struct mask_source *source, const struct mask_stamp *stamp, const struct stat *stat);
