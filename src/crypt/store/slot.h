/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypt/store/internal.h"

/* Decrypt slot WHICH, whose BYTES have HEAD. RET_INLINE: room for FORMAT_MAX_SLOT bytes. -EBADMSG. */
int slot_open(struct xaes *xaes, const struct head *head, int which, const uint8_t *bytes, struct meta *ret_meta,
	      uint8_t *ret_inline);

void slot_tag(const uint8_t *bytes, uint8_t tag[XAES_TAG_SIZE]);

bool slot_is_zero(const uint8_t *bytes, size_t size);

/*
 * Was this slot's first write cut off? Ciphertext has no 512 zero bytes in a row and does not end in 16, and a slot is
 * written into zeros only once: so these say that no version in it ever became whole.
 */
bool slot_never_whole(const uint8_t *bytes, size_t size);
