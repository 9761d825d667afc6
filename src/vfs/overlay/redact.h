/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact=REGEX: what the expression (PCRE2, on bytes; ^ and $ match at lines) finds is replaced by "[redacted]".
 * Where it has a group, only the first group is: `redact=^password=(.*)` leaves the name of the setting. A match in
 * which that group takes no part is replaced whole.
 */
#pragma once

#include <stddef.h>

#define REDACT_MAX ((size_t)64 << 20) /* bytes of content before and after */

struct redact;

/* Compile PATTERN. Returns 0 or -EINVAL with REASON (SIZE bytes, and the place in the pattern), or -ENOMEM. */
int redact_new(const char *pattern, struct redact **ret, char *reason, size_t size);
struct redact *redact_free(struct redact *redact);

/*
 * The redacted form of DATA, malloc'ed. Returns 0, -ENOMEM, or -EFBIG when it would be longer than REDACT_MAX. When
 * the search fails (a limit, bad UTF-8 where the pattern asks for UTF) the result is empty: nothing is shown that was
 * not looked through.
 */
int redact_apply(const struct redact *redact, const char *data, size_t len, char **ret, size_t *ret_len);
