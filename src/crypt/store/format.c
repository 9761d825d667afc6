/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/store/format.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define FIXED   96 /* bytes of a body before its lists */
#define NAMED   8
#define EXTENT  12
#define WRAP    96
#define BITS_48 ((UINT64_C(1) << 48) - 1)
#define BITS_56 ((UINT64_C(1) << 56) - 1)

static const struct format_slot slots[] = {
	{.shift = 12, .inline_max = 3328, .root_entries = 48, .extents = 56},
	{.shift = 13, .inline_max = 7424, .root_entries = 85, .extents = 240},
};

static_assert(FIXED + FORMAT_MAX_NAMED * NAMED + 56 * EXTENT + 48 * FORMAT_ENTRY <= 4096 - FORMAT_HEAD, "fits");
static_assert(FIXED + FORMAT_MAX_NAMED * NAMED + 240 * EXTENT + 85 * FORMAT_ENTRY <= 8192 - FORMAT_HEAD, "fits");
static_assert(FIXED + 3328 <= 4096 - FORMAT_HEAD && FIXED + 7424 <= 8192 - FORMAT_HEAD, "inline content fits");

const struct format_slot *format_slot_find(unsigned shift)
{
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (slots[i].shift == shift)
			return &slots[i];
	return NULL;
}

static void put(uint8_t *bytes, unsigned count, uint64_t value)
{
	for (unsigned i = 0; i < count; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

void entry_encode(const struct entry *e, uint8_t *bytes)
{
	if (e->page == 0) {
		memset(bytes, 0, FORMAT_ENTRY);
		return;
	}
	put(bytes, 6, e->page);
	put(bytes + 6, 2, e->len - 1);
	memcpy(bytes + 8, e->nonce, sizeof(e->nonce));
	memcpy(bytes + 32, e->tag, sizeof(e->tag));
}

void entry_decode(const uint8_t *bytes, struct entry *ret_entry)
{
	*ret_entry = (struct entry){.page = get(bytes, 6)};
	if (ret_entry->page == 0)
		return;
	ret_entry->len = (uint32_t)get(bytes + 6, 2) + 1;
	memcpy(ret_entry->nonce, bytes + 8, sizeof(ret_entry->nonce));
	memcpy(ret_entry->tag, bytes + 32, sizeof(ret_entry->tag));
}

static void wrap_encode(const struct wrap *w, uint8_t *bytes)
{
	memcpy(bytes, w->key_id, FORMAT_ID);
	bytes[16] = w->kind;
	memset(bytes + 17, 0, 7);
	memcpy(bytes + 24, w->nonce, 24);
	memcpy(bytes + 48, w->cipher, 32);
	memcpy(bytes + 80, w->tag, 16);
}

static int wrap_decode(const uint8_t *bytes, struct wrap *ret_wrap)
{
	if (!is_zero(bytes + 17, 7))
		return -EBADMSG;
	memcpy(ret_wrap->key_id, bytes, FORMAT_ID);
	ret_wrap->kind = bytes[16];
	memcpy(ret_wrap->nonce, bytes + 24, 24);
	memcpy(ret_wrap->cipher, bytes + 48, 32);
	memcpy(ret_wrap->tag, bytes + 80, 16);
	return ret_wrap->kind == WRAP_NONE && !is_zero(bytes, WRAP) ? -EBADMSG : 0;
}

void head_encode(const struct head *h, uint8_t *bytes)
{
	memset(bytes, 0, FORMAT_CLEAR);
	memcpy(bytes, FORMAT_MAGIC, FORMAT_MAGIC_SIZE);
	put(bytes + 8, 2, FORMAT_VERSION);
	put(bytes + 10, 2, FORMAT_XAES_256_GCM);
	bytes[12] = h->slot_shift;
	bytes[13] = h->chunk_shift;
	memcpy(bytes + 16, h->file_id, FORMAT_ID);
	memcpy(bytes + 32, h->commitment, 32);
	memcpy(bytes + 64, h->salt, FORMAT_ID);
	for (size_t i = 0; i < FORMAT_WRAPS; i++)
		wrap_encode(&h->wraps[i], bytes + 80 + i * WRAP);
}

int head_decode(const uint8_t *bytes, struct head *ret_head)
{
	struct head h;

	if (memcmp(bytes, FORMAT_MAGIC, FORMAT_MAGIC_SIZE) != 0)
		return -ENODATA;
	if (get(bytes + 8, 2) != FORMAT_VERSION || get(bytes + 10, 2) != FORMAT_XAES_256_GCM)
		return -EPROTONOSUPPORT;
	h.slot_shift = bytes[12];
	h.chunk_shift = bytes[13];
	if (!format_slot_find(h.slot_shift) || h.chunk_shift < FORMAT_MIN_CHUNK || h.chunk_shift > FORMAT_MAX_CHUNK ||
	    !is_zero(bytes + 14, 2))
		return -EBADMSG;
	memcpy(h.file_id, bytes + 16, FORMAT_ID);
	memcpy(h.commitment, bytes + 32, 32);
	memcpy(h.salt, bytes + 64, FORMAT_ID);
	for (size_t i = 0; i < FORMAT_WRAPS; i++) {
		int r = wrap_decode(bytes + 80 + i * WRAP, &h.wraps[i]);

		if (r < 0)
			return r;
	}
	*ret_head = h;
	return 0;
}

void meta_encode(const struct format_slot *slot, const struct meta *m, const uint8_t *inline_bytes, uint8_t *bytes)
{
	uint8_t *p = bytes + FIXED;

	memset(bytes, 0, ((size_t)1 << slot->shift) - FORMAT_HEAD);
	put(bytes, 8, m->sequence);
	put(bytes + 8, 8, m->size);
	put(bytes + 16, 8, (uint64_t)m->mtime.sec);
	put(bytes + 24, 4, m->mtime.nsec);
	put(bytes + 28, 4, m->ctime.nsec);
	put(bytes + 32, 8, (uint64_t)m->ctime.sec);
	put(bytes + 40, 8, m->total_pages);
	put(bytes + 48, 8, m->used_pages);
	put(bytes + 56, 2, m->flags);
	bytes[58] = m->height;
	put(bytes + 60, 2, m->named_count);
	put(bytes + 62, 2, m->extent_count);
	put(bytes + 64, 4, m->payload);
	for (size_t i = 0; i < m->named_count; i++, p += NAMED)
		put(p, 8, m->named[i].index | (uint64_t)m->named[i].level << 56);
	for (size_t i = 0; i < m->extent_count; i++, p += EXTENT) {
		put(p, 6, m->extents[i].page);
		put(p + 6, 6, m->extents[i].count);
	}
	if (m->flags & META_INLINE) {
		memcpy(p, inline_bytes, m->payload);
		return;
	}
	for (size_t i = 0; i < m->payload; i++, p += FORMAT_ENTRY)
		entry_encode(&m->root[i], p);
}

static bool fixed_is_right(const struct format_slot *slot, const uint8_t *bytes, const struct meta *m)
{
	uint64_t first = 2 * ((UINT64_C(1) << slot->shift) >> FORMAT_PAGE_SHIFT);
	size_t lists = FIXED + (size_t)m->named_count * NAMED + (size_t)m->extent_count * EXTENT;

	if (m->sequence == 0 || m->sequence > FORMAT_MAX_SEQUENCE || m->size > FORMAT_MAX_SIZE || m->mtime.nsec > 999999999 || m->ctime.nsec > 999999999 ||
	    m->total_pages > BITS_48 || m->total_pages < first || m->used_pages > m->total_pages - first ||
	    m->flags & ~(META_SEALED | META_INLINE | META_FIRST) || m->height > FORMAT_MAX_HEIGHT || bytes[59] ||
	    m->named_count > FORMAT_MAX_NAMED || m->extent_count > slot->extents || !is_zero(bytes + 68, FIXED - 68))
		return false;
	if (m->flags & META_INLINE)
		return m->payload <= slot->inline_max && m->payload <= m->size && m->height == 0 && m->used_pages == 0 &&
		       lists + m->payload <= ((size_t)1 << slot->shift) - FORMAT_HEAD;
	return m->payload <= slot->root_entries;
}

/* Would entry I of the root hold what lies behind the end of the plaintext? So the height fits the size. */
static bool starts_behind(const struct meta *m, uint64_t i, unsigned chunk_shift)
{
	uint64_t at = i << chunk_shift;

	for (unsigned level = 0; level < m->height; level++)
		if (__builtin_mul_overflow(at, (uint64_t)FORMAT_NODE_ENTRIES, &at))
			return i > 0;
	return at >= m->size;
}

static bool lists_are_right(const struct meta *m, const struct format_slot *slot, unsigned chunk_shift)
{
	uint64_t first = 2 * ((UINT64_C(1) << slot->shift) >> FORMAT_PAGE_SHIFT);

	for (size_t i = 0; i < m->named_count; i++)
		if (m->named[i].level > m->height)
			return false;
	for (size_t i = 0; i < m->extent_count; i++) {
		const struct extent *e = &m->extents[i];

		if (e->page < first || e->count == 0 || e->page > m->total_pages || e->count > m->total_pages - e->page)
			return false;
	}
	for (size_t i = 0; !(m->flags & META_INLINE) && i < m->payload; i++) {
		const struct entry *e = &m->root[i];

		if (e->page == 0)
			continue;
		if (starts_behind(m, i, chunk_shift))
			return false;
		if (e->page < first || e->page + pages_of(e->len) > m->total_pages || e->len > UINT32_C(1) << chunk_shift ||
		    (m->height > 0 && e->len != FORMAT_PAGE))
			return false;
	}
	return true;
}

int meta_decode(const struct format_slot *slot, unsigned chunk_shift, const uint8_t *bytes, struct meta *ret_meta,
		const uint8_t **ret_inline)
{
	struct meta *m = ret_meta;
	const uint8_t *p = bytes + FIXED;

	memset(m, 0, sizeof(*m));
	m->sequence = get(bytes, 8);
	m->size = get(bytes + 8, 8);
	m->mtime = (struct store_time){(int64_t)get(bytes + 16, 8), (uint32_t)get(bytes + 24, 4)};
	m->ctime = (struct store_time){(int64_t)get(bytes + 32, 8), (uint32_t)get(bytes + 28, 4)};
	m->total_pages = get(bytes + 40, 8);
	m->used_pages = get(bytes + 48, 8);
	m->flags = (uint16_t)get(bytes + 56, 2);
	m->height = bytes[58];
	m->named_count = (uint16_t)get(bytes + 60, 2);
	m->extent_count = (uint16_t)get(bytes + 62, 2);
	m->payload = (uint32_t)get(bytes + 64, 4);
	if (!fixed_is_right(slot, bytes, m))
		return -EBADMSG;
	for (size_t i = 0; i < m->named_count; i++, p += NAMED)
		m->named[i] = (struct named){.index = get(p, 8) & BITS_56, .level = p[7]};
	for (size_t i = 0; i < m->extent_count; i++, p += EXTENT)
		m->extents[i] = (struct extent){get(p, 6), get(p + 6, 6)};
	*ret_inline = m->flags & META_INLINE ? p : NULL;
	for (size_t i = 0; !*ret_inline && i < m->payload; i++, p += FORMAT_ENTRY)
		entry_decode(p, &m->root[i]);
	return lists_are_right(m, slot, chunk_shift) ? 0 : -EBADMSG;
}

void format_aad(enum format_kind kind, const uint8_t *file_id, uint8_t level, uint64_t index, uint32_t len,
		uint8_t aad[FORMAT_AAD])
{
	put(aad, 2, FORMAT_VERSION);
	aad[2] = (uint8_t)kind;
	aad[3] = level;
	put(aad + 4, 4, len);
	put(aad + 8, 8, index);
	memcpy(aad + 16, file_id, FORMAT_ID);
}
