/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern, a NUL, a name: what glob.c says of them must agree with itself, within exact bounds of memory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/policy/glob.h"
#include "vfs/policy/glob_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static int count(const char *text, size_t len, void *userdata)
{
	const char *remedy;
	glob_check(text, len, &remedy);
	return ++*(unsigned *)userdata > GLOB_EXPANSIONS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t plen = nul ? (size_t)(nul - data) : size, nlen = nul ? size - plen - 1 : 0;
	/* Copies of their own, so that a byte too far is seen. */
	char *pattern = malloc(plen + !plen), *name = malloc(nlen + !nlen), *sample = malloc(plen + 1);
	const char *remedy = NULL;
	unsigned expansions = 0;

	memcpy(pattern, data, plen);
	if (nlen)
		memcpy(name, nul + 1, nlen);
	bool match = glob_match(pattern, plen, name, nlen), good = !glob_check(pattern, plen, &remedy);
	struct glob_program *program = malloc(glob_program_size(pattern, plen));

	glob_compile(pattern, plen, program);
	require(match == glob_run(program, name, nlen));
	free(program);
	require(good || remedy);
	require(!match || nlen >= glob_min_length(pattern, plen));
	if (good && !glob_is_wild(pattern, plen)) {
		size_t len = glob_unescape(pattern, plen, sample);
		require(match == (len == nlen && memcmp(sample, name, len) == 0));
		require(glob_match(pattern, plen, sample, len));
	}
	size_t len = glob_sample(pattern, plen, sample);
	require(len <= plen + 1);
	require(glob_expand(pattern, plen, count, &expansions) <= 0);
	free(pattern);
	free(name);
	free(sample);
	return 0;
}
