/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "crypt/store/slot.h"

uint64_t store_size(const struct store *s)
{
	return s->meta.size;
}

void store_get_info(const struct store *s, struct store_info *ret_info)
{
	struct store_info i = {
		.slot_shift = s->head.slot_shift,
		.chunk_shift = s->head.chunk_shift,
		.is_new = s->is_new,
		.is_inline = s->meta.flags & META_INLINE,
		.sealed = s->meta.flags & META_SEALED,
		.fell_back = s->fell_back,
		.newest_slot = s->newest_slot,
		.spare_damaged = s->spare_damaged,
		.sequence = s->meta.sequence,
		.size = s->meta.size,
		.total_pages = s->meta.total_pages,
		.used_pages = s->meta.used_pages,
		.free_pages = s->meta.total_pages - s->meta.used_pages - first_page(s),
		.height = s->meta.height,
	};

	memcpy(i.file_id, s->head.file_id, sizeof(i.file_id));
	if (s->newest_slot >= 0)
		slot_tag(s->seen[s->newest_slot], i.root_tag);
	*ret_info = i;
}

void store_get_times(const struct store *s, struct store_time *ret_mtime, struct store_time *ret_ctime)
{
	*ret_mtime = s->meta.mtime;
	*ret_ctime = s->meta.ctime;
}

int store_set_times(struct store *s, const struct store_time *mtime, const struct store_time *ctime)
{
	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (mtime->nsec > 999999999 || ctime->nsec > 999999999)
		return -EINVAL;
	s->meta.mtime = *mtime;
	s->meta.ctime = *ctime;
	s->changed = true;
	return 0;
}

struct verifying {
	void (*found)(void *data, const struct store_damage *damage);
	void *data;
	uint8_t *bytes;
	int64_t count;
};

static int check_piece(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	struct verifying *v = data;
	struct store_damage d = {.page = e->page, .level = level};
	uint64_t span = tree_span(level);
	int r = level > 0 ? read_error : page_read(s, KIND_CHUNK, 0, index, e, v->bytes);

	if (r == 0)
		return 0;
	if (r == -ENOMEM || r == -ECANCELED)
		return r;
	if (__builtin_mul_overflow(index, span, &d.offset) || __builtin_mul_overflow(d.offset, s->chunk_size, &d.offset))
		d.offset = UINT64_MAX;
	if (__builtin_mul_overflow(span, s->chunk_size, &d.len))
		d.len = UINT64_MAX;
	if (d.offset < s->meta.size && d.len > s->meta.size - d.offset)
		d.len = s->meta.size - d.offset;
	v->count++;
	v->found(v->data, &d);
	return 1;
}

int64_t store_verify(struct store *s, void (*found)(void *data, const struct store_damage *damage), void *data)
{
	struct verifying v = {.found = found, .data = data};
	int r;

	if (store_is_dirty(s))
		return -EBUSY;
	if (s->meta.flags & META_INLINE || s->is_new)
		return 0;
	v.bytes = malloc(s->chunk_size);
	if (!v.bytes)
		return -ENOMEM;
	tree_forget(s); /* what is in memory proves nothing */
	r = tree_walk(s, check_piece, &v);
	free(v.bytes);
	return r < 0 ? r : v.count;
}
