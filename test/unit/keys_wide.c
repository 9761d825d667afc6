/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel keys (docs/KEYS.md): the derivation, the wrap and the golden files of version 2 against what a program of its own
 * computed (AES, XTS, XAES and Argon2 of another library). Where this kernel computes with keys that it keeps, the same of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/cleanup.h"
#include "crypt/kdf.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/key_open.h"
#include "crypt/keys/material.h"
#include "crypt/keys/recovery.h"
#include "crypt/keys/slot.h"
#include "crypt/secret.h"
#include "crypt/store/internal.h"

static const char id_hex[] = "454f08e547804ffe5d78e6c1706309e0";
static const char first[] = "S2000-G40R4-0M30E-20918-5GR38-E1W81-24GK2-GAHC5-RR34D-1P70X-3RFGK-SBCR8";
static const char second[] = "S340G-J48S4-4MK2E-A1958-NJRB9-E5WR3-2CHK6-GTKCD-SR74X-3PF1X-7RZGC-QQCNY";
static uint8_t golden[KEK_WIDE];
static bool has_keyring;

static int prepare(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(golden); i++)
		golden[i] = (uint8_t)i;
	has_keyring = syscall(SYS_add_key, "user", "scrim:golden", golden, sizeof(golden), KEY_SPEC_PROCESS_KEYRING) >= 0 &&
		      syscall(SYS_add_key, "logon", "scrim:golden", golden, sizeof(golden), KEY_SPEC_PROCESS_KEYRING) >= 0;
	return has_keyring || errno == EPERM || errno == ENOSYS ? 0 : -1;
}

static void equals(const uint8_t *bytes, size_t len, const char *hex)
{
	char text[200];

	sodium_bin2hex(text, sizeof(text), bytes, len);
	assert_string_equal(text, hex);
}

static struct kek *golden_kek(void)
{
	struct kek *kek = NULL;

	assert_int_equal(kek_new_sized(golden, true, &kek), 0);
	return kek;
}

static const char stretched_hex[] = "d689bf8106224d38b5cac950313478903588d769309b08fb7acfdb1bf43f4eb0"
				    "59795cb14a5ec9a39035e86fdbe8a01fde9fc25bf6b579fee46a18f6c98d4cca";

/* Salt 40 .. 4f, file id 10 .. 1f, file key c0 .. df, nonce 60 .. 77. */
static void derivation(void **state)
{
	_cleanup_(cleanup_kek) struct kek *kek = golden_kek();
	uint8_t salt[KDF_SALT], file_id[FORMAT_ID], out[KDF_TEXT], key[32];

	(void)state;
	for (uint8_t i = 0; i < 16; i++) {
		salt[i] = 0x40 + i;
		file_id[i] = 0x10 + i;
	}
	equals(kek->id, KEK_ID, id_hex);
	struct store_key store = kek_store_key(kek);
	assert_null(store.kek);
	assert_int_equal(store.stretch(store.data, salt, out), 0);
	equals(out, sizeof(out), stretched_hex);
	assert_int_equal(kdf_wrapping_key(out, kek->id, file_id, salt, key), 0);
	equals(key, sizeof(key), "d5c9a10b434774c84b453c1fcf3d43d66bdbdeb83cc887b366a6c6d1ba4595e7");
	/* Each of what is authenticated by it makes another one. */
	for (int what = 0; what < 4; what++) {
		uint8_t changed[32], other_id[FORMAT_ID];

		memcpy(other_id, kek->id, sizeof(other_id));
		out[5] ^= what == 0;
		other_id[5] ^= what == 1;
		file_id[5] ^= what == 2;
		salt[5] ^= what == 3;
		assert_int_equal(kdf_wrapping_key(out, other_id, file_id, salt, changed), 0);
		assert_memory_not_equal(changed, key, sizeof(key));
		out[5] ^= what == 0;
		file_id[5] ^= what == 2;
		salt[5] ^= what == 3;
	}
}

/* A file's key, as the other program wrapped it, opened by the store; and nothing of it can be changed. */
static void wrap(void **state)
{
	_cleanup_(cleanup_kek) struct kek *kek = golden_kek(), *other = NULL;
	const struct store_key key = kek_store_key(kek);
	struct store_env env = {.provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct head h = {.slot_shift = 12, .chunk_shift = 14, .wraps[2] = {.kind = WRAP_KERNEL}}, changed;
	struct xaes *xaes = NULL;

	(void)state;
	for (uint8_t i = 0; i < 24; i++) {
		if (i < 16) {
			h.salt[i] = 0x40 + i;
			h.file_id[i] = 0x10 + i;
		}
		h.wraps[2].nonce[i] = 0x60 + i;
	}
	memcpy(h.wraps[2].key_id, kek->id, KEK_ID);
	sodium_hex2bin(h.wraps[2].cipher, 32, "6ac79f484cff0f1f77a16503889935fd514ad0afe023332241162a332fa28006", 64, NULL, NULL, NULL);
	sodium_hex2bin(h.wraps[2].tag, 16, "2fbb4e8e1b43c6fa879e3b41706c7f40", 32, NULL, NULL, NULL);
	sodium_hex2bin(h.commitment, 32, "8ad3b1bf01050d5d46ac78cb6c5f6a94d2cf18814a326c29771f3802cc359674", 64, NULL, NULL, NULL);
	assert_int_equal(keys_open(&env, &h, &xaes), 0);
	/* It is c0 .. df: the same text under that key. */
	uint8_t expected[32], nonce[XAES_NONCE_SIZE] = {9}, in[8] = "content", one[8], two[8], tag_one[16], tag_two[16];
	struct aead_message m = {.in = in, .len = sizeof(in), .out = one, .tag = tag_one};
	struct xaes *same;
	for (uint8_t i = 0; i < 32; i++)
		expected[i] = 0xc0 + i;
	assert_int_equal(xaes_new(env.provider, expected, &same), 0);
	assert_int_equal(xaes_seal(xaes, nonce, &m), 0);
	m.out = two;
	m.tag = tag_two;
	assert_int_equal(xaes_seal(same, nonce, &m), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_memory_equal(tag_one, tag_two, sizeof(tag_one));
	xaes_free(same);
	xaes_free(xaes);
	uint8_t *fields[] = {changed.salt, changed.file_id, changed.commitment, changed.wraps[2].nonce, changed.wraps[2].cipher,
			     changed.wraps[2].tag, changed.wraps[2].cipher + 16};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		changed = h;
		fields[i][3] ^= 4;
		assert_int_equal(keys_open(&env, &changed, &xaes), -EBADMSG);
	}
	/* As a wrap of the other kind it is nobody's; and so for another kernel key. */
	changed = h;
	changed.wraps[2].kind = WRAP_KEK;
	assert_int_equal(keys_open(&env, &changed, &xaes), -ENOKEY);
	golden[63] ^= 1;
	assert_int_equal(kek_new_sized(golden, true, &other), 0);
	golden[63] ^= 1;
	const struct store_key stranger = kek_store_key(other);
	env.keys = &stranger;
	assert_int_equal(keys_open(&env, &h, &xaes), -ENOKEY);
	changed = h;
	memcpy(changed.wraps[2].key_id, other->id, KEK_ID);
	assert_int_equal(keys_open(&env, &changed, &xaes), -EBADMSG);
}

static int failing(const void *data, const uint8_t *salt, uint8_t *ret_stretched)
{
	(void)salt, (void)ret_stretched;
	return *(const int *)data;
}

/* Whoever computes can fail: that is no damage, and no other version stands because of it. */
static void nobody_computes(void **state)
{
	static const int errors[] = {-ENOMEM, -EKEYREVOKED, -EBADMSG, -ENOKEY};
	struct head h = {.slot_shift = 12, .chunk_shift = 14, .wraps[0] = {.kind = WRAP_KERNEL}};
	struct store_env env = {.provider = aead_provider_find(NULL), .key_count = 1};
	struct xaes *xaes;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		const struct store_key key = {.stretch = failing, .data = &errors[i]};

		env.keys = &key;
		assert_int_equal(keys_open(&env, &h, &xaes), errors[i] == -ENOMEM ? -ENOMEM : -EIO);
	}
}

static struct key_file *parse(const char *name)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	struct key_file *file = NULL;
	char path[1024];

	snprintf(path, sizeof(path), SCRIM_TEST_DATA "/%s", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(secret_text_read(fd, text), 0);
	assert_int_equal(key_file_parse(text->data, text->len, &file, NULL), 0);
	assert_true(file->wide);
	return file;
}

static void is_golden(struct kek *kek)
{
	assert_true(kek->wide);
	equals(kek->id, KEK_ID, id_hex);
	assert_memory_equal(kek->bytes, golden, KEK_WIDE);
	kek_free(kek);
}

static void golden_files(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *passphrase = parse("keyring-passphrase.key"), *raw = parse("keyring-raw.key"),
						    *several = parse("keyring-several.key");
	struct kek *kek = NULL;

	(void)state;
	assert_string_equal(passphrase->created, "2026-11-23T12:00:00Z");
	assert_int_equal(slot_open_passphrase(passphrase, 0, "correct horse ", 14, &kek), -ENOKEY);
	assert_int_equal(slot_open_passphrase(passphrase, 0, "correct horse", 13, &kek), 0);
	is_golden(kek);
	assert_int_equal(slot_open_unasked(raw, 0, &kek, NULL), 0);
	is_golden(kek);
	assert_int_equal(several->slot_count, 3);
	assert_int_equal(key_file_count(several, SLOT_KEYRING), 2);
	assert_int_equal(slot_open_passphrase(several, 1, "correct horse", 13, &kek), 0);
	is_golden(kek);
}

/* The kernel's own: computed there if it can, else read, if it can be read; the same either way. */
static void golden_keyring(void **state)
{
	static const char *const names[] = {"keyring-user.key", "keyring-logon.key"};
	bool computes = kernel_key_computes();

	(void)state;
	print_message("this kernel computes with keys that it keeps: %s\n", computes ? "yes" : "no");
	assert_true(computes || !getenv("SCRIM_HAS_KEY_SERIAL"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(cleanup_key_file) struct key_file *file = parse(names[i]);
		uint8_t salt[KDF_SALT], out[KDF_TEXT];
		struct errmsg msg = {0};
		struct kek *kek = NULL;
		int r = slot_open_unasked(file, 0, &kek, &msg);

		if (!has_keyring || (i == 1 && !computes)) {
			assert_int_equal(r, -EOPNOTSUPP);
			assert_non_null(strstr(msg.text, has_keyring ? "recovery key" : "container"));
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(!kek->bytes, computes);
		assert_int_equal(!kek->why, computes);
		const struct store_key key = kek_store_key(kek);
		for (uint8_t k = 0; k < 16; k++)
			salt[k] = 0x40 + k;
		assert_int_equal(key.stretch(key.data, salt, out), 0);
		equals(out, sizeof(out), stretched_hex);
		kek_free(kek);
	}
}

/* No kind of slot in the file of the other version; every bit of a line. */
static void damage(void **state)
{
	static const char *const names[] = {"keyring-user.key", "keyring-raw.key", "keyring-passphrase.key"};
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		_cleanup_(cleanup_key_file) struct key_file *whole = parse(names[n]);
		const struct key_slot *slot = &whole->slot[0];

		buffer_clear(text);
		assert_int_equal(buffer_append(text, whole->text->data, whole->text->len), 0);
		for (size_t bit = 8 * slot->line; bit < 8 * (slot->line + slot->line_len - 1); bit++) {
			_cleanup_(cleanup_key_file) struct key_file *file = NULL;
			struct kek *kek = NULL;

			text->data[bit / 8] ^= (char)(1 << bit % 8);
			int r = key_file_parse(text->data, text->len, &file, NULL);
			text->data[bit / 8] ^= (char)(1 << bit % 8);
			if (r == 0 && file->slot[0].kind == SLOT_RAW && slot_open_unasked(file, 0, &kek, NULL) == 0)
				is_golden(kek); /* a small letter */
			else
				assert_true(r == -EBADMSG || file->slot[0].kind == SLOT_RAW);
		}
		/* The same lines in a file of the other version. */
		char *version = strstr(text->data, "scrim-key 2");
		version[10] = '1';
		struct key_file *file = NULL;
		struct kek *kek = NULL;
		int r = key_file_parse(text->data, text->len, &file, NULL);
		if (n == 1) {
			assert_int_equal(r, 0);
			assert_int_equal(slot_open_unasked(file, 0, &kek, NULL), -EBADMSG);
		} else {
			assert_int_equal(r, -EBADMSG);
		}
		key_file_free(file);
	}
}

static void recovery(void **state)
{
	char text[RECOVERY_WIDE], typed[2 * RECOVERY_WIDE];
	uint8_t bytes[KEK_WIDE], other[KEK_WIDE];
	struct errmsg msg = {0};
	struct kek *kek = NULL;
	bool wide = false;

	(void)state;
	assert_int_equal(recovery_encode_wide(golden, text), 0);
	snprintf(typed, sizeof(typed), "%s %s", first, second);
	assert_string_equal(text, typed);
	assert_int_equal(recovery_decode_any(text, strlen(text), bytes, &wide, NULL), 0);
	assert_true(wide);
	assert_memory_equal(bytes, golden, sizeof(golden));
	assert_int_equal(key_material_parse(text, strlen(text), &kek, NULL), 0);
	is_golden(kek);
	/* Neither half alone, nor twice, nor the other way round; and no ordinary one is meant by it. */
	assert_int_equal(recovery_decode_any(first, strlen(first), bytes, &wide, &msg), -EINVAL);
	assert_int_equal(recovery_decode(text, strlen(text), bytes, &msg), -EINVAL);
	snprintf(typed, sizeof(typed), "%s %s", second, first);
	assert_int_equal(recovery_decode_any(typed, strlen(typed), bytes, &wide, &msg), -EINVAL);
	snprintf(typed, sizeof(typed), "%s %s", first, first);
	assert_int_equal(recovery_decode_any(typed, strlen(typed), bytes, &wide, &msg), -EINVAL);
	/* A typing error anywhere is found, and its place said. */
	for (size_t i = 0; i < strlen(text); i++) {
		char name[32];

		if (text[i] == '-' || text[i] == ' ')
			continue;
		char right = text[i];
		text[i] = right == '7' ? '8' : '7';
		msg.text[0] = '\0';
		assert_int_equal(recovery_decode_any(text, strlen(text), bytes, &wide, &msg), -EBADMSG);
		snprintf(name, sizeof(name), "group %zu", i / (RECOVERY_GROUP + 1) + 1);
		assert_non_null(strstr(msg.text, name));
		text[i] = right;
	}
	for (int turn = 0; turn < 100; turn++) {
		randombytes_buf(other, sizeof(other));
		assert_int_equal(recovery_encode_wide(other, text), 0);
		assert_int_equal(recovery_decode_any(text, strlen(text), bytes, &wide, NULL), 0);
		assert_memory_equal(bytes, other, sizeof(other));
	}
}

/* A slot of each kind for a new kernel key, written and read again; one that the kernel keeps has no bytes to write. */
static void slots(void **state)
{
	static const struct key_cost cost = {8, 1};
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct key_slot slot = {.kind = SLOT_KEYRING, .wide = true, .kernel = {"logon", "scrim:x"}}, locked;
	struct kek kept = {.wide = true, .fd = -EBADF};
	struct key_file *file = NULL;
	struct kek *found = NULL;

	(void)state;
	assert_int_equal(kek_new_sized(NULL, true, &kek), 0);
	assert_int_equal(slot_from_passphrase(kek, "x", 1, &cost, &locked), 0);
	assert_int_equal(key_file_start_wide(kek->id, 0, text), 0);
	assert_int_equal(key_file_add(kek->id, &slot, text), 0);
	assert_int_equal(key_file_add(kek->id, &locked, text), 0);
	assert_int_equal(key_file_add_raw(kek, text), 0);
	assert_int_equal(key_file_add_raw(&kept, text), -EOPNOTSUPP);
	assert_int_equal(slot_from_passphrase(&kept, "x", 1, &cost, &locked), -EOPNOTSUPP);
	assert_int_equal(key_file_parse(text->data, text->len, &file, NULL), 0);
	assert_int_equal(file->slot_count, 3);
	assert_string_equal(file->slot[0].kernel.name, "scrim:x");
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(i == 1 ? slot_open_passphrase(file, 1, "x", 1, &found) : slot_open_unasked(file, 2, &found, NULL), 0);
		assert_memory_equal(found->bytes, kek->bytes, KEK_WIDE);
		kek_free(found);
	}
	key_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derivation),	  cmocka_unit_test(wrap),     cmocka_unit_test(nobody_computes),
		cmocka_unit_test(golden_files),	  cmocka_unit_test(golden_keyring), cmocka_unit_test(damage),
		cmocka_unit_test(recovery),	  cmocka_unit_test(slots),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
