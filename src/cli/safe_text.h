/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* TEXT with every byte that a terminal would act on replaced by \xNN, as far as SIZE allows. */
void safe_text(const char *text, char *ret_safe, size_t size);
