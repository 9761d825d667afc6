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
#include "vfs/overlay/filler.h"

#define SPANS_MAX ((size_t)1 << 20) /* matches in one file */
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

struct expression {
	pcre2_code *code;
	uint32_t groups;
	bool jit;
	const char *token; /* or NULL */
};

struct redact {
	unsigned count;
	struct expression expression[];
};

/* A search with one expression. */
struct search {
	const struct expression *expression;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *match;
	size_t window;
	int64_t until;
};

/* What is to be replaced. */
struct span {
	size_t start, end;
	const char *token; /* NULL: filler */
};

struct spans {
	struct span *span;
	size_t count, cap;
};

static int compile(const struct redaction *redaction, struct expression *expression, char *reason, size_t size)
{
	PCRE2_SIZE place;
	uint32_t jit = 0;
	int code;

	expression->token = redaction->token;
	expression->code = pcre2_compile((PCRE2_SPTR)redaction->expression, PCRE2_ZERO_TERMINATED,
					 PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code,
					 &place, NULL);
	if (!expression->code) {
		PCRE2_UCHAR text[160] = "unknown error";

		pcre2_get_error_message(code, text, sizeof(text));
		snprintf(reason, size, "%.200s: %s at character %zu", redaction->expression, (const char *)text,
			 (size_t)place + 1);
		return -EINVAL;
	}
	pcre2_config(PCRE2_CONFIG_JIT, &jit);
	/* Memory that is writable and executable may be forbidden: the interpreter does the same, slower. */
	expression->jit = jit && pcre2_jit_compile(expression->code, PCRE2_JIT_COMPLETE) == 0;
	pcre2_pattern_info(expression->code, PCRE2_INFO_CAPTURECOUNT, &expression->groups);
	return 0;
}

int redact_new(const struct redaction *list, unsigned count, struct redact **ret, char *reason, size_t size)
{
	struct redact *redact = calloc(1, sizeof(*redact) + count * sizeof(redact->expression[0]));

	if (!redact) {
		snprintf(reason, size, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < count; i++) {
		int error = compile(&list[i], &redact->expression[redact->count], reason, size);

		if (error < 0) {
			redact_free(redact);
			return error;
		}
		redact->count++;
	}
	*ret = redact;
	return 0;
}

struct redact *redact_free(struct redact *redact)
{
	for (unsigned i = 0; redact && i < redact->count; i++)
		pcre2_code_free(redact->expression[i].code);
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

static int search_begin(struct search *search, const struct expression *expression, int64_t until)
{
	*search = (struct search){.expression = expression, .window = WINDOW_MIN, .until = until};
	search->context = pcre2_match_context_create(NULL);
	search->match = pcre2_match_data_create_from_pattern(expression->code, NULL);
	if (!search->context || !search->match)
		return -ENOMEM;
	pcre2_set_match_limit(search->context, MATCH_LIMIT);
	pcre2_set_depth_limit(search->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(search->context, HEAP_LIMIT);
	if (expression->jit) {
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
		count = pcre2_match(search->expression->code, (PCRE2_SPTR)data, len, at, PCRE2_NOTEMPTY, search->match,
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

/* -ENODATA: there are too many of them. */
static int add_span(struct spans *spans, size_t start, size_t end, const char *token)
{
	if (spans->count == spans->cap) {
		size_t cap = spans->cap ? spans->cap * 2 : 64;
		struct span *grown;

		if (spans->count >= SPANS_MAX)
			return -ENODATA;
		grown = reallocarray(spans->span, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		spans->span = grown;
		spans->cap = cap;
	}
	spans->span[spans->count++] = (struct span){start, end, token};
	return 0;
}

static void spans_done(struct spans *spans)
{
	free(spans->span);
}

/* All that EXPRESSION finds. -ENODATA when that is nothing, or could not be told. */
static int find(const struct expression *expression, const char *data, size_t len, int64_t until, struct spans *spans)
{
	_cleanup_(search_end) struct search search;
	size_t start, end, at = 0;
	bool any = false;
	int error = search_begin(&search, expression, until);

	while (!error) {
		const PCRE2_SIZE *place;
		int found = search_next(&search, data, len, at, &start, &end);

		if (found < 0)
			return -ENODATA;
		if (!found)
			return any ? 0 : -ENODATA;
		any = true;
		at = end;
		place = pcre2_get_ovector_pointer(search.match);
		if (expression->groups && place[2] != PCRE2_UNSET) {
			start = place[2];
			end = place[3];
		}
		if (end > start)
			error = add_span(spans, start, end, expression->token);
	}
	return error;
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

/* Put them in order and make one of those that overlap. */
static void join(struct spans *spans)
{
	size_t kept = 0;

	qsort(spans->span, spans->count, sizeof(*spans->span), by_start);
	for (size_t i = 0; i < spans->count; i++) {
		const struct span *span = &spans->span[i];
		struct span *last = kept ? &spans->span[kept - 1] : NULL;

		if (last && span->start < last->end)
			last->end = span->end > last->end ? span->end : last->end;
		else
			spans->span[kept++] = *span;
	}
	spans->count = kept;
}

static size_t length_of(const struct span *span)
{
	return span->token ? strlen(span->token) : span->end - span->start;
}

/* DATA with SPANS (in order, apart) replaced. */
static int replace(const struct spans *spans, const char *data, size_t len, char **ret, size_t *ret_len)
{
	size_t total = len, from = 0;
	char *text, *to;

	for (size_t i = 0; i < spans->count; i++) {
		total += length_of(&spans->span[i]) - (spans->span[i].end - spans->span[i].start);
		if (total > REDACT_MAX)
			return -ENODATA;
	}
	text = to = malloc(total + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < spans->count; i++) {
		const struct span *span = &spans->span[i];
		size_t filled = length_of(span);

		to = mempcpy(to, data + from, span->start - from);
		memcpy(to, span->token ? span->token : data + span->start, filled);
		if (!span->token)
			filler_write(to, filled);
		to += filled;
		from = span->end;
	}
	memcpy(to, data + from, len - from);
	*ret = text;
	*ret_len = total;
	return 0;
}

int redact_apply(const struct redact *redact, const char *data, size_t len, bool partly, char **ret, size_t *ret_len)
{
	_cleanup_(spans_done) struct spans spans = {0};
	int64_t until = now() + TIME_MAX;

	if (len > REDACT_MAX)
		return -ENODATA;
	for (unsigned i = 0; len && i < redact->count; i++) {
		int error = find(&redact->expression[i], data, len, until, &spans);

		if (error < 0 && !(partly && error == -ENODATA))
			return error;
	}
	if (spans.count)
		join(&spans);
	return replace(&spans, data, len, ret, ret_len);
}
