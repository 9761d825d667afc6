/* SPDX-License-Identifier: Apache-2.0 */
/* The file's own key, wrapped in the clear head under key-encryption keys. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypt/kdf.h"
#include "crypt/secret.h"
#include "crypt/store/internal.h"

#define WRAP_AAD (FORMAT_AAD + 2 * FORMAT_ID)

static const char commitment_label[] = "scrim file key v1";

/* HMAC-SHA-256(file key, label, file id): GCM alone would let one text open under two keys. */
static void commit_to(const uint8_t *key, const uint8_t *file_id, uint8_t commitment[32])
{
	uint8_t text[sizeof(commitment_label) + FORMAT_ID];
	crypto_auth_hmacsha256_state state;

	memcpy(text, commitment_label, sizeof(commitment_label));
	memcpy(text + sizeof(commitment_label), file_id, FORMAT_ID);
	/* By libsodium: OpenSSL's would look the algorithm up and allocate, for each file. */
	crypto_auth_hmacsha256_init(&state, key, XAES_KEY_SIZE);
	crypto_auth_hmacsha256_update(&state, text, sizeof(text));
	crypto_auth_hmacsha256_final(&state, commitment);
	secret_wipe(&state, sizeof(state));
}

static void wrap_aad(const struct head *h, const struct wrap *w, uint8_t aad[WRAP_AAD])
{
	format_aad(KIND_WRAP, h->file_id, w->kind, 0, XAES_KEY_SIZE, aad);
	memcpy(aad + FORMAT_AAD, w->key_id, FORMAT_ID);
	memcpy(aad + FORMAT_AAD + FORMAT_ID, h->salt, FORMAT_ID);
}

static enum wrap_kind kind_of(const struct store_key *key)
{
	return key->kek ? WRAP_KEK : WRAP_KERNEL;
}

/* What wraps the key of the file that H is of: KEY, or what is derived from it for this file alone. */
static int wrapping_key(const struct store_env *env, const struct head *h, const struct store_key *key, struct xaes **ret_xaes)
{
	uint8_t *secret;
	int r;

	if (key->kek)
		return xaes_new(env->provider, key->kek, ret_xaes);
	secret = secret_alloc(KDF_TEXT + XAES_KEY_SIZE);
	if (!secret)
		return -ENOMEM;
	r = key->stretch(key->data, h->salt, secret);
	if (r == 0)
		r = kdf_wrapping_key(secret, key->id, h->file_id, h->salt, secret + KDF_TEXT);
	/* That nobody computes for us says nothing about the file. */
	r = r < 0 && r != -ENOMEM ? -EIO : r;
	if (r == 0)
		r = xaes_new(env->provider, secret + KDF_TEXT, ret_xaes);
	secret_free(secret, KDF_TEXT + XAES_KEY_SIZE);
	return r;
}

/* NONCE: random, or NULL to have it drawn. */
static int wrap_key(const struct store_env *env, const struct head *h, const struct store_key *key,
		    const uint8_t *file_key, const uint8_t *nonce, struct wrap *ret_wrap)
{
	struct wrap w = {.kind = (uint8_t)kind_of(key)};
	uint8_t aad[WRAP_AAD];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = file_key, .len = XAES_KEY_SIZE, .out = w.cipher, .tag = w.tag};
	struct xaes *kek;
	int r;

	memcpy(w.key_id, key->id, FORMAT_ID);
	wrap_aad(h, &w, aad);
	r = nonce ? 0 : env->random(w.nonce, sizeof(w.nonce));
	if (nonce)
		memcpy(w.nonce, nonce, sizeof(w.nonce));
	if (r == 0)
		r = wrapping_key(env, h, key, &kek);
	if (r < 0)
		return r;
	r = xaes_seal(kek, w.nonce, &m);
	xaes_free(kek);
	if (r == 0)
		*ret_wrap = w;
	return r;
}

/* The file key of wrap W under KEY. -EBADMSG: damaged. -ENOKEY: another key under the same id. */
static int unwrap_key(const struct store_env *env, const struct head *h, const struct wrap *w, const struct store_key *key,
		      uint8_t *ret_file_key)
{
	uint8_t aad[WRAP_AAD], tag[XAES_TAG_SIZE], commitment[32];
	struct aead_message m = {.aad = aad, .aad_len = sizeof(aad), .in = w->cipher, .len = XAES_KEY_SIZE, .out = ret_file_key, .tag = tag};
	struct xaes *kek;
	int r = wrapping_key(env, h, key, &kek);

	if (r < 0)
		return r;
	wrap_aad(h, w, aad);
	memcpy(tag, w->tag, sizeof(tag));
	r = xaes_open(kek, w->nonce, &m);
	xaes_free(kek);
	if (r == 0)
		commit_to(ret_file_key, h->file_id, commitment);
	if (r == 0 && sodium_memcmp(commitment, h->commitment, sizeof(commitment)) != 0)
		r = -EBADMSG;
	return r;
}

/* Any of the wraps by any of the keys, into FILE_KEY. */
static int find_key(const struct store_env *env, const struct head *h, uint8_t *ret_file_key)
{
	int r = -ENOKEY;

	for (size_t i = 0; i < FORMAT_WRAPS; i++)
		for (size_t k = 0; k < env->key_count; k++) {
			if (h->wraps[i].kind != kind_of(&env->keys[k]) || memcmp(h->wraps[i].key_id, env->keys[k].id, FORMAT_ID) != 0)
				continue;
			r = unwrap_key(env, h, &h->wraps[i], &env->keys[k], ret_file_key);
			if (r != -EBADMSG)
				return r;
		}
	return r;
}

int keys_make(struct store *s)
{
	uint8_t *file_key = secret_alloc(XAES_KEY_SIZE), public[2 * FORMAT_ID + XAES_NONCE_SIZE];
	int r;

	if (!file_key)
		return -ENOMEM;
	r = s->env.key_count > 0 ? 0 : -ENOKEY;
	if (r == 0)
		r = s->env.random(file_key, XAES_KEY_SIZE);
	if (r == 0)
		r = s->env.random(public, sizeof(public));
	if (r == 0) {
		memcpy(s->head.file_id, public, FORMAT_ID);
		memcpy(s->head.salt, public + FORMAT_ID, FORMAT_ID);
		commit_to(file_key, s->head.file_id, s->head.commitment);
	}
	if (r == 0)
		r = wrap_key(&s->env, &s->head, &s->env.keys[0], file_key, public + 2 * FORMAT_ID, &s->head.wraps[0]);
	if (r == 0)
		r = xaes_new(s->env.provider, file_key, &s->xaes);
	secret_free(file_key, XAES_KEY_SIZE);
	return r;
}

int keys_open(const struct store_env *env, const struct head *h, struct xaes **ret_xaes)
{
	uint8_t *file_key = secret_alloc(XAES_KEY_SIZE);
	int r;

	if (!file_key)
		return -ENOMEM;
	r = find_key(env, h, file_key);
	if (r == 0)
		r = xaes_new(env->provider, file_key, ret_xaes);
	secret_free(file_key, XAES_KEY_SIZE);
	return r;
}

int store_rekey(struct store *s, const struct store_key *new_key, const uint8_t *old_id)
{
	uint8_t *file_key = secret_alloc(XAES_KEY_SIZE);
	struct head h = s->head;
	struct wrap *place = NULL;
	unsigned left = 0;
	int r = 0;

	if (!file_key)
		return -ENOMEM;
	for (size_t i = 0; i < FORMAT_WRAPS; i++) {
		if (old_id && h.wraps[i].kind != WRAP_NONE && memcmp(h.wraps[i].key_id, old_id, FORMAT_ID) == 0)
			memset(&h.wraps[i], 0, sizeof(h.wraps[i]));
		if (new_key && h.wraps[i].kind != WRAP_NONE && memcmp(h.wraps[i].key_id, new_key->id, FORMAT_ID) == 0)
			place = &h.wraps[i]; /* again under the same key */
	}
	for (size_t i = 0; i < FORMAT_WRAPS && !place; i++)
		if (h.wraps[i].kind == WRAP_NONE)
			place = &h.wraps[i];
	if (new_key && !place)
		r = -ENOSPC;
	if (r == 0 && new_key)
		r = find_key(&s->env, &s->head, file_key);
	if (r == 0 && new_key)
		r = wrap_key(&s->env, &h, new_key, file_key, NULL, place);
	secret_free(file_key, XAES_KEY_SIZE);
	for (size_t i = 0; i < FORMAT_WRAPS; i++)
		left += h.wraps[i].kind != WRAP_NONE;
	if (r == 0 && left == 0)
		r = -ENOKEY;
	if (r < 0)
		return r;
	s->head = h;
	s->changed = true;
	return 0;
}
