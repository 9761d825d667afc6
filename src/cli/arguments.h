/* SPDX-License-Identifier: Apache-2.0 */
/* --args FD: words of the command line that come from a descriptor, each ended by a NUL, as if they stood there. */
#pragma once

#include "base/errmsg.h"

#define ARGUMENTS_MAX 9000
#define ARGUMENTS_BYTES_MAX ((size_t)1 << 20)

/* What was read, for as long as its words are used. All zeros: nothing. */
struct arguments {
	char **argv;	 /* the last one made */
	char **earlier;	 /* the one before, which it was made of */
	char *texts[16]; /* of each --args */
	int count;	 /* of texts */
	int words;	 /* in all of them */
};

/*
 * Read the descriptor TEXT names to its end, and make *ARGV (*ARGC words) of its own first word, what was read, and all its words
 * from AT on. 0 or a negative errno with MSG.
 */
int arguments_insert(struct arguments *arguments, const char *text, int at, int *argc, char ***argv, struct errmsg *msg);

void arguments_done(struct arguments *arguments);
