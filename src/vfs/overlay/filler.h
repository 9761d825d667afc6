/* SPDX-License-Identifier: Apache-2.0 */
/* What stands where a secret was: as long as it, and of the same kind for parsers (redact.h says how). */
#pragma once

#include <stddef.h>

/* Overwrite the LEN bytes at TEXT. */
void filler_write(char *text, size_t len);
