/* SPDX-License-Identifier: Apache-2.0 */
/* Paths resolved through the symlinks that are there now; what does not exist stays text. Asks the disk once a name. */
#pragma once

#include <stddef.h>

struct resolver;

int resolver_new(struct resolver **ret);
struct resolver *resolver_free(struct resolver *resolver);

/* A path as a name and as what the name leads to. Strings live as long as the resolver. */
struct resolved {
	const char *name;   /* every directory resolved, the last component itself not */
	const char *target; /* all resolved; the same pointer as `name` where the last is no symlink */
};

/*
 * Resolve the absolute path TEXT of LEN bytes (any number of slashes, `.` and `..` may be in it). Returns 0, -ENOMEM,
 * or -ENAMETOOLONG if what comes out is longer than a path can be.
 */
int resolver_resolve(struct resolver *resolver, const char *text, size_t len, struct resolved *ret);
