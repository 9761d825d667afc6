/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-encryption key: the 32 bytes under which the keys of files are wrapped, in secret memory, with its public id.
 * Where it comes from does not matter to who uses it: a key file, a descriptor, a recovery key, or nowhere (ephemeral).
 */
#pragma once

#include <stdint.h>

#include "crypt/store/store.h"

#define KEK_SIZE    32
#define KEK_ID      FORMAT_ID
#define KEK_ID_TEXT (2 * KEK_ID + 1) /* hexadecimal digits and a NUL */

/* Invariant: id is that of bytes; neither changes. May be used by several threads at a time. */
struct kek {
	uint8_t id[KEK_ID];
	uint8_t *bytes; /* KEK_SIZE bytes of secret memory */
};

/* A copy of BYTES (KEK_SIZE), which the caller wipes. 0 or a negative errno. */
int kek_new(const uint8_t *bytes, struct kek **ret_kek);

/* A key that nobody had before, from getrandom(2). Kept nowhere, it is `key=ephemeral`: what it wraps ends with it. */
int kek_new_random(struct kek **ret_kek);

/* Wipes and releases; KEK may be NULL. */
void kek_free(struct kek *kek);

/* As the store takes it; valid as long as KEK. */
struct store_key kek_store_key(const struct kek *kek);

/*
 * The public id of a key: the first 16 bytes of HMAC-SHA-256(key, "scrim key id v1\0"). It tells nothing of the key and
 * is the same wherever the key came from. 0 or a negative errno.
 */
int kek_id_of(const uint8_t *bytes, uint8_t ret_id[KEK_ID]);

/* An id as people see it: hexadecimal digits. */
void kek_id_text(const uint8_t id[KEK_ID], char ret_text[KEK_ID_TEXT]);

/* The reverse; capitals, and spaces and dashes between the digits are borne. 0 or -EINVAL. */
int kek_id_parse(const char *text, uint8_t ret_id[KEK_ID]);

static inline void cleanup_kek(struct kek **kek)
{
	kek_free(*kek);
}
