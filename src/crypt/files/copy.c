/* SPDX-License-Identifier: Apache-2.0 */
/* Content from here to there, holes as holes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/whole.h"
#include "crypt/files/internal.h"
#include "crypt/secret.h"

#define PIECE (256 << 10) /* bytes in one go: a multiple of any chunk's size */
#define BULK  (16 << 20)  /* the same for several threads */
#define GRAIN 4096        /* zeros of so many bytes, at such a place, may be a hole */

/* Plaintext goes through it, so it is wiped. */
static void cleanup_piece(uint8_t **piece)
{
	if (*piece)
		secret_wipe(*piece, PIECE);
	free(*piece);
}

#define PIECE_BUFFER(name)                                                                                             \
	_cleanup_(cleanup_piece) uint8_t *name = malloc(PIECE);                                                        \
	if (!name)                                                                                                     \
	return -ENOMEM

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* The data [*ret_begin, *ret_end) that comes next at or behind FROM, of SIZE bytes. 0: none. */
static int next_data(int fd, uint64_t from, uint64_t size, uint64_t *ret_begin, uint64_t *ret_end)
{
	while (from < size) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 && errno != EINVAL && errno != EOPNOTSUPP)
			return -errno;
		if (data < 0)
			data = (off_t)from; /* a file system that cannot tell */
		hole = lseek(fd, data, SEEK_HOLE);
		*ret_begin = (uint64_t)data;
		*ret_end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
		if (*ret_begin < *ret_end)
			return 1;
		from = *ret_begin; /* data no longer: somebody punched it between the two calls */
	}
	return 0;
}

static ssize_t read_some(const struct files *files, int fd, void *bytes, size_t len, uint64_t offset, bool seekable)
{
	for (;;) {
		ssize_t n = seekable ? pread(fd, bytes, len, (off_t)offset) : read(fd, bytes, len);
		int r;

		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
		r = files_progress(files, offset, 0); /* a signal that ends us? */
		if (r < 0)
			return r;
	}
}

/* The bytes [at, end) of a file into the store. Less than that: the file has become shorter. */
static int copy_range_into_store(const struct files *files, int fd, struct store *to, uint64_t at, uint64_t end,
				 uint64_t size)
{
	while (at < end) {
		uint64_t want = BULK - at % BULK < end - at ? BULK - at % BULK : end - at;
		int64_t n = store_copy_in(to, fd, at, want, at);
		int r = n < 0 ? (int)n : n == 0 ? -ESTALE : files_progress(files, at + (uint64_t)n, size);

		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
	return 0;
}

static int copy_pipe_into_store(const struct files *files, int fd, struct store *to, uint64_t *ret_size)
{
	PIECE_BUFFER(piece);
	uint64_t at = 0;

	for (;;) {
		ssize_t n = read_some(files, fd, piece, PIECE, at, false);
		int r = n <= 0 ? (int)n : store_write(to, piece, (size_t)n, at);

		if (r == 0)
			r = files_progress(files, at + (uint64_t)n, 0);
		if (r < 0)
			return r;
		if (n == 0)
			break;
		at += (uint64_t)n;
	}
	*ret_size = at;
	return 0;
}

int copy_into_store(const struct files *files, int fd, struct store *to, uint64_t *ret_size)
{
	struct stat st;
	uint64_t at = 0, begin, end, size;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return copy_pipe_into_store(files, fd, to, ret_size);
	size = (uint64_t)st.st_size;
	while ((r = next_data(fd, at, size, &begin, &end)) > 0) {
		r = copy_range_into_store(files, fd, to, begin, end, size);
		if (r < 0)
			break;
		at = end;
	}
	if (r == 0)
		r = store_truncate(to, size);
	if (r == 0)
		*ret_size = size;
	return r;
}

/* Write what is not zeros within a chunk: its holes were smaller than the chunk. A chunk of zeros only was none. */
static int write_sparse(int fd, const uint8_t *bytes, size_t len, uint64_t offset, uint64_t chunk)
{
	while (len > 0) {
		size_t n = chunk - offset % chunk < len ? (size_t)(chunk - offset % chunk) : len, at = 0, end;
		bool whole = is_zero(bytes, n);

		while (at < n) {
			for (end = at; end < n && (whole || !is_zero(bytes + end, GRAIN < n - end ? GRAIN : n - end));)
				end += GRAIN < n - end ? GRAIN : n - end;
			int r = end > at ? pwrite_whole(fd, bytes + at, end - at, offset + at) : 0;

			if (r < 0)
				return r;
			at = end + (end < n ? (GRAIN < n - end ? GRAIN : n - end) : 0);
		}
		bytes += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/* What is done with one piece of a store's data. */
struct target {
	int (*put)(struct target *t, const uint8_t *bytes, size_t len, uint64_t offset);
	int fd;
	uint64_t chunk;
	struct store *store;
	files_sink sink;
	void *data;
	uint64_t at; /* where a sink has got to */
};

static int put_file(struct target *t, const uint8_t *bytes, size_t len, uint64_t offset)
{
	return write_sparse(t->fd, bytes, len, offset, t->chunk);
}

static int put_store(struct target *t, const uint8_t *bytes, size_t len, uint64_t offset)
{
	return store_write(t->store, bytes, len, offset);
}

/* Zeros up to OFFSET. */
static int fill_sink(struct target *t, uint64_t offset)
{
	static const uint8_t zeros[64 << 10];
	int r = 0;

	while (r == 0 && t->at < offset) {
		size_t n = offset - t->at < sizeof(zeros) ? (size_t)(offset - t->at) : sizeof(zeros);

		r = t->sink(t->data, zeros, n);
		t->at += n;
	}
	return r;
}

static int put_sink(struct target *t, const uint8_t *bytes, size_t len, uint64_t offset)
{
	int r = fill_sink(t, offset);

	if (r == 0)
		r = t->sink(t->data, bytes, len);
	t->at = offset + len;
	return r;
}

static int copy_range(const struct files *files, struct store *from, uint64_t at, uint64_t end, struct target *t,
		      uint8_t *piece)
{
	uint64_t size = store_size(from);

	while (at < end) {
		size_t want = PIECE - at % PIECE < end - at ? (size_t)(PIECE - at % PIECE) : (size_t)(end - at);
		ssize_t n = store_read(from, piece, want, at);
		int r = n < 0 ? (int)n : n == 0 ? -EIO : t->put(t, piece, (size_t)n, at);

		if (r == 0)
			r = files_progress(files, at + (uint64_t)n, size);
		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
	return 0;
}

/* All data of a store, in order. */
static int each_piece(const struct files *files, struct store *from, struct target *t)
{
	uint64_t at = 0, begin, end;
	PIECE_BUFFER(piece);
	int r = 0;

	while (r == 0 && at < store_size(from)) {
		r = store_seek_data(from, at, &begin);
		if (r == 0)
			r = store_seek_hole(from, begin, &end);
		if (r == 0)
			r = copy_range(files, from, begin, end, t, piece);
		at = r == 0 ? end : at;
	}
	return r == -ENXIO ? 0 : r; /* nothing but a hole to the end */
}

int copy_store_range(const struct files *files, struct store *from, uint64_t begin, uint64_t end, int to)
{
	struct target t = {.put = put_file, .fd = to};
	struct store_info info;
	PIECE_BUFFER(piece);

	store_get_info(from, &info);
	t.chunk = UINT64_C(1) << info.chunk_shift;
	return copy_range(files, from, begin, end, &t, piece);
}

/* A store without a hole, by all threads. */
static int copy_dense(const struct files *files, struct store *from, int fd, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		int64_t n = store_copy_out(from, fd, at, BULK < size - at ? BULK : size - at, at);
		int r = n < 0 ? (int)n : n == 0 ? -EIO : files_progress(files, at + (uint64_t)n, size);

		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
	return 0;
}

int copy_from_store(const struct files *files, struct store *from, int fd)
{
	struct store_info info;
	struct target t = {.put = put_file, .fd = fd};
	uint64_t hole = 0;
	int r;

	store_get_info(from, &info);
	t.chunk = UINT64_C(1) << info.chunk_shift;
	/* What has holes of chunks may have had smaller ones too, which are looked for. */
	if (info.size > 0 && store_seek_hole(from, 0, &hole) == 0 && hole == info.size)
		r = copy_dense(files, from, fd, info.size);
	else
		r = each_piece(files, from, &t);
	if (r == 0 && ftruncate(fd, (off_t)info.size) < 0)
		r = -errno;
	return r;
}

int copy_store(const struct files *files, struct store *from, struct store *to)
{
	struct target t = {.put = put_store, .store = to};
	int r = each_piece(files, from, &t);

	return r < 0 ? r : store_truncate(to, store_size(from));
}

int copy_store_into(const struct files *files, struct store *from, files_sink sink, void *data)
{
	struct target t = {.put = put_sink, .sink = sink, .data = data};
	int r = each_piece(files, from, &t);

	return r < 0 ? r : fill_sink(&t, store_size(from));
}

int copy_file_into(const struct files *files, int fd, files_sink sink, void *data)
{
	PIECE_BUFFER(piece);
	uint64_t at = 0;

	for (;;) {
		ssize_t n = read_some(files, fd, piece, PIECE, at, true);
		int r = n <= 0 ? (int)n : sink(data, piece, (size_t)n);

		if (r < 0 || n == 0)
			return r;
		at += (uint64_t)n;
		r = files_progress(files, at, 0);
		if (r < 0)
			return r;
	}
}

int copy_file(const struct files *files, int from, int to, uint64_t size)
{
	PIECE_BUFFER(piece);
	uint64_t at = 0, begin, end;
	int r;

	while ((r = next_data(from, at, size, &begin, &end)) > 0) {
		for (at = begin; at < end;) {
			ssize_t n = read_some(files, from, piece, end - at < PIECE ? (size_t)(end - at) : PIECE, at,
					      true);

			if (n == 0) {
				size = at; /* it was cut meanwhile */
				break;
			}
			r = n < 0 ? (int)n : pwrite_whole(to, piece, (size_t)n, at);
			if (r == 0)
				r = files_progress(files, at + (uint64_t)n, size);
			if (r < 0)
				return r;
			at += (uint64_t)n;
		}
	}
	return r == 0 && ftruncate(to, (off_t)size) < 0 ? -errno : r;
}
