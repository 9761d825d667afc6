/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/cli.h"

static const char *const words[REFUSAL_COUNT] = {
	[REFUSAL_HIDDEN] = "hidden",	     [REFUSAL_DENIED] = "denied",	[REFUSAL_MASKED_WRITE] = "masked write",
	[REFUSAL_APPEND] = "append-only",    [REFUSAL_READONLY] = "read-only",	[REFUSAL_CRYPT] = "encrypted",
	[REFUSAL_UNSERVED] = "not served",
};

uint64_t summary_total(struct run_counters *counters)
{
	uint64_t total = 0;

	for (int i = 0; counters && i < REFUSAL_COUNT; i++)
		total += counters->refusals[i];
	return total;
}

void summary_format(struct run_counters *counters, char *text, size_t size)
{
	uint64_t total = summary_total(counters);
	const char *before = " (";
	struct buffer b;
	char piece[64];

	buffer_init(&b, text, size);
	if (total == 0)
		return;
	snprintf(piece, sizeof(piece), "%" PRIu64 " refusal%s", total, total == 1 ? "" : "s");
	buffer_append_str(&b, piece);
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		uint64_t count = counters->refusals[i];
		if (count == 0)
			continue;
		snprintf(piece, sizeof(piece), "%s%" PRIu64 " %s", before, count, words[i]);
		buffer_append_str(&b, piece);
		before = ", ";
	}
	buffer_append_str(&b, ")");
}

void summary_print(struct run_counters *counters, const char *hint)
{
	char text[256];

	if (summary_total(counters) == 0 || !isatty(STDERR_FILENO))
		return;
	summary_format(counters, text, sizeof(text));
	if (hint)
		cli_note("%s: %s", text, hint);
	else
		cli_note("%s", text);
}
