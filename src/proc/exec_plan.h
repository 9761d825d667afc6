/* SPDX-License-Identifier: Apache-2.0 */
/* What an approved exec is to look like and what it may map: made by vfs/exec.c, carried out by intercept/steer. */
#pragma once

#include <linux/limits.h>
#include <stdint.h>

/* "/dev/fd/N/" and a whole path, with its NUL. */
#define EXEC_PLAN_NAME_MAX (PATH_MAX + 32)
/* Five rewrites by `#!`, each an interpreter and an argument, then the script's own text. */
#define EXEC_PLAN_PREFIX_MAX 11

/* One allocation: the strings of `prefix` lie behind the struct, so that free() releases all of it. */
struct exec_plan {
	/* What may be mapped when the new image stands: the file itself and its PT_INTERP (ino 0: none). */
	uint64_t exe_dev, exe_ino;
	uint64_t interp_dev, interp_ino;
	char execfn[EXEC_PLAN_NAME_MAX]; /* AT_EXECFN: the text the caller gave (a script's is the script's) */
	char comm[16];			 /* task name, cut to 15 bytes */
	/*
	 * A script: argv is rewritten as the kernel does: [interpreter, optional argument, script text, argv[1]...].
	 * `prefix_count` strings replace argv[0] (an empty argv has an implied one); 0: argv is the caller's own.
	 */
	unsigned prefix_count;
	const char *prefix[EXEC_PLAN_PREFIX_MAX];
};
