/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in the kernel's keyrings (keyrings(7)). What is made of one is AES-256-XTS under it: a permutation that the kernel
 * can compute without giving the key out, through AF_ALG, where it has that; so a key of type logon never enters a process.
 */
#pragma once

#include <stdbool.h>

#include "crypt/keys/key_file.h"

#define KERNEL_KEY_BYTES KEK_WIDE

/* "user:NAME", "logon:NAME" or just NAME, which is of type user. 0, or -EINVAL with MSG. */
int kernel_key_parse(const char *text, struct kernel_key *ret_key, struct errmsg *msg);

/*
 * Make one of random bytes in the user's keyring, where it stays until the machine is started anew. -EEXIST: there is one of
 * that name; or as add_key(2). MSG says what to do.
 */
int kernel_key_make(const struct kernel_key *key, struct errmsg *msg);

/* The same of BYTES (KERNEL_KEY_BYTES), a kernel key that is brought back. */
int kernel_key_put(const struct kernel_key *key, const uint8_t *bytes, struct errmsg *msg);

/* Does this kernel compute with keys that it keeps, for this process? Linux 6.2 and its AF_ALG. */
bool kernel_key_computes(void);

/*
 * A kernel key that encrypted files are wrapped for (KEYRING slots): it stays in the kernel where that computes; one of type
 * user is read into this process where not, and (*RET_KEK)->why says so. As kernel_key_derive().
 */
int kernel_key_open(const struct kernel_key *key, struct kek **ret_kek, struct errmsg *msg);

/* Take away what kernel_key_make() or kernel_key_put() made. */
void kernel_key_remove(const struct kernel_key *key);

/*
 * The key of a slot: AES-256-XTS(kernel's key, tweak SALT, "scrim kernel slot v1" and zeros). -ENOKEY: the kernel has
 * none of that name; -EOPNOTSUPP: it would have to compute and cannot; -EKEYREJECTED: it is not of 64 bytes. MSG says more.
 */
int kernel_key_derive(const struct kernel_key *key, const uint8_t salt[SLOT_SALT], uint8_t ret_key[XAES_KEY_SIZE],
		      struct errmsg *msg);
