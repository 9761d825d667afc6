/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/kek.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypt/random.h"
#include "crypt/secret.h"

static const char id_label[] = "scrim key id v1";

int kek_id_of(const uint8_t *bytes, uint8_t ret_id[KEK_ID])
{
	/* The state holds the key as good as whole. */
	crypto_auth_hmacsha256_state *state = secret_alloc(sizeof(*state));
	uint8_t mac[crypto_auth_hmacsha256_BYTES];

	if (!state)
		return -ENOMEM;
	crypto_auth_hmacsha256_init(state, bytes, KEK_SIZE);
	crypto_auth_hmacsha256_update(state, (const uint8_t *)id_label, sizeof(id_label));
	crypto_auth_hmacsha256_final(state, mac);
	secret_free(state, sizeof(*state));
	memcpy(ret_id, mac, KEK_ID);
	return 0;
}

static int make(const uint8_t *bytes, struct kek **ret_kek)
{
	_cleanup_(cleanup_kek) struct kek *kek = calloc(1, sizeof(*kek));
	int r = 0;

	if (!kek)
		return -ENOMEM;
	kek->bytes = secret_alloc(KEK_SIZE);
	if (!kek->bytes)
		return -ENOMEM;
	if (bytes)
		memcpy(kek->bytes, bytes, KEK_SIZE);
	else
		r = random_bytes(kek->bytes, KEK_SIZE);
	if (r == 0)
		r = kek_id_of(kek->bytes, kek->id);
	if (r < 0)
		return r;
	*ret_kek = TAKE_PTR(kek);
	return 0;
}

int kek_new(const uint8_t *bytes, struct kek **ret_kek)
{
	return make(bytes, ret_kek);
}

int kek_new_random(struct kek **ret_kek)
{
	return make(NULL, ret_kek);
}

void kek_free(struct kek *kek)
{
	if (!kek)
		return;
	secret_free(kek->bytes, KEK_SIZE);
	free(kek);
}

struct store_key kek_store_key(const struct kek *kek)
{
	struct store_key key = {.kek = kek->bytes};

	memcpy(key.id, kek->id, KEK_ID);
	return key;
}

void kek_id_text(const uint8_t id[KEK_ID], char ret_text[KEK_ID_TEXT])
{
	sodium_bin2hex(ret_text, KEK_ID_TEXT, id, KEK_ID);
}

int kek_id_parse(const char *text, uint8_t ret_id[KEK_ID])
{
	uint8_t id[KEK_ID];
	size_t len;

	if (sodium_hex2bin(id, sizeof(id), text, strlen(text), " -", &len, NULL) != 0 || len != sizeof(id))
		return -EINVAL;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}
