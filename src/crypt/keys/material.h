/* SPDX-License-Identifier: Apache-2.0 */
/* A key as it is given without a key file: from a descriptor, a file of 32 bytes, a recovery key. */
#pragma once

#include <stddef.h>

#include "base/errmsg.h"
#include "crypt/keys/kek.h"

/*
 * LEN bytes of DATA are one of: 32 bytes; 64 hexadecimal digits; a recovery key (with comments). 0; -EINVAL: none of
 * them; -EBADMSG: a recovery key with a typing error; MSG says more and holds nothing of DATA.
 */
int key_material_parse(const char *data, size_t len, struct kek **ret_kek, struct errmsg *msg);
