/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "crypt/store/slot.h"

#define NONCE 464
#define TAG   488

/* What is authenticated: the clear bytes and which of the slots it is. */
static void slot_aad(const uint8_t *slot, int which, uint8_t aad[FORMAT_CLEAR + 1])
{
	memcpy(aad, slot, FORMAT_CLEAR);
	aad[FORMAT_CLEAR] = (uint8_t)which;
}

int slot_write(struct store *s, int which, const uint8_t *inline_bytes)
{
	uint8_t bytes[FORMAT_MAX_SLOT], body[FORMAT_MAX_SLOT - FORMAT_HEAD], aad[FORMAT_CLEAR + 1];
	size_t size = slot_size(s);
	struct aead_message m = {
		.aad = aad,
		.aad_len = sizeof(aad),
		.in = body,
		.len = size - FORMAT_HEAD,
		.out = bytes + FORMAT_HEAD,
		.tag = bytes + TAG,
	};
	int r;

	memset(bytes, 0, FORMAT_HEAD);
	head_encode(&s->head, bytes);
	meta_encode(s->slot, &s->meta, inline_bytes, body);
	r = s->env.random(bytes + NONCE, XAES_NONCE_SIZE);
	if (r == 0) {
		slot_aad(bytes, which, aad);
		r = xaes_seal(s->xaes, bytes + NONCE, &m);
	}
	if (r < 0)
		return r;
	s->seen_known[which] = false;
	if (s->gathered) {
		memcpy(s->gathered + (size_t)which * size, bytes, size);
		/* As start_empty() does it, but as late as can be. */
		r = s->env.io->resize(s->env.handle, size);
		if (r == 0)
			r = store_write_all(s->env.io, s->env.handle, s->gathered, s->gathered_len, 0);
	} else {
		r = store_write_all(s->env.io, s->env.handle, bytes, size, (uint64_t)which * size);
	}
	if (r < 0) {
		/* How far it came: so that another writer is still told from us. */
		s->seen_known[which] =
			store_read_zeroed(s->env.io, s->env.handle, s->seen[which], size, (uint64_t)which * size) == 0;
		return r;
	}
	memcpy(s->seen[which], bytes, size);
	s->seen_known[which] = true;
	return 0;
}

int slots_compare(struct store *s)
{
	uint8_t bytes[2 * FORMAT_MAX_SLOT];
	size_t size = slot_size(s);
	int r;

	if (!RULE(9))
		return 0;
	r = store_read_zeroed(s->env.io, s->env.handle, bytes, 2 * size, 0);
	for (int i = 0; r == 0 && i < 2; i++) {
		if (s->seen_known[i] && memcmp(bytes + i * size, s->seen[i], size) != 0) {
			s->broken = -ESTALE;
			return -ESTALE;
		}
		memcpy(s->seen[i], bytes + i * size, size);
		s->seen_known[i] = true;
	}
	return r;
}

/*
 * What stands in slot WHICH, other than what was seen there: a newer version, so another writer; or nothing of worth. What has
 * our head and cannot be opened may be a writer with a new key, but where a seal was seen it is that one, torn.
 */
static bool is_newer(struct store *s, int which, const uint8_t *bytes)
{
	bool seal = s->meta.flags & META_SEALED && which == s->newest_slot;
	struct {
		struct head head;
		struct meta meta;
		uint8_t inline_bytes[FORMAT_MAX_SLOT];
	} *found = malloc(sizeof(*found));
	bool newer = !found;

	if (found && head_decode(bytes, &found->head) == 0 && found->head.slot_shift == s->slot->shift)
		newer = slot_open(s->xaes, &found->head, which, bytes, &found->meta, found->inline_bytes) < 0 ?
				!seal :
				found->meta.sequence >= s->meta.sequence;

	free(found);
	return newer;
}

int slots_settle(struct store *s)
{
	uint8_t bytes[FORMAT_MAX_SLOT];
	size_t size = slot_size(s);
	bool same[2];
	int r;

	if (!RULE(8)) {
		s->durable_slot = s->newest_slot;
		s->durable = true;
		return 0;
	}
	/* What a sealed version refers to has been synced; whether the slots have is asked here. */
	r = s->env.io->drop_cache(s->env.handle, s->meta.flags & META_SEALED ? 2 * size : UINT64_MAX);
	for (int i = 0; r == 0 && i < 2; i++) {
		r = store_read_zeroed(s->env.io, s->env.handle, bytes, size, (uint64_t)i * size);
		if (r < 0)
			break;
		same[i] = memcmp(bytes, s->seen[i], size) == 0;
		if (!same[i] && RULE(9) && is_newer(s, i, bytes))
			r = -ESTALE;
		memcpy(s->seen[i], bytes, size);
	}
	if (r < 0)
		return r;
	s->durable = same[s->newest_slot];
	if (same[s->newest_slot] &&
	    (s->is_first || !same[!s->newest_slot] || s->spare_damaged || !(s->meta.flags & META_SEALED))) {
		s->durable_slot = s->newest_slot;
	} else if (!s->is_first && same[!s->newest_slot]) {
		/* The seal says the same as the durable version in the other slot, but need not have reached the disk. */
		s->durable_slot = !s->newest_slot;
		s->newest_slot = same[s->newest_slot] ? s->newest_slot : s->durable_slot;
		s->durable = true;
	} else {
		/* A first version that the disk lost before anybody was told that it was there. */
		s->durable_slot = -1;
		s->changed = true;
	}
	return 0;
}

int slot_open(struct xaes *xaes, const struct head *head, int which, const uint8_t *bytes, struct meta *ret_meta,
	      uint8_t *ret_inline)
{
	const struct format_slot *slot = format_slot_find(head->slot_shift);
	size_t size = (size_t)1 << slot->shift;
	uint8_t body[FORMAT_MAX_SLOT - FORMAT_HEAD], aad[FORMAT_CLEAR + 1], tag[XAES_TAG_SIZE];
	const uint8_t *inline_bytes;
	struct aead_message m = {
		.aad = aad,
		.aad_len = sizeof(aad),
		.in = bytes + FORMAT_HEAD,
		.len = size - FORMAT_HEAD,
		.out = body,
		.tag = tag,
	};
	int r;

	if (!slot_is_zero(bytes + TAG + XAES_TAG_SIZE, FORMAT_HEAD - TAG - XAES_TAG_SIZE))
		return -EBADMSG; /* the only bytes that nothing authenticates */
	slot_aad(bytes, which, aad);
	memcpy(tag, bytes + TAG, sizeof(tag));
	r = xaes_open(xaes, bytes + NONCE, &m);
	if (r == 0)
		r = meta_decode(slot, head->chunk_shift, body, ret_meta, &inline_bytes);
	if (r < 0)
		return r;
	if (inline_bytes)
		memcpy(ret_inline, inline_bytes, ret_meta->payload);
	return 0;
}

void slot_tag(const uint8_t *bytes, uint8_t tag[XAES_TAG_SIZE])
{
	memcpy(tag, bytes + TAG, XAES_TAG_SIZE);
}

bool slot_is_zero(const uint8_t *bytes, size_t size)
{
	/* Each byte is the one before it. */
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool slot_never_whole(const uint8_t *bytes, size_t size)
{
	if (memcmp(bytes, FORMAT_MAGIC, FORMAT_MAGIC_SIZE) != 0 && !slot_is_zero(bytes, 512))
		return false; /* something else was put there */
	if (slot_is_zero(bytes + size - XAES_TAG_SIZE, XAES_TAG_SIZE))
		return true;
	for (size_t at = 0; at < size; at += 512)
		if (slot_is_zero(bytes + at, 512))
			return true;
	return false;
}
