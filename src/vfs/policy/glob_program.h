/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern of one component (glob.h) made ready to be matched often. It is cut at its stars into pieces, each a number of
 * units that match one byte. The first piece stands at the start of a name and the last at its end, so most names are told by
 * a byte or two; each piece between them is looked for by a byte that stands for itself in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct glob_program;

/* Bytes that the program of PATTERN takes; it holds no pointers and is aligned as a uint64_t. LEN: at most 4096. */
size_t glob_program_size(const char *pattern, size_t len);

/* Write the program of PATTERN, which matches what glob_match() says. */
void glob_compile(const char *pattern, size_t len, struct glob_program *ret);

/* Does NAME match? At most units times NLEN steps. */
bool glob_run(const struct glob_program *program, const char *name, size_t nlen);
