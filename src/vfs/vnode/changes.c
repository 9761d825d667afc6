/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the plaintext differs from what stands in the store. A program's writes to it are no calls of ours, so a chunk is
 * hashed and the hash compared. What has changed is read again to be encrypted, and hashed again as it is then: the hash that is
 * remembered is that of the very bytes that the store got. (That of the first look is not: a chunk which was A then, B when it was
 * read again and is A in the end would be taken for one that the store has.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/vnode/internal.h"

#define WINDOW (256u << 10) /* bytes that a thread looks at at once; a multiple of any chunk */
#define MANY   512u	    /* chunks that the threads of the crew hash before what has changed of them is written */
#define AHEAD  (8u << 20)   /* bytes that are worth being written before a commit asks for them */

/* A walk over the chunks of the plaintext. */
struct scan {
	struct vnode *v;
	uint64_t size, chunk;
	uint8_t *bytes[CREW_MAX];
	size_t room;        /* of each */
	bool write;         /* else the store has it all: only hashes are made */
	uint64_t run, runs; /* changed chunks in a row that wait: first and how many */
	uint64_t first, end; /* chunks that are hashed now */
	struct vnode_hash hashes[MANY];
};

void changes_forget(struct vnode *v)
{
	free(TAKE_PTR(v->hashes));
	v->hash_count = v->hash_room = 0;
}

static bool is_hole(const struct vnode_hash *hash)
{
	static const struct vnode_hash zeros;

	return memcmp(hash, &zeros, sizeof(zeros)) == 0;
}

/* So many chunks; new ones are holes. */
static int set_count(struct vnode *v, uint64_t count)
{
	if (count > v->hash_room) {
		uint64_t room = count < 4 ? count : count + count / 2;
		struct vnode_hash *more = reallocarray(v->hashes, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		v->hashes = more;
		v->hash_room = room;
	}
	if (count > v->hash_count)
		memset(v->hashes + v->hash_count, 0, (count - v->hash_count) * sizeof(*v->hashes));
	v->hash_count = count;
	return 0;
}

static uint64_t chunk_len(const struct scan *s, uint64_t index)
{
	uint64_t from = index * s->chunk;

	return s->size - from < s->chunk ? s->size - from : s->chunk;
}

static int forget_hash(struct scan *s, uint64_t first, uint64_t count)
{
	/* Not a hole, and what no chunk has. */
	memset(s->v->hashes + first, 0xff, count * sizeof(*s->v->hashes));
	return 0;
}

/* A store_witness. */
static int see_copied(void *data, const void *bytes, size_t len, uint64_t offset)
{
	struct scan *s = data;
	uint64_t index = offset / s->chunk;

	/* A part of one: the file was cut, or grew, just now. */
	if (offset % s->chunk || len != chunk_len(s, index))
		return forget_hash(s, index, 1);
	return hasher_hash(s->v->all->hasher, bytes, len, &s->v->hashes[index]);
}

/* The run of changed chunks that waits, from the backing itself. */
static int write_run(struct scan *s)
{
	const struct store_witness witness = {.see = see_copied, .data = s};
	uint64_t from = s->run * s->chunk, len = s->runs * s->chunk;
	int64_t n;

	if (!s->runs)
		return 0;
	if (len > s->size - from)
		len = s->size - from;
	n = s->v->backing->copy_in(s->v, from, len, &witness);
	if (n >= 0 && (uint64_t)n == len) {
		s->runs = 0;
		return 0;
	}
	/* Or somebody cuts the file just now: what is there then comes with the next commit. */
	forget_hash(s, s->run, s->runs);
	s->runs = 0;
	return n < 0 ? (int)n : 0;
}

static int see_hash(struct scan *s, uint64_t index, const struct vnode_hash *hash)
{
	int error = 0;

	if (s->write && memcmp(hash, &s->v->hashes[index], sizeof(*hash)) != 0) {
		if (s->runs && s->run + s->runs == index) {
			s->runs++;
		} else {
			error = write_run(s);
			s->run = index;
			s->runs = 1;
		}
	}
	if (error == 0)
		s->v->hashes[index] = *hash;
	return error;
}

static int see_hole(struct scan *s, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		int error;

		if (is_hole(&s->v->hashes[i]))
			continue;
		memset(&s->v->hashes[i], 0, sizeof(s->v->hashes[i]));
		error = s->write ? store_punch(s->v->store, i * s->chunk, chunk_len(s, i)) : 0;
		if (error < 0) {
			forget_hash(s, i, 1);
			return error;
		}
	}
	return 0;
}

/* A part of what is hashed now: as many chunks as a thread's buffer has room for. */
static int hash_part(void *data, unsigned worker, uint64_t part)
{
	struct scan *s = data;
	uint64_t each = s->room / s->chunk, first = s->first + part * each, from = first * s->chunk;
	uint64_t n = s->end - first < each ? s->end - first : each, len = n * s->chunk;
	uint8_t *bytes = s->bytes[worker];
	ssize_t got;

	if (len > s->size - from)
		len = s->size - from;
	got = s->v->backing->read(s->v, bytes, len, from);
	if (got < 0)
		return (int)got;
	memset(bytes + got, 0, len - (size_t)got);
	for (uint64_t i = 0; i < n; i++) {
		int error = hasher_hash(s->v->all->hasher, bytes + i * s->chunk, chunk_len(s, first + i),
					&s->hashes[first - s->first + i]);

		if (error < 0)
			return error;
	}
	return 0;
}

/* Chunks FIRST to END, in which there is data. */
static int see_some(struct scan *s, uint64_t first, uint64_t end)
{
	uint64_t each = s->room / s->chunk;

	while (first < end) {
		int error;

		s->first = first;
		s->end = end - first < MANY ? end : first + MANY;
		error = crew_run(s->v->all->crew, (s->end - s->first + each - 1) / each, hash_part, s);
		for (uint64_t i = s->first; error == 0 && i < s->end; i++)
			error = see_hash(s, i, &s->hashes[i - s->first]);
		/* What was hashed is written before more is: the two are near each other in time and memory. */
		if (error == 0)
			error = write_run(s);
		if (error < 0)
			return error;
		first = s->end;
	}
	return 0;
}

/* From chunk NEXT on. */
static int walk(struct scan *s, uint64_t next)
{
	uint64_t count = (s->size + s->chunk - 1) / s->chunk;

	while (next < count) {
		uint64_t from, to, first, end;
		int error = s->v->backing->next_data(s->v, next * s->chunk, &from, &to);

		if (error == -ENXIO || (error == 0 && from >= s->size))
			break;
		if (error < 0)
			return error;
		first = from / s->chunk;
		end = (to + s->chunk - 1) / s->chunk;
		if (end > count)
			end = count;
		error = see_hole(s, next, first);
		if (error == 0)
			error = see_some(s, first, end);
		if (error < 0)
			return error;
		next = end;
	}
	return see_hole(s, next, count);
}

static void scan_free(struct scan *s)
{
	for (size_t i = 0; i < CREW_MAX; i++)
		free(s->bytes[i]);
	free(s);
}

static int scan_new(struct vnode *v, uint64_t size, bool write, struct scan **ret)
{
	struct scan *s = calloc(1, sizeof(*s));
	struct store_info info;
	uint64_t count;
	unsigned threads;

	if (!s)
		return -ENOMEM;
	store_get_info(v->store, &info);
	*s = (struct scan){.v = v, .size = size, .chunk = UINT64_C(1) << info.chunk_shift, .write = write};
	count = (size + s->chunk - 1) / s->chunk;
	s->room = count * s->chunk < WINDOW ? (count ? count : 1) * s->chunk : WINDOW;
	threads = count * s->chunk > WINDOW ? crew_size(v->all->crew) : 1;
	for (unsigned i = 0; i < threads; i++) {
		s->bytes[i] = malloc(s->room);
		if (!s->bytes[i]) {
			scan_free(s);
			return -ENOMEM;
		}
	}
	*ret = s;
	return 0;
}

/* From chunk FIRST on, of the first SIZE bytes. */
static int scan(struct vnode *v, uint64_t first, uint64_t size, bool write)
{
	struct scan *s;
	uint64_t count;
	int error = scan_new(v, size, write, &s);

	if (error < 0)
		return error;
	count = (size + s->chunk - 1) / s->chunk;
	error = set_count(v, first && v->hash_count > count ? v->hash_count : count);
	if (error == 0)
		error = walk(s, first);
	if (error < 0 && s->runs)
		forget_hash(s, s->run, s->runs);
	scan_free(s);
	return error;
}

int changes_note(struct vnode *v, uint64_t size)
{
	changes_forget(v);
	v->ahead = size;
	return size ? scan(v, 0, size, false) : 0;
}

static int write_tail(struct vnode *v, uint64_t size)
{
	int64_t n;

	if (size <= v->tail_from)
		return 0;
	n = v->backing->copy_in(v, v->tail_from, size - v->tail_from, NULL);
	if (n < 0)
		return (int)n;
	v->tail_from += (uint64_t)n;
	return 0;
}

/*
 * Of a file that has no version yet the empty one is written before the first page: a kill between that and the first commit then
 * leaves an empty file, and not pages of which nobody could tell what they are. What is smaller than a chunk stays in memory
 * until the commit, which writes the slot first.
 */
static int write_first(struct vnode *v, uint64_t size)
{
	struct store_info info;
	struct store_time mtime, ctime;
	int error;

	store_get_info(v->store, &info);
	if (!info.is_new || size < UINT64_C(1) << info.chunk_shift)
		return 0;
	store_get_times(v->store, &mtime, &ctime);
	error = store_set_times(v->store, &mtime, &ctime);
	if (error == 0)
		error = store_commit(v->store, false);
	if (error == 0)
		real_note_version(v);
	return error;
}

int changes_write(struct vnode *v, uint64_t size)
{
	int error;

	if (v->tail)
		return write_tail(v, size);
	error = write_first(v, size);
	if (error < 0)
		return error;
	/* What is cut comes back as zeros where it grows again, whatever happens after an error. */
	if (size != store_size(v->store))
		error = store_truncate(v->store, size);
	if (error == 0)
		error = scan(v, 0, size, true);
	if (error == 0)
		v->ahead = size;
	return error;
}

bool changes_are_ahead(const struct vnode *v, uint64_t size)
{
	return size >= v->ahead + AHEAD;
}

int changes_write_ahead(struct vnode *v, uint64_t size)
{
	uint64_t from = v->ahead, end;
	struct store_info info;
	int error;

	if (v->tail || !v->store || !changes_are_ahead(v, size))
		return 0;
	store_get_info(v->store, &info);
	/* The last chunk is being written to. */
	end = ((size >> info.chunk_shift) - 1) << info.chunk_shift;
	error = write_first(v, size);
	if (error < 0)
		return error;
	v->ahead = end;
	return scan(v, from >> info.chunk_shift, end, true);
}
