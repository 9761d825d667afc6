/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is derived from a key that the kernel keeps (docs/KEYS.md, "Kernel keys"): AES-256-XTS under it, which the kernel
 * computes without giving the key out, and OpenSSL for who has the key's bytes; then HMAC, which makes a key of the result.
 */
#pragma once

#include <stdint.h>

#define KDF_KEY  64 /* bytes of the key: two of AES-256 */
#define KDF_SALT 16 /* the tweak */
#define KDF_TEXT 64 /* what is encrypted, and what comes out */

/* The text that each file's key is wrapped by way of, and the one of the key's id; zeros behind both. */
extern const uint8_t kdf_wrap_text[KDF_TEXT];
extern const uint8_t kdf_id_text[KDF_TEXT];

/* AES-256-XTS(KEY, tweak SALT, TEXT) by OpenSSL. RET_OUT should be secret memory. 0, -ENOMEM or -EIO. Thread safe. */
int kdf_here(const uint8_t key[KDF_KEY], const uint8_t salt[KDF_SALT], const uint8_t text[KDF_TEXT], uint8_t ret_out[KDF_TEXT]);

/*
 * The key that wraps a file's key: HMAC-SHA-256(STRETCHED, "scrim wrap v1" and a NUL, version and algorithm of the format,
 * KEY_ID, FILE_ID, SALT), the last three of 16 bytes. 0, or -ENOMEM. Thread safe.
 */
int kdf_wrapping_key(const uint8_t stretched[KDF_TEXT], const uint8_t *key_id, const uint8_t *file_id, const uint8_t *salt,
		     uint8_t ret_key[32]);
