/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many chunks at once. The caller's thread alone looks at the tree and at what is free; what lies between (reading,
 * encryption, writing) is done in batches, each by some thread of the crew with a room of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "crypt/store/internal.h"

/* One transfer: the chunks CHUNKS, or those from FIRST on with their plaintext at PLAIN. */
struct transfer {
	struct store *s;
	struct entry *entries;
	unsigned count, batch;
	struct chunk *const *chunks;
	uint64_t first;
	const struct plain *plain;
	uint64_t have; /* bytes of plaintext up to the end of the file; of several ends the first. Under atomics */
};

static unsigned batch_size(const struct store *s)
{
	uint64_t n = STORE_ROOM / s->chunk_size;

	return n < STORE_BATCH ? (unsigned)n : STORE_BATCH;
}

/* The rooms of WORKERS threads, with space for N chunks. */
static int make_rooms(struct store *s, unsigned workers, unsigned n)
{
	for (unsigned i = 0; i < workers; i++) {
		struct room *room = &s->rooms[i];

		if (room->chunks < n) {
			free(room->bytes);
			room->bytes = malloc(n * s->chunk_size);
			room->chunks = room->bytes ? n : 0;
			if (!room->bytes)
				return -ENOMEM;
		}
		if (i > 0 && !room->xaes) {
			int r = xaes_copy(s->xaes, &room->xaes);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

void bulk_free(struct store *s)
{
	for (unsigned i = 0; i < CREW_MAX; i++) {
		free(s->rooms[i].bytes);
		xaes_free(s->rooms[i].xaes);
	}
	free(s->window);
}

int bulk_room(struct store *s, uint8_t **ret_bytes)
{
	int r = make_rooms(s, 1, 1);

	if (r == 0)
		*ret_bytes = s->rooms[0].bytes;
	return r;
}

/* The entries of N chunks: mostly it is one. */
static int make_window(struct store *s, unsigned n)
{
	if (s->window_size < n) {
		unsigned size = n > STORE_BULK ? STORE_WINDOW : STORE_BULK;

		free(s->window);
		s->window = malloc(size * sizeof(*s->window));
		s->window_size = s->window ? size : 0;
	}
	return s->window ? 0 : -ENOMEM;
}

static int run(struct transfer *t, crew_part part)
{
	struct store *s = t->s;
	uint64_t parts;
	int r;

	t->batch = batch_size(s);
	parts = (t->count + t->batch - 1) / t->batch;
	r = make_rooms(s, parts > 1 ? crew_size(s->env.crew) : 1, t->count < t->batch ? t->count : t->batch);
	return r < 0 ? r : crew_run(s->env.crew, parts, part, t);
}

static struct xaes *worker_xaes(struct store *s, unsigned worker)
{
	return worker > 0 ? s->rooms[worker].xaes : s->xaes;
}

static uint64_t chunk_index(const struct transfer *t, unsigned i)
{
	return t->chunks ? t->chunks[i]->index : t->first + i;
}

/* The plaintext of chunk I and the N - 1 behind it into BYTES, which is private: from here on it cannot change. */
static int take_plain(struct transfer *t, unsigned i, unsigned n, uint8_t *bytes)
{
	uint64_t at = i * t->s->chunk_size, len = n * t->s->chunk_size, got = 0, have;

	if (t->plain->bytes) {
		memcpy(bytes, t->plain->bytes + at, len);
		return 0;
	}
	while (got < len) {
		ssize_t k = pread(t->plain->fd, bytes + got, len - got, (off_t)(t->plain->offset + at + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		got += (uint64_t)k;
	}
	if (got == len)
		return 0;
	memset(bytes + got, 0, len - got);
	have = __atomic_load_n(&t->have, __ATOMIC_RELAXED);
	while (at + got < have &&
	       !__atomic_compare_exchange_n(&t->have, &have, at + got, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return 0;
}

/* Chunks I..I+N-1, the ciphertext of which stands in BYTES: as few calls as their places allow. */
static int put_cipher(const struct transfer *t, unsigned i, unsigned n, const uint8_t *bytes)
{
	const struct entry *e = t->entries;

	for (unsigned k = i; k < i + n;) {
		uint64_t start = e[k].page, pages = pages_of(e[k].len);
		int r;

		for (k++; k < i + n && e[k].page == start + pages; k++)
			pages += pages_of(e[k].len);
		r = page_write(t->s, bytes, pages << FORMAT_PAGE_SHIFT, start);
		if (r < 0)
			return r;
		bytes += pages << FORMAT_PAGE_SHIFT;
	}
	return 0;
}

/* N chunks from I on, as they are encrypted. */
static int show_plain(const struct transfer *t, unsigned i, unsigned n, const uint8_t *bytes)
{
	const struct store_witness *witness = t->chunks ? NULL : t->plain->witness;
	uint64_t size = t->s->chunk_size;
	int r = 0;

	for (unsigned k = 0; witness && r == 0 && k < n; k++)
		r = witness->see(witness->data, bytes + k * size, size, (t->first + i + k) * size);
	return r;
}

/* One batch: the plaintext, then nonces for all, then the ciphertext. */
static int write_part(void *data, unsigned worker, uint64_t part)
{
	struct transfer *t = data;
	struct store *s = t->s;
	unsigned i = (unsigned)part * t->batch, n = t->count - i < t->batch ? t->count - i : t->batch;
	uint8_t nonces[STORE_BATCH][XAES_NONCE_SIZE], *room = s->rooms[worker].bytes, *to = room;
	int r = t->chunks ? 0 : take_plain(t, i, n, room);

	if (r == 0)
		r = show_plain(t, i, n, room);
	if (r == 0)
		r = s->env.random(nonces, n * sizeof(nonces[0]));
	for (unsigned k = 0; r == 0 && k < n; k++) {
		struct entry *e = &t->entries[i + k];

		memcpy(e->nonce, nonces[k], sizeof(e->nonce));
		r = page_seal(s, worker_xaes(s, worker), KIND_CHUNK, 0, chunk_index(t, i + k),
			      t->chunks ? t->chunks[i + k]->bytes : to, e, to);
		to += pages_of(e->len) << FORMAT_PAGE_SHIFT;
	}
	return r < 0 ? r : put_cipher(t, i, n, room);
}

/* Places for all: in one piece where there is one, so that one write does. */
static int place(struct store *s, struct entry *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int r = space_take(s, pages_of(e[i].len), &e[i].page);

		if (r < 0) {
			while (i-- > 0)
				space_drop(s, 0, e[i].page, pages_of(e[i].len));
			return r;
		}
	}
	return 0;
}

/* The entries into the tree, the first KEEP of them; what is left is dropped. */
static int settle(struct transfer *t, unsigned keep, int error)
{
	struct store *s = t->s;

	for (unsigned i = 0; i < t->count; i++) {
		const struct entry *e = &t->entries[i];

		if (error == 0 && i < keep)
			error = tree_set(s, 0, chunk_index(t, i), e);
		if (error < 0 || i >= keep) {
			/* Chunks in memory that stand in the tree already stay dirty: written once more, no harm. */
			space_drop(s, 0, e->page, pages_of(e->len));
			continue;
		}
		page_name(s, 0, chunk_index(t, i));
		if (t->chunks)
			chunk_clean(s, t->chunks[i]);
		else
			chunk_forget(s, t->first + i, t->first + i);
	}
	return error;
}

static int write_all(struct transfer *t)
{
	struct store *s = t->s;
	int r = page_prepare(s);

	if (r == 0)
		r = make_window(s, t->count);
	if (r < 0)
		return r;
	t->entries = s->window;
	memset(t->entries, 0, t->count * sizeof(*t->entries));
	for (unsigned i = 0; i < t->count; i++)
		t->entries[i].len = t->chunks ? t->chunks[i]->len : (uint32_t)s->chunk_size;
	t->have = t->count * s->chunk_size;
	r = place(s, t->entries, t->count);
	if (r < 0)
		return r;
	r = run(t, write_part);
	return settle(t, (unsigned)(t->have / s->chunk_size), r);
}

int bulk_write_chunks(struct store *s, struct chunk *const *chunks, unsigned n)
{
	struct transfer t = {.s = s, .count = n, .chunks = chunks};

	return n > 0 ? write_all(&t) : 0;
}

int bulk_write(struct store *s, uint64_t first, unsigned n, const struct plain *from, unsigned *ret_done)
{
	struct transfer t = {.s = s, .count = n, .first = first, .plain = from};
	int r = write_all(&t);

	if (r == 0)
		*ret_done = (unsigned)(t.have / s->chunk_size);
	return r;
}

/* Entries from I on (below END) whose ciphertext stands in one piece, each but the last filling its chunk. */
static unsigned in_a_row(const struct transfer *t, unsigned i, unsigned end)
{
	unsigned n = 1;

	while (i + n < end && t->entries[i + n - 1].len == t->s->chunk_size &&
	       t->entries[i + n].page == t->entries[i + n - 1].page + pages_of((uint32_t)t->s->chunk_size))
		n++;
	return n;
}

/* Read and decrypt N chunks that stand in a row; what a chunk does not store is zeros. */
static int get_row(struct transfer *t, unsigned worker, unsigned i, unsigned n, uint8_t *bytes)
{
	struct store *s = t->s;
	uint64_t size = s->chunk_size, last = t->entries[i + n - 1].len, len = (n - 1) * size + last;
	int r = store_read_zeroed(s->env.io, s->env.handle, bytes, len, t->entries[i].page << FORMAT_PAGE_SHIFT);

	for (unsigned k = 0; r == 0 && k < n; k++)
		r = page_open(s, worker_xaes(s, worker), KIND_CHUNK, 0, t->first + i + k, &t->entries[i + k], bytes + k * size);
	memset(bytes + len, 0, n * size - len);
	return r;
}

static int put_plain(const struct transfer *t, unsigned i, unsigned n, const uint8_t *bytes)
{
	uint64_t to = t->plain->offset + i * t->s->chunk_size, len = n * t->s->chunk_size;

	while (len > 0) {
		ssize_t k = pwrite(t->plain->fd, bytes, len, (off_t)to);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		bytes += k;
		to += (uint64_t)k;
		len -= (uint64_t)k;
	}
	return 0;
}

static int read_part(void *data, unsigned worker, uint64_t part)
{
	struct transfer *t = data;
	struct store *s = t->s;
	unsigned i = (unsigned)part * t->batch, end = t->count - i < t->batch ? t->count : i + t->batch;

	while (i < end) {
		uint8_t *memory = t->plain->bytes ? t->plain->bytes + i * s->chunk_size : NULL;
		unsigned n = 1;
		int r = 0;

		if (t->entries[i].page) {
			n = in_a_row(t, i, end);
			r = get_row(t, worker, i, n, memory ? memory : s->rooms[worker].bytes);
			if (r == 0 && !memory)
				r = put_plain(t, i, n, s->rooms[worker].bytes);
		} else if (memory) {
			memset(memory, 0, s->chunk_size);
		}
		if (r < 0)
			return r;
		i += n;
	}
	return 0;
}

int bulk_read(struct store *s, uint64_t first, unsigned n, const struct plain *to)
{
	struct transfer t = {.s = s, .count = n, .first = first, .plain = to};
	int r = make_window(s, n);

	t.entries = s->window;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		r = tree_get(s, 0, first + i, &t.entries[i]);
		if (r == 0 && t.entries[i].page)
			r = page_check(s, KIND_CHUNK, &t.entries[i]);
	}
	return r < 0 ? r : run(&t, read_part);
}
