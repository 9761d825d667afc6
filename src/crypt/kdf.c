/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/kdf.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "crypt/init.h"
#include "crypt/secret.h"
#include "crypt/store/format.h"

const uint8_t kdf_wrap_text[KDF_TEXT] = "scrim v1 kernel kdf";
const uint8_t kdf_id_text[KDF_TEXT] = "scrim v1 kernel id";

static const char wrap_label[] = "scrim wrap v1";

int kdf_here(const uint8_t key[KDF_KEY], const uint8_t salt[KDF_SALT], const uint8_t text[KDF_TEXT], uint8_t ret_out[KDF_TEXT])
{
	EVP_CIPHER_CTX *context = crypt_init() == 0 ? EVP_CIPHER_CTX_new() : NULL;
	int len = 0;

	if (!context)
		return -ENOMEM;
	int good = EVP_EncryptInit_ex(context, EVP_aes_256_xts(), NULL, key, salt) &&
		   EVP_EncryptUpdate(context, ret_out, &len, text, KDF_TEXT) && len == KDF_TEXT;
	EVP_CIPHER_CTX_free(context);
	return good ? 0 : -EIO;
}

int kdf_wrapping_key(const uint8_t stretched[KDF_TEXT], const uint8_t *key_id, const uint8_t *file_id, const uint8_t *salt,
		     uint8_t ret_key[32])
{
	static const uint8_t format[] = {FORMAT_VERSION, 0, FORMAT_XAES_256_GCM, 0};
	/* The state holds the key as good as whole. */
	crypto_auth_hmacsha256_state *state = secret_alloc(sizeof(*state));

	if (!state)
		return -ENOMEM;
	crypto_auth_hmacsha256_init(state, stretched, KDF_TEXT);
	crypto_auth_hmacsha256_update(state, (const uint8_t *)wrap_label, sizeof(wrap_label));
	crypto_auth_hmacsha256_update(state, format, sizeof(format));
	crypto_auth_hmacsha256_update(state, key_id, FORMAT_ID);
	crypto_auth_hmacsha256_update(state, file_id, FORMAT_ID);
	crypto_auth_hmacsha256_update(state, salt, FORMAT_ID);
	crypto_auth_hmacsha256_final(state, ret_key);
	secret_free(state, sizeof(*state));
	return 0;
}
