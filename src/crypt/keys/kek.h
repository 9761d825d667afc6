/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-encryption key: what the keys of files are wrapped under, with its public id. Where it comes from does not matter to
 * who uses it: a key file, a descriptor, a recovery key, or nowhere (ephemeral). An ordinary one is 32 bytes. A kernel key is 64,
 * which the kernel may keep to itself: then only what is derived from it, for one file, is ever in this process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypt/store/store.h"

#define KEK_SIZE    32
#define KEK_WIDE    64 /* of a kernel key */
#define KEK_ID      FORMAT_ID
#define KEK_ID_TEXT (2 * KEK_ID + 1) /* hexadecimal digits and a NUL */

/* Invariant: id is that of the key; nothing changes. May be used by several threads at a time. */
struct kek {
	uint8_t id[KEK_ID];
	bool wide;	 /* a kernel key */
	uint8_t *bytes;	 /* kek_size() bytes of secret memory; NULL: the kernel has it */
	int fd;		 /* then: the socket that computes with it (alg_socket.h) */
	const char *why; /* a kernel key whose bytes are here because the kernel would not compute: the reason; else NULL */
};

static inline size_t kek_size(const struct kek *kek)
{
	return kek->wide ? KEK_WIDE : KEK_SIZE;
}

/* A copy of BYTES (KEK_SIZE), which the caller wipes. 0 or a negative errno. */
int kek_new(const uint8_t *bytes, struct kek **ret_kek);

/* The same of a kernel key, if WIDE: KEK_WIDE bytes. BYTES NULL: random ones. */
int kek_new_sized(const uint8_t *bytes, bool wide, struct kek **ret_kek);

/* The kernel key that the socket FD computes with, which becomes the kek's whatever happens. 0 or a negative errno. */
int kek_new_in_kernel(int fd, struct kek **ret_kek);

/* A key that nobody had before, from getrandom(2). Kept nowhere, it is `key=ephemeral`: what it wraps ends with it. */
int kek_new_random(struct kek **ret_kek);

/* Wipes and releases; KEK may be NULL. */
void kek_free(struct kek *kek);

/* As the store takes it; valid as long as KEK. */
struct store_key kek_store_key(const struct kek *kek);

/*
 * The public id of an ordinary key: the first 16 bytes of HMAC-SHA-256(key, "scrim key id v1\0"); of a kernel key the same of
 * what it makes of kdf_id_text (crypt/kdf.h) with a tweak of zeros. It tells nothing of the key and is the same wherever the key
 * came from. 0 or a negative errno.
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
