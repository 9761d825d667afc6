/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define PIECE  64 /* a transfer that is cut ends at a multiple of this */
#define KEPT   6 /* contents of one sector since the last sync that may still appear */

/* A sector: what is visible, what is on the disk, and what was written since the last sync. */
struct sector {
	bool used, dirty;
	unsigned kept;
	uint8_t seen[SECTOR], durable[SECTOR], since[KEPT][SECTOR];
};

/* Sparse: sectors in pages of 4 KiB, found through a hash. */
struct block {
	uint64_t index;
	struct block *next;
	struct sector sectors[8];
};

struct disk {
	uint64_t rng;
	struct block *buckets[4096];
	uint64_t size, durable_size;
	int64_t stop_after;
	bool stopped;
	struct disk_faults faults;
	uint64_t writes, syncs, written;
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
	for (size_t i = 0; i < 4096; i++)
		for (struct block *b = d->buckets[i], *next; b; b = next) {
			next = b->next;
			free(b);
		}
	free(d->flat);
	free(d);
}

static struct sector *sector_at(struct disk *d, uint64_t offset, bool make)
{
	uint64_t index = offset / 4096;
	struct block **at = &d->buckets[index % 4096];

	while (*at && (*at)->index != index)
		at = &(*at)->next;
	if (!*at) {
		if (!make)
			return NULL;
		*at = calloc(1, sizeof(**at));
		if (!*at)
			abort();
		(*at)->index = index;
	}
	return &(*at)->sectors[offset / SECTOR % 8];
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
		struct sector *s = sector_at(d, offset, true);
		size_t at = offset % SECTOR, n = SECTOR - at < len ? SECTOR - at : len;

		memcpy(s->seen + at, bytes, n);
		memcpy(s->since[s->kept < KEPT ? s->kept++ : (unsigned)(disk_random(d) % KEPT)], s->seen, SECTOR);
		s->used = s->dirty = true;
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

static ssize_t sim_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	struct disk *d = handle;
	uint8_t *to = bytes;

	if (d->stopped)
		return -EIO;
	if (offset >= d->size)
		return 0;
	if (len > d->size - offset)
		len = (size_t)(d->size - offset);
	for (size_t left = len; left > 0;) {
		struct sector *s = sector_at(d, offset, false);
		size_t at = offset % SECTOR, n = SECTOR - at < left ? SECTOR - at : left;

		if (s)
			memcpy(to, s->seen + at, n);
		else
			memset(to, 0, n);
		to += n;
		offset += n;
		left -= n;
	}
	return (ssize_t)len;
}

static void each_sector(struct disk *d, void (*f)(struct disk *d, struct sector *s))
{
	for (size_t i = 0; i < 4096; i++)
		for (struct block *b = d->buckets[i]; b; b = b->next)
			for (int k = 0; k < 8; k++)
				if (b->sectors[k].used)
					f(d, &b->sectors[k]);
}

static void sector_synced(struct disk *d, struct sector *s)
{
	(void)d;
	if (s->dirty)
		memcpy(s->durable, s->seen, SECTOR);
	s->dirty = false;
	s->kept = 0;
}

/* As after a failed fsync: the page counts as clean, whatever became of it. */
static void sector_half_synced(struct disk *d, struct sector *s)
{
	if (s->dirty && s->kept > 0 && disk_random(d) % 10 < 5)
		memcpy(s->durable, s->since[disk_random(d) % s->kept], SECTOR);
	s->dirty = false;
	s->kept = 0;
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
		each_sector(d, sector_half_synced);
		if (disk_random(d) % 2)
			d->durable_size = d->size;
		return -EIO;
	}
	each_sector(d, sector_synced);
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
	static const uint8_t zeros[SECTOR];

	for (size_t i = 0; i < 4096; i++)
		for (struct block *b = d->buckets[i]; b; b = b->next)
			for (unsigned k = 0; k < 8; k++) {
				uint64_t at = b->index * 4096 + k * SECTOR;

				if (b->sectors[k].used && at + SECTOR > size)
					put(d, zeros, at < size ? (size_t)(at + SECTOR - size) : SECTOR, at < size ? size : at);
			}
}

static int sim_resize(void *handle, uint64_t size)
{
	struct disk *d = handle;

	if (d->stopped || !tick(d))
		return -EIO;
	if (size < d->size)
		zero_from(d, size);
	d->size = size;
	return 0;
}

static int sim_punch(void *handle, uint64_t offset, uint64_t len)
{
	static const uint8_t zeros[SECTOR];
	struct disk *d = handle;

	if (d->stopped || !tick(d))
		return -EIO;
	for (uint64_t at = offset; at < offset + len; at += SECTOR)
		if (sector_at(d, at, false))
			put(d, zeros, SECTOR, at);
	return 0;
}

static int sim_drop_cache(void *handle)
{
	struct disk *d = handle;

	if (d->stopped)
		return -EIO;
	disk_evict(d);
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
};

void disk_stop_after(struct disk *d, int64_t count)
{
	d->stop_after = count;
}

bool disk_is_stopped(const struct disk *d)
{
	return d->stopped;
}

static void sector_power(struct disk *d, struct sector *s)
{
	if (s->dirty && s->kept > 0 && disk_random(d) % 100 >= 35)
		memcpy(s->durable, s->since[disk_random(d) % s->kept], SECTOR);
	memcpy(s->seen, s->durable, SECTOR);
	s->dirty = false;
	s->kept = 0;
}

/* Mostly whole pages are lost or kept, sometimes single sectors: both are tried. */
static void block_power(struct disk *d, struct block *b, unsigned kept)
{
	unsigned fate = (unsigned)(disk_random(d) % 100);

	for (int k = 0; k < 8; k++) {
		struct sector *s = &b->sectors[k];

		if (!s->used)
			continue;
		if (fate < kept && s->dirty) {
			memcpy(s->durable, s->seen, SECTOR); /* kept */
		} else if (fate >= kept + (100 - kept) * 2 / 3) {
			sector_power(d, s); /* torn */
			continue;
		}
		memcpy(s->seen, s->durable, SECTOR);
		s->dirty = false;
		s->kept = 0;
	}
}

void disk_power(struct disk *d)
{
	/* Sometimes almost everything had been written: one piece that is missing among many is the hard case. */
	static const unsigned kept[] = {40, 40, 90, 98};
	unsigned mood = (unsigned)(disk_random(d) % 4);

	for (size_t i = 0; i < 4096; i++)
		for (struct block *b = d->buckets[i]; b; b = b->next)
			block_power(d, b, kept[mood]);
	if (d->size != d->durable_size && disk_random(d) % 2)
		d->size = d->durable_size;
	/* What lies behind the end is gone. */
	for (size_t i = 0; i < 4096; i++)
		for (struct block *b = d->buckets[i]; b; b = b->next)
			for (unsigned k = 0; k < 8; k++) {
				uint64_t at = b->index * 4096 + k * SECTOR;

				if (at + SECTOR <= d->size)
					continue;
				memset(b->sectors[k].seen + (at < d->size ? d->size - at : 0), 0,
				       at < d->size ? at + SECTOR - d->size : SECTOR);
				memcpy(b->sectors[k].durable, b->sectors[k].seen, SECTOR);
			}
	d->durable_size = d->size;
	disk_kill(d);
}

void disk_kill(struct disk *d)
{
	d->stopped = false;
	d->stop_after = -1;
}

static void sector_write_back(struct disk *d, struct sector *s)
{
	if (s->dirty && disk_random(d) % 10 < 3) {
		memcpy(s->durable, s->seen, SECTOR);
		s->dirty = false;
		s->kept = 0;
	}
}

void disk_write_back(struct disk *d)
{
	each_sector(d, sector_write_back);
}

static void sector_evict(struct disk *d, struct sector *s)
{
	(void)d;
	if (!s->dirty)
		memcpy(s->seen, s->durable, SECTOR);
}

void disk_evict(struct disk *d)
{
	each_sector(d, sector_evict);
}

void disk_set_faults(struct disk *d, const struct disk_faults *f)
{
	d->faults = *f;
}

uint8_t *disk_bytes(struct disk *d, uint64_t *ret_size)
{
	free(d->flat);
	d->flat = calloc(1, d->size + 1);
	if (!d->flat || sim_pread(d, d->flat, d->size, 0) < 0)
		abort();
	*ret_size = d->size;
	return d->flat;
}

void disk_set_size(struct disk *d, uint64_t size)
{
	sim_resize(d, size);
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
