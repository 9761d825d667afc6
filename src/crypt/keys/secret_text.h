/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are secret (passphrases, recovery keys, key files): bounded buffers in secret memory, and how they come in. */
#pragma once

#include "base/buffer.h"

#define PASSPHRASE_MAX 1024
#define KEY_TEXT_MAX   16384 /* the longest key file */

/* An empty buffer of ROOM bytes, all of it in secret memory (secret_map()), or NULL. A child of a fork has
 * none of it. */
struct buffer *secret_text_new(size_t room);

/* Wipes and releases; B may be NULL. */
void secret_text_free(struct buffer *b);

/*
 * Append what FD gives, to its end: a pipe, a file, a terminal. FD is not closed. 0; -EFBIG: there is more than fits;
 * or as read(2) said.
 */
int secret_text_read(int fd, struct buffer *b);

/* Write all of B, without another copy of it. 0 or a negative errno. */
int secret_text_write(int fd, const struct buffer *b);

/* Cut B to its first line, without the line end: what a person or a program gives as a passphrase. */
void secret_text_first_line(struct buffer *b);

static inline void cleanup_secret_text(struct buffer **b)
{
	secret_text_free(*b);
}
