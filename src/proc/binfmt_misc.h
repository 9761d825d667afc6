/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary formats that are registered with the kernel (fs/binfmt_misc.c, Documentation/admin-guide/binfmt-misc.rst),
 * as /proc/sys/fs/binfmt_misc shows them. What is not mounted there is not known here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BINFMT_MISC_INTERPRETER_MAX 1920 /* the longest line that registers one */

struct binfmt_misc_handler {
	bool preserve_argv0; /* P */
	bool open_binary;    /* O, and C, which implies it */
	char interpreter[BINFMT_MISC_INTERPRETER_MAX];
};

struct binfmt_misc;

/* PROC_FD: a descriptor of /proc, not owned. Nothing is looked at yet. Returns 0 or -ENOMEM. */
int binfmt_misc_new(int proc_fd, struct binfmt_misc **ret);
struct binfmt_misc *binfmt_misc_free(struct binfmt_misc *formats);

/*
 * Which handler would the kernel take for a file? NAME: the text by which it is executed (extensions are matched on
 * it); HEAD: its first LEN bytes. False: none. What was read last time is used as long as the kernel tells of no change.
 * Any thread.
 */
bool binfmt_misc_find(struct binfmt_misc *formats, const char *name, const void *head, size_t len,
		      struct binfmt_misc_handler *ret);

/* The same by the entries in the directory FD, which stays open (for tests). */
bool binfmt_misc_find_in(int fd, const char *name, const void *head, size_t len, struct binfmt_misc_handler *ret);

/* One entry as its file shows it: does it claim the file (for tests and fuzzing)? */
bool binfmt_misc_entry_matches(const char *entry, const char *name, const void *head, size_t len,
			       struct binfmt_misc_handler *ret);
