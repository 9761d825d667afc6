/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/material.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypt/keys/recovery.h"
#include "crypt/secret.h"

#define HEX_DIGITS (2 * KEK_SIZE)

static size_t without_line_end(const char *data, size_t len)
{
	while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	return len;
}

static int parse(const char *data, size_t len, uint8_t *bytes, bool *wide, struct errmsg *msg)
{
	size_t text_len = without_line_end(data, len), got;
	const char *end;

	*wide = false;
	if (len == KEK_SIZE) {
		memcpy(bytes, data, KEK_SIZE);
		return 0;
	}
	if (text_len == HEX_DIGITS && sodium_hex2bin(bytes, KEK_SIZE, data, text_len, NULL, &got, &end) == 0 &&
	    end == data + text_len && got == KEK_SIZE)
		return 0;
	if (len == 0)
		return errmsg_set(msg, -EINVAL, "there is no key: it is empty");
	/* What has nothing of a text is no recovery key, and so would be misleading. */
	if (memchr(data, '\0', len))
		return errmsg_set(msg, -EINVAL, "%zu bytes are no key: a key is 32 bytes, 64 hexadecimal digits or a recovery key", len);
	return recovery_decode_any(data, len, bytes, wide, msg);
}

int key_material_parse(const char *data, size_t len, struct kek **ret_kek, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KEK_WIDE);
	bool wide;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = parse(data, len, bytes, &wide, msg);
	if (r == 0)
		r = kek_new_sized(bytes, wide, ret_kek);
	secret_free(bytes, KEK_WIDE);
	return r;
}
