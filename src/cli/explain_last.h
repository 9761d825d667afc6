/* SPDX-License-Identifier: Apache-2.0 */
/* The log of the last run that was refused anything, for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Print what PATH (NULL: the log's usual place) holds: alike refusals once, with their number, the LIMIT latest.
 * Returns the exit status.
 */
int explain_last(const char *path, size_t limit, bool json);
