/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store opened from bytes that somebody made who has the key: the AEAD is no help then. The first byte chooses a file (or that
 * the rest is the file, as it is), patches to it follow, to the bodies of its slots and to its pages, then operations, some on a
 * disk that fails. Nothing crashes, loops, or takes more memory than a store may; with no patch the content is what was written.
 *
 * The cipher is the identity, and a tag says which piece it belongs to. After the patches each piece that is referred to gets
 * the right one, so that what is hostile is authentic; a page has one place in the tree then, as under a real cipher.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/store/slot.h"
#include "disk.h"

#define TEMPLATES 8
#define LARGE     (40 << 10)
#define PAGES     64 /* of a file that is patched */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* What a piece's tag has to be. */
static void tag_for(const uint8_t *aad, size_t aad_len, uint8_t tag[AEAD_TAG_SIZE])
{
	memset(tag, 0x11, AEAD_TAG_SIZE);
	if (aad_len <= FORMAT_CLEAR)
		memcpy(tag, aad, AEAD_TAG_SIZE); /* version, kind, level, length, index */
	else
		tag[0] = aad[FORMAT_CLEAR];
}

static int plain_usable(const char **ret_why)
{
	(void)ret_why;
	return 0;
}

static int plain_make(void **ret_context)
{
	*ret_context = NULL;
	return 0;
}

static void plain_drop(void *context)
{
	(void)context;
}

static int plain_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	(void)context, (void)key, (void)nonce;
	memmove(m->out, m->in, m->len);
	tag_for(m->aad, m->aad_len, m->tag);
	return 0;
}

static int plain_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	uint8_t tag[AEAD_TAG_SIZE];

	(void)context, (void)key, (void)nonce;
	tag_for(m->aad, m->aad_len, tag);
	if (memcmp(tag, m->tag, sizeof(tag)) != 0) {
		memset(m->out, 0, m->len);
		return -EBADMSG;
	}
	memmove(m->out, m->in, m->len);
#ifdef SCRIM_SEEDED_BUG
	if (m->aad_len == FORMAT_AAD && ((const uint8_t *)m->aad)[9] == 0x13 && m->len > 3)
		((uint8_t *)m->out)[3] ^= 1; /* a wrong byte, far away */
#endif
	return 0;
}

static const struct aead_provider plain = {
	.name = "plain", .usable = plain_usable, .make = plain_make, .drop = plain_drop, .seal = plain_seal, .open = plain_open,
};

static int fixed_random(void *bytes, size_t len)
{
	memset(bytes, 0x5a, len);
	return 0;
}

static uint8_t kek[32] = {1};

/* As a kernel key computes, but quickly. */
static int stretch(const void *data, const uint8_t *salt, uint8_t *ret_stretched)
{
	(void)data;
	memset(ret_stretched, salt[0], 64);
	return 0;
}

/* One of each kind: a file is wrapped for one of them. */
static const struct store_key keys[] = {{.id = {1}, .kek = kek}, {.id = {2}, .stretch = stretch}};

/* Files to begin with: inline and in chunks, with one and two levels of nodes, slots of both sizes, sealed and not. */
static struct image {
	uint8_t *bytes;
	uint64_t size;
	uint64_t from, content; /* where the plaintext begins that is not a hole, and its end */
	uint8_t fill;
} images[TEMPLATES];

static const struct {
	uint8_t slot, chunk;
	uint64_t from, len;
	bool sealed, twice;
} templates[TEMPLATES] = {
	{12, 12, 0, 300, true, false},          {13, 14, 0, 5000, false, true},
	{12, 12, 0, 3 * 4096, true, true},      {13, 14, 0, LARGE, false, true},
	{12, 12, 60 * 4096, 5000, true, true},  {13, 12, 99 * 4096, 9000, false, false},
	{12, 12, 5000 * 4096, 9, false, true},  {12, 16, UINT64_C(1) << 50, 70000, true, false},
};

static struct store_env env_of(struct disk *disk)
{
	return (struct store_env){.io = &disk_io, .handle = disk, .provider = &plain, .random = fixed_random, .keys = keys, .key_count = 2};
}

static void make_image(unsigned i)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	env.keys = &keys[i % 3 == 2];
	env.key_count = 1;
	static uint8_t bytes[128 << 10];
	struct image *image = &images[i];
	struct store *s;

	require(store_open(&env, STORE_WRITE, &(struct store_layout){templates[i].slot, templates[i].chunk}, &s) == 0);
	for (int round = 0; round <= templates[i].twice; round++) {
		image->fill = (uint8_t)(i * 16 + (unsigned)round + 1);
		memset(bytes, image->fill, sizeof(bytes));
		require(store_write(s, bytes, templates[i].len, templates[i].from) == 0);
		require(store_commit(s, true) == 0);
	}
	require(!templates[i].sealed || store_seal(s) == 0);
	store_free(s);
	uint8_t *flat = disk_bytes(disk, &image->size);
	require(image->size <= PAGES * FORMAT_PAGE);
	image->bytes = malloc(image->size);
	memcpy(image->bytes, flat, image->size);
	image->from = templates[i].from;
	image->content = templates[i].from + templates[i].len;
	disk_free(disk);
}

/* The tags of the entries at AT, which are those of (LEVEL, INDEX...), and of what is below. */
struct mending {
	uint8_t *bytes;
	uint64_t size, slots; /* bytes */
	const uint8_t *file_id;
	uint64_t place[PAGES]; /* of a page in the tree, plus 1 */
};

static void mend(struct mending *m, uint8_t *at, unsigned count, uint8_t level, uint64_t index)
{
	for (unsigned i = 0; i < count; i++, at += FORMAT_ENTRY) {
		uint64_t place = ((uint64_t)level << 56) + index + i + 1;
		uint8_t aad[FORMAT_AAD];
		struct entry e;

		entry_decode(at, &e);
		if (e.page * FORMAT_PAGE < m->slots || e.page >= PAGES || e.page * FORMAT_PAGE >= m->size)
			continue;
		if (m->place[e.page] && m->place[e.page] != place) {
			memset(at + 32, 0xff, AEAD_TAG_SIZE);
			continue;
		}
		format_aad(level ? KIND_NODE : KIND_CHUNK, m->file_id, level, index + i, e.len, aad);
		tag_for(aad, sizeof(aad), at + 32);
		if (m->place[e.page])
			continue;
		m->place[e.page] = place;
		if (level > 0 && (e.page + 1) * FORMAT_PAGE <= m->size)
			mend(m, m->bytes + e.page * FORMAT_PAGE, FORMAT_NODE_ENTRIES, level - 1, (index + i) * FORMAT_NODE_ENTRIES);
	}
}

static void mend_all(uint8_t *bytes, uint64_t size, unsigned shift)
{
	struct mending m = {.bytes = bytes, .size = size, .slots = UINT64_C(2) << shift, .file_id = bytes + 16};

	for (unsigned which = 0; which < 2; which++) {
		uint8_t *body = bytes + ((uint64_t)which << shift) + FORMAT_HEAD;
		uint64_t room = (UINT64_C(1) << shift) - FORMAT_HEAD;
		uint64_t lists = 96 + (body[60] + body[61] * 256u) * 8 + (body[62] + body[63] * 256u) * 12;
		uint64_t count = body[64] + body[65] * 256u;

		if (body + room > bytes + size || body[56] & META_INLINE || body[58] > FORMAT_MAX_HEIGHT)
			continue;
		if (lists + count * FORMAT_ENTRY <= room)
			mend(&m, body + lists, (unsigned)count, body[58], 0);
	}
}

struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t take(struct input *in, size_t n)
{
	uint64_t value = 0;

	for (; n > 0 && in->size > 0; n--, in->size--)
		value = value << 8 | *in->data++;
	return value;
}

/* True: something was changed. */
static bool patch(struct input *in, uint8_t *bytes, uint64_t size, unsigned shift)
{
	bool changed = false;

	for (unsigned n = (unsigned)take(in, 1) % 16; n > 0 && in->size > 0; n--) {
		unsigned target = (unsigned)take(in, 1), len = 1 + (unsigned)take(in, 1) % 8;
		uint64_t at = take(in, 2), base = 0, room = (UINT64_C(1) << shift) - FORMAT_HEAD;

		if (target % 4 < 3) {
			base = ((uint64_t)(target % 2) << shift) + FORMAT_HEAD;
			at %= target & 16 ? room : 160; /* mostly the fields and the first lists */
		} else {
			base = (target / 4 % (size / FORMAT_PAGE)) * FORMAT_PAGE;
			at = at % 86 * FORMAT_ENTRY + at / 86 % FORMAT_ENTRY;
		}
		for (; len > 0 && base + at < size; len--, at++) {
			if (base + at >= FORMAT_HEAD) /* the head stays that of the key */
				bytes[base + at] = (uint8_t)take(in, 1);
			changed = true;
		}
	}
	return changed;
}

static void found_damage(void *data, const struct store_damage *damage)
{
	(void)damage;
	++*(unsigned *)data;
}

static uint64_t somewhere(struct input *in, const struct store *s)
{
	unsigned how = (unsigned)take(in, 1);
	uint64_t near = take(in, 2);

	return how < 100 ? near : how < 200 ? store_size(s) - near : (near << how % 48) & INT64_MAX;
}

/* One operation. False: the end. */
static bool operate(struct input *in, struct store *s, struct disk *disk)
{
	static uint8_t bytes[LARGE];
	unsigned kind = (unsigned)take(in, 1), damages = 0;
	uint64_t at = somewhere(in, s), found;
	size_t len = (size_t)take(in, 2) % sizeof(bytes);
	ssize_t n;

	switch (kind % 16) {
	case 0:
	case 1:
		memset(bytes, (int)kind, len);
		store_write(s, bytes, len, at);
		break;
	case 2:
	case 3:
	case 4:
		n = store_read(s, bytes, len, at);
		require(n <= (ssize_t)len);
		break;
	case 5:
		store_truncate(s, at);
		break;
	case 6:
		store_punch(s, at, kind & 16 ? len : at);
		break;
	case 7:
		if (store_seek_data(s, at, &found) == 0)
			require(found >= at && found < store_size(s));
		break;
	case 8:
		if (store_seek_hole(s, at, &found) == 0)
			require(found >= at && found <= store_size(s));
		break;
	case 9:
		store_verify(s, found_damage, &damages);
		require(damages <= PAGES * FORMAT_NODE_ENTRIES * 4);
		break;
	case 10:
		store_compact(s);
		break;
	case 11:
		store_seal(s);
		break;
	case 12:
		disk_set_faults(disk, &(struct disk_faults){.fail_sync = kind & 16 ? 300 : 0, .fail_write = kind & 32 ? 100 : 0,
							    .odd_write = 100, .odd_read = 100, .cannot_punch = kind & 64});
		break;
	case 13:
		return false;
	default:
		store_commit(s, kind & 16);
	}
	return true;
}

/* Of a file that was not patched every byte is known. */
static void expect_content(struct store *s, const struct image *image)
{
	static uint8_t bytes[128 << 10];
	size_t len = (size_t)(image->content - image->from);

	require(store_size(s) == image->content);
	require(store_read(s, bytes, sizeof(bytes), image->from) == (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		require(bytes[i] == image->fill);
}

static void use(struct input *in, struct disk *disk, const struct image *image)
{
	struct store_env env = env_of(disk);
	struct store_info info;
	struct store *s;

	for (int opening = 0; opening < 3; opening++) {
		disk_set_faults(disk, &(struct disk_faults){0});
		if (store_open(&env, opening == 0 && image ? STORE_READ : STORE_WRITE, NULL, &s) < 0) {
			require(!image);
			return;
		}
		store_get_info(s, &info);
		require(info.free_pages <= info.total_pages && info.height <= FORMAT_MAX_HEIGHT);
		if (image) {
			expect_content(s, image);
			image = NULL;
			store_free(s);
			continue;
		}
		for (unsigned n = 0; n < 24 && in->size > 0; n++)
			if (!operate(in, s, disk))
				break;
		store_free(s);
		disk_evict(disk);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	static uint8_t bytes[PAGES * FORMAT_PAGE];
	struct disk *disk;
	bool patched = true;
	uint64_t len;

	if (!images[0].bytes)
		for (unsigned i = 0; i < TEMPLATES; i++)
			make_image(i);
	unsigned which = (unsigned)take(&in, 1);
	const struct image *image = &images[which % TEMPLATES];
	disk = disk_new(which + 1);
	if (which >= 240) {
		len = in.size < sizeof(bytes) ? in.size : sizeof(bytes);
		memcpy(bytes, in.data, len);
	} else {
		len = image->size;
		memcpy(bytes, image->bytes, len);
		patched = patch(&in, bytes, len, templates[which % TEMPLATES].slot);
		if (patched)
			mend_all(bytes, len, templates[which % TEMPLATES].slot);
	}
	require(disk_io.pwrite(disk, bytes, len, 0) == (ssize_t)len && disk_io.sync(disk) == 0);
	use(&in, disk, patched ? NULL : image);
	disk_free(disk);
	return 0;
}
