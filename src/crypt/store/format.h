/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an encrypted file, version 1. docs/FORMAT.md is the description; this header is its form for the
 * compiler. All numbers are little-endian.
 *
 *     slot 0 | slot 1 | pages ...                     a page: 4096 bytes
 *
 * A slot is a clear head of 512 bytes and an encrypted body, the meta: what a version of the file is. The newer slot that
 * authenticates is the file. Everything else is reached from it by entries, each of which says where a piece stands and
 * holds the nonce and the tag that it must have, so that no piece can be exchanged for an older one.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAGIC          "\x89scrim\r\n"
#define FORMAT_MAGIC_SIZE     8
#define FORMAT_VERSION        1
#define FORMAT_XAES_256_GCM   1
#define FORMAT_PAGE           4096
#define FORMAT_PAGE_SHIFT     12
#define FORMAT_MIN_CHUNK      12 /* log2: 4 KiB */
#define FORMAT_MAX_CHUNK      16 /* log2: 64 KiB */
#define FORMAT_HEAD           512
#define FORMAT_CLEAR          464 /* bytes of the head that are authenticated with the body */
#define FORMAT_MAX_SLOT       8192
#define FORMAT_WRAPS          4
#define FORMAT_ID             16
#define FORMAT_ENTRY          48
#define FORMAT_NODE_ENTRIES   85
#define FORMAT_MAX_HEIGHT     8
#define FORMAT_MAX_NAMED      64
#define FORMAT_MAX_ROOT       85
#define FORMAT_MAX_EXTENTS    240
#define FORMAT_AAD            32
#define FORMAT_MAX_SIZE       INT64_MAX
#define FORMAT_MAX_SEQUENCE   INT64_MAX

static_assert(FORMAT_NODE_ENTRIES * FORMAT_ENTRY <= FORMAT_PAGE, "a node is a page");

/* What kinds of pieces there are: part of what is authenticated. */
enum format_kind { KIND_SLOT = 1, KIND_NODE = 2, KIND_CHUNK = 3, KIND_WRAP = 4 };

/* How a file key is wrapped. */
enum wrap_kind { WRAP_NONE = 0, WRAP_KEK = 1, WRAP_KERNEL = 2 };

/* What follows from the size of a slot. */
struct format_slot {
	uint8_t shift;        /* log2 of the slot's size */
	uint16_t inline_max;  /* a file of at most so many bytes stands in the slot itself */
	uint8_t root_entries; /* entries of the tree's root: at most FORMAT_NODE_ENTRIES, so that it can become a node */
	uint16_t extents;     /* free extents that are noted */
};

/* The slots of log2 size SHIFT, or NULL. */
const struct format_slot *format_slot_find(unsigned shift);

/* Where a piece stands, and which it must be. page 0 (slot 0's place): there is none, a hole. */
struct entry {
	uint64_t page; /* below 2^48 */
	uint32_t len;  /* bytes, 1..65536; the piece takes whole pages */
	uint8_t nonce[24];
	uint8_t tag[16];
};

struct extent {
	uint64_t page;
	uint64_t count;
};

/* A page that was not known to be on the disk when its version was written. */
struct named {
	uint8_t level; /* 0: a chunk; else a node of this level */
	uint64_t index;
};

struct wrap {
	uint8_t key_id[FORMAT_ID];
	uint8_t kind; /* enum wrap_kind */
	uint8_t nonce[24];
	uint8_t cipher[32];
	uint8_t tag[16];
};

/* The clear head of a slot. */
struct head {
	uint8_t slot_shift;
	uint8_t chunk_shift;
	uint8_t file_id[FORMAT_ID];
	uint8_t commitment[32];
	uint8_t salt[FORMAT_ID];
	struct wrap wraps[FORMAT_WRAPS];
};

struct store_time {
	int64_t sec;
	uint32_t nsec;
};

/* META_FIRST: before this version the file was empty; so that is what it falls back to. */
enum meta_flags { META_SEALED = 1, META_INLINE = 2, META_FIRST = 4 };

/* The encrypted body of a slot, but for the inline content, which stands behind it. */
struct meta {
	uint64_t sequence;
	uint64_t size; /* of the plaintext */
	struct store_time mtime, ctime;
	uint64_t total_pages; /* of the file, slots included, as far as this version knows */
	uint64_t used_pages;  /* that this version refers to, without slots */
	uint16_t flags;
	uint8_t height; /* levels of nodes between the root's entries and the chunks */
	uint16_t named_count;
	uint16_t extent_count;
	uint32_t payload; /* inline: bytes; else entries of the root */
	struct named named[FORMAT_MAX_NAMED];
	struct extent extents[FORMAT_MAX_EXTENTS];
	struct entry root[FORMAT_MAX_ROOT];
};

/* Pages that LEN bytes take. */
static inline uint64_t pages_of(uint32_t len)
{
	return ((uint64_t)len + FORMAT_PAGE - 1) >> FORMAT_PAGE_SHIFT;
}

void entry_encode(const struct entry *e, uint8_t *bytes);
void entry_decode(const uint8_t *bytes, struct entry *ret_entry);

/* The first FORMAT_CLEAR bytes of a slot. */
void head_encode(const struct head *h, uint8_t *bytes);

/* -ENODATA when BYTES do not start with the magic, -EPROTONOSUPPORT for a version or algorithm that is not ours, -EBADMSG
 * for a head that nobody writes. */
int head_decode(const uint8_t *bytes, struct head *ret_head);

/* The body of a slot of SLOT's size into BYTES, with INLINE_BYTES (meta->payload of them) behind it when META_INLINE. */
void meta_encode(const struct format_slot *slot, const struct meta *m, const uint8_t *inline_bytes, uint8_t *bytes);

/*
 * The reverse, *RET_INLINE pointing into BYTES. Everything is checked that does not need the tree: counts, heights,
 * places within total_pages. -EBADMSG else: authenticated, but not written by this program.
 */
int meta_decode(const struct format_slot *slot, unsigned chunk_shift, const uint8_t *bytes, struct meta *ret_meta,
		const uint8_t **ret_inline);

/* What is authenticated with a piece: version, kind, level, length, logical index, file id. */
void format_aad(enum format_kind kind, const uint8_t *file_id, uint8_t level, uint64_t index, uint32_t len,
		uint8_t aad[FORMAT_AAD]);
