/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/safe_text.h"

#include <stdbool.h>
#include <stdio.h>

void safe_text(const char *text, char *ret_safe, size_t size)
{
	size_t at = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c && at + 5 < size; c++) {
		/* 0x80-0x9f after 0xc2 are control characters too. */
		bool control = *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);

		if (control)
			at += (size_t)snprintf(ret_safe + at, size - at, "\\x%02x", *c);
		else
			ret_safe[at++] = (char)*c;
	}
	ret_safe[at] = '\0';
}
