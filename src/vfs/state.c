/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "vfs/overlay/memfd.h"

#ifndef SCRIM_VERSION
#error "the build says which version this is"
#endif

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

/* JSON holds UTF-8 alone; names hold any bytes. */
static json_t *text_json(const char *text)
{
	size_t len = strlen(text), at = 0;
	_cleanup_free_ char *escaped = NULL;
	json_t *plain = json_stringn(text, len);

	if (plain)
		return plain;
	escaped = malloc(4 * len + 1);
	if (!escaped)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte < 0x80)
			escaped[at++] = (char)byte;
		else
			at += (size_t)sprintf(escaped + at, "\\x%02x", byte);
	}
	return json_stringn(escaped, at);
}

static json_t *rule_json(const struct view *view, const struct rule *rule)
{
	uint64_t refused = atomic_load_explicit(&view->rule_counts[rule->index], memory_order_relaxed);
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s %s", rule->verb, rule->pattern) < 0) {
		text = NULL;
		return NULL;
	}
	return json_pack("{s:o, s:o, s:I, s:I}", "rule", text_json(text), "origin", text_json(rule->origin), "line",
			 (json_int_t)rule->line, "refused", (json_int_t)refused);
}

int view_state_open(const struct view *view, int *ret_fd)
{
	_cleanup_(cleanup_json) json_t *state = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *rules = json_array();
	uint32_t count = policy_rule_count(view->policy);
	size_t len;

	for (uint32_t i = 0; rules && i < count; i++) {
		/* Takes NULL for an error and an object over. */
		if (json_array_append_new(rules, rule_json(view, policy_rule(view->policy, i))) < 0) {
			json_decref(rules);
			rules = NULL;
		}
	}
	/* There is no mode that does not enforce; the word is there for programs that ask. */
	state = json_pack("{s:s, s:s, s:b, s:o}", "version", SCRIM_VERSION, "mode", "enforce", "privileged",
			  (int)view->root, "rules", rules);
	if (!state)
		return -ENOMEM;
	text = json_dumps(state, JSON_INDENT(1));
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len] = '\n'; /* in place of the NUL, which is not written */
	return memfd_show("scrim-state", text, len + 1, ret_fd);
}
