/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/kek.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/if_alg.h>

#include "base/cleanup.h"
#include "crypt/alg_socket.h"
#include "crypt/kdf.h"
#include "crypt/random.h"
#include "crypt/secret.h"

static const char id_label[] = "scrim key id v1";

_Static_assert(KEK_WIDE == KDF_KEY && FORMAT_ID == KDF_SALT, "a kernel key is what the derivation takes");

static int id_of(const uint8_t *bytes, size_t len, uint8_t ret_id[KEK_ID])
{
	/* The state holds the key as good as whole. */
	crypto_auth_hmacsha256_state *state = secret_alloc(sizeof(*state));
	uint8_t mac[crypto_auth_hmacsha256_BYTES];

	if (!state)
		return -ENOMEM;
	crypto_auth_hmacsha256_init(state, bytes, len);
	crypto_auth_hmacsha256_update(state, (const uint8_t *)id_label, sizeof(id_label));
	crypto_auth_hmacsha256_final(state, mac);
	secret_free(state, sizeof(*state));
	memcpy(ret_id, mac, KEK_ID);
	return 0;
}

int kek_id_of(const uint8_t *bytes, uint8_t ret_id[KEK_ID])
{
	return id_of(bytes, KEK_SIZE, ret_id);
}

/*
 * Memory that the kernel's ciphers write to: they pin its pages, which those of memfd_secret(2) do not let happen (EFAULT). So
 * it is locked and in no core dump, and no better.
 */
static uint8_t *map_locked(void)
{
	void *page = mmap(NULL, KDF_TEXT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (mlock(page, KDF_TEXT) == 0 && madvise(page, KDF_TEXT, MADV_DONTDUMP) == 0 && madvise(page, KDF_TEXT, MADV_DONTFORK) == 0)
		return page;
	munmap(page, KDF_TEXT);
	return NULL;
}

static int ask_kernel(int fd, const uint8_t *salt, const uint8_t *text, uint8_t *locked)
{
	struct iovec in = {(void *)(uintptr_t)text, KDF_TEXT}, out = {locked, KDF_TEXT};
	const struct alg_request request = {.op = ALG_OP_ENCRYPT, .iv = salt, .iv_len = KDF_SALT, .in = &in, .in_count = 1,
					    .in_len = KDF_TEXT, .out = &out, .out_count = 1};
	ssize_t n = alg_ask(fd, &request);

	return n == KDF_TEXT ? 0 : n < 0 ? (int)n : -EIO;
}

/* AES-256-XTS of the kernel, under the key that it keeps. */
static int stretch_in_kernel(int fd, const uint8_t *salt, const uint8_t *text, uint8_t *ret_out)
{
	uint8_t *locked = map_locked();

	if (!locked)
		return -ENOMEM;
	int r = ask_kernel(fd, salt, text, locked);
	if (r == 0)
		memcpy(ret_out, locked, KDF_TEXT);
	secret_wipe(locked, KDF_TEXT);
	munmap(locked, KDF_TEXT);
	return r;
}

static int stretch(const struct kek *kek, const uint8_t *salt, const uint8_t *text, uint8_t *ret_out)
{
	return kek->bytes ? kdf_here(kek->bytes, salt, text, ret_out) : stretch_in_kernel(kek->fd, salt, text, ret_out);
}

/* As the store asks for it. */
static int stretch_for_wrap(const void *data, const uint8_t *salt, uint8_t *ret_out)
{
	return stretch(data, salt, kdf_wrap_text, ret_out);
}

static int set_id(struct kek *kek)
{
	static const uint8_t no_salt[KDF_SALT];
	uint8_t *stretched;
	int r;

	if (!kek->wide)
		return kek_id_of(kek->bytes, kek->id);
	stretched = secret_alloc(KDF_TEXT);
	if (!stretched)
		return -ENOMEM;
	r = stretch(kek, no_salt, kdf_id_text, stretched);
	if (r == 0)
		r = id_of(stretched, KDF_TEXT, kek->id);
	secret_free(stretched, KDF_TEXT);
	return r;
}

/* BYTES NULL: random ones. */
static int make(const uint8_t *bytes, bool wide, struct kek **ret_kek)
{
	_cleanup_(cleanup_kek) struct kek *kek = calloc(1, sizeof(*kek));
	int r = 0;

	if (!kek)
		return -ENOMEM;
	kek->fd = -EBADF;
	kek->wide = wide;
	kek->bytes = secret_alloc(kek_size(kek));
	if (!kek->bytes)
		return -ENOMEM;
	if (bytes)
		memcpy(kek->bytes, bytes, kek_size(kek));
	else
		r = random_bytes(kek->bytes, kek_size(kek));
	if (r == 0)
		r = set_id(kek);
	if (r < 0)
		return r;
	*ret_kek = TAKE_PTR(kek);
	return 0;
}

int kek_new(const uint8_t *bytes, struct kek **ret_kek)
{
	return make(bytes, false, ret_kek);
}

int kek_new_sized(const uint8_t *bytes, bool wide, struct kek **ret_kek)
{
	return make(bytes, wide, ret_kek);
}

int kek_new_random(struct kek **ret_kek)
{
	return make(NULL, false, ret_kek);
}

int kek_new_in_kernel(int fd, struct kek **ret_kek)
{
	_cleanup_(cleanup_kek) struct kek *kek = calloc(1, sizeof(*kek));

	if (!kek) {
		safe_close(fd);
		return -ENOMEM;
	}
	kek->wide = true;
	kek->fd = fd;
	int r = set_id(kek);
	if (r < 0)
		return r;
	*ret_kek = TAKE_PTR(kek);
	return 0;
}

void kek_free(struct kek *kek)
{
	if (!kek)
		return;
	if (kek->bytes)
		secret_free(kek->bytes, kek_size(kek));
	else
		safe_close(kek->fd);
	free(kek);
}

struct store_key kek_store_key(const struct kek *kek)
{
	struct store_key key = {.kek = kek->wide ? NULL : kek->bytes};

	if (kek->wide) {
		key.stretch = stretch_for_wrap;
		key.data = kek;
	}
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
