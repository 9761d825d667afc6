/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encrypted file: random access to its plaintext, atomic commits, crash safety. docs/FORMAT.md has the format and
 * the rules of a commit; rule numbers in comments are those of that page.
 *
 * What holds: after any kill or power loss the file is exactly one committed version, whole, and not older than the last
 * one whose durable commit returned 0. No byte that does not authenticate is ever returned.
 *
 * A store is used by one thread at a time; different stores are independent. Memory: below 8 MiB for a file of any size.
 * All functions return 0 (or a count) or a negative errno:
 *   -EBADMSG  damage: what is there does not authenticate (at reading -EIO would hide the difference)
 *   -ENOKEY   none of the given keys opens the file
 *   -ESTALE   somebody else wrote to the file meanwhile; nothing is written any more
 *   -EIO, -ENOSPC, ...  as the file system said. The last committed version stands, changes since are kept in memory as
 *             far as they fit, and a later commit may succeed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypt/crew.h"
#include "crypt/provider.h"
#include "crypt/store/format.h"
#include "crypt/store/io.h"

struct store;

/*
 * A key-encryption key and its public id: 32 bytes in secret memory that the caller keeps; or, KEK being NULL, one that STRETCH
 * makes 64 bytes of for each file's SALT (16 bytes), from which the wrapping key is derived (crypt/kdf.h). STRETCH returns 0 or a
 * negative errno and may be called by several threads at a time.
 */
struct store_key {
	uint8_t id[FORMAT_ID];
	const uint8_t *kek;
	int (*stretch)(const void *data, const uint8_t *salt, uint8_t *ret_stretched);
	const void *data;
};

/* Is there a key in KEY? */
static inline bool store_key_is_set(const struct store_key *key)
{
	return key->kek || key->stretch;
}

/* What a store stands on. All pointers are the caller's and outlive the store. */
struct store_env {
	const struct store_io *io;
	void *handle;
	const struct aead_provider *provider;
	int (*random)(void *bytes, size_t len);
	const struct store_key *keys; /* the first one wraps the key of a new file */
	size_t key_count;
	struct crew *crew; /* who helps where many chunks are read or written; NULL: nobody. IO must then be thread safe */
};

/* STORE_SALVAGE: reading, of the newest slot that authenticates, whatever is damaged below it. */
enum store_mode { STORE_READ, STORE_WRITE, STORE_SALVAGE };

/*
 * How a new file is laid out; zeros mean the defaults: slots of 4 KiB, chunks of 16 KiB. JUST_MADE: the caller made the file a
 * moment ago (O_EXCL, O_TMPFILE) and nobody else has written to it. Nothing of it can be in the page cache or on the disk, so
 * that nothing is read or synced before the first version is written.
 */
struct store_layout {
	uint8_t slot_shift;
	uint8_t chunk_shift;
	bool just_made;
};

/*
 * Open what stands at the handle. A file without a byte, or of zeros only, is a valid empty one; in STORE_WRITE mode it
 * becomes a store of LAYOUT (may be NULL) at the first commit. -ENODATA: no store and not empty.
 */
int store_open(const struct store_env *env, enum store_mode mode, const struct store_layout *layout,
	       struct store **ret_store);

/* Release it without writing. What was not committed is lost. S may be NULL. */
void store_free(struct store *s);

/* What is not the plaintext. */
struct store_info {
	uint8_t file_id[FORMAT_ID];
	uint8_t slot_shift, chunk_shift;
	bool is_new;      /* not a byte of it is on the disk yet */
	bool is_inline, sealed;
	int newest_slot;  /* where the version stands; -1: nowhere yet */
	bool fell_back;   /* the newest version was not whole: the one before it stands */
	bool spare_damaged; /* the other slot does not authenticate, and should: beside a sealed version that is damage for sure, else
			     * a power loss may have torn what was written last, a seal mostly */
	uint64_t sequence;
	uint64_t size;
	uint64_t total_pages, used_pages, free_pages;
	unsigned height;
	uint8_t root_tag[AEAD_TAG_SIZE]; /* of the slot: names the version */
};
void store_get_info(const struct store *s, struct store_info *ret_info);

uint64_t store_size(const struct store *s);

/* Bytes read, fewer than LEN only at the end of the file; or a negative errno, with nothing valid in BYTES. */
ssize_t store_read(struct store *s, void *bytes, size_t len, uint64_t offset);

/*
 * Write all LEN bytes into memory, growing the file. Chunks may be written to unused pages before the commit. -EFBIG
 * beyond the largest size. On error the range holds old or new bytes, and the commit has not happened.
 */
int store_write(struct store *s, const void *bytes, size_t len, uint64_t offset);

/*
 * As store_write(), of LEN bytes that stand in the regular file FD at FROM. Returns how many were taken, fewer where the
 * file ends. Each piece is read into private memory, encrypted there and written, by all threads of the crew: the fastest
 * way in.
 */
int64_t store_copy_in(struct store *s, int fd, uint64_t from, uint64_t len, uint64_t offset);

/* Sees the LEN plain bytes that the store gets at OFFSET, in private memory, by any thread of the crew. An errno ends the copy. */
struct store_witness {
	int (*see)(void *data, const void *bytes, size_t len, uint64_t offset);
	void *data;
};
/*
 * The same before WITNESS (which may be NULL): the file may be written to meanwhile, and nobody else knows what was read. What is
 * seen is in the store only as far as the result says; mostly a chunk at a time.
 */
int64_t store_copy_in_seen(struct store *s, int fd, uint64_t from, uint64_t len, uint64_t offset, const struct store_witness *witness);

/*
 * As store_read(), of LEN bytes into the regular file FD at TO. Returns how many, fewer where the store ends; or a negative
 * errno, and then the file holds some of them, all of which authenticated. Holes of whole chunks are not written: what the
 * file has there stays, so a new file gets holes too (its size is not set).
 */
int64_t store_copy_out(struct store *s, int fd, uint64_t to, uint64_t len, uint64_t offset);

/* Cut or grow; what is grown is a hole. */
int store_truncate(struct store *s, uint64_t size);

/* Zeros in the range, without space where whole chunks are covered; the size stays. */
int store_punch(struct store *s, uint64_t offset, uint64_t len);

void store_get_times(const struct store *s, struct store_time *ret_mtime, struct store_time *ret_ctime);
int store_set_times(struct store *s, const struct store_time *mtime, const struct store_time *ctime);

/* Is there anything that a commit would write? */
bool store_is_dirty(const struct store *s);

/* Make everything so far a version; with DURABLE it is on the disk when 0 is returned. */
int store_commit(struct store *s, bool durable);

/*
 * After a durable commit, when idle or before closing: later opens need no check. 0 also where there is nothing to do.
 * Free pages are given back to the file system when they are a quarter of the file or 1 MiB.
 */
int store_seal(struct store *s);

/* Chunks before and behind which data stands: as lseek(2) SEEK_DATA and SEEK_HOLE. -ENXIO at or behind the end. */
int store_seek_data(struct store *s, uint64_t offset, uint64_t *ret_offset);
int store_seek_hole(struct store *s, uint64_t offset, uint64_t *ret_offset);

/* Damage that store_verify found: LEN bytes of plaintext at OFFSET cannot be had, for piece stands at PAGE. */
struct store_damage {
	uint64_t offset, len;
	uint64_t page;
	uint8_t level; /* 0: a chunk; else a node */
};

/*
 * Read everything of the committed version and call FOUND for each piece that does not authenticate. Returns the number of
 * pieces, or a negative errno. Not for a store with uncommitted changes (-EBUSY).
 */
int64_t store_verify(struct store *s, void (*found)(void *data, const struct store_damage *damage), void *data);

/* Give free pages back to the file system and cut the end of the file. After a durable commit. */
int store_compact(struct store *s);

/* Change the wraps: NEW (may be NULL) wraps the file's key beside those there, OLD_ID (may be NULL) is dropped. Takes
 * effect with the next commit. -ENOSPC when all four are taken, -ENOKEY when none would be left. */
int store_rekey(struct store *s, const struct store_key *new_key, const uint8_t *old_id);
