/* SPDX-License-Identifier: Apache-2.0 */
/* A file that may be ELF: read from memory, and from a descriptor with more or less of its head, it must be the same. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void put(int fd, const uint8_t *data, size_t size)
{
	require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
}

static bool same(const struct elf_info *a, const struct elf_info *b)
{
	return a->has_interp == b->has_interp && (!a->has_interp || strcmp(a->interp, b->interp) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static struct elf_info whole, read, part;
	/* The kernel has so much of it before it looks (BINPRM_BUF_SIZE). */
	size_t head_min = size < 256 ? size : 256;
	size_t head_len = size ? head_min + data[size - 1] * (size - head_min) / 256 : 0;
	/* Of their own size, so that a byte too far is seen. */
	unsigned char *file = malloc(size + !size), *head = malloc(head_len + !head_len);

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	put(fd, data, size);
	if (size) {
		memcpy(file, data, size);
		memcpy(head, data, head_len);
	}
	int error = elf_parse(file, size, &whole);
	require(error == 0 || error == -ENOEXEC || error == -EINVAL || error == -EIO);
	require(elf_read(fd, &read) == error && (error || same(&whole, &read)));
	require(elf_read_head(fd, head, head_len, &part) == error && (error || same(&whole, &part)));
	require(error || !whole.has_interp || memchr(whole.interp, 0, sizeof(whole.interp)));
	error = elf_check_interp(fd);
	require(error == 0 || error == -EIO || error == -ELIBBAD);
	require(elf_check_interp_head(fd, head, head_len) == error);
	(void)elf_is_foreign(file, size);
	free(file);
	free(head);
	return 0;
}
