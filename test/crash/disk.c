/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR  512
#define BLOCK   4096
#define SECTORS (BLOCK / SECTOR)
#define PIECE   64 /* a transfer that is cut ends at a multiple of this */
#define KEPT    6 /* contents of one sector since the last sync that may still appear */
#define BUCKETS 512

/* What was written to the sectors of a block since the last sync: only dirty blocks have this. */
struct history {
	struct history *next; /* of those not in use */
	uint8_t count[SECTORS];
	uint8_t bytes[KEPT][BLOCK];
};

/* What is visible and what is on the disk. Invariant: a sector that is not in `odd` has the same in both. */
struct block {
	uint64_t index;
	struct block *next, *all;
	struct history *history;
	uint8_t dirty; /* a bit for each sector: written since the last sync */
	bool hole;     /* punched and not written since */
	uint8_t odd;   /* dirty, or clean and yet not on the disk as it is seen */
	uint8_t seen[BLOCK], durable[BLOCK];
};

/* Sparse: blocks found through a hash. */
struct disk {
	uint64_t rng;
	struct block *buckets[BUCKETS], *all;
	struct history *histories;
	uint64_t size, durable_size;
	int64_t stop_after;
	bool stopped;
	struct disk_faults faults;
	uint64_t writes, syncs, written, reads;
	uint8_t *flat;
};

uint64_t disk_random(struct disk *d)
{
	d->rng ^= d->rng << 13;
	d->rng ^= d->rng >> 7;
	d->rng ^= d->rng << 17;
	return d->rng * 0x2545F4914F6CDD1D >> 16;
}

static bool chance(struct disk *d, unsigned per_mille)
{
	return per_mille > 0 && disk_random(d) % 1000 < per_mille;
}

struct disk *disk_new(uint64_t seed)
{
	struct disk *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->rng = seed * 0x9E3779B97F4A7C15 + 0x1234567;
	d->stop_after = -1;
	for (int i = 0; i < 4; i++)
		disk_random(d);
	return d;
}

void disk_free(struct disk *d)
{
	for (struct block *b = d->all, *next; b; b = next) {
		next = b->all;
		free(b->history);
		free(b);
	}
	for (struct history *h = d->histories, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	free(d->flat);
	free(d);
}

static struct block *block_at(struct disk *d, uint64_t offset, bool make)
{
	uint64_t index = offset / BLOCK;
	struct block **at = &d->buckets[index % BUCKETS];

	while (*at && (*at)->index != index)
		at = &(*at)->next;
	if (!*at && make) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			abort();
		(*at)->index = index;
		(*at)->all = d->all;
		d->all = *at;
	}
	return *at;
}

static void note(struct disk *d, struct block *b, unsigned k)
{
	struct history *h = b->history;
	unsigned at;

	if (!h) {
		h = d->histories;
		if (h)
			d->histories = h->next;
		else
			h = malloc(sizeof(*h));
		if (!h)
			abort();
		memset(h->count, 0, sizeof(h->count));
		b->history = h;
	}
	at = h->count[k] < KEPT ? h->count[k]++ : (unsigned)(disk_random(d) % KEPT);
	memcpy(h->bytes[at] + k * SECTOR, b->seen + k * SECTOR, SECTOR);
	b->dirty |= (uint8_t)(1 << k);
	b->odd |= (uint8_t)(1 << k);
}

/* Sector K counts as clean from now on; STANDS: what is seen is on the disk. */
static void clean(struct disk *d, struct block *b, unsigned k, bool stands)
{
	if (stands) {
		memcpy(b->durable + k * SECTOR, b->seen + k * SECTOR, SECTOR);
		b->odd &= (uint8_t)~(1 << k);
	}
	b->dirty &= (uint8_t)~(1 << k);
	if (b->history)
		b->history->count[k] = 0;
	if (!b->dirty && b->history) {
		b->history->next = d->histories;
		d->histories = b->history;
		b->history = NULL;
	}
}

/* One of the contents that sector K had since the last sync stands on the disk. */
static void keep_earlier(struct disk *d, struct block *b, unsigned k)
{
	if (b->history && b->history->count[k] > 0)
		memcpy(b->durable + k * SECTOR, b->history->bytes[disk_random(d) % b->history->count[k]] + k * SECTOR, SECTOR);
}

/* Each write and each sync is a point where the process may be gone. */
static bool tick(struct disk *d)
{
	if (d->stop_after >= 0 && d->stop_after-- == 0)
		d->stopped = true;
	return !d->stopped;
}

static void put(struct disk *d, const uint8_t *bytes, size_t len, uint64_t offset)
{
	while (len > 0) {
		struct block *b = block_at(d, offset, true);
		size_t at = offset % BLOCK, n = BLOCK - at < len ? BLOCK - at : len;

		memcpy(b->seen + at, bytes, n);
		b->hole = false;
		for (unsigned k = (unsigned)(at / SECTOR); k <= (at + n - 1) / SECTOR; k++)
			note(d, b, k);
		bytes += n;
		offset += n;
		len -= n;
	}
}

static ssize_t sim_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	struct disk *d = handle;
	int error = 0;

	if (d->stopped)
		return -EIO;
	d->writes++;
	if (!tick(d)) {
		/* Killed in the middle of the call. */
		len = disk_random(d) % (len + 1) / PIECE * PIECE;
		error = -EIO;
	} else if (chance(d, d->faults.fail_write)) {
		len = disk_random(d) % 2 ? 0 : disk_random(d) % len / PIECE * PIECE;
		error = disk_random(d) % 2 ? -ENOSPC : -EIO;
	} else if (chance(d, d->faults.odd_write)) {
		if (disk_random(d) % 2)
			return -EINTR;
		len = (disk_random(d) % len + PIECE - 1) / PIECE * PIECE;
		len = len ? len : PIECE;
	}
	put(d, bytes, len, offset);
	d->written += len;
	if (len > 0 && offset + len > d->size)
		d->size = offset + len;
	return error ? error : (ssize_t)len;
}

ssize_t disk_peek(struct disk *d, void *bytes, size_t len, uint64_t offset)
{
	uint8_t *to = bytes;

	if (offset >= d->size)
		return 0;
	if (len > d->size - offset)
		len = (size_t)(d->size - offset);
	for (size_t left = len; left > 0;) {
		struct block *b = block_at(d, offset, false);
		size_t at = offset % BLOCK, n = BLOCK - at < left ? BLOCK - at : left;

		if (b)
			memcpy(to, b->seen + at, n);
		else
			memset(to, 0, n);
		to += n;
		offset += n;
		left -= n;
	}
	return (ssize_t)len;
}

static ssize_t sim_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	struct disk *d = handle;

	if (d->stopped)
		return -EIO;
	d->reads++;
	if (chance(d, d->faults.odd_read)) {
		if (disk_random(d) % 2)
			return -EINTR;
		len = 1 + disk_random(d) % len;
	}
	return disk_peek(d, bytes, len, offset);
}

static void sync_all(struct disk *d)
{
	for (struct block *b = d->all; b; b = b->all)
		for (unsigned k = 0; b->dirty && k < SECTORS; k++)
			if (b->dirty & 1 << k)
				clean(d, b, k, true);
}

/* As after a failed fsync: what was dirty counts as clean, whatever became of it. */
static void half_sync(struct disk *d)
{
	for (struct block *b = d->all; b; b = b->all)
		for (unsigned k = 0; b->dirty && k < SECTORS; k++) {
			if (!(b->dirty & 1 << k))
				continue;
			if (disk_random(d) % 10 < 5)
				keep_earlier(d, b, k);
			clean(d, b, k, false);
		}
}

static int sim_sync(void *handle)
{
	struct disk *d = handle;

	if (d->stopped)
		return -EIO;
	d->syncs++;
	if (!tick(d))
		return -EIO;
	if (chance(d, d->faults.fail_sync)) {
		half_sync(d);
		if (disk_random(d) % 2)
			d->durable_size = d->size;
		return -EIO;
	}
	sync_all(d);
	d->durable_size = d->size;
	return 0;
}

static int sim_size(void *handle, uint64_t *ret_size)
{
	struct disk *d = handle;

	*ret_size = d->size;
	return d->stopped ? -EIO : 0;
}

static void zero_from(struct disk *d, uint64_t size)
{
	static const uint8_t zeros[BLOCK];

	for (struct block *b = d->all; b; b = b->all) {
		uint64_t at = b->index * BLOCK, from = at < size ? size - at : 0;

		if (from < BLOCK)
			put(d, zeros, (size_t)(BLOCK - from), at + from);
	}
}

static int sim_resize(void *handle, uint64_t size)
{
	struct disk *d = handle;

	if (d->stopped || !tick(d))
		return -EIO;
	if (chance(d, d->faults.fail_write))
		return -ENOSPC;
	if (size < d->size)
		zero_from(d, size);
	d->size = size;
	return 0;
}

static int sim_punch(void *handle, uint64_t offset, uint64_t len)
{
	static const uint8_t zeros[BLOCK];
	struct disk *d = handle;

	if (d->stopped || !tick(d))
		return -EIO;
	if (d->faults.cannot_punch)
		return -EOPNOTSUPP;
	if (chance(d, d->faults.fail_write))
		return -EIO;
	for (struct block *b = d->all; b; b = b->all)
		if (b->index * BLOCK >= offset && b->index * BLOCK - offset < len) {
			put(d, zeros, BLOCK, b->index * BLOCK);
			b->hole = true;
		}
	return 0;
}

static int sim_allocated(void *handle, uint64_t *ret_bytes)
{
	struct disk *d = handle;

	*ret_bytes = 0;
	for (struct block *b = d->all; b; b = b->all)
		*ret_bytes += !b->hole && b->index * BLOCK < d->size ? BLOCK : 0;
	return d->stopped ? -EIO : 0;
}

static void evict(struct disk *d, uint64_t end)
{
	for (struct block *b = d->all; b; b = b->all)
		for (unsigned k = 0; b->index < end / BLOCK && b->odd & ~b->dirty && k < SECTORS; k++)
			if (b->odd & ~b->dirty & 1 << k) {
				memcpy(b->seen + k * SECTOR, b->durable + k * SECTOR, SECTOR);
				b->odd &= (uint8_t)~(1 << k);
			}
}

void disk_evict(struct disk *d)
{
	evict(d, UINT64_MAX);
}

static int sim_drop_cache(void *handle, uint64_t len)
{
	struct disk *d = handle;

	if (d->stopped)
		return -EIO;
	evict(d, len);
	return 0;
}

const struct store_io disk_io = {
	.pread = sim_pread,
	.pwrite = sim_pwrite,
	.sync = sim_sync,
	.size = sim_size,
	.resize = sim_resize,
	.punch = sim_punch,
	.drop_cache = sim_drop_cache,
	.allocated = sim_allocated,
};

void disk_stop_after(struct disk *d, int64_t count)
{
	d->stop_after = count;
}

bool disk_is_stopped(const struct disk *d)
{
	return d->stopped;
}

/* Mostly whole pages are lost or kept, sometimes single sectors: both are tried. */
static void block_power(struct disk *d, struct block *b, unsigned kept)
{
	unsigned fate = (unsigned)(disk_random(d) % 100);
	bool torn = fate >= kept + (100 - kept) * 2 / 3;

	for (unsigned k = 0; k < SECTORS; k++) {
		if (!(b->dirty & 1 << k))
			continue;
		if (fate < kept)
			memcpy(b->durable + k * SECTOR, b->seen + k * SECTOR, SECTOR);
		else if (torn && disk_random(d) % 100 >= 35)
			keep_earlier(d, b, k);
	}
	memcpy(b->seen, b->durable, BLOCK);
	for (unsigned k = 0; k < SECTORS; k++)
		clean(d, b, k, true);
}

void disk_power(struct disk *d)
{
	/* Sometimes almost everything had been written: one piece that is missing among many is the hard case. */
	static const unsigned kept[] = {40, 40, 90, 98};
	unsigned mood = (unsigned)(disk_random(d) % 4);

	for (struct block *b = d->all; b; b = b->all)
		if (b->odd)
			block_power(d, b, kept[mood]);
	if (d->size != d->durable_size && disk_random(d) % 2)
		d->size = d->durable_size;
	/* What lies behind the end is gone. */
	for (struct block *b = d->all; b; b = b->all) {
		uint64_t at = b->index * BLOCK, from = at < d->size ? d->size - at : 0;

		if (from >= BLOCK)
			continue;
		memset(b->seen + from, 0, (size_t)(BLOCK - from));
		memset(b->durable + from, 0, (size_t)(BLOCK - from));
	}
	d->durable_size = d->size;
	disk_kill(d);
}

void disk_kill(struct disk *d)
{
	d->stopped = false;
	d->stop_after = -1;
}

void disk_write_back(struct disk *d)
{
	for (struct block *b = d->all; b; b = b->all)
		for (unsigned k = 0; b->dirty && k < SECTORS; k++)
			if (b->dirty & 1 << k && disk_random(d) % 10 < 3)
				clean(d, b, k, true);
}

void disk_set_faults(struct disk *d, const struct disk_faults *f)
{
	d->faults = *f;
}

uint8_t *disk_bytes(struct disk *d, uint64_t *ret_size)
{
	free(d->flat);
	d->flat = calloc(1, d->size + 1);
	if (!d->flat)
		abort();
	for (struct block *b = d->all; b; b = b->all) {
		uint64_t at = b->index * BLOCK;

		if (at < d->size)
			memcpy(d->flat + at, b->seen, d->size - at < BLOCK ? (size_t)(d->size - at) : BLOCK);
	}
	*ret_size = d->size;
	return d->flat;
}

void disk_set_size(struct disk *d, uint64_t size)
{
	if (size < d->size)
		zero_from(d, size);
	d->size = size;
}

uint64_t disk_writes(const struct disk *d)
{
	return d->writes;
}

uint64_t disk_syncs(const struct disk *d)
{
	return d->syncs;
}

uint64_t disk_written_bytes(const struct disk *d)
{
	return d->written;
}

uint64_t disk_reads(const struct disk *d)
{
	return d->reads;
}
