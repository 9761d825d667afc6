/* SPDX-License-Identifier: Apache-2.0 */
/* What writing and reading of key files share. */
#pragma once

#include "crypt/keys/key_file.h"

#define KEY_FILE_FIRST "scrim-key "
#define RAW_START      "slot raw key="
#define SLOT_SUM       8 /* bytes of SHA-256 that tell damage from a wrong passphrase */
#define KERNEL_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:._@/+-"

/* The one line, without newline, that SLOT of the key ID is. RET_LINE has SLOT_LINE bytes. */
void key_line_format(const uint8_t *id, const struct key_slot *slot, char *ret_line);
