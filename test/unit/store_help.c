/* SPDX-License-Identifier: Apache-2.0 */
#include "store_help.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/random.h"

static uint8_t keks[5][32] = {{1}, {2}, {3}, {4}, {5}};
const struct store_key keys[STORE_KEYS] = {
	{{1}, keks[0]}, {{2}, keks[1]}, {{3}, keks[2]}, {{4}, keks[3]}, {{5}, keks[4]},
};

struct told told;

static int telling_make(void **ret_context)
{
	return aead_openssl.make(ret_context);
}

static void telling_drop(void *context)
{
	aead_openssl.drop(context);
}

static int telling_usable(const char **ret_why)
{
	return aead_openssl.usable(ret_why);
}

static int telling_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	told.seals++;
	if (told.count < ARRAY_LEN(told.seen)) {
		assert_true(m->aad_len <= sizeof(told.seen[0].aad));
		memcpy(told.seen[told.count].aad, m->aad, m->aad_len);
		told.seen[told.count].aad_len = m->aad_len;
		told.seen[told.count++].len = m->len;
	}
	return aead_openssl.seal(context, key, nonce, m);
}

static int telling_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	told.opens++;
	told.slots_opened += m->aad_len == FORMAT_CLEAR + 1;
	return aead_openssl.open(context, key, nonce, m);
}

static const struct aead_provider telling = {
	.name = "telling",
	.usable = telling_usable,
	.make = telling_make,
	.drop = telling_drop,
	.seal = telling_seal,
	.open = telling_open,
};

struct drawn drawn;

static int drawing(void *bytes, size_t len)
{
	drawn.calls++;
	drawn.total += len;
	if (len > drawn.most)
		drawn.most = len;
	if (drawn.overwrite)
		memset(drawn.overwrite, 0xee, drawn.overwrite_len);
	return drawn.calls == drawn.fail_at ? -ENOSYS : random_bytes(bytes, len);
}

struct store_env env_of(struct disk *disk)
{
	memset(&told, 0, sizeof(told));
	memset(&drawn, 0, sizeof(drawn));
	return (struct store_env){.io = &disk_io, .handle = disk, .provider = &telling, .random = drawing, .keys = keys, .key_count = 1};
}

uint8_t *pattern(size_t len, uint8_t seed)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 255 + seed);
	return bytes;
}

void expect_content(const struct store_env *env, const uint8_t *want, size_t len)
{
	uint8_t *got = malloc(len + 1);
	struct store *s;

	assert_non_null(got);
	assert_int_equal(store_open(env, STORE_READ, NULL, &s), 0);
	assert_int_equal(store_size(s), len);
	assert_int_equal(store_read(s, got, len, 0), (ssize_t)len);
	assert_memory_equal(got, want, len);
	store_free(s);
	free(got);
}

void no_damage(void *data, const struct store_damage *damage)
{
	(void)data, (void)damage;
	fail();
}
