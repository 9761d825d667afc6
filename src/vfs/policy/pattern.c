/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/pattern.h"

#include <errno.h>
#include <string.h>

#include "vfs/policy/glob.h"
#include "vfs/policy/internal.h"

static int fault(struct pattern_fault *ret, const char *why, const char *remedy)
{
	*ret = (struct pattern_fault){why, remedy};
	return -EINVAL;
}

static bool is_text(const char *text, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(text, what, len) == 0;
}

static bool two_stars(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i = glob_skip(text, len, i))
		if (text[i] == '*' && text[i + 1] == '*')
			return true;
	return false;
}

static int add(struct pattern *p, enum component_kind kind, const char *text, size_t len, struct pattern_fault *ret)
{
	if (p->count == COMPONENTS_MAX || len > sizeof(p->text) - p->text_used)
		return fault(ret, "a pattern of too many components", "shorten it to 4095 bytes");
	char *copy = p->text + p->text_used;
	memcpy(copy, text, len);
	if (kind == COMPONENT_LITERAL)
		len = glob_unescape(text, len, copy);
	p->text_used += len;
	p->component[p->count++] = (struct component){.text = copy, .len = (uint16_t)len, .kind = kind};
	return 0;
}

static int add_component(struct pattern *p, const char *text, size_t len, struct pattern_fault *ret)
{
	bool only_literals = p->literals == p->count;

	if (len == 0 || is_text(text, len, "."))
		return 0;
	if (is_text(text, len, "**")) {
		if (p->count && p->component[p->count - 1].kind == COMPONENT_DEEP)
			return 0;
		return add(p, COMPONENT_DEEP, "", 0, ret);
	}
	if (is_text(text, len, "*"))
		return add(p, COMPONENT_ANY, text, len, ret);

	const char *remedy = NULL, *why = glob_check(text, len, &remedy);
	if (why)
		return fault(ret, why, remedy);
	if (two_stars(text, len))
		return fault(ret, "** beside other characters", "let ** stand alone between slashes, as in **/*.txt");
	if (glob_min_length(text, len) > COMPONENT_MAX)
		return fault(ret, "a component longer than 255 bytes, which no file name can be", "shorten it");
	if (glob_is_wild(text, len))
		return add(p, COMPONENT_GLOB, text, len, ret);
	if (is_text(text, len, "..") && !only_literals)
		return fault(ret, ".. after a wildcard", "write the directory that is meant");
	int r = add(p, COMPONENT_LITERAL, text, len, ret);
	if (r == 0 && only_literals)
		p->literals++;
	return r;
}

int pattern_split(const char *text, size_t len, struct pattern *ret, struct pattern_fault *ret_fault)
{
	size_t bytes = 0;

	ret->count = ret->literals = ret->text_used = 0;
	for (size_t i = 0; i < len; i++, bytes++)
		if (text[i] == '\\')
			i++;
	if (bytes > PATTERN_MAX)
		return fault(ret_fault, "a pattern longer than 4095 bytes", "shorten it");
	for (size_t i = 0; i < len;) {
		const char *slash = memchr(text + i, '/', len - i);
		size_t end = slash ? (size_t)(slash - text) : len;
		int r = add_component(ret, text + i, end - i, ret_fault);
		if (r < 0)
			return r;
		i = end + 1;
	}
	/* A last ** is everything beneath but not the directory itself: any one component, and a rule covers what is beneath it. */
	if (ret->count && ret->component[ret->count - 1].kind == COMPONENT_DEEP)
		ret->component[ret->count - 1].kind = COMPONENT_ANY;
	return 0;
}
