/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One range of addresses is set aside; slabs of it become memory when they are needed: memfd_secret(2) where the kernel has
 * it, else anonymous pages under mlock(2) with MADV_DONTDUMP. A page without access lies behind each slab. A slab is cut
 * into units of 64 bytes; what stands where is kept outside.
 */
#include "crypt/secret.h"

#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define UNIT    64
#define UNITS   256 /* of a slab: 16 KiB, so that little is locked where RLIMIT_MEMLOCK is small */
#define SLAB    ((size_t)UNIT * UNITS)
#define STRIDE  (SLAB + 4096)
#define SLABS   512 /* 8 MiB, which is what most machines allow */

/* Invariant: `taken[i]` is the length in units of the piece that starts at unit i; 0 within a piece, and where none is. */
struct slab {
	uint16_t taken[UNITS];
	uint16_t left;
};

static struct slab slabs[SLABS];
static uint32_t slab_count, slab_hint;
static uint32_t first_own; /* those before are the parent's, and not there */
static uint8_t *range;
static uint8_t *mark; /* a page that a fork wipes: 0 in a child that does not know yet that it is one */
static bool refused;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The first place that is long enough. */
static void *take(unsigned index, unsigned units)
{
	struct slab *s = &slabs[index];
	unsigned run = 0;

	for (unsigned i = 0; s->left >= units && i < UNITS;) {
		if (s->taken[i]) {
			i += s->taken[i];
			run = 0;
			continue;
		}
		i++;
		if (++run < units)
			continue;
		s->taken[i - units] = (uint16_t)units;
		s->left -= (uint16_t)units;
		return range + index * STRIDE + (size_t)(i - units) * UNIT;
	}
	return NULL;
}

static bool map_secret(uint8_t *at, size_t size)
{
#ifdef SYS_memfd_secret
	_cleanup_close_ int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	return fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
	       mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
#else
	(void)at, (void)size;
	return false;
#endif
}

static bool map_locked(uint8_t *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED &&
	       mlock(at, size) == 0 && madvise(at, size, MADV_DONTDUMP) == 0;
}

/* Pages that were set aside become memory. A child of a fork has none of it: it would be the same, or not locked. */
static bool map_pages(uint8_t *at, size_t size)
{
	if ((map_secret(at, size) || map_locked(at, size)) && madvise(at, size, MADV_DONTFORK) == 0)
		return true;
	__atomic_store_n(&refused, true, __ATOMIC_RELAXED);
	mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return false;
}

static bool set_aside(void)
{
	void *all = mmap(NULL, SLABS * STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED || page == MAP_FAILED || madvise(page, 4096, MADV_WIPEONFORK) < 0)
		return false; /* what was mapped stays: this happens once */
	mark = page;
	*mark = 1;
	__atomic_store_n(&range, all, __ATOMIC_RELEASE);
	return true;
}

/* One more slab. */
static bool make_slab(void)
{
	uint8_t *at;

	if ((!range && !set_aside()) || slab_count == SLABS)
		return false;
	at = range + slab_count * STRIDE;
	if (!map_pages(at, SLAB))
		return false;
	slabs[slab_count++] = (struct slab){.left = UNITS};
	return true;
}

/* In a child the slabs of the parent are not there. Their places stay taken: what stood in them may still be released. */
static void after_fork(void)
{
	if (!range || *mark)
		return;
	for (uint32_t i = first_own; i < slab_count; i++)
		slabs[i].left = 0;
	first_own = slab_count;
	*mark = 1;
}

void *secret_alloc(size_t size)
{
	unsigned units = (unsigned)((size + UNIT - 1) / UNIT);
	void *found = NULL;

	if (size == 0 || size > SLAB)
		return NULL;
	pthread_mutex_lock(&lock);
	after_fork();
	for (uint32_t i = 0; i < slab_count && !found; i++) {
		uint32_t index = (slab_hint + i) % slab_count;

		found = take(index, units);
		if (found)
			slab_hint = index;
	}
	if (!found && make_slab()) {
		slab_hint = slab_count - 1;
		found = take(slab_hint, units);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

size_t secret_size(const void *pointer)
{
	const uint8_t *p = pointer, *start = __atomic_load_n(&range, __ATOMIC_ACQUIRE);

	if (!start || p < start || p >= start + SLABS * STRIDE)
		return 0;
	return (size_t)slabs[(size_t)(p - start) / STRIDE].taken[(size_t)(p - start) % STRIDE / UNIT] * UNIT;
}

void secret_free(void *pointer, size_t size)
{
	size_t at, units;
	struct slab *s;

	if (!pointer)
		return;
	(void)size;
	pthread_mutex_lock(&lock);
	after_fork();
	units = secret_size(pointer) / UNIT;
	at = units > 0 ? (size_t)((uint8_t *)pointer - range) : 0;
	if (units > 0 && at / STRIDE >= first_own) {
		s = &slabs[at / STRIDE];
		at = at % STRIDE / UNIT;
		sodium_memzero(pointer, units * UNIT);
		s->taken[at] = 0;
		s->left += (uint16_t)units;
	}
	pthread_mutex_unlock(&lock);
}

/* With the page behind it, and one before. */
static size_t whole_pages(size_t size)
{
	return (size + 4095) / 4096 * 4096;
}

void *secret_map(size_t size)
{
	size_t len = whole_pages(size);
	uint8_t *all;

	if (size == 0 || size > 1 << 30)
		return NULL;
	all = mmap(NULL, len + 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	if (map_pages(all + 4096, len))
		return all + 4096;
	munmap(all, len + 2 * 4096);
	return NULL;
}

void secret_unmap(void *pointer, size_t size)
{
	size_t len = whole_pages(size);

	if (!pointer)
		return;
	sodium_memzero(pointer, len);
	munmap((uint8_t *)pointer - 4096, len + 2 * 4096);
}

bool secret_was_refused(void)
{
	return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}

void secret_wipe(void *pointer, size_t size)
{
	sodium_memzero(pointer, size);
}
