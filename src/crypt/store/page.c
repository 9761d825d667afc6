/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "crypt/store/internal.h"

int page_read(struct store *s, enum format_kind kind, uint8_t level, uint64_t index, const struct entry *e, uint8_t *out)
{
	uint8_t aad[FORMAT_AAD], tag[AEAD_TAG_SIZE];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = out, .len = e->len, .out = out, .tag = tag};
	int r;

	if (e->page < first_page(s) || e->len > (kind == KIND_NODE ? FORMAT_PAGE : s->chunk_size) ||
	    e->page + pages_of(e->len) > s->meta.total_pages)
		return -EBADMSG;
	r = store_read_zeroed(s->env.io, s->env.handle, out, e->len, e->page << FORMAT_PAGE_SHIFT);
	if (r < 0)
		return r;
	memcpy(tag, e->tag, sizeof(tag));
	format_aad(kind, s->head.file_id, level, index, e->len, aad);
	return xaes_open(s->xaes, e->nonce, &m);
}

/*
 * Nothing of a first version that never became whole may be left when another first version is written. And the file has
 * the size of a slot before it has one, so that a write that was cut off is told from a file that was cut.
 */
static int start_empty(struct store *s)
{
	uint64_t size;
	int r = slots_compare(s); /* somebody else may have made the file meanwhile */

	if (r == 0)
		r = s->env.io->size(s->env.handle, &size);
	if (r == 0 && size > 0)
		r = s->env.io->resize(s->env.handle, 0);
	if (r == 0)
		r = s->env.io->resize(s->env.handle, slot_size(s));
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		memset(s->seen[i], 0, slot_size(s));
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
	if (r == 0 && RULE(1))
		r = s->env.io->sync(s->env.handle);
	if (r == 0 && !s->is_new)
		r = slots_settle(s);
	if (r < 0) {
		/* Which pages are on the disk cannot be known any more, and asking again would be answered with yes. */
		s->broken = r;
		return r;
	}
	s->synced = true;
	return 0;
}

/* Remember that the piece may not be on the disk (rule 2). */
static void name(struct store *s, uint8_t level, uint64_t index)
{
	for (unsigned i = 0; i < s->named_count; i++)
		if (s->named[i].index == index && s->named[i].level == level)
			return;
	if (s->named_count == FORMAT_MAX_NAMED)
		s->named_overflow = true;
	else
		s->named[s->named_count++] = (struct named){.level = level, .index = index};
}

/* Encrypt BYTES into CIPHER, whose end is filled to whole pages. */
static int seal(struct store *s, enum format_kind kind, uint8_t level, uint64_t index, const uint8_t *bytes,
		struct entry *e, uint8_t *cipher)
{
	uint8_t aad[FORMAT_AAD];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = bytes, .len = e->len, .out = cipher, .tag = e->tag};

	format_aad(kind, s->head.file_id, level, index, e->len, aad);
	memset(cipher + e->len, 0, (pages_of(e->len) << FORMAT_PAGE_SHIFT) - e->len);
	return xaes_seal(s->xaes, e->nonce, &m);
}

int page_write_node(struct store *s, const struct node *node, struct entry *ret_entry)
{
	struct entry e = {.len = FORMAT_PAGE};
	uint8_t cipher[FORMAT_PAGE];
	int r = page_prepare(s);

	if (r == 0)
		r = s->env.random(e.nonce, sizeof(e.nonce));
	if (r == 0)
		r = seal(s, KIND_NODE, node->level, node->index, node->bytes, &e, cipher);
	if (r == 0)
		r = space_take(s, 1, &e.page);
	if (r < 0)
		return r;
	r = store_write_all(s->env.io, s->env.handle, cipher, sizeof(cipher), e.page << FORMAT_PAGE_SHIFT);
	if (r < 0) {
		space_drop(s, e.page, 1);
		return r;
	}
	name(s, node->level, node->index);
	*ret_entry = e;
	return 0;
}

static uint64_t pages_in(const struct entry *e, unsigned n)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < n; i++)
		pages += pages_of(e[i].len);
	return pages;
}

/* Write what stands in s->cipher, as few calls as the places allow. */
static int write_batch(struct store *s, const struct entry *e, unsigned n)
{
	const uint8_t *from = s->cipher;

	for (unsigned i = 0; i < n;) {
		uint64_t pages = pages_of(e[i].len), start = e[i].page;
		size_t bytes;
		int r;

		for (i++; i < n && e[i].page == start + pages; i++)
			pages += pages_of(e[i].len);
		bytes = pages << FORMAT_PAGE_SHIFT;
		r = store_write_all(s->env.io, s->env.handle, from, bytes, start << FORMAT_PAGE_SHIFT);
		if (r < 0)
			return r;
		from += bytes;
	}
	return 0;
}

/* Nonces for all, drawn now that the plaintext is private and will not change; then the ciphertext. */
static int seal_batch(struct store *s, struct chunk *const *chunks, struct entry *e, unsigned n)
{
	uint8_t nonces[STORE_BATCH][24];
	uint8_t *to = s->cipher;
	int r = s->env.random(nonces, n * sizeof(nonces[0]));

	for (unsigned i = 0; r == 0 && i < n; i++) {
		e[i].len = chunks[i]->len;
		memcpy(e[i].nonce, nonces[i], sizeof(e[i].nonce));
		r = seal(s, KIND_CHUNK, 0, chunks[i]->index, chunks[i]->bytes, &e[i], to);
		to += pages_of(e[i].len) << FORMAT_PAGE_SHIFT;
	}
	return r;
}

/* Places for all: in one piece where there is one, so that one write does. */
static int place_batch(struct store *s, struct entry *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int r = space_take(s, pages_of(e[i].len), &e[i].page);

		if (r < 0) {
			while (i-- > 0)
				space_drop(s, e[i].page, pages_of(e[i].len));
			return r;
		}
	}
	return 0;
}

int page_write_chunks(struct store *s, struct chunk *const *chunks, unsigned n)
{
	struct entry e[STORE_BATCH];
	int r = page_prepare(s);

	if (r < 0)
		return r;
	memset(e, 0, sizeof(e));
	if (!s->cipher)
		s->cipher = malloc(STORE_BATCH * s->chunk_size);
	if (!s->cipher)
		return -ENOMEM;
	r = seal_batch(s, chunks, e, n);
	if (r == 0)
		r = place_batch(s, e, n);
	if (r < 0)
		return r;
	r = write_batch(s, e, n);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			r = tree_set(s, 0, chunks[i]->index, &e[i]);
		if (r < 0) {
			/* Earlier ones stand in the tree and stay dirty: written once more, no harm. */
			space_drop(s, e[i].page, pages_in(&e[i], 1));
			continue;
		}
		name(s, 0, chunks[i]->index);
		chunk_clean(s, chunks[i]);
	}
	return r;
}
