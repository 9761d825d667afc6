/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/slot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/recovery.h"
#include "crypt/random.h"
#include "crypt/secret.h"

#define CALIBRATE_MEMORY (64u << 10) /* KiB */
#define CALIBRATE_MOST   (256u << 10)
#define CALIBRATE_SHARE  16
#define CALIBRATE_NS     500000000

static const char aad_label[] = "scrim key slot v1";

#define SLOT_AAD (sizeof(aad_label) + KEK_ID + SLOT_LINE)

static size_t slot_aad(const uint8_t *id, const struct key_slot *slot, uint8_t *aad)
{
	memcpy(aad, aad_label, sizeof(aad_label));
	memcpy(aad + sizeof(aad_label), id, KEK_ID);
	char *parameters = (char *)aad + sizeof(aad_label) + KEK_ID;
	key_slot_parameters(slot, parameters);
	return sizeof(aad_label) + KEK_ID + strlen(parameters);
}

/* SLOT_KEY (XAES_KEY_SIZE) wraps KEK. */
static int wrap(const struct kek *kek, const uint8_t *slot_key, struct key_slot *slot)
{
	uint8_t aad[SLOT_AAD];
	struct aead_message m = {.aad = aad, .in = kek->bytes, .len = kek_size(kek), .out = slot->wrapped, .tag = slot->tag};
	struct xaes *xaes;

	if (!kek->bytes)
		return -EOPNOTSUPP;
	slot->wide = kek->wide;
	int r = random_bytes(slot->nonce, sizeof(slot->nonce));

	if (r == 0)
		r = xaes_new(aead_provider_find(NULL), slot_key, &xaes);
	if (r < 0)
		return r;
	m.aad_len = slot_aad(kek->id, slot, aad);
	r = xaes_seal(xaes, slot->nonce, &m);
	xaes_free(xaes);
	return r;
}

/* BYTES are the key that FILE says it holds, or it is damaged. */
static int take_kek(const struct key_file *file, const uint8_t *bytes, struct kek **ret_kek)
{
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	int r = kek_new_sized(bytes, file->wide, &kek);

	if (r < 0)
		return r;
	if (sodium_memcmp(kek->id, file->id, KEK_ID) != 0)
		return -EBADMSG;
	*ret_kek = TAKE_PTR(kek);
	return 0;
}

/* -ENOKEY: SLOT_KEY is not the one. */
static int unwrap(const struct key_file *file, const struct key_slot *slot, const uint8_t *slot_key, struct kek **ret_kek)
{
	size_t size = file->wide ? KEK_WIDE : KEK_SIZE;
	uint8_t aad[SLOT_AAD], tag[XAES_TAG_SIZE], *bytes = secret_alloc(size);
	struct aead_message m = {.aad = aad, .in = slot->wrapped, .len = size, .out = bytes, .tag = tag};
	struct xaes *xaes;

	if (!bytes)
		return -ENOMEM;
	int r = xaes_new(aead_provider_find(NULL), slot_key, &xaes);
	if (r == 0) {
		m.aad_len = slot_aad(file->id, slot, aad);
		memcpy(tag, slot->tag, sizeof(tag));
		r = xaes_open(xaes, slot->nonce, &m);
		xaes_free(xaes);
		r = r == -EBADMSG ? -ENOKEY : r;
	}
	if (r == 0)
		r = take_kek(file, bytes, ret_kek);
	secret_free(bytes, size);
	return r;
}

static int argon2id(const char *passphrase, size_t len, const struct key_cost *cost, const uint8_t *salt, uint8_t *ret_key)
{
	int r = key_cost_check(cost, NULL);

	if (r < 0)
		return r;
	if (sodium_init() < 0)
		return -EIO;
	errno = 0;
	r = crypto_pwhash(ret_key, XAES_KEY_SIZE, passphrase, len, salt, cost->passes, (size_t)cost->memory << 10,
			  crypto_pwhash_ALG_ARGON2ID13);
	return r == 0 ? 0 : errno ? -errno : -ENOMEM;
}

_Static_assert(SLOT_SALT == crypto_pwhash_SALTBYTES, "Argon2id as libsodium has it");

int slot_from_passphrase(const struct kek *kek, const char *passphrase, size_t len, const struct key_cost *cost,
			 struct key_slot *ret_slot)
{
	struct key_slot slot = {.kind = SLOT_PASSPHRASE, .cost = *cost};
	uint8_t *slot_key = secret_alloc(XAES_KEY_SIZE);

	if (!slot_key)
		return -ENOMEM;
	int r = random_bytes(slot.salt, sizeof(slot.salt));
	if (r == 0)
		r = argon2id(passphrase, len, cost, slot.salt, slot_key);
	if (r == 0)
		r = wrap(kek, slot_key, &slot);
	secret_free(slot_key, XAES_KEY_SIZE);
	if (r == 0)
		*ret_slot = slot;
	return r;
}

int slot_open_passphrase(const struct key_file *file, size_t i, const char *passphrase, size_t len, struct kek **ret_kek)
{
	const struct key_slot *slot = &file->slot[i];
	uint8_t *slot_key = secret_alloc(XAES_KEY_SIZE);

	if (!slot_key)
		return -ENOMEM;
	int r = argon2id(passphrase, len, &slot->cost, slot->salt, slot_key);
	if (r == 0)
		r = unwrap(file, slot, slot_key, ret_kek);
	secret_free(slot_key, XAES_KEY_SIZE);
	return r;
}

int slot_from_kernel(const struct kek *kek, const struct kernel_key *key, struct key_slot *ret_slot, struct errmsg *msg)
{
	struct key_slot slot = {.kind = SLOT_KERNEL, .kernel = *key};
	uint8_t *slot_key = secret_alloc(XAES_KEY_SIZE);

	if (!slot_key)
		return -ENOMEM;
	int r = random_bytes(slot.salt, sizeof(slot.salt));
	if (r == 0)
		r = kernel_key_derive(key, slot.salt, slot_key, msg);
	if (r == 0)
		r = wrap(kek, slot_key, &slot);
	secret_free(slot_key, XAES_KEY_SIZE);
	if (r == 0)
		*ret_slot = slot;
	return r;
}

static int open_kernel(const struct key_file *file, const struct key_slot *slot, struct kek **ret_kek, struct errmsg *msg)
{
	uint8_t *slot_key = secret_alloc(XAES_KEY_SIZE);

	if (!slot_key)
		return -ENOMEM;
	int r = kernel_key_derive(&slot->kernel, slot->salt, slot_key, msg);
	if (r == 0) {
		r = unwrap(file, slot, slot_key, ret_kek);
		if (r == -ENOKEY)
			errmsg_set(msg, r, "the kernel's key %s:%s is another one than when the slot was made",
				   slot->kernel.type, slot->kernel.name);
	}
	secret_free(slot_key, XAES_KEY_SIZE);
	return r;
}

static int open_raw(const struct key_file *file, const struct key_slot *slot, struct kek **ret_kek, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KEK_WIDE);
	bool wide;

	if (!bytes)
		return -ENOMEM;
	int r = recovery_decode_any(file->text->data + slot->secret, slot->secret_len, bytes, &wide, msg);
	if (r == 0)
		r = wide == file->wide ? take_kek(file, bytes, ret_kek) : -EBADMSG;
	secret_free(bytes, KEK_WIDE);
	return r == -EINVAL ? -EBADMSG : r;
}

/* The key that the kernel has under the slot's name, if it is the one that the file says. */
static int open_keyring(const struct key_file *file, const struct key_slot *slot, struct kek **ret_kek, struct errmsg *msg)
{
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	int r = kernel_key_open(&slot->kernel, &kek, msg);

	if (r < 0)
		return r;
	if (sodium_memcmp(kek->id, file->id, KEK_ID) != 0)
		return errmsg_set(msg, -ENOKEY, "the kernel's key %s:%s is another one than the file's", slot->kernel.type,
				  slot->kernel.name);
	*ret_kek = TAKE_PTR(kek);
	return 0;
}

int slot_open_unasked(const struct key_file *file, size_t i, struct kek **ret_kek, struct errmsg *msg)
{
	const struct key_slot *slot = &file->slot[i];
	int r = slot->kind == SLOT_RAW	   ? open_raw(file, slot, ret_kek, msg) :
		slot->kind == SLOT_KEYRING ? open_keyring(file, slot, ret_kek, msg) :
					     open_kernel(file, slot, ret_kek, msg);

	if (r == -EBADMSG)
		errmsg_set(msg, r, "the key of slot %zu is not the one that the file's id names: it is damaged", i + 1);
	return r;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int key_cost_calibrate(struct key_cost *ret_cost)
{
	struct key_cost cost = {.memory = CALIBRATE_MEMORY, .passes = 1};
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t share = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / CALIBRATE_SHARE >> 10 : 0;
	static const uint8_t salt[SLOT_SALT];
	uint8_t *key = secret_alloc(XAES_KEY_SIZE);
	int64_t took = now_ns();

	if (!key)
		return -ENOMEM;
	int r = argon2id("", 0, &cost, salt, key);
	took = now_ns() - took;
	secret_free(key, XAES_KEY_SIZE);
	if (r < 0)
		return r;
	took = took > 0 ? took : 1;
	/* Twice the memory while the machine has it to spare and two passes over it stay within the time. */
	while (cost.memory * 2 <= share && cost.memory * 2 <= CALIBRATE_MOST && took * 4 <= CALIBRATE_NS) {
		cost.memory *= 2;
		took *= 2;
	}
	int64_t passes = CALIBRATE_NS / took;
	int64_t most = COST_TOTAL_MAX / cost.memory;
	cost.passes = (uint32_t)(passes < 1 ? 1 : passes > most ? most : passes);
	*ret_cost = cost;
	return 0;
}
