/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/seal.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MSEAL_NUMBER 462 /* the same on every architecture; older headers do not name it */

#define COMMIT_STEP ((size_t)256 << 10)
#define ALIGNMENT ((size_t)16)

int arena_new(struct arena *ret)
{
	/* Only address space: a smaller one serves where RLIMIT_AS is tight. */
	static const size_t sizes[] = {(size_t)1 << 30, (size_t)256 << 20, (size_t)32 << 20};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		void *base = mmap(NULL, sizes[i], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			continue;
		*ret = (struct arena){.base = base, .reserved = sizes[i]};
		return 0;
	}
	return -ENOMEM;
}

void arena_free(struct arena *arena)
{
	if (arena->base)
		munmap(arena->base, arena->reserved);
	*arena = (struct arena){0};
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > arena->reserved)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (size > arena->reserved - arena->used)
		return NULL;
	if (arena->used + size > arena->committed) {
		size_t more = arena->used + size - arena->committed;
		more = (more + COMMIT_STEP - 1) / COMMIT_STEP * COMMIT_STEP;
		if (more > arena->reserved - arena->committed)
			more = arena->reserved - arena->committed;
		if (mprotect(arena->base + arena->committed, more, PROT_READ | PROT_WRITE) < 0)
			return NULL;
		arena->committed += more;
	}
	void *memory = arena->base + arena->used;
	arena->used += size;
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);
	if (copy)
		memcpy(copy, text, len);
	return copy;
}

int arena_seal(struct arena *arena, bool with_mseal)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t keep = (arena->used + page - 1) / page * page;

	if (keep < arena->reserved && munmap(arena->base + keep, arena->reserved - keep) < 0)
		return -errno;
	arena->reserved = arena->committed = keep;
	arena->used = keep; /* nothing more fits */
	char *base = arena->base;
	if (mprotect(base, keep, PROT_READ) < 0)
		return -errno;
	/* What an older kernel, a filter or a 32-bit one cannot do is no failure: the memory is read-only already. */
	if (with_mseal && syscall(MSEAL_NUMBER, base, keep, 0) < 0 && errno != ENOSYS && errno != EPERM)
		return -errno;
	return 0;
}
