/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough of ELF to know what an exec will map: the kernel's own checks (fs/binfmt_elf.c), in its order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <linux/limits.h>

struct elf_info {
	bool has_interp;
	char interp[PATH_MAX]; /* PT_INTERP, NUL-terminated */
};

/*
 * Read the ELF headers of FD (readable descriptor). Returns 0; -ENOEXEC when the kernel would not take it as a native
 * x86-64 executable; -EINVAL, -EIO, -ELIBBAD as the kernel answers for damaged program headers.
 */
int elf_read(int fd, struct elf_info *ret);
/* The same on bytes in memory (fuzzing): HEADER is the whole file. */
int elf_parse(const unsigned char *file, size_t size, struct elf_info *ret);
