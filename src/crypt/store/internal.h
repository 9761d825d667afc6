/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#pragma once

#include "base/cleanup.h"
#include "crypt/crew.h"
#include "crypt/store/extents.h"
#include "crypt/store/store.h"
#include "crypt/xaes.h"

/*
 * The crash test builds the store with each of the rules of docs/FORMAT.md taken out and must then see it break: what
 * that test is worth. 10n + k: another part of rule n.
 */
#ifndef SCRIM_WITHOUT_RULE
#define SCRIM_WITHOUT_RULE 0
#endif
#define RULE(n) (SCRIM_WITHOUT_RULE != (n))

#define STORE_MAX_NODES  1280 /* nodes in memory: 5.2 MiB */
#define STORE_SCAN_NODES 512 /* the same while free pages are looked for, which takes 2 MiB */
#define STORE_MAX_CACHE  (768 << 10) /* bytes of chunks in memory */
#define STORE_BATCH      40 /* chunks that one thread encrypts and writes at once, and bytes of them at most: with */
#define STORE_ROOM       (160 << 10) /* CREW_MAX threads 640 KiB */
#define STORE_WINDOW     640 /* chunks that are read or written between two looks at the tree */
#define STORE_BULK       4 /* so many whole chunks at once pass by the chunks in memory */
#define STORE_GATHER     4 /* chunks of a new file that are written together with its first version, at most */
#define STORE_NODE_BATCH 8 /* nodes that are encrypted and written at once */
#define STORE_FREE       4096 /* extents known to be free, of chunks and of nodes */
#define STORE_QUARANTINE 8192 /* extents that an older version may still refer to */
#define STORE_FRESH      4096 /* ranges written since the last durable version */

/*
 * A node of the tree in memory. Invariant: the parent of a node is in memory too (or is the root), so that what is known
 * of a node after writing it can be put into its parent without reading; and the parent of a dirty node is dirty. `children`
 * counts nodes in memory below it.
 */
struct node {
	struct node *parent;           /* NULL: the root */
	struct node *next;             /* in its hash bucket */
	struct node *newer, *older;    /* by when it came, or was spared last */
	struct node *next_dirty, **dirty_at;
	uint64_t index;
	uint32_t children;
	uint8_t level; /* 1: its entries are chunks */
	bool dirty;
	bool used;     /* since it came or was spared: spared once more (a list by last use would touch three nodes at each) */
	uint8_t bytes[FORMAT_PAGE];
};

/* A chunk in memory. Invariant: bytes behind `len` are zero; !used: nothing else means anything. */
struct chunk {
	uint64_t index;
	uint64_t stamp; /* of the last use */
	uint32_t len;   /* 0 and dirty: becomes a hole */
	bool used, dirty;
	bool again; /* used more than once */
	uint8_t *bytes;
};

/* What a thread of the crew works with. */
struct room {
	struct xaes *xaes; /* NULL in the first room: store->xaes */
	uint8_t *bytes;    /* of so many chunks: a batch at most */
	unsigned chunks;
};

/*
 * The state of an open store.
 *
 * Versions: the tree in memory is built on the last one written to a slot. `durable_slot` holds the last durable one, or is
 * -1 while there is none. A page is reused only from what is free; what a commit stops using goes into quarantine and from
 * there becomes free when a durable commit has succeeded, since until then some slot may refer to it (rule 4).
 *
 * Content is either in the slot (META_INLINE: inline_bytes and perhaps chunk 0 in memory, the tree is empty) or in the
 * tree and the chunks in memory, never in both: a change that does not fit into the slot moves it to chunk 0 first.
 */
struct store {
	struct store_env env;
	enum store_mode mode;
	struct xaes *xaes;
	const struct format_slot *slot;
	struct head head;
	uint64_t chunk_size;

	/* The version in memory. meta.named and meta.extents are filled in by the commit. */
	struct meta meta;
	bool changed;   /* since the last commit: size, times, wraps, tree */
	bool is_new;    /* no version on the disk */
	bool just_made; /* and nothing else either: while is_new */
	bool is_first;  /* the version that was opened was the first one */
	bool fell_back;
	bool spare_damaged; /* store_info */

	/* What is on the disk. */
	uint8_t *seen[2];       /* both slots as last read or written (rule 9) */
	bool seen_known[2];
	int newest_slot, durable_slot;
	uint64_t highest;       /* sequence seen anywhere (rule 7) */
	bool durable;           /* the version in memory, if not changed, is the durable one */
	bool synced;            /* rule 1 has been followed since the opening */
	bool failed;            /* a sync failed: everything since the durable version is to be written afresh (rule 5) */
	int broken;             /* not 0: the errno of all further writes (rule 9) */

	/* Pages written since the last successful sync (rule 2); more than fit: overflow. */
	struct named named[FORMAT_MAX_NAMED];
	unsigned named_count;
	bool named_overflow;

	/* Space. */
	struct extent_ring free, quarantine;             /* of chunks */
	struct extent_set free_nodes, quarantine_nodes; /* of nodes */
	struct extent_set fresh; /* written since the durable version (rule 5) */
	bool fresh_overflow;     /* there were too many: all pages count as fresh */
	bool packing;            /* no page is taken at the end while any is free */

	/* Nodes in memory. */
	struct node **buckets;
	struct node *newest, *oldest;
	uint32_t node_count, node_limit;
	struct node *dirty;     /* DIRTY_NODES of them */
	uint32_t dirty_nodes;
	struct node *spare;     /* the memory of one that is gone, for the next one */
	uint8_t *node_room;     /* of STORE_NODE_BATCH pages; made when first needed */

	/* Chunks in memory. */
	struct chunk *chunks;
	uint32_t chunk_slots;
	uint32_t dirty_chunks;
	uint64_t clock;

	uint8_t inline_bytes[FORMAT_MAX_SLOT]; /* meta.payload of them, with META_INLINE */
	struct room rooms[CREW_MAX]; /* made when first needed; the caller's is the first */
	/*
	 * The first version and its pages, which go to the disk in one write: the slot before the pages, so that a kill in between
	 * leaves what falls back to the empty file. NULL: pages are written when they are made.
	 */
	uint8_t *gathered;
	size_t gathered_len;
	bool gathers;           /* it is about to be made: the file stays without a byte until then */
	struct entry *window;   /* of a bulk transfer: STORE_WINDOW entries at most */
	unsigned window_size;
};

/* slot.c */
static inline uint64_t slot_size(const struct store *s)
{
	return UINT64_C(1) << s->slot->shift;
}

static inline uint64_t first_page(const struct store *s)
{
	return 2 * (slot_size(s) >> FORMAT_PAGE_SHIFT);
}

/* A file of at most so many bytes stands in the slot. */
static inline uint64_t store_inline_max(const struct store *s)
{
	return s->slot->inline_max < s->chunk_size ? s->slot->inline_max : s->chunk_size;
}

/* Encrypt and write s->meta (with INLINE_BYTES) into slot WHICH. The slot's content is unknown after an error. */
int slot_write(struct store *s, int which, const uint8_t *inline_bytes);
/* -ESTALE when a slot on the disk is not what was last seen there. */
int slots_compare(struct store *s);

/* After the sync that follows an opening: what of the slots is on the disk, and so which one holds the durable version. */
int slots_settle(struct store *s);

/* page.c: pieces, from and to the disk. */
/* Read and decrypt the piece E into OUT (e->len bytes). -EBADMSG. */
int page_read(struct store *s, enum format_kind kind, uint8_t level, uint64_t index, const struct entry *e, uint8_t *out);
/* Can the piece stand where E says? Else -EBADMSG. */
int page_check(const struct store *s, enum format_kind kind, const struct entry *e);
/* Decrypt the piece E in place. -EBADMSG, and zeros. */
int page_open(const struct store *s, struct xaes *xaes, enum format_kind kind, uint8_t level, uint64_t index,
	      const struct entry *e, uint8_t *bytes);
/* Encrypt E->len BYTES under E->nonce into CIPHER (may be the same), whose end is filled to whole pages; sets E->tag. */
int page_seal(const struct store *s, struct xaes *xaes, enum format_kind kind, uint8_t level, uint64_t index,
	      const uint8_t *bytes, struct entry *e, uint8_t *cipher);
/* LEN bytes of ciphertext to PAGE and those behind it, or to what is gathered. */
int page_write(struct store *s, const uint8_t *bytes, size_t len, uint64_t page);
/* Remember that the piece may not be on the disk (rule 2). */
void page_name(struct store *s, uint8_t level, uint64_t index);
/* Before the first write: what is in the page cache must be on the disk (rule 1). */
int page_prepare(struct store *s);
/* bulk.c: many chunks at once, by all threads of the crew. */
/* Where the plaintext of whole chunks comes from or goes to: memory, or, BYTES being NULL, a file. */
struct plain {
	uint8_t *bytes;
	int fd;
	uint64_t offset; /* in the file */
	const struct store_witness *witness; /* of what is read from the file; or NULL */
};
/* Encrypt N chunks (at most STORE_WINDOW) and write them to new pages; their entries go into the tree. */
int bulk_write_chunks(struct store *s, struct chunk *const *chunks, unsigned n);
/*
 * The same for the N whole chunks from FIRST on, whose plaintext comes from FROM. *RET_DONE: how many, fewer than N where
 * the file ended.
 */
int bulk_write(struct store *s, uint64_t first, unsigned n, const struct plain *from, unsigned *ret_done);
/*
 * Read the N whole chunks (at most STORE_WINDOW) from FIRST on, of which none is in memory. Holes: zeros in memory, nothing
 * in a file.
 */
int bulk_read(struct store *s, uint64_t first, unsigned n, const struct plain *to);
/* The first thread's room for a batch. */
int bulk_room(struct store *s, uint8_t **ret_bytes);
void bulk_free(struct store *s);

/* space.c */
/* N pages in a row that no version refers to. */
int space_take(struct store *s, uint64_t n, uint64_t *ret_page);
/* The same for nodes: as many of N as there is a place for in a row, and then again. */
int space_take_nodes(struct store *s, uint64_t n, uint64_t *ret_page, uint64_t *ret_n);
/* Pages of a piece of LEVEL that the version in memory no longer refers to. */
void space_drop(struct store *s, uint8_t level, uint64_t page, uint64_t n);
bool space_is_fresh(const struct store *s, uint64_t page);
/* Does a copier need pages that no slot refers to any more? To be asked when the slots are as they will be: who begins later
 * sees them. */
bool space_is_held(const struct store *s);
/* The version in memory has become durable. */
void space_durable(struct store *s);
/* The free extents for the meta, at most MAX. */
uint16_t space_note(const struct store *s, struct extent *extents, unsigned max);
int space_load(struct store *s, const struct extent *extents, unsigned n);
/* Nothing is free any more: the file is cut to its slots. */
void space_forget(struct store *s);
/* Find the free pages that nobody remembers by walking the tree. */
int space_scan(struct store *s);
/* Is there a free place for N pages of a chunk? */
bool space_fits(const struct store *s, uint64_t n);
/* Pages that can be taken. */
uint64_t space_known_free(const struct store *s);
/* Forget what is free at or behind page END. */
void space_cut(struct store *s, uint64_t end);
/* Give the blocks of free pages back. */
int space_punch(struct store *s);
/* The same if they are a quarter of what the file takes, or 1 MiB. What fails is left for another time. */
void space_tidy(struct store *s);
void space_free(struct store *s);
/* Free pages that are not known as such. */
uint64_t space_lost(const struct store *s);

/* tree.c */
/* The entry of the chunk or node. *RET_ENTRY: page 0 where there is none. */
int tree_get(struct store *s, uint8_t level, uint64_t index, struct entry *ret_entry);
/* Set it; the pages of the entry that was there are dropped. E NULL: remove. */
int tree_set(struct store *s, uint8_t level, uint64_t index, const struct entry *e);
/* Remove the chunks FIRST..LAST. */
int tree_cut(struct store *s, uint64_t first, uint64_t last);
/* Write all dirty nodes, lowest level first. */
int tree_flush(struct store *s);
/* Forget what is in memory, dirty or not. */
void tree_forget(struct store *s);
/* The first index >= FROM that has (WANTED) or has not a chunk, below LIMIT; LIMIT if there is none. */
int tree_seek(struct store *s, uint64_t from, uint64_t limit, bool wanted, uint64_t *ret_index);
/* Call VISIT for each piece, parents first. A node that cannot be read is reported with READ_ERROR and passed by. VISIT
 * returns 0, 1 to pass by what is below, or a negative errno, which ends the walk. */
typedef int (*tree_visit)(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e,
			  int read_error);
int tree_walk(struct store *s, tree_visit visit, void *data);
/* Let the node, which is in memory, be written anew. */
void tree_touch(struct store *s, uint8_t level, uint64_t index);
/* Chunks that a piece of LEVEL covers; UINT64_MAX when more than can be counted. */
uint64_t tree_span(unsigned level);

/* chunk.c */
/* The chunk in memory. *RET_CHUNK NULL: a hole, unless MAKE. */
int chunk_load(struct store *s, uint64_t index, bool make, struct chunk **ret_chunk);
struct chunk *chunk_find(struct store *s, uint64_t index);
void chunk_touch(struct store *s, struct chunk *c);
/* Have the chunk written to new pages, now or with others soon. */
int chunk_renew(struct store *s, uint64_t index);
/* How many chunks from INDEX on, of LIMIT, are to be read from the disk in one go: none of them is in memory. */
unsigned chunk_run(struct store *s, uint64_t index, uint64_t limit);
/* The content will not fit into the slot: it moves to chunk 0. */
int chunk_leave_slot(struct store *s);
/* Write all dirty chunks to new pages. */
int chunk_flush(struct store *s);
void chunk_forget(struct store *s, uint64_t first, uint64_t last);
void chunk_clean(struct store *s, struct chunk *c);

/* keys.c: the file's key in the head's wraps. */
int keys_make(struct store *s);
/* Find the key with the wraps of H: -ENOKEY, -EBADMSG. */
int keys_open(const struct store_env *env, const struct head *h, struct xaes **ret_xaes);
