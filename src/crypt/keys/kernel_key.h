/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in the kernel's keyrings (keyrings(7)). What is made of one is AES-256-XTS under it: a permutation that the kernel
 * can compute without giving the key out, through AF_ALG, where it has that; so a key of type logon never enters a process.
 */
#pragma once

#include "crypt/keys/key_file.h"

#define KERNEL_KEY_BYTES 64

/* "user:NAME", "logon:NAME" or just NAME, which is of type user. 0, or -EINVAL with MSG. */
int kernel_key_parse(const char *text, struct kernel_key *ret_key, struct errmsg *msg);

/*
 * Make one of random bytes in the user's keyring, where it stays until the machine is started anew. -EEXIST: there is one of
 * that name; or as add_key(2). MSG says what to do.
 */
int kernel_key_make(const struct kernel_key *key, struct errmsg *msg);

/* Take away what kernel_key_make() made. */
void kernel_key_remove(const struct kernel_key *key);

/*
 * The key of a slot: AES-256-XTS(kernel's key, tweak SALT, "scrim kernel slot v1" and zeros). -ENOKEY: the kernel has
 * none of that name; -EOPNOTSUPP: it would have to compute and cannot; -EKEYREJECTED: it is not of 64 bytes. MSG says more.
 */
int kernel_key_derive(const struct kernel_key *key, const uint8_t salt[SLOT_SALT], uint8_t ret_key[XAES_KEY_SIZE],
		      struct errmsg *msg);
