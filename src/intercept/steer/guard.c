/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/steer/guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define WORDS ((GUARD_SLOTS + 63) / 64)

struct guard {
	int read_fd;
	unsigned char *memory; /* our writable mapping, made before the seal */
	uint64_t dev, ino;
	pthread_mutex_t lock;
	pthread_cond_t released;
	uint64_t used[WORDS]; /* by lock */
};

static int sealed_memfd(void)
{
	/* Mapping it executable asks the mount, not the mode; NOEXEC_SEAL passes vm.memfd_noexec=2 as well. */
	int fd = memfd_create("scrim-guard", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("scrim-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/*
 * A call of ours stops at its first instruction, for the tracer. When something else answered it (a filter of the
 * caller's own) the thread comes to the gate with the answer in r15.
 */
static void write_code(unsigned char *memory)
{
	static const unsigned char code[] = {
		/* GUARD_CALL */
		0x0f, 0x05,				    /* syscall */
		0x49, 0x89, 0xc7,			    /* mov %rax,%r15 */
		0xb8, GUARD_GATE_CALL, 0x00, 0x00, 0x00,    /* gate: mov $GUARD_GATE_CALL,%eax */
		0x0f, 0x05,				    /* syscall */
		0x0f, 0x0b,				    /* ud2 */
		0x90, 0x90,
		/* GUARD_SETTLE */
		0x48, 0xc7, 0x44, 0x24, 0xf8, 0x00, 0x00, 0x00, 0x00, /* movq $0,-8(%rsp) */
		0x89, 0xdf,				    /* mov %ebx,%edi */
		0xb8, SYS_close, 0x00, 0x00, 0x00,	    /* mov $SYS_close,%eax */
		0x0f, 0x05,				    /* syscall */
		0xbf, PR_SET_NAME, 0x00, 0x00, 0x00,	    /* mov $PR_SET_NAME,%edi */
		0x48, 0x89, 0xee,			    /* mov %rbp,%rsi */
		0xb8, SYS_prctl, 0x00, 0x00, 0x00,	    /* mov $SYS_prctl,%eax */
		0x0f, 0x05,				    /* syscall */
		0xeb, (unsigned char)(5 - 51),		    /* jmp gate: from the end, which is at 51, to 5 */
	};
	_Static_assert(sizeof(code) == 51, "the jump to the gate");
	memcpy(memory, code, sizeof(code));
}

int guard_new(struct guard **ret)
{
	_cleanup_close_ int fd = sealed_memfd();
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)GUARD_BYTES) < 0)
		return -errno;
	_cleanup_free_ struct guard *guard = calloc(1, sizeof(*guard));
	if (!guard)
		return -ENOMEM;

	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	_cleanup_close_ int read_fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (read_fd < 0 || fstat(read_fd, &st) < 0)
		return -errno;

	void *memory = mmap(NULL, GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int error = -errno;
		munmap(memory, GUARD_BYTES);
		return error;
	}
	write_code(memory);

	pthread_mutex_init(&guard->lock, NULL);
	pthread_cond_init(&guard->released, NULL);
	guard->memory = memory;
	guard->dev = st.st_dev;
	guard->ino = st.st_ino;
	guard->read_fd = steal_fd(&read_fd);
	*ret = TAKE_PTR(guard);
	return 0;
}

struct guard *guard_free(struct guard *guard)
{
	if (!guard)
		return NULL;
	munmap(guard->memory, GUARD_BYTES);
	safe_close(guard->read_fd);
	pthread_cond_destroy(&guard->released);
	pthread_mutex_destroy(&guard->lock);
	free(guard);
	return NULL;
}

int guard_fd(const struct guard *guard)
{
	return guard->read_fd;
}

void guard_identity(const struct guard *guard, uint64_t *ret_dev, uint64_t *ret_ino)
{
	*ret_dev = guard->dev;
	*ret_ino = guard->ino;
}

int guard_map_self(const struct guard *guard)
{
	long at = syscall(SYS_mmap, GUARD_ADDRESS, GUARD_BYTES, PROT_READ | PROT_EXEC,
			  MAP_SHARED | MAP_FIXED_NOREPLACE, guard->read_fd, 0L);
	if (at < 0)
		return -errno;
	if ((unsigned long)at != GUARD_ADDRESS) /* a kernel that does not know NOREPLACE took it for a hint */
		return -EEXIST;
	return 0;
}

unsigned guard_take_slot(struct guard *guard)
{
	pthread_mutex_lock(&guard->lock);
	for (;;) {
		for (unsigned w = 0; w < WORDS; w++) {
			uint64_t unused = ~guard->used[w];
			if (!unused)
				continue;
			unsigned slot = w * 64 + (unsigned)__builtin_ctzll(unused);
			if (slot >= GUARD_SLOTS)
				break;
			guard->used[w] |= 1ull << (slot % 64);
			pthread_mutex_unlock(&guard->lock);
			return slot;
		}
		pthread_cond_wait(&guard->released, &guard->lock);
	}
}

void guard_release_slot(struct guard *guard, unsigned slot)
{
	pthread_mutex_lock(&guard->lock);
	guard->used[slot / 64] &= ~(1ull << (slot % 64));
	pthread_cond_signal(&guard->released);
	pthread_mutex_unlock(&guard->lock);
}

uint64_t guard_write_slot(struct guard *guard, unsigned slot, const void *bytes, size_t len)
{
	size_t offset = GUARD_CODE_BYTES + slot * GUARD_SLOT_BYTES;
	memcpy(guard->memory + offset, bytes, len < GUARD_SLOT_BYTES ? len : GUARD_SLOT_BYTES);
	return GUARD_ADDRESS + offset;
}

