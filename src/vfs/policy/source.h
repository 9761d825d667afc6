/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file, opened, judged and read. */
#pragma once

#include <sys/types.h>

#include "vfs/policy/policy.h"

#define SOURCE_BYTES_MAX ((size_t)16 << 20)

struct source {
	char *text; /* on the heap */
	size_t len;
	dev_t device;
	ino_t inode;
};

/*
 * Read the policy file PATH. A regular file that others could change is refused unless TRUST_ANY_OWNER; a pipe is
 * whatever its writer says. Returns 0 or a negative errno with MSG: -EPERM for a file that is not to be trusted.
 */
int source_read(const char *path, bool trust_any_owner, struct source *ret, struct errmsg *msg);
void source_done(struct source *source);
