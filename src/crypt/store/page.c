/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "crypt/store/internal.h"

int page_check(const struct store *s, enum format_kind kind, const struct entry *e)
{
	return e->page < first_page(s) || e->len > (kind == KIND_NODE ? FORMAT_PAGE : s->chunk_size) ||
			       e->page + pages_of(e->len) > s->meta.total_pages ?
		       -EBADMSG :
		       0;
}

int page_open(const struct store *s, struct xaes *xaes, enum format_kind kind, uint8_t level, uint64_t index,
	      const struct entry *e, uint8_t *bytes)
{
	uint8_t aad[FORMAT_AAD], tag[AEAD_TAG_SIZE];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = bytes, .len = e->len, .out = bytes, .tag = tag};

	memcpy(tag, e->tag, sizeof(tag));
	format_aad(kind, s->head.file_id, level, index, e->len, aad);
	return xaes_open(xaes, e->nonce, &m);
}

int page_read(struct store *s, enum format_kind kind, uint8_t level, uint64_t index, const struct entry *e, uint8_t *out)
{
	int r = page_check(s, kind, e);

	if (r == 0)
		r = store_read_zeroed(s->env.io, s->env.handle, out, e->len, e->page << FORMAT_PAGE_SHIFT);
	return r < 0 ? r : page_open(s, s->xaes, kind, level, index, e, out);
}

int page_write(struct store *s, const uint8_t *bytes, size_t len, uint64_t page)
{
	uint64_t at = page << FORMAT_PAGE_SHIFT;

	if (!s->gathered)
		return store_write_all(s->env.io, s->env.handle, bytes, len, at);
	memcpy(s->gathered + at, bytes, len);
	if (at + len > s->gathered_len)
		s->gathered_len = at + len;
	return 0;
}

/*
 * Nothing of a first version that never became whole may be left when another first version is written. And the file has
 * the size of a slot before it has one, so that a write that was cut off is told from a file that was cut.
 */
static int start_empty(struct store *s)
{
	uint64_t size;
	int r;

	/* Somebody else may have made the file meanwhile. */
	r = s->just_made ? 0 : slots_compare(s);
	if (r == 0)
		r = s->env.io->size(s->env.handle, &size);
	if (r == 0 && s->just_made && size > 0)
		return -ESTALE;
	if (r == 0 && s->just_made)
		return s->gathers ? 0 : s->env.io->resize(s->env.handle, slot_size(s));
	if (r == 0 && size > 0)
		r = s->env.io->resize(s->env.handle, 0);
	if (r == 0 && !s->gathers)
		r = s->env.io->resize(s->env.handle, slot_size(s));
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		memset(s->seen[i], 0, slot_size(s));
	return 0;
}

/*
 * The disk lost the first version although the page cache showed it: a sync failed, and who was told is gone. What is left in
 * its slot may not be overwritten, since a mixture would be neither a version nor the zeros before one. So the file starts
 * again as an empty one, with the content that is in memory; what stands in pages is gone.
 */
static int start_over(struct store *s)
{
	int r;

	if (s->meta.used_pages > 0)
		return -EIO;
	r = start_empty(s);
	if (r == 0)
		r = s->env.io->sync(s->env.handle);
	if (r < 0)
		return r;
	space_forget(s);
	s->meta.total_pages = first_page(s);
	s->is_new = s->changed = true;
	s->is_first = false;
	s->newest_slot = -1;
	return 0;
}

int page_prepare(struct store *s)
{
	int r;

	if (s->broken)
		return s->broken;
	if (s->synced)
		return 0;
	r = s->is_new ? start_empty(s) : 0;
	if (r < 0)
		return r;
	if (r == 0 && RULE(1) && !s->just_made)
		r = s->env.io->sync(s->env.handle);
	if (r == 0 && !s->is_new)
		r = slots_settle(s);
	if (r == 0 && !s->is_new && s->durable_slot < 0)
		r = start_over(s);
	if (r < 0) {
		/* Which pages are on the disk cannot be known any more, and asking again would be answered with yes. */
		s->broken = r;
		return r;
	}
	s->synced = true;
	return 0;
}

void page_name(struct store *s, uint8_t level, uint64_t index)
{
	for (unsigned i = 0; i < s->named_count; i++)
		if (s->named[i].index == index && s->named[i].level == level)
			return;
	if (s->named_count == FORMAT_MAX_NAMED)
		s->named_overflow = true;
	else
		s->named[s->named_count++] = (struct named){.level = level, .index = index};
}

int page_seal(const struct store *s, struct xaes *xaes, enum format_kind kind, uint8_t level, uint64_t index,
	      const uint8_t *bytes, struct entry *e, uint8_t *cipher)
{
	uint8_t aad[FORMAT_AAD];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = bytes, .len = e->len, .out = cipher, .tag = e->tag};

	format_aad(kind, s->head.file_id, level, index, e->len, aad);
	memset(cipher + e->len, 0, (pages_of(e->len) << FORMAT_PAGE_SHIFT) - e->len);
	return xaes_seal(xaes, e->nonce, &m);
}
