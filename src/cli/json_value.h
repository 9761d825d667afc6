/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands need of jansson beyond jansson. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A string of any bytes: those that are not UTF-8 stand as \u00XX. A new reference, or NULL without memory. */
json_t *json_bytes(const char *text);

/* Print VALUE on standard output, indented, with a newline, and drop the reference. Returns false if that failed. */
bool json_print(json_t *value);

/* Print TEXT with every byte that a terminal would act on replaced by \xNN. */
void print_safe(FILE *to, const char *text);
