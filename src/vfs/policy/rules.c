/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/rules.h"

#include <errno.h>
#include <string.h>

#include "base/mounts.h"
#include "vfs/policy/context.h"
#include "vfs/policy/glob.h"
#include "vfs/policy/pattern.h"

/* Too large to be put on the stack, and wiped there, for each of many thousand rules. */
struct scratch {
	struct pattern pattern;
	char text[2 * PATTERN_MAX + 1];
	char absolute[2 * PATTERN_MAX + 1];
};

struct adding {
	struct policy *policy;
	struct parsed_rule rule;
	struct pattern *pattern;
	const struct place *place;
	size_t column;
	struct errmsg *msg;
	bool braces;
};

static int append(struct adding *adding, struct parsed_rule *rule)
{
	struct policy *policy = adding->policy;

	if (policy->parsed_count == RULES_MAX)
		return complain(adding->msg, -E2BIG, adding->place, adding->column, "say it with patterns",
				"more than %d rules", RULES_MAX);
	*policy->parsed_tail = rule;
	policy->parsed_tail = &rule->next;
	policy->parsed_count++;
	return 0;
}

/* One expansion. */
static int add(const char *text, size_t len, void *userdata)
{
	struct adding *adding = userdata;
	struct policy *policy = adding->policy;
	struct pattern_fault fault;

	/* Slashes were made single before: two of them now are an alternative that is empty. */
	if (memmem(text, len, "//", 2) || ((len > 1 || adding->braces) && text[len - 1] == '/'))
		return complain(adding->msg, -EINVAL, adding->place, adding->column, "write the two patterns apart",
				"an empty alternative leaves an empty name");
	int r = pattern_split(text, len, adding->pattern, &fault);
	if (r < 0)
		return complain(adding->msg, r, adding->place, adding->column, fault.remedy, "%s", fault.why);

	struct parsed_rule *rule = arena_alloc(&policy->arena, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	*rule = adding->rule;
	rule->pattern = arena_strndup(&policy->arena, text, len);
	if (!rule->pattern)
		return -ENOMEM;
	if (!rule->shown)
		adding->rule.shown = rule->shown = rule->pattern;
	return append(adding, rule);
}

static int add_mount(const struct mount *mount, void *data)
{
	struct adding *adding = data;
	struct arena *arena = &adding->policy->arena;
	struct parsed_rule *rule;
	size_t len = strlen(mount->path), at = 0;
	char *pattern;

	if (!mount_type_is(mount->type, adding->rule.fstype))
		return 0;
	rule = arena_alloc(arena, sizeof(*rule));
	pattern = arena_alloc(arena, 2 * len + 1);
	if (!rule || !pattern)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[]{},\\", mount->path[i]))
			pattern[at++] = '\\';
		pattern[at++] = mount->path[i];
	}
	*rule = adding->rule;
	rule->fstype = NULL;
	rule->pattern = rule->shown = pattern;
	return append(adding, rule);
}

int rules_add_fstype(struct policy *policy, const struct parsed_rule *template, const struct place *place,
		     const struct token *token, struct errmsg *msg)
{
	struct adding adding = {
		.policy = policy, .rule = *template, .place = place, .column = column_of(place, token->text), .msg = msg};
	struct parsed_rule *rule = arena_alloc(&policy->arena, sizeof(*rule));
	int r;

	if (!rule)
		return -ENOMEM;
	*rule = *template;
	rule->shown = rule->pattern = template->fstype;
	r = append(&adding, rule);
	if (r == 0)
		r = mounts_each(add_mount, &adding);
	return r == 0 || (msg && msg->text[0]) ? r
					       : complain(msg, r, place, adding.column, "see that /proc is mounted",
							  "the mounts cannot be read: %s", strerror(-r));
}

/* Make slashes single and drop the last. Returns the new length. */
static size_t squeeze(char *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		if (text[i] != '/' || n == 0 || text[n - 1] != '/')
			text[n++] = text[i];
	if (n > 1 && text[n - 1] == '/')
		n--;
	text[n] = '\0';
	return n;
}

/* Put what a relative pattern stands under before it. */
static int make_absolute(const struct policy_context *context, bool relative, const struct place *place,
			 const struct token *token, const struct buffer *text, struct buffer *out, struct errmsg *msg)
{
	size_t column = column_of(place, token->text);
	bool anywhere = text->len >= 2 && memcmp(text->data, "**", 2) == 0 && (text->len == 2 || text->data[2] == '/');
	int r = 0;

	if (text->len == 0)
		return complain(msg, -EINVAL, place, column, "write a path", "an empty pattern");
	if (text->data[0] == '/' || anywhere) {
		r = anywhere ? buffer_append_str(out, "/") : 0;
	} else if (!relative || !context->cwd) {
		return complain(msg, -EINVAL, place, column, "write ${CWD}/x or **/x", "a relative pattern");
	} else {
		for (const char *c = context->cwd; *c && r == 0; c++) {
			const char escaped[2] = {'\\', *c};
			bool special = strchr("*?[]{},\\", *c);
			r = buffer_append(out, escaped + !special, 1 + special);
		}
		if (r == 0)
			r = buffer_append_str(out, "/");
	}
	if (r == 0)
		r = buffer_append(out, text->data, text->len);
	if (r < 0)
		return complain(msg, -ENAMETOOLONG, place, column, "shorten it", "a pattern longer than 4095 bytes");
	return 0;
}

int rules_add(struct policy *policy, const struct parsed_rule *template, bool relative, bool whole,
	      const struct place *place, const struct token *token, struct errmsg *msg)
{
	struct adding adding = {
		.policy = policy, .rule = *template, .place = place, .column = column_of(place, token->text), .msg = msg};
	_cleanup_free_ struct scratch *scratch = malloc(sizeof(*scratch));
	struct buffer text, pattern;

	if (!scratch)
		return -ENOMEM;
	adding.pattern = &scratch->pattern;
	buffer_init(&text, scratch->text, sizeof(scratch->text));
	buffer_init(&pattern, scratch->absolute, sizeof(scratch->absolute));
	int r = word_expand(&policy->context, place, token, WORD_PATTERN, whole, true, &text, msg);
	if (r == 0)
		r = make_absolute(&policy->context, relative, place, token, &text, &pattern, msg);
	if (r < 0)
		return r;
	pattern.len = squeeze(pattern.data, pattern.len);

	adding.braces = memchr(pattern.data, '{', pattern.len);
	if (adding.braces) {
		adding.rule.shown = arena_strndup(&policy->arena, pattern.data, pattern.len);
		if (!adding.rule.shown)
			return -ENOMEM;
	}
	r = glob_expand(pattern.data, pattern.len, add, &adding);
	if (msg && msg->text[0])
		return r;
	if (r == -EINVAL)
		return complain(msg, r, place, adding.column, "write {a,b} within one component, or \\{ for the character itself",
				"braces that are not closed, hold no comma or hold a slash");
	if (r == -E2BIG)
		return complain(msg, r, place, adding.column, "write several rules",
				"braces that expand to more than %d patterns or nest deeper than %d", GLOB_EXPANSIONS_MAX,
				GLOB_NESTING_MAX);
	return r;
}
