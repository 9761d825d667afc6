/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory that behaves as badly as disks and kernels may: until a sync it may lose, tear (512 bytes), reorder or
 * keep each write; a failed sync may have written anything and forgets what it did not write; writes fail or are short.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypt/store/io.h"

struct disk;

struct disk *disk_new(uint64_t seed);
void disk_free(struct disk *d);
extern const struct store_io disk_io;

/* After COUNT more writes and syncs everything fails with -EIO until disk_power() or disk_kill(): the process is gone.
 * Negative: never. */
void disk_stop_after(struct disk *d, int64_t count);
bool disk_is_stopped(const struct disk *d);
/* The power goes: what was not synced is lost, torn or kept, piece by piece. */
void disk_power(struct disk *d);
/* The process is killed: what it wrote stands in the page cache. */
void disk_kill(struct disk *d);
/* The kernel writes some of what is dirty, and drops clean pages from its cache. */
void disk_write_back(struct disk *d);
void disk_evict(struct disk *d);

struct disk_faults {
	unsigned fail_sync;  /* per 1000 syncs: -EIO */
	unsigned fail_write; /* per 1000 writes: -EIO or -ENOSPC, perhaps after some bytes */
	unsigned odd_write;  /* per 1000 writes: short, or -EINTR */
	unsigned odd_read;   /* the same of reads */
	bool cannot_punch;   /* -EOPNOTSUPP */
};
void disk_set_faults(struct disk *d, const struct disk_faults *f);

/* Read what is visible, whatever the state of the disk. */
ssize_t disk_peek(struct disk *d, void *bytes, size_t len, uint64_t offset);
/* What is visible now; for tests that damage it. */
uint8_t *disk_bytes(struct disk *d, uint64_t *ret_size);
void disk_set_size(struct disk *d, uint64_t size);
uint64_t disk_writes(const struct disk *d);
uint64_t disk_reads(const struct disk *d);
uint64_t disk_syncs(const struct disk *d);
uint64_t disk_written_bytes(const struct disk *d);

/* The generator that everything random comes from. */
uint64_t disk_random(struct disk *d);
