/* SPDX-License-Identifier: Apache-2.0 */
/* What a run did with which paths (intercept/record.h), as a tree; and a policy made of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct learned;

int learned_new(struct learned **ret);
struct learned *learned_free(struct learned *learned);

/* Add the record in TEXT (SIZE bytes). 0, -EINVAL when it is none, or -ENOMEM. */
int learned_read(struct learned *learned, const char *text, size_t size);

/* PATH (absolute) was used, too: USES is bits of enum record_use. 0 or -ENOMEM. */
int learned_add(struct learned *learned, const char *path, size_t len, unsigned uses);

/* How a proposal is made. */
struct proposal {
	const char *home;    /* absolute and canonical; "/" or NULL: there is none to hide */
	const char *command; /* for the head of the policy */
};

/* Write the policy that lets the same run again do the same, with comments. 0 or a negative errno. */
int learned_propose(struct learned *learned, const struct proposal *proposal, FILE *to);

/* The same as a tree for a person, with marks. COLOUR, UNICODE: what the terminal can. */
void learned_print(struct learned *learned, const struct proposal *proposal, FILE *to, bool colour, bool unicode);
