/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough of ELF to know what an exec will map: the kernel's own checks (fs/binfmt_elf.c), in its order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <linux/limits.h>

/* What the program itself says, as far as an exec can fail on it. */
struct elf_info {
	bool has_interp;
	char interp[PATH_MAX]; /* PT_INTERP, NUL-terminated; may be empty: the kernel then opens the working directory */
};

/* This much of a file, read at once, usually holds all that is looked at. */
#define ELF_HEAD_BYTES 4096

/*
 * Read the ELF headers of FD (readable descriptor). Returns 0; -ENOEXEC when the kernel would not take it as a native
 * x86-64 executable; -EINVAL, -EIO as the kernel answers for a damaged PT_INTERP header.
 */
int elf_read(int fd, struct elf_info *ret);
/*
 * The same when the first LEN bytes of the file, HEAD, have been read already: 256 or more, or all there are. The rest
 * is read from FD when it is needed.
 */
int elf_read_head(int fd, const void *head, size_t len, struct elf_info *ret);
/* The same on bytes in memory (fuzzing): FILE is the whole file. */
int elf_parse(const unsigned char *file, size_t size, struct elf_info *ret);

/* Would the kernel take FD as the PT_INTERP of a program? Returns 0, -EIO (shorter than a header) or -ELIBBAD. */
int elf_check_interp(int fd);
int elf_check_interp_head(int fd, const void *head, size_t len);

/* Is this an executable of another machine or ABI (i386, x32, arm64...)? HEAD: the first LEN bytes. */
bool elf_is_foreign(const void *head, size_t len);
