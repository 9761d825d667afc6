/* SPDX-License-Identifier: Apache-2.0 */
/* A new file in the place of an old one, in one step. */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"
#include "crypt/files/files.h"

/* Names of temporary files: recognised, and removed when nobody holds them any more. */
#define REPLACE_PREFIX ".scrim-"
#define REPLACE_SUFFIX ".tmp"

/*
 * A file that will have a name. While it has none (O_TMPFILE) a kill leaves nothing; where the file system cannot do
 * that, and between linking and renaming, it has a temporary one that follows from the name to be, so that the next
 * attempt finds it.
 */
struct replacement {
	int fd;         /* for reading and writing, mode 0600; -1: finished or cancelled */
	char temporary[64]; /* its temporary name, or empty */
	const struct files_place *place;
};

/* A new empty file that will stand at PLACE (borrowed). */
int replacement_begin(const struct files_place *place, struct replacement *ret_replacement, struct errmsg *msg);

/* Make its content and attributes durable. */
int replacement_sync(const struct replacement *r, struct errmsg *msg);

/* Behind replacement_sync(): give it the name, for good. OVER: in the place of what has it, else -EEXIST. In any case
 * R is done with. */
int replacement_finish(struct replacement *r, bool over, struct errmsg *msg);

/* Remove what is there, if it has not been finished. */
void replacement_cancel(struct replacement *r);

/* Is it the name of a temporary file? */
bool replacement_is_name(const char *name);

/* Remove the temporary file NAME if nobody is at work with it. 1: removed; 0: in use or not there; or a negative
 * errno. */
int replacement_clean(int dir, const char *name);
