/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel itself does with a file that is executed, for comparison; and files made to be executed. */
#pragma once

#include <elf.h>
#include <stddef.h>

#define SHOW_MAX 65536

/* What a program saw of itself: strings with their NULs, one after the other: AT_EXECFN, comm, argv. */
struct shown {
	size_t len;
	char text[SHOW_MAX];
};

/*
 * First thing in main(): a copy of the test program that is executed by native_exec() prints what it sees of itself
 * and ends here.
 */
void native_show(char *const argv[]);

/*
 * Execute TEXT from DIRFD in a child in the directory CWD. Returns 0 when it came so far that a new program stood
 * (whatever became of it), with what it showed in RET (NULL: no matter), or the negative errno of the exec.
 */
int native_exec(const char *cwd, int dirfd, const char *text, int flags, char *const argv[], struct shown *ret);

/* Make the file NAME in DIR with MODE exactly. */
void make_file(int dir, const char *name, const void *bytes, size_t len, unsigned mode);
/* Copy this test program there. */
void make_show(int dir, const char *name, unsigned mode);

/* A small executable: a header, COUNT program headers, an interpreter's name. Fields can be spoilt afterwards. */
struct small_elf {
	Elf64_Ehdr header;
	Elf64_Phdr phdr[1200];
	char interp[256];
};
/* INTERP may be NULL: no PT_INTERP. */
void small_elf_init(struct small_elf *elf, const char *interp);
