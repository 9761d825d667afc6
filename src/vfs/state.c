/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/state.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "vfs/overlay/memfd.h"

#ifndef SCRIM_VERSION
#error "the build says which version this is"
#endif

/* JSON holds UTF-8 alone; names hold any bytes. */
static void put_text(FILE *out, const char *text)
{
	bool plain = utf8_is_valid(text, strlen(text));

	putc('"', out);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20)
			fprintf(out, "\\u%04x", byte);
		else if (byte >= 0x80 && !plain)
			fprintf(out, "\\\\x%02x", byte);
		else
			putc(byte, out);
	}
	putc('"', out);
}

static int put_rule(FILE *out, const struct view *view, const struct rule *rule)
{
	uint64_t refused = atomic_load_explicit(&view->rule_counts[rule->index], memory_order_relaxed);
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s %s", rule->verb, rule->pattern) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	fputs(rule->index ? ",\n  {\"rule\": " : "\n  {\"rule\": ", out);
	put_text(out, text);
	fputs(", \"origin\": ", out);
	put_text(out, rule->origin);
	fprintf(out, ", \"line\": %u, \"refused\": %llu}", rule->line, (unsigned long long)refused);
	return 0;
}

/* There is no mode that does not enforce; the word is there for programs that ask. */
static int put_state(FILE *out, const struct view *view)
{
	uint32_t count = policy_rule_count(view->policy);
	int error = 0;

	fprintf(out, "{\n \"version\": \"%s\",\n \"mode\": \"enforce\",\n \"privileged\": %s,\n \"rules\": [", SCRIM_VERSION,
		view->root ? "true" : "false");
	for (uint32_t i = 0; i < count && !error; i++)
		error = put_rule(out, view, policy_rule(view->policy, i));
	fputs(count ? "\n ]\n}\n" : "]\n}\n", out);
	return error;
}

int view_state_open(const struct view *view, int *ret_fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	int error = put_state(out, view);
	if (fclose(out) != 0)
		error = -ENOMEM;
	return error ? error : memfd_show("scrim-state", text, len, ret_fd);
}
