/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/secret_text.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "crypt/secret.h"

/* The buffer's own description stands before its text. */
static size_t size_of(size_t room)
{
	return sizeof(struct buffer) + room + 1;
}

struct buffer *secret_text_new(size_t room)
{
	struct buffer *b = room > 1 << 20 ? NULL : secret_map(size_of(room));

	if (b)
		buffer_init(b, (char *)(b + 1), room + 1);
	return b;
}

void secret_text_free(struct buffer *b)
{
	if (b)
		secret_unmap(b, size_of(b->cap));
}

int secret_text_read(int fd, struct buffer *b)
{
	for (;;) {
		/* Without room one byte more tells whether there is any. */
		char extra;
		size_t room = b->cap - b->len;
		ssize_t n = read(fd, room ? b->data + b->len : &extra, room ? room : 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (room == 0) {
			sodium_memzero(&extra, sizeof(extra));
			return -EFBIG;
		}
		b->len += (size_t)n;
		b->data[b->len] = '\0';
	}
}

int secret_text_write(int fd, const struct buffer *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

void secret_text_first_line(struct buffer *b)
{
	char *end = memchr(b->data, '\n', b->len);
	size_t len = end ? (size_t)(end - b->data) : b->len;

	if (end && len > 0 && b->data[len - 1] == '\r')
		len--;
	sodium_memzero(b->data + len, b->len - len);
	buffer_truncate(b, len);
}
