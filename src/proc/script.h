/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of a script, read as fs/binfmt_script.c reads it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_HEADER_BYTES 256 /* BINPRM_BUF_SIZE */

struct script_line {
	char interpreter[SCRIPT_HEADER_BYTES];
	bool has_argument;
	char argument[SCRIPT_HEADER_BYTES]; /* everything after the interpreter, blanks at the ends cut */
};

/*
 * An interpreter may come out empty ("#!" and a NUL): the kernel then opens the working directory and answers EACCES.
 * An argument may be empty too, when blanks end the file without a newline.
 *
 * Parse the first SCRIPT_HEADER_BYTES (LEN of them there are) of a file. Returns 0, or -ENOEXEC: not a script, or one
 * that the kernel refuses (no interpreter, interpreter cut off by the buffer's end).
 */
int script_parse(const char *header, size_t len, struct script_line *ret);
