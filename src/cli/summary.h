/* SPDX-License-Identifier: Apache-2.0 */
/* The one line at the end of a run: how much was refused. */
#pragma once

#include "base/log.h"

/* COUNTERS may be NULL. */
uint64_t summary_total(struct run_counters *counters);
/* "3 refusals (2 hidden, 1 masked write)" into TEXT of SIZE bytes; empty when there was none. */
void summary_format(struct run_counters *counters, char *text, size_t size);
/* On a terminal only, and only if anything was refused. HINT may be NULL. */
void summary_print(struct run_counters *counters, const char *hint);
