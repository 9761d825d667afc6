/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "vfs/overlay/redact.h"

#include <errno.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define REPLACEMENT "[redacted]"
#define MATCH_LIMIT 1000000u
#define DEPTH_LIMIT 100000u
#define HEAP_LIMIT (32u * 1024) /* KiB */
#define JIT_STACK (512u * 1024)
#define TIME_MAX 10000000 /* microseconds that one file may take */
/*
 * The limits of PCRE2 count for one starting place, so that a long file may take as many times that. The search goes
 * on by windows of starting places, smaller where it is slow, and looks at the clock after each.
 */
#define WINDOW_MIN ((size_t)256)
#define WINDOW_MAX ((size_t)256 * 1024)
#define WINDOW_FAST 5000
#define WINDOW_SLOW 50000

struct redact {
	pcre2_code *code;
	uint32_t groups;
	bool jit;
};

struct search {
	const struct redact *redact;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *match;
	size_t window;
	int64_t until;
};

struct growing {
	char *data;
	size_t len, cap;
};

int redact_new(const char *pattern, struct redact **ret, char *reason, size_t size)
{
	_cleanup_free_ struct redact *redact = calloc(1, sizeof(*redact));
	PCRE2_SIZE place;
	uint32_t jit = 0;
	int code;

	if (!redact)
		return -ENOMEM;
	redact->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				     PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code, &place,
				     NULL);
	if (!redact->code) {
		PCRE2_UCHAR text[160] = "unknown error";

		pcre2_get_error_message(code, text, sizeof(text));
		snprintf(reason, size, "%s at character %zu", (const char *)text, (size_t)place + 1);
		return -EINVAL;
	}
	pcre2_config(PCRE2_CONFIG_JIT, &jit);
	/* Memory that is writable and executable may be forbidden: the interpreter does the same, slower. */
	redact->jit = jit && pcre2_jit_compile(redact->code, PCRE2_JIT_COMPLETE) == 0;
	pcre2_pattern_info(redact->code, PCRE2_INFO_CAPTURECOUNT, &redact->groups);
	*ret = TAKE_PTR(redact);
	return 0;
}

struct redact *redact_free(struct redact *redact)
{
	if (!redact)
		return NULL;
	pcre2_code_free(redact->code);
	free(redact);
	return NULL;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void search_end(struct search *search)
{
	pcre2_match_data_free(search->match);
	pcre2_match_context_free(search->context);
	pcre2_jit_stack_free(search->stack);
}

static int search_begin(struct search *search, const struct redact *redact)
{
	*search = (struct search){.redact = redact, .window = WINDOW_MIN, .until = now() + TIME_MAX};
	search->context = pcre2_match_context_create(NULL);
	search->match = pcre2_match_data_create_from_pattern(redact->code, NULL);
	if (!search->context || !search->match)
		return -ENOMEM;
	pcre2_set_match_limit(search->context, MATCH_LIMIT);
	pcre2_set_depth_limit(search->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(search->context, HEAP_LIMIT);
	if (redact->jit) {
		search->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
		if (!search->stack)
			return -ENOMEM;
		pcre2_jit_stack_assign(search->context, NULL, search->stack);
	}
	return 0;
}

/* The next match that starts at or after AT. Returns 1, 0 when there is none, -1 when the search failed. */
static int search_next(struct search *search, const char *data, size_t len, size_t at, size_t *ret_start,
		       size_t *ret_end)
{
	while (at < len) {
		size_t limit = len - at > search->window ? at + search->window - 1 : len;
		int64_t begun = now(), taken;
		const PCRE2_SIZE *place;
		int count;

		pcre2_set_offset_limit(search->context, limit);
		count = pcre2_match(search->redact->code, (PCRE2_SPTR)data, len, at, PCRE2_NOTEMPTY, search->match,
				    search->context);
		taken = now() - begun;
		if (count < 0 && count != PCRE2_ERROR_NOMATCH)
			return -1;
		if (begun + taken > search->until)
			return -1;
		if (taken < WINDOW_FAST && search->window < WINDOW_MAX)
			search->window *= 2;
		else if (taken > WINDOW_SLOW && search->window > WINDOW_MIN)
			search->window /= 2;
		if (count == PCRE2_ERROR_NOMATCH) {
			at = limit + 1;
			continue;
		}
		place = pcre2_get_ovector_pointer(search->match);
		if (place[0] > place[1] || place[1] <= at) /* \K can turn a match round */
			return -1;
		*ret_start = place[0];
		*ret_end = place[1];
		return 1;
	}
	return 0;
}

static int grow(struct growing *to, const char *data, size_t len)
{
	if (len > REDACT_MAX - to->len)
		return -EFBIG;
	if (to->len + len > to->cap) {
		size_t cap = to->cap * 2 > to->len + len ? to->cap * 2 : to->len + len;
		char *grown = realloc(to->data, cap);

		if (!grown)
			return -ENOMEM;
		to->data = grown;
		to->cap = cap;
	}
	memcpy(to->data + to->len, data, len);
	to->len += len;
	return 0;
}

/* Append DATA with all that is found replaced. Returns 0, 1 when the search failed, or a negative errno. */
static int replace(struct search *search, const char *data, size_t len, struct growing *to)
{
	size_t start, end, copied = 0;
	size_t at = 0;

	for (;;) {
		const PCRE2_SIZE *place;
		int found = search_next(search, data, len, at, &start, &end);
		int error;

		if (found < 0)
			return 1;
		if (!found)
			return grow(to, data + copied, len - copied);
		at = end;
		place = pcre2_get_ovector_pointer(search->match);
		if (search->redact->groups && place[2] != PCRE2_UNSET) {
			start = place[2];
			end = place[3];
		}
		/* A group in a lookaround may lie outside its match, even before what is copied already. */
		if (start < copied)
			start = copied;
		if (end <= start)
			continue;
		error = grow(to, data + copied, start - copied);
		if (!error)
			error = grow(to, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		if (error < 0)
			return error;
		copied = end;
	}
}

int redact_apply(const struct redact *redact, const char *data, size_t len, char **ret, size_t *ret_len)
{
	_cleanup_(search_end) struct search search;
	struct growing to = {.cap = len + 64};
	int error;

	error = search_begin(&search, redact);
	if (error < 0)
		return error;
	if (len > REDACT_MAX)
		return -EFBIG;
	to.data = malloc(to.cap);
	if (!to.data)
		return -ENOMEM;
	error = replace(&search, data, len, &to);
	if (error < 0) {
		free(to.data);
		return error;
	}
	*ret = to.data;
	*ret_len = error ? 0 : to.len;
	return 0;
}
