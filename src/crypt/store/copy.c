/* SPDX-License-Identifier: Apache-2.0 */
/* Between a plain file and a store: whole chunks by bulk.c, what is left of others through memory. */
#include <errno.h>
#include <fcntl.h>

#include "base/whole.h"
#include "crypt/store/internal.h"

/* As much as the file has of the LEN bytes (at most a chunk) at FROM. */
static ssize_t copy_in_some(struct store *s, int fd, uint64_t from, size_t len, uint64_t offset,
			    const struct store_witness *witness)
{
	uint8_t *bytes;
	ssize_t n;
	int r = bulk_room(s, &bytes);

	if (r < 0)
		return r;
	do
		n = pread(fd, bytes, len, (off_t)from);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r = witness && n > 0 ? witness->see(witness->data, bytes, (size_t)n, offset) : 0;
	if (r == 0)
		r = store_write(s, bytes, (size_t)n, offset);
	return r < 0 ? r : n;
}

/* Whole chunks, as many as the file still has. */
static int64_t copy_in_whole(struct store *s, int fd, uint64_t from, uint64_t len, uint64_t offset,
			     const struct store_witness *witness)
{
	uint64_t n = len / s->chunk_size < STORE_WINDOW ? len / s->chunk_size : STORE_WINDOW;
	struct plain plain = {.fd = fd, .offset = from, .witness = witness};
	unsigned done;
	int r = chunk_leave_slot(s);

	if (r == 0)
		r = bulk_write(s, offset / s->chunk_size, (unsigned)n, &plain, &done);
	if (r < 0)
		return r;
	s->changed = s->changed || done > 0;
	if (done > 0 && offset + done * s->chunk_size > s->meta.size)
		s->meta.size = offset + done * s->chunk_size;
	return (int64_t)(done * s->chunk_size);
}

int64_t store_copy_in(struct store *s, int fd, uint64_t from, uint64_t len, uint64_t offset)
{
	return store_copy_in_seen(s, fd, from, len, offset, NULL);
}

int64_t store_copy_in_seen(struct store *s, int fd, uint64_t from, uint64_t len, uint64_t offset, const struct store_witness *witness)
{
	uint64_t done = 0;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (s->broken)
		return s->broken;
	if (offset > FORMAT_MAX_SIZE || len > FORMAT_MAX_SIZE - offset || from > FORMAT_MAX_SIZE || len > FORMAT_MAX_SIZE - from)
		return -EFBIG;
	while (done < len) {
		uint64_t at = (offset + done) % s->chunk_size, left = len - done;
		int64_t n = 0;

		if (at == 0 && left >= s->chunk_size && left > store_inline_max(s))
			n = copy_in_whole(s, fd, from + done, left, offset + done, witness);
		if (n == 0) {
			n = copy_in_some(s, fd, from + done, left < s->chunk_size - at ? left : s->chunk_size - at, offset + done, witness);
			if (n == 0)
				break;
		}
		if (n < 0)
			return n;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

/* A part of one chunk, or one that is in memory; nothing of a hole that covers all of it. */
static int copy_out_some(struct store *s, int fd, uint64_t to, size_t len, uint64_t offset)
{
	uint64_t data, end = offset + len;
	uint8_t *bytes;
	int r = store_seek_data(s, offset, &data);

	if (r == -ENXIO || (r == 0 && data >= end))
		return 0;
	if (r == 0)
		r = bulk_room(s, &bytes);
	if (r < 0)
		return r;
	r = (int)store_read(s, bytes, len, offset);
	return r < 0 ? r : pwrite_whole(fd, bytes, (size_t)r, to);
}

int64_t store_copy_out(struct store *s, int fd, uint64_t to, uint64_t len, uint64_t offset)
{
	uint64_t done = 0;

	if (offset >= s->meta.size)
		return 0;
	if (len > s->meta.size - offset)
		len = s->meta.size - offset;
	if (to > FORMAT_MAX_SIZE || len > FORMAT_MAX_SIZE - to)
		return -EFBIG;
	while (done < len) {
		uint64_t at = (offset + done) % s->chunk_size, left = len - done, n;
		unsigned run = at == 0 ? chunk_run(s, (offset + done) / s->chunk_size, left / s->chunk_size) : 0;
		int r;

		if (run > 0) {
			n = run * s->chunk_size;
			r = bulk_read(s, (offset + done) / s->chunk_size, run, &(struct plain){.fd = fd, .offset = to + done});
		} else {
			n = left < s->chunk_size - at ? left : s->chunk_size - at;
			r = copy_out_some(s, fd, to + done, n, offset + done);
		}
		if (r < 0)
			return r;
		done += n;
	}
	return (int64_t)done;
}
