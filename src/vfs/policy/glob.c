/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/glob.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

/* The index of the `]` that closes the class opened at I, or LEN if none does. */
static size_t class_end(const char *pattern, size_t len, size_t i)
{
	size_t j = i + 1;

	if (j < len && (pattern[j] == '!' || pattern[j] == '^'))
		j++;
	if (j < len && pattern[j] == ']')
		j++;
	while (j < len && pattern[j] != ']' && pattern[j] != '/')
		j += pattern[j] == '\\' && j + 1 < len ? 2 : 1;
#ifdef SCRIM_SEEDED_BUG /* the control of the fuzzers: they must find this */
	return j < len + 1 && pattern[j] == ']' ? j : len;
#else
	return j < len && pattern[j] == ']' ? j : len;
#endif
}

/* One member of a class at *I, unescaped; *I moves past it. */
static unsigned char class_byte(const char *pattern, size_t end, size_t *i)
{
	if (pattern[*i] == '\\' && *i + 1 < end)
		(*i)++;
	return (unsigned char)pattern[(*i)++];
}

/* Is C in the class between the brackets at I and END? */
static bool class_has(const char *pattern, size_t i, size_t end, unsigned char c)
{
	bool negate = false, found = false;
	size_t j = i + 1;

	if (pattern[j] == '!' || pattern[j] == '^') {
		negate = true;
		j++;
	}
	while (j < end) {
		unsigned char low = class_byte(pattern, end, &j), high = low;
		if (j + 1 < end && pattern[j] == '-') {
			j++;
			high = class_byte(pattern, end, &j);
		}
		found |= low <= c && c <= high;
	}
	return found != negate;
}

/* Does the unit at *P match C? *P moves past the unit if so. */
static bool unit_matches(const char *pattern, size_t len, size_t *p, unsigned char c)
{
	size_t i = *p, next = i + 1;
	bool match;

	switch (pattern[i]) {
	case '?':
		match = true;
		break;
	case '[': {
		size_t end = class_end(pattern, len, i);
		match = end < len ? class_has(pattern, i, end, c) : c == '[';
		next = end < len ? end + 1 : next;
		break;
	}
	case '\\':
		if (i + 1 < len)
			next = ++i + 1;
		__attribute__((fallthrough));
	default:
		match = (unsigned char)pattern[i] == c;
	}
	if (match)
		*p = next;
	return match;
}

bool glob_match(const char *pattern, size_t plen, const char *name, size_t nlen)
{
	/* Only the last star ever needs another try: what an earlier one took more of, the last can take as well. */
	size_t p = 0, n = 0, star_p = SIZE_MAX, star_n = 0;

	while (n < nlen) {
		if (p < plen && pattern[p] == '*') {
			star_p = ++p;
			star_n = n;
		} else if (p < plen && unit_matches(pattern, plen, &p, (unsigned char)name[n])) {
			n++;
		} else if (star_p != SIZE_MAX) {
			p = star_p;
			n = ++star_n;
		} else {
			return false;
		}
	}
	while (p < plen && pattern[p] == '*')
		p++;
	return p == plen;
}

size_t glob_skip(const char *pattern, size_t len, size_t i)
{
	if (pattern[i] == '\\' && i + 1 < len)
		return i + 2;
	if (pattern[i] == '[') {
		size_t end = class_end(pattern, len, i);
		return end < len ? end + 1 : i + 1;
	}
	return i + 1;
}

static const char *class_check(const char *pattern, size_t i, size_t end, const char **ret_remedy)
{
	size_t j = i + 1;

	if (pattern[j] == '!' || pattern[j] == '^')
		j++;
	while (j < end) {
		if (pattern[j] == '[' && j + 1 < end && memchr(":.=", pattern[j + 1], 3)) {
			*ret_remedy = "write the characters themselves, as in [a-z]";
			return "named character classes are not supported";
		}
		unsigned char low = class_byte(pattern, end, &j);
		if (j + 1 < end && pattern[j] == '-') {
			j++;
			if (class_byte(pattern, end, &j) < low) {
				*ret_remedy = "write the lower character first, as in [a-z]";
				return "a range that runs backwards";
			}
		}
	}
	return NULL;
}

const char *glob_check(const char *pattern, size_t len, const char **ret_remedy)
{
	for (size_t i = 0; i < len; i = glob_skip(pattern, len, i)) {
		const char *why = NULL;
		if (pattern[i] == '\\' && i + 1 == len) {
			*ret_remedy = "write \\\\ for a backslash";
			return "a backslash with nothing after it";
		}
		if (pattern[i] != '[')
			continue;
		size_t end = class_end(pattern, len, i);
		if (end == len) {
			*ret_remedy = "close it with ], or write \\[ for the character itself";
			return "[ without ]";
		}
		why = class_check(pattern, i, end, ret_remedy);
		if (why)
			return why;
	}
	return NULL;
}

bool glob_is_wild(const char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i = glob_skip(pattern, len, i))
		if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[')
			return true;
	return false;
}

size_t glob_min_length(const char *pattern, size_t len)
{
	size_t least = 0;
	for (size_t i = 0; i < len; i = glob_skip(pattern, len, i))
		least += pattern[i] != '*';
	return least;
}

size_t glob_unescape(const char *pattern, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] == '\\' && i + 1 < len)
			i++;
		out[n++] = pattern[i];
	}
	return n;
}

size_t glob_sample(const char *pattern, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i = glob_skip(pattern, len, i)) {
		size_t end = pattern[i] == '[' ? class_end(pattern, len, i) : len;
		if (pattern[i] == '*')
			continue;
		out[n] = pattern[i] == '?' ? '_' : pattern[i] == '\\' && i + 1 < len ? pattern[i + 1] : pattern[i];
		for (int c = '!'; end < len && c < 256; c++) {
			if (c == '/' || !class_has(pattern, i, end, (unsigned char)c))
				continue;
			out[n] = (char)c;
			break;
		}
		n++;
	}
	if (n == 0)
		out[n++] = '_';
	return n;
}

/* The index of the `}` that closes the brace at OPEN, with the commas of its own level counted; LEN if none does. */
static size_t brace_end(const char *pattern, size_t len, size_t open, unsigned *ret_commas)
{
	unsigned depth = 0, commas = 0;

	for (size_t i = open; i < len; i = glob_skip(pattern, len, i)) {
		if (pattern[i] == '{')
			depth++;
		else if (pattern[i] == '}' && --depth == 0) {
			*ret_commas = commas;
			return i;
		} else if (pattern[i] == ',' && depth == 1)
			commas++;
		else if (pattern[i] == '/')
			return len;
	}
	return len;
}

static size_t alternative_end(const char *pattern, size_t i, size_t close)
{
	unsigned depth = 0;

	for (; i < close; i = glob_skip(pattern, close, i)) {
		if (pattern[i] == '{')
			depth++;
		else if (pattern[i] == '}')
			depth--;
		else if (pattern[i] == ',' && depth == 0)
			break;
	}
	return i;
}

/* How many expansions, or a negative errno; never more work than the length times the nesting. */
static int count_expansions(const char *pattern, size_t len, unsigned nesting)
{
	int product = 1;

	if (nesting > GLOB_NESTING_MAX)
		return -E2BIG;
	for (size_t i = 0; i < len; i = glob_skip(pattern, len, i)) {
		if (pattern[i] != '{')
			continue;
		unsigned commas = 0;
		int sum = 0;
		size_t close = brace_end(pattern, len, i, &commas);
		if (close == len || commas == 0)
			return -EINVAL;
		for (size_t from = i + 1; from <= close;) {
			size_t to = alternative_end(pattern, from, close);
			int count = count_expansions(pattern + from, to - from, nesting + 1);
			if (count < 0)
				return count;
			sum += count;
			if (sum > GLOB_EXPANSIONS_MAX)
				return -E2BIG;
			from = to + 1;
		}
		product *= sum;
		if (product > GLOB_EXPANSIONS_MAX)
			return -E2BIG;
		i = close;
	}
	return product;
}

/* PATTERN has been counted: well formed, and every level of recursion at least doubles what comes out. */
static int expand(const char *pattern, size_t len, int (*each)(const char *text, size_t len, void *userdata),
		  void *userdata)
{
	size_t open = 0;

	while (open < len && pattern[open] != '{')
		open = glob_skip(pattern, len, open);
	if (open >= len)
		return each(pattern, len, userdata);

	unsigned commas = 0;
	size_t close = brace_end(pattern, len, open, &commas);
	if (close >= len)
		return -EINVAL;
	_cleanup_free_ char *text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, pattern, open);
	for (size_t from = open + 1; from <= close;) {
		size_t to = alternative_end(pattern, from, close), n = open;
		memcpy(text + n, pattern + from, to - from);
		n += to - from;
		memcpy(text + n, pattern + close + 1, len - close - 1);
		n += len - close - 1;
		int r = expand(text, n, each, userdata);
		if (r)
			return r;
		from = to + 1;
	}
	return 0;
}

int glob_expand(const char *pattern, size_t len, int (*each)(const char *text, size_t len, void *userdata),
		void *userdata)
{
	int count = count_expansions(pattern, len, 0);
	return count < 0 ? count : expand(pattern, len, each, userdata);
}
