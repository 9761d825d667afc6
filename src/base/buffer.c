/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <errno.h>
#include <string.h>

void buffer_init(struct buffer *b, char *storage, size_t size)
{
	b->data = storage;
	b->cap = size - 1;
	buffer_clear(b);
}

void buffer_clear(struct buffer *b)
{
	b->len = 0;
	b->data[0] = '\0';
}

int buffer_append(struct buffer *b, const void *bytes, size_t len)
{
	if (len > b->cap - b->len)
		return -ENOBUFS;
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buffer_append_str(struct buffer *b, const char *text)
{
	return buffer_append(b, text, strlen(text));
}

void buffer_truncate(struct buffer *b, size_t len)
{
	if (len < b->len) {
		b->len = len;
		b->data[len] = '\0';
	}
}
