/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XAES-256-GCM (C2SP, XAES-256-GCM.md): AES-256-GCM under a key derived from the first half of a 192-bit nonce, so that
 * random nonces never meet. The derivation is CMAC in counter mode, which for these lengths is two AES blocks.
 */
#pragma once

#include <stdint.h>

#include "crypt/provider.h"

#define XAES_KEY_SIZE   32
#define XAES_NONCE_SIZE 24
#define XAES_TAG_SIZE   16

/* One key, ready to use, for one thread at a time. */
struct xaes;

/* KEY (32 bytes) is copied into the context; the caller wipes its own. 0 or a negative errno. */
int xaes_new(const struct aead_provider *provider, const uint8_t *key, struct xaes **ret_xaes);

/* Another context for the same key, for another thread. X must not be in use meanwhile. 0 or a negative errno. */
int xaes_copy(const struct xaes *x, struct xaes **ret_copy);

/* Wipes and releases; X may be NULL. */
void xaes_free(struct xaes *x);

/* NONCE: 24 bytes, never used before with this key. 0 or a negative errno. */
int xaes_seal(struct xaes *x, const uint8_t *nonce, const struct aead_message *m);

/* 0; -EBADMSG and zeros in m->out when the tag is another one; or a negative errno. */
int xaes_open(struct xaes *x, const uint8_t *nonce, const struct aead_message *m);
