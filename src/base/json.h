/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON without an allocation: strings of any bytes into a bounded buffer. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

/* Is it valid UTF-8 (no surrogates, nothing overlong)? */
bool utf8_is_valid(const char *text, size_t len);

/*
 * Append TEXT as a JSON string with its quotes. Bytes that are not part of valid UTF-8 become \u00XX, so that the
 * result is always valid. Returns 0 or -ENOBUFS (the buffer is as it was).
 */
int json_append_string(struct buffer *b, const char *text, size_t len);

/* Append LEN bytes as a JSON string of hexadecimal digits. */
int json_append_hex(struct buffer *b, const char *bytes, size_t len);
