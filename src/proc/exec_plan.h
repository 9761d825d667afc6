/* SPDX-License-Identifier: Apache-2.0 */
/* What an approved exec is to look like and what it may map: made by vfs/exec.c, carried out by intercept/steer. */
#pragma once

#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* "/dev/fd/N/" and a whole path, with its NUL. */
#define EXEC_PLAN_NAME_MAX (PATH_MAX + 32)
/* Five rewrites, each an interpreter and an argument, then the file's own text. */
#define EXEC_PLAN_PREFIX_MAX 11

/* One allocation: the strings of `prefix` lie behind the struct. exec_plan_free() releases it. */
struct exec_plan {
	/* What may be mapped when the new image stands: the file itself and its PT_INTERP (ino 0: none). */
	uint64_t exe_dev, exe_ino;
	uint64_t interp_dev, interp_ino;
	char execfn[EXEC_PLAN_NAME_MAX]; /* AT_EXECFN: the text the caller gave (a script's is the script's) */
	char comm[16];			 /* task name, cut to 15 bytes */
	/*
	 * A script, or a registered format: argv is rewritten as the kernel does: [interpreter, optional argument, text of
	 * the file, argv[1]...]. `prefix_count` strings replace argv[0] (an empty argv has an implied one), or come before
	 * it with `keeps_argv0`; 0: argv is the caller's own.
	 */
	unsigned prefix_count;
	bool keeps_argv0;
	bool preserves_argv0; /* AT_FLAGS says that a format keeps argv[0] (P) */
	bool opens_binary;    /* a format wants the file itself, open (O): AT_EXECFD */
	int binary_fd;	      /* then: our O_PATH descriptor of it; owned */
	pid_t binary_vault;   /* as in struct message */
	int binary_vault_fd;
	const char *prefix[EXEC_PLAN_PREFIX_MAX];
};

/* NULL is nothing to free. Returns NULL. */
static inline struct exec_plan *exec_plan_free(struct exec_plan *plan)
{
	if (plan && plan->opens_binary)
		safe_close(plan->binary_fd);
	free(plan);
	return NULL;
}
