/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/messages.h"

#include "base/cleanup.h"

struct messages *messages_new(unsigned max)
{
	struct messages *messages = malloc(sizeof(*messages) + max * sizeof(messages->item[0]));

	if (!messages)
		return NULL;
	messages->counted = false;
	messages->before = messages->count = 0;
	return messages;
}

struct messages *messages_free(struct messages *messages)
{
	for (unsigned i = 0; messages && i < messages->count; i++) {
		if (messages->item[i].owned)
			safe_close(messages->item[i].fd);
	}
	free(messages);
	return NULL;
}
