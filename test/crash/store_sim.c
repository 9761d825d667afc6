/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of the real store on the fake disk. At any write or sync the process is killed or the power goes; after
 * reopening the file must be exactly one committed version, whole, not older than the last durable one. No two versions that
 * were on the disk have the same sequence; and what another writer wrote meanwhile is not overwritten.
 *
 * Most lives use a quick stand-in for the cipher, so that the time goes into the store; one of eight uses the real one.
 *
 * store_sim SEED LIVES: prints what it did; 1 with the seed of the first life that broke a promise.
 * store_sim --expect-failure SEED LIVES: 0 only if some life breaks one: for builds with a rule taken out.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/random.h"
#include "crypt/store/slot.h"
#include "disk.h"
#include "quick_aead.h"

#define BLOCK    1024 /* the unit of the model's content */
#define VERSIONS 96
#define SIGHTED  256

/* Where things are written: inline, in the slot's own entries, and where the tree needs one and two levels more. */
static const uint64_t places[] = {0, 100 << 10, 200 << 10, 1 << 20, 3 << 20, UINT64_C(700) << 20};
#define PER_PLACE 16
#define STRIDE    5120 /* so that blocks are in chunks of their own, and some in two */
#define BLOCKS    (PER_PLACE * 6)

struct version {
	int64_t id;
	uint64_t size;
	uint8_t fill[BLOCKS]; /* each block is filled with one byte; 0: zeros */
};

/* A version that stood in a slot. */
struct sighting {
	uint8_t file_id[FORMAT_ID], tag[XAES_TAG_SIZE];
	uint64_t sequence;
};

struct life {
	struct disk *disk;
	struct store *store;
	struct store_env env;
	struct version now;            /* in memory */
	struct version line[VERSIONS]; /* what may be found, oldest first */
	unsigned count;
	unsigned durable;              /* the oldest in `line` that may be found */
	int64_t next_id;
	const char *broken;
	struct sighting sighted[SIGHTED];
	unsigned sightings;
	uint64_t cuts, commits, reopens, fallbacks, unrecognised, others;
	bool faults, wide;
	unsigned chunk_shift;
};

static uint8_t kek[32] = {7};
static struct store_key key = {.id = {1, 2, 3}, .kek = kek};

static uint64_t block_offset(unsigned b)
{
	return places[b / PER_PLACE] + (uint64_t)(b % PER_PLACE) * STRIDE;
}

/* Not from the kernel: the histories must be the same for the same seed, and many. */
static uint64_t nonce_state;
static int cheap_random(void *bytes, size_t len)
{
	uint8_t *p = bytes;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t x = nonce_state += 0x9E3779B97F4A7C15;

		x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
		x = (x ^ x >> 27) * 0x94D049BB133111EB;
		x ^= x >> 31;
		memcpy(p + i, &x, len - i < 8 ? len - i : 8);
	}
	return 0;
}

static void broke(struct life *l, const char *what)
{
	if (!l->broken)
		l->broken = what;
}

static void add_version(struct life *l)
{
	if (l->count == VERSIONS) {
		/* Those before the durable one cannot be asked for. */
		unsigned cut = l->durable ? l->durable : 1;

		memmove(l->line, l->line + cut, (l->count - cut) * sizeof(l->line[0]));
		l->count -= cut;
		l->durable -= l->durable ? cut : 0;
	}
	l->line[l->count++] = l->now;
}

/* The content of the open store is that of V. */
static bool is_version(struct life *l, const struct version *v)
{
	uint8_t bytes[BLOCK], want[BLOCK];

	if (store_size(l->store) != v->size)
		return false;
	for (unsigned b = 0; b < BLOCKS; b++) {
		uint64_t at = block_offset(b), n = at >= v->size ? 0 : v->size - at < BLOCK ? v->size - at : BLOCK;
		ssize_t got = store_read(l->store, bytes, BLOCK, at);

		memset(want, v->fill[b], sizeof(want));
		if (got != (ssize_t)n || memcmp(bytes, want, n) != 0)
			return false;
	}
	return true;
}

static void sight(struct life *l, const struct sighting *found, bool keep)
{
	unsigned n = l->sightings < SIGHTED ? l->sightings : SIGHTED;

	for (unsigned i = 0; i < n; i++) {
		const struct sighting *s = &l->sighted[i];

		if (s->sequence != found->sequence || memcmp(s->file_id, found->file_id, FORMAT_ID) != 0)
			continue;
		if (memcmp(s->tag, found->tag, sizeof(s->tag)) != 0)
			broke(l, "two versions with the same sequence");
		return;
	}
	if (keep)
		l->sighted[l->sightings++ % SIGHTED] = *found;
}

/*
 * Both slots, as somebody sees them who copies the file now: the freshness record stands on their numbers. KEEP: they are on
 * the disk. (What was in the page cache only and is lost without a trace has a number that is given again.)
 */
static void look(struct life *l, bool keep)
{
	static struct meta meta;
	static uint8_t inline_bytes[FORMAT_MAX_SLOT];
	uint8_t bytes[FORMAT_MAX_SLOT];

	for (int i = 0; i < 2 && !l->store->is_new; i++) {
		uint64_t size = slot_size(l->store);
		struct head head;
		struct sighting found;

		if (disk_peek(l->disk, bytes, size, (uint64_t)i * size) != (ssize_t)size || head_decode(bytes, &head) < 0 ||
		    memcmp(head.file_id, l->store->head.file_id, FORMAT_ID) != 0 ||
		    slot_open(l->store->xaes, &head, i, bytes, &meta, inline_bytes) < 0)
			continue;
		memcpy(found.file_id, head.file_id, FORMAT_ID);
		found.sequence = meta.sequence;
		slot_tag(bytes, found.tag);
		sight(l, &found, keep);
	}
}

static void reopen(struct life *l)
{
	struct store_layout layout = {.chunk_shift = (uint8_t)l->chunk_shift, .just_made = l->reopens == 0 && l->chunk_shift == 12};
	struct store_info info;
	struct store_time m, c;
	unsigned i;
	int r;

	store_free(l->store);
	l->store = NULL;
	l->reopens++;
	do
		r = store_open(&l->env, STORE_WRITE, &layout, &l->store);
	while (r == -EIO && l->faults);
	if (r == -ENODATA && l->durable == 0 && l->line[0].id == 0) {
		/* Never synced, and the disk kept data but not the slot: refused, since it might be a plain file. It is removed. */
		disk_set_size(l->disk, 0);
		l->unrecognised++;
		r = store_open(&l->env, STORE_WRITE, &layout, &l->store);
	}
	if (r < 0) {
		static char text[64];

		snprintf(text, sizeof(text), "cannot be opened: %s", strerror(-r));
		broke(l, text);
		return;
	}
	store_get_info(l->store, &info);
	l->fallbacks += info.fell_back;
	store_get_times(l->store, &m, &c);
	for (i = l->count; i-- > 0;)
		if (l->line[i].id == m.sec)
			break;
	if (i == UINT32_MAX) {
		broke(l, "a version that was never committed");
		return;
	}
	if (i < l->durable)
		broke(l, "older than the last durable version");
	if (!is_version(l, &l->line[i]))
		broke(l, "not whole");
	/* What came later can never come back. */
	l->count = i + 1;
	l->now = l->line[i];
	look(l, true);
}

/* All blocks of a place at once: whole chunks are encrypted without being kept in memory. */
static bool change_place(struct life *l, unsigned place)
{
	static uint8_t bytes[PER_PLACE * STRIDE];
	unsigned first = place * PER_PLACE;
	uint64_t end = block_offset(first) + sizeof(bytes);

	for (unsigned i = 0; i < PER_PLACE; i++)
		memset(bytes + (size_t)i * STRIDE, (int)(1 + disk_random(l->disk) % 255), STRIDE);
	if (store_write(l->store, bytes, sizeof(bytes), block_offset(first)) < 0) {
		broke(l, disk_is_stopped(l->disk) || l->faults ? NULL : "a write failed");
		return false;
	}
	for (unsigned i = 0; i < PER_PLACE; i++)
		l->now.fill[first + i] = bytes[(size_t)i * STRIDE];
	if (end > l->now.size)
		l->now.size = end;
	return true;
}

/* False: refused, and what is in memory is not known any more. */
static bool change(struct life *l)
{
	unsigned kind = (unsigned)(disk_random(l->disk) % 12), b = (unsigned)(disk_random(l->disk) % BLOCKS);
	uint8_t bytes[BLOCK];

	if (!l->wide && disk_random(l->disk) % 3)
		b %= 6; /* mostly small files */
	else if (disk_random(l->disk) % 40 == 0)
		return change_place(l, b / PER_PLACE);
	if (kind < 9 || (l->wide && disk_random(l->disk) % 60)) {
		uint8_t fill = (uint8_t)(1 + disk_random(l->disk) % 255);

		memset(bytes, fill, sizeof(bytes));
		/* The block stands whole in the model from now on: nobody cares for it if this fails. */
		if (store_write(l->store, bytes, BLOCK, block_offset(b)) < 0) {
			broke(l, disk_is_stopped(l->disk) || l->faults ? NULL : "a write failed");
			return false;
		}
		l->now.fill[b] = fill;
		if (block_offset(b) + BLOCK > l->now.size)
			l->now.size = block_offset(b) + BLOCK;
	} else {
		/* Cut or grow at the edge of a block. */
		uint64_t size = disk_random(l->disk) % 4 ? block_offset(b) : 0;

		if (store_truncate(l->store, size) < 0) {
			broke(l, disk_is_stopped(l->disk) || l->faults ? NULL : "a truncation failed");
			return false;
		}
		for (unsigned i = 0; i < BLOCKS; i++)
			if (block_offset(i) >= size)
				l->now.fill[i] = 0;
		l->now.size = size;
	}
	return true;
}

/* Returns false when the state in memory is not known any more: the process gives up, as on an error of its own. */
static bool commit(struct life *l, bool durable)
{
	struct store_time t;
	int r;

	l->now.id = l->next_id++;
	t = (struct store_time){.sec = l->now.id};
	if (store_set_times(l->store, &t, &t) < 0) {
		broke(l, "times could not be set");
		return false;
	}
	add_version(l); /* from now on it may be found */
	r = store_commit(l->store, durable);
	l->commits++;
	if (r == 0 && durable)
		l->durable = l->count - 1;
	if (r < 0 && !disk_is_stopped(l->disk) && !l->faults)
		broke(l, "a commit failed");
	look(l, r == 0 && durable);
	return r == 0;
}

static void crash(struct life *l)
{
	if (disk_random(l->disk) % 10 < 4)
		disk_kill(l->disk);
	else
		disk_power(l->disk);
	l->cuts++;
	reopen(l);
}

/* Somebody who knows of no locks makes a version while we have the file open: ours must not replace it. */
static void other_writer(struct life *l)
{
	struct store *ours = l->store;
	struct store_time t = {.sec = -1};
	bool known = true, written;

	l->store = NULL;
	reopen(l);
	if (l->broken) {
		store_free(ours);
		return;
	}
	for (int i = 0; i < 3 && known; i++)
		known = change(l);
	written = known && commit(l, true);
	if (written && disk_random(l->disk) % 2)
		store_seal(l->store);
	if (written && store_set_times(ours, &t, &t) == 0 && store_commit(ours, disk_random(l->disk) % 2) == 0)
		broke(l, "another writer's version was overwritten");
	l->others += written;
	store_free(ours);
	reopen(l);
}

static void step(struct life *l)
{
	unsigned event = (unsigned)(disk_random(l->disk) % 100), n = 1 + (unsigned)(disk_random(l->disk) % 4);
	bool cut = event >= 66;

	l->wide = disk_random(l->disk) % 8 == 0;
	if (l->wide)
		n = 150; /* more than a slot can name */
	if (cut)
		disk_stop_after(l->disk, (int64_t)(disk_random(l->disk) % (n > 10 ? 250 : 12)));
	if (event < 50 || cut) {
		bool ok = true;

		bool known = true;

		for (unsigned i = 0; i < n && known && !l->broken; i++)
			known = change(l);
		if (known && !l->broken && !disk_is_stopped(l->disk))
			ok = commit(l, disk_random(l->disk) % 10 < 7);
		if (!cut && !l->broken && (!known || (!ok && disk_random(l->disk) % 2)))
			reopen(l); /* gives up and starts again */
		if (cut && !l->broken) {
			crash(l);
		}
	} else if (event < 58) {
		store_seal(l->store);
		reopen(l);
	} else if (event < 60) {
		/* Moves pages and cuts the end: the same version, at any moment. */
		bool stops = disk_random(l->disk) % 2;
		int r;

		if (store_is_dirty(l->store) || !commit(l, true))
			return;
		if (stops)
			disk_stop_after(l->disk, (int64_t)(disk_random(l->disk) % 20));
		r = store_compact(l->store);
		if (r < 0 && !stops && !l->faults)
			broke(l, "a compaction failed");
		if (stops)
			crash(l);
	} else if (event < 61) {
		other_writer(l);
	} else if (event < 63) {
		disk_write_back(l->disk);
	} else {
		disk_evict(l->disk);
	}
}

static const char *live(uint64_t seed, struct life *total)
{
	static const unsigned shifts[] = {12, 14};
	struct life *l = calloc(1, sizeof(*l));
	static const struct disk_faults none, some = {.fail_sync = 60, .fail_write = 4, .odd_write = 20, .odd_read = 10};
	static const struct disk_faults no_punch = {.cannot_punch = true};
	const char *broken;

	if (!l)
		abort();
	nonce_state = seed;
	l->disk = disk_new(seed);
	l->env = (struct store_env){.io = &disk_io, .handle = l->disk, .provider = seed % 8 ? &quick_aead : &aead_openssl, .random = cheap_random,
				    .keys = &key, .key_count = 1};
	l->chunk_shift = shifts[seed % 2];
	l->faults = seed % 3 == 0;
	l->next_id = 1;
	add_version(l); /* the empty file */
	disk_set_faults(l->disk, l->faults ? &some : seed % 5 ? &none : &no_punch);
	reopen(l);
	for (int i = 0; i < 40 && !l->broken; i++)
		step(l);
	broken = l->broken;
	total->cuts += l->cuts;
	total->commits += l->commits;
	total->reopens += l->reopens;
	total->fallbacks += l->fallbacks;
	total->unrecognised += l->unrecognised;
	total->others += l->others;
	store_free(l->store);
	disk_free(l->disk);
	free(l);
	return broken;
}

int main(int argc, char **argv)
{
	bool expect = argc > 1 && strcmp(argv[1], "--expect-failure") == 0;
	uint64_t seed, lives;
	struct life total = {0};

	if (argc != 3 + expect) {
		fprintf(stderr, "usage: store_sim [--expect-failure] SEED LIVES\n");
		return 2;
	}
	seed = strtoull(argv[1 + expect], NULL, 0);
	lives = strtoull(argv[2 + expect], NULL, 0);
	/* What one life gives back the next one takes: not through the kernel. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	for (uint64_t i = 0; i < lives; i++) {
		const char *broken = live(seed + i, &total);

		if (!broken)
			continue;
		printf("seed %llu: %s\n", (unsigned long long)(seed + i), broken);
		return expect ? 0 : 1;
	}
	printf("%llu lives, %llu cuts, %llu commits, %llu reopens, %llu fell back, %llu not recognised, %llu of others: %s\n",
	       (unsigned long long)lives,
	       (unsigned long long)total.cuts, (unsigned long long)total.commits, (unsigned long long)total.reopens,
	       (unsigned long long)total.fallbacks,
	       (unsigned long long)total.unrecognised, (unsigned long long)total.others, expect ? "nothing broke, but something should have" : "all promises kept");
	return expect;
}
