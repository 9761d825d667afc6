/* SPDX-License-Identifier: Apache-2.0 */
/* Lines "option NAME=VALUE": what is no rule about a path. */
#pragma once

#include <stddef.h>

#include "vfs/policy/policy.h"

/*
 * Apply the LEN bytes at TEXT, "NAME=VALUE", to SETTINGS; the last one counts. Returns 0; -ENOENT: no such option; or -EINVAL: not
 * a value of it. *RET_REMEDY says what to write.
 */
int setting_apply(struct policy_settings *settings, const char *text, size_t len, const char **ret_remedy);

/* Bytes: digits, and K, M, G or T (powers of 1024) perhaps. Returns 0 or -EINVAL, for 0 bytes too. */
int size_parse(const char *text, size_t len, uint64_t *ret);
