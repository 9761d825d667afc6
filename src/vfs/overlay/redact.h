/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact=REGEX: what expressions (PCRE2, on bytes; ^ and $ match at lines) find is replaced, by the token= of the
 * expression or by as many bytes of filler. Where an expression has a group, only the first group is:
 * `redact=^password=(.*)` leaves the name of the setting. A match in which that group takes no part is replaced whole.
 *
 * Filler is "x" for each byte, or "1" for each digit of a number, so that a number is one still. Line ends, blanks that
 * begin a line or the match, and quotes at both ends stay: what was JSON, YAML or assignments remains that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vfs/policy/policy.h"

#define REDACT_MAX ((size_t)64 << 20) /* bytes of content before and after */

struct redact;

/*
 * Compile the expressions of LIST. Returns 0 or -EINVAL with REASON (SIZE bytes: the expression, what is wrong with it and
 * where), or -ENOMEM. The tokens are not copied.
 */
int redact_new(const struct redaction *list, unsigned count, struct redact **ret, char *reason, size_t size);
struct redact *redact_free(struct redact *redact);

/*
 * The redacted form of DATA, malloc'ed. All expressions look at the original; where what they found overlaps it is replaced
 * as one piece. Content without a byte is its own redacted form. Returns 0; -ENODATA when one of the expressions finds
 * nothing, or a limit (time, depth, number of matches) or bad UTF-8 keeps it from being looked through (with PARTLY that is no
 * error: what was found is replaced), or the result would be too long; or -ENOMEM.
 */
int redact_apply(const struct redact *redact, const char *data, size_t len, bool partly, char **ret, size_t *ret_len);
