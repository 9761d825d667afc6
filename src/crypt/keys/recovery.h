/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery key: the key-encryption key itself as a text for paper. 60 symbols in groups of five: "S1", the 256 bits
 * (and four of zero), six of checksum; base 32 without I, L, O and U. The checksum is the BCH code of Bech32m (BIP 350): at
 * this length it finds any four wrong symbols, so any exchange of two as well. That of a kernel key, of 64 bytes, is two such
 * texts, "S2" and "S3".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

#define RECOVERY_GROUP   5
#define RECOVERY_SYMBOLS 60
#define RECOVERY_TEXT    (RECOVERY_SYMBOLS + RECOVERY_SYMBOLS / RECOVERY_GROUP) /* with dashes between groups and a NUL */
#define RECOVERY_WIDE    (2 * RECOVERY_TEXT) /* both, a blank between them and a NUL */

/* BYTES are KEK_SIZE; RET_TEXT should be secret memory. 0, or -ENOMEM. */
int recovery_encode(const uint8_t *bytes, char ret_text[RECOVERY_TEXT]);

/*
 * The reverse, from what a person typed: capitals or not, O for 0, I and L for 1, blanks, dashes and line ends anywhere,
 * "#" and what follows it in a line left out. 0; -EINVAL: no recovery key; -EBADMSG: a typing error, and MSG (may be
 * NULL) says in which group if that can be known; -ENOMEM. Nothing that was typed stands in MSG.
 */
int recovery_decode(const char *text, size_t len, uint8_t *ret_bytes, struct errmsg *msg);

/* The same for a kernel key: BYTES are KEK_WIDE. */
int recovery_encode_wide(const uint8_t *bytes, char ret_text[RECOVERY_WIDE]);

/* Either: *RET_WIDE says which, and RET_BYTES has room for KEK_WIDE. As recovery_decode(), which takes an S1 alone. */
int recovery_decode_any(const char *text, size_t len, uint8_t *ret_bytes, bool *ret_wide, struct errmsg *msg);
