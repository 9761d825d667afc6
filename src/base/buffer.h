/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded buffer: everything read from a caller or a file of unknown size goes through it.
 *
 * Invariants: len <= cap; data has room for cap + 1 bytes and data[len] is NUL, so that a buffer of text is a C
 * string (which may hold NULs of its own before data[len]). The storage belongs to whoever made the buffer and
 * never grows: what does not fit is -ENOBUFS, not a bigger allocation.
 */
#pragma once

#include <stddef.h>

struct buffer {
	char *data;
	size_t len;
	size_t cap;
};

/* An empty buffer over STORAGE of SIZE bytes (SIZE >= 1; one is kept for the NUL). */
void buffer_init(struct buffer *b, char *storage, size_t size);

/* Empty it. */
void buffer_clear(struct buffer *b);

/* Append LEN bytes. Returns 0, or -ENOBUFS and leaves the buffer as it was. */
int buffer_append(struct buffer *b, const void *bytes, size_t len);

/* Append a C string. Returns as buffer_append. */
int buffer_append_str(struct buffer *b, const char *text);

/* Cut the buffer to LEN bytes (LEN <= b->len). */
void buffer_truncate(struct buffer *b, size_t len);

#define BUFFER_ON_STACK(name, bytes)                                                                                   \
	char name##_storage[(bytes) + 1];                                                                              \
	struct buffer name;                                                                                            \
	buffer_init(&name, name##_storage, sizeof(name##_storage))
