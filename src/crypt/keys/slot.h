/* SPDX-License-Identifier: Apache-2.0 */
/* Making slots for a key and opening them. docs/KEYS.md says how each kind wraps it. */
#pragma once

#include <stddef.h>

#include "crypt/keys/key_file.h"

/*
 * The cost of Argon2id on this machine for about half a second: memory first, from 64 MiB to 256 MiB and no more than a
 * sixteenth of the machine's, then passes. Takes some tenths of a second. 0 or a negative errno.
 */
int key_cost_calibrate(struct key_cost *ret_cost);

/* A slot that PASSPHRASE (LEN bytes) opens. 0; -ENOMEM where Argon2id finds no memory; -ERANGE; -EOPNOTSUPP: the kernel keeps
 * the key; or a negative errno. */
int slot_from_passphrase(const struct kek *kek, const char *passphrase, size_t len, const struct key_cost *cost,
			 struct key_slot *ret_slot);

/* A slot of an ordinary key that a key in the kernel opens. As kernel_key_derive() in kernel_key.h. */
int slot_from_kernel(const struct kek *kek, const struct kernel_key *key, struct key_slot *ret_slot, struct errmsg *msg);

/* The key of slot I, a passphrase one. -ENOKEY: another passphrase. -EBADMSG: not the key that the file's id says. */
int slot_open_passphrase(const struct key_file *file, size_t i, const char *passphrase, size_t len, struct kek **ret_kek);

/* The key of slot I, one that needs no passphrase. -EBADMSG: damaged. -ENOKEY: the kernel has another key, or none, and MSG says so. */
int slot_open_unasked(const struct key_file *file, size_t i, struct kek **ret_kek, struct errmsg *msg);
