/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files: the golden ones of version 1, which were made by a program of its own (Argon2, XAES and XTS of other
 * libraries) and are read for ever; every damage; what slots are bound to; who is asked when.
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

#include "base/cleanup.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/key_open.h"
#include "crypt/keys/material.h"
#include "crypt/keys/slot.h"

static const char second_passphrase[] = "p\xc3\xa4ssw\xc3\xb6rd with blanks ";
static bool has_keyring;

static struct buffer *load(const char *name)
{
	struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char path[1024];

	snprintf(path, sizeof(path), SCRIM_TEST_DATA "/%s", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(secret_text_read(fd, text), 0);
	return text;
}

static struct key_file *parse(const char *name)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = load(name);
	struct key_file *file = NULL;
	struct errmsg msg = {0};

	assert_true(key_file_is_meant(text->data, text->len));
	assert_int_equal(key_file_parse(text->data, text->len, &file, &msg), 0);
	return file;
}

/* The key of all golden files is 0, 1, ... 31. */
static void is_golden(struct kek *kek)
{
	assert_non_null(kek);
	for (int i = 0; i < KEK_SIZE; i++)
		assert_int_equal(kek->bytes[i], i);
	kek_free(kek);
}

/* The 64 bytes 0, 1, ... 63 as a key of this process. */
static int make_kernel_keys(void **state)
{
	uint8_t bytes[KERNEL_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	long user = syscall(SYS_add_key, "user", "scrim:golden", bytes, sizeof(bytes), KEY_SPEC_PROCESS_KEYRING);
	if (user >= 0)
		has_keyring = syscall(SYS_add_key, "logon", "scrim:golden", bytes, sizeof(bytes), KEY_SPEC_PROCESS_KEYRING) >= 0;
	else if (errno != EPERM && errno != ENOSYS)
		return -1;
	return 0;
}

static void golden_passphrase(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *file = parse("passphrase.key");
	struct kek *kek = NULL;

	(void)state;
	assert_string_equal(file->created, "2026-11-22T12:00:00Z");
	assert_int_equal(file->slot_count, 1);
	assert_int_equal(slot_open_passphrase(file, 0, "correct horse ", 14, &kek), -ENOKEY);
	assert_int_equal(slot_open_passphrase(file, 0, "", 0, &kek), -ENOKEY);
	assert_null(kek);
	assert_int_equal(slot_open_passphrase(file, 0, "correct horse", 13, &kek), 0);
	is_golden(kek);
}

static void golden_raw(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *file = parse("raw.key");
	static const char *const bare[] = {"bare.bin", "bare.hex", "recovery.txt"};
	struct kek *kek = NULL;

	(void)state;
	assert_string_equal(file->created, "");
	assert_int_equal(slot_open_unasked(file, 0, &kek, NULL), 0);
	is_golden(kek);
	for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
		_cleanup_(cleanup_secret_text) struct buffer *text = load(bare[i]);

		assert_false(key_file_is_meant(text->data, text->len));
		assert_int_equal(key_material_parse(text->data, text->len, &kek, NULL), 0);
		is_golden(kek);
	}
}

static void golden_kernel(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *user = parse("kernel.key"), *logon = parse("logon.key");
	struct errmsg msg = {0};
	struct kek *kek = NULL;

	(void)state;
	if (!has_keyring) {
		/* A container: it says so. */
		assert_int_equal(slot_open_unasked(user, 0, &kek, &msg), -EOPNOTSUPP);
		assert_non_null(strstr(msg.text, "container"));
		return;
	}
	assert_int_equal(slot_open_unasked(user, 0, &kek, &msg), 0);
	is_golden(kek);
	/* This one the kernel has to compute with: it can, and the same comes out, or it is said what is missing. */
	kek = NULL;
	int r = slot_open_unasked(logon, 0, &kek, &msg);
	if (r == 0) {
		is_golden(kek);
	} else {
		assert_int_equal(r, -EOPNOTSUPP);
		assert_non_null(strstr(msg.text, "AF_ALG"));
		assert_non_null(strstr(msg.text, "logon:scrim:golden"));
	}
}

static void golden_several(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *file = parse("several.key");
	struct kek *kek = NULL;

	(void)state;
	assert_int_equal(file->slot_count, 4);
	assert_int_equal(key_file_count(file, SLOT_PASSPHRASE), 2);
	assert_int_equal(key_file_count(file, SLOT_KERNEL), 2);
	assert_int_equal(slot_open_passphrase(file, 0, second_passphrase, strlen(second_passphrase), &kek), 0);
	is_golden(kek);
	assert_int_equal(slot_open_passphrase(file, 2, "correct horse", 13, &kek), 0);
	is_golden(kek);
	assert_int_equal(slot_open_passphrase(file, 2, second_passphrase, strlen(second_passphrase), &kek), -ENOKEY);
}

/* Each byte of a file changed, in each bit: refused, or it opens the same key, or none. */
static void every_damage(void **state)
{
	static const char *const names[] = {"passphrase.key", "raw.key", "kernel.key"};
	unsigned accepted[ARRAY_LEN(names)] = {0}, opened = 0;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		_cleanup_(cleanup_secret_text) struct buffer *text = load(names[n]);
		/* In a comment all may change but its first and last byte. */
		size_t start = text->data[0] == '#' ? (size_t)(strchr(text->data, '\n') - text->data) : 0;

		for (size_t bit = start * 8; bit < text->len * 8; bit++) {
			_cleanup_(cleanup_key_file) struct key_file *file = NULL;
			struct errmsg msg = {0};
			struct kek *kek = NULL;

			text->data[bit / 8] ^= (char)(1 << bit % 8);
			int r = key_file_parse(text->data, text->len, &file, &msg);
			text->data[bit / 8] ^= (char)(1 << bit % 8);
			if (r < 0) {
				assert_true(r == -EBADMSG || r == -EPROTONOSUPPORT);
				assert_memory_equal(msg.text, "line ", 5);
				assert_null(file);
				continue;
			}
			accepted[n]++;
			r = file->slot[0].kind == SLOT_PASSPHRASE ? slot_open_passphrase(file, 0, "correct horse", 13, &kek)
								  : slot_open_unasked(file, 0, &kek, &msg);
			assert_true(r == 0 || r == -EBADMSG || (file->slot[0].kind == SLOT_KERNEL && !has_keyring));
			if (r < 0)
				continue;
			opened++;
			is_golden(kek);
		}
	}
	/* The digits of the time, and the newline at the end of the last line that may be missing, but is no other byte. */
	assert_in_range(accepted[0], 14, 14 * 4);
	assert_int_equal(accepted[2], 0);
	assert_true(opened >= accepted[0]);
}

static int parse_text(const char *text, size_t len, struct errmsg *msg)
{
	struct key_file *file = NULL;
	int r = key_file_parse(text, len, &file, msg);

	if (r < 0)
		assert_null(file);
	key_file_free(file);
	return r;
}

static void no_key_files(void **state)
{
#define ID "id 10b14ec8107d922d1ca4fbe4161e6454\n"
#define RAW "slot raw key=S1\n"
	static const struct {
		const char *text;
		int error;
		const char *says;
	} wrong[] = {
		{"", -EBADMSG, "no key file"},
		{"# only\n# comments\n", -EBADMSG, "no key file"},
		{"hello\n", -EBADMSG, "line 1: no key file"},
		{"\n#\nscrim-key\n", -EBADMSG, "line 3: no key file"},
		{"scrim-key 01\n", -EBADMSG, "no key file"},
		{"scrim-key 1 \n", -EBADMSG, "no key file"},
		{"scrim-key 1\r\n", -EBADMSG, "no key file"},
		{"scrim-key 99999999999999999999\n", -EBADMSG, "no key file"},
		{"scrim-key 3\n", -EPROTONOSUPPORT, "version 3"},
		{"scrim-key 1\n", -EBADMSG, "the id is missing"},
		{"scrim-key 1\n" ID, -EBADMSG, "no slot"},
		{"scrim-key 1\n" RAW, -EBADMSG, "line 2: a slot before"},
		{"scrim-key 1\n" ID ID RAW, -EBADMSG, "line 3: the id"},
		{"scrim-key 1\nid 10b14ec8107d922d1ca4fbe4161e645\n", -EBADMSG, "line 2: the id"},
		{"scrim-key 1\nid 10B14ec8107d922d1ca4fbe4161e6454\n" RAW, -EBADMSG, "line 2: the id"},
		{"scrim-key 1\nid 10b14ec8107d922d1ca4fbe4161e645400\n", -EBADMSG, "line 2: the id"},
		{"scrim-key 1\n" ID "created yesterday\n" RAW, -EBADMSG, "line 3: no time"},
		{"scrim-key 1\n" ID "created 2026-11-22T12:00:00Z\ncreated 2026-11-22T12:00:00Z\n" RAW, -EBADMSG, "line 4: no time"},
		{"scrim-key 1\n" ID "slots raw\n", -EBADMSG, "line 3: not a line"},
		{"scrim-key 1\n" ID "slot other key=\n", -EBADMSG, "line 3: a damaged slot"},
		{"scrim-key 1\n" ID "slot passphrase argon2id memory=8 passes=1\n", -EBADMSG, "line 3: a damaged slot"},
		{"scrim-key 1\n" ID "slot passphrase argon2i memory=8 passes=1\n", -EBADMSG, "line 3: a damaged slot"},
		{"scrim-key 1\n" ID RAW RAW RAW RAW RAW RAW RAW RAW RAW, -EBADMSG, "line 11: more than 8"},
	};
	static char large[KEY_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct errmsg msg = {0};

		assert_int_equal(parse_text(wrong[i].text, strlen(wrong[i].text), &msg), wrong[i].error);
		assert_non_null(strstr(msg.text, wrong[i].says));
	}
	static const char nul[] = "scrim-key 1\n" ID "\0\n" RAW;
	assert_int_equal(parse_text(nul, sizeof(nul) - 1, NULL), -EBADMSG);
	memset(large, '\n', sizeof(large));
	assert_int_equal(parse_text(large, sizeof(large), NULL), -EBADMSG);
	/* Eight are not too many. */
	static const char eight[] = "scrim-key 1\n" ID RAW RAW RAW RAW RAW RAW RAW RAW;
	assert_int_equal(parse_text(eight, sizeof(eight) - 1, NULL), 0);
}

/* SLOT as an untrusted writer would put it into a file: its checksum is right. */
static int parse_slot(const uint8_t *id, const struct key_slot *slot, struct key_file **ret_file, struct errmsg *msg)
{
	BUFFER_ON_STACK(text, 4096);

	assert_int_equal(key_file_start(id, 0, &text), 0);
	assert_int_equal(key_file_add(id, slot, &text), 0);
	return key_file_parse(text.data, text.len, ret_file, msg);
}

static void hostile_slots(void **state)
{
	static const struct key_cost costs[] = {{7, 1}, {COST_MEMORY_MAX + 1, 1}, {UINT32_MAX, 1}, {8, 0}, {8, COST_PASSES_MAX + 1},
						{8, UINT32_MAX}, {COST_MEMORY_MAX, 17}};
	static const struct kernel_key keys[] = {{"ring", "x"}, {"logon", "nocolon"}, {"user", "bad%s"}};
	struct key_slot slot = {.kind = SLOT_PASSPHRASE};
	struct key_file *file = NULL;
	uint8_t id[KEK_ID] = {1};
	struct kek *kek = NULL;

	(void)state;
	assert_int_equal(kek_new_random(&kek), 0);
	for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
		struct errmsg msg = {0};

		slot.cost = costs[i];
		assert_int_equal(parse_slot(id, &slot, &file, &msg), -ERANGE);
		assert_memory_equal(msg.text, "line 5: ", 8);
		assert_int_equal(slot_from_passphrase(kek, "x", 1, &costs[i], &slot), -ERANGE);
	}
	slot.kind = SLOT_KERNEL;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct errmsg msg = {0};

		slot.kernel = keys[i];
		assert_int_equal(parse_slot(id, &slot, &file, &msg), -EBADMSG);
	}
	assert_null(file);
	slot = (struct key_slot){.kind = SLOT_PASSPHRASE, .cost = {COST_MEMORY_MAX, 16}};
	assert_int_equal(parse_slot(id, &slot, &file, NULL), 0);
	key_file_free(file);
	kek_free(kek);
}

/* A slot opens for its own key's id and its own parameters only, whatever stands around it. */
static void bindings(void **state)
{
	static const struct key_cost cost = {8, 1};
	_cleanup_(cleanup_kek) struct kek *kek = NULL, *other = NULL, *found = NULL;
	struct key_file *file = NULL;
	struct key_slot slot, changed;

	(void)state;
	assert_int_equal(kek_new_random(&kek), 0);
	assert_int_equal(kek_new_random(&other), 0);
	assert_int_equal(slot_from_passphrase(kek, "x", 1, &cost, &slot), 0);
	assert_int_equal(parse_slot(kek->id, &slot, &file, NULL), 0);
	assert_int_equal(slot_open_passphrase(file, 0, "x", 1, &found), 0);
	assert_memory_equal(found->bytes, kek->bytes, KEK_SIZE);
	key_file_free(file);
	kek_free(TAKE_PTR(found));
	/* In the file of another key. */
	assert_int_equal(parse_slot(other->id, &slot, &file, NULL), 0);
	assert_int_equal(slot_open_passphrase(file, 0, "x", 1, &found), -ENOKEY);
	key_file_free(file);
	for (int what = 0; what < 5; what++) {
		changed = slot;
		changed.cost.passes += what == 0;
		changed.salt[3] ^= what == 1;
		changed.nonce[3] ^= what == 2;
		changed.wrapped[3] ^= what == 3;
		changed.tag[3] ^= what == 4;
		assert_int_equal(parse_slot(kek->id, &changed, &file, NULL), 0);
		assert_int_equal(slot_open_passphrase(file, 0, "x", 1, &found), -ENOKEY);
		key_file_free(file);
	}
	/* Two slots of one key have nothing in common. */
	assert_int_equal(slot_from_passphrase(kek, "x", 1, &cost, &changed), 0);
	assert_memory_not_equal(changed.salt, slot.salt, SLOT_SALT);
	assert_memory_not_equal(changed.nonce, slot.nonce, XAES_NONCE_SIZE);
	assert_memory_not_equal(changed.wrapped, slot.wrapped, KEK_SIZE);
	/* What authenticates, but is not the key that the id says: damage, not a wrong passphrase. */
	struct kek liar = {.bytes = other->bytes};
	memcpy(liar.id, kek->id, KEK_ID);
	assert_int_equal(slot_from_passphrase(&liar, "x", 1, &cost, &slot), 0);
	assert_int_equal(parse_slot(kek->id, &slot, &file, NULL), 0);
	assert_int_equal(slot_open_passphrase(file, 0, "x", 1, &found), -EBADMSG);
	key_file_free(file);
	assert_null(found);
}

struct script {
	const char *const *answers;
	unsigned asked;
	int error;
};

static int answer(void *data, const struct key_question *question, struct buffer *text, struct errmsg *msg)
{
	struct script *script = data;

	(void)msg;
	assert_int_equal(question->attempt, script->asked);
	assert_string_equal(question->name, "golden");
	assert_int_equal(question->id[0], 0x10);
	assert_int_equal(text->len, 0);
	if (!script->answers[script->asked])
		return script->error;
	return buffer_append_str(text, script->answers[script->asked++]);
}

static void asking(void **state)
{
	static const char *const third[] = {"a", "", "correct horse", NULL}, *const never[] = {"a", NULL}, *const none[] = {NULL};
	_cleanup_(cleanup_key_file) struct key_file *file = parse("passphrase.key"), *raw = parse("raw.key");
	struct script script = {third, 0, -ENOKEY};
	const struct key_asker asker = {answer, &script};
	struct errmsg msg = {0};
	struct kek *kek = NULL;
	size_t slot = 9;

	(void)state;
	assert_int_equal(key_file_open(file, "golden", &asker, &kek, &slot, &msg), 0);
	is_golden(kek);
	assert_int_equal(script.asked, 3);
	assert_int_equal(slot, 0);
	script = (struct script){never, 0, -ENOKEY};
	assert_int_equal(key_file_open(file, "golden", &asker, &kek, NULL, &msg), -ENOKEY);
	assert_string_equal(msg.text, "wrong passphrase for key golden (id 10b14ec8107d922d1ca4fbe4161e6454)");
	script = (struct script){never, 0, -EINTR};
	assert_int_equal(key_file_open(file, "golden", &asker, &kek, NULL, NULL), -EINTR);
	/* Nobody is asked for what opens by itself; and there is nothing to ask for where there is no passphrase. */
	script = (struct script){none, 0, -EIO};
	assert_int_equal(key_file_open(raw, "golden", &asker, &kek, NULL, NULL), 0);
	is_golden(kek);
	msg.text[0] = '\0';
	assert_int_equal(key_file_open_passphrase(raw, "golden", &asker, &kek, NULL, &msg), -ENOKEY);
	assert_non_null(strstr(msg.text, "has no passphrase"));
	assert_int_equal(script.asked, 0);
}

/* A slot taken out or put in leaves the rest, comments and all, as it was. */
static void editing(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *file = parse("several.key"), *rest = NULL;
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	const bool drop[KEY_SLOTS] = {true, false, true, false}, keep[KEY_SLOTS] = {false};
	struct kek *kek = NULL;
	BUFFER_ON_STACK(small, 100);

	(void)state;
	assert_int_equal(key_file_copy(file, keep, text), 0);
	assert_int_equal(text->len, file->text->len + 1);
	assert_memory_equal(text->data, file->text->data, file->text->len);
	buffer_clear(text);
	assert_int_equal(key_file_copy(file, drop, text), 0);
	assert_non_null(strstr(text->data, "# between slots\n"));
	assert_null(strstr(text->data, "slot passphrase"));
	_cleanup_(cleanup_key_file) struct key_file *raw = parse("raw.key");
	assert_int_equal(slot_open_unasked(raw, 0, &kek, NULL), 0);
	assert_int_equal(key_file_add_raw(kek, text), 0);
	assert_int_equal(key_file_parse(text->data, text->len, &rest, NULL), 0);
	assert_int_equal(rest->slot_count, 3);
	assert_int_equal(rest->slot[2].kind, SLOT_RAW);
	/* What does not fit leaves nothing behind. */
	buffer_append_str(&small, "x");
	assert_int_equal(key_file_copy(file, keep, &small), -ENOBUFS);
	assert_int_equal(key_file_add(kek->id, &file->slot[0], &small), -ENOBUFS);
	assert_int_equal(buffer_append_str(&small, "0123456789012345678901234567890123456789"), 0);
	assert_int_equal(key_file_add_raw(kek, &small), -ENOBUFS);
	assert_int_equal(small.len, 41);
	is_golden(kek);
}

static void kernel_keys(void **state)
{
	static const char *const wrong[] = {"", "user:", "logon:x", "logon::", "a b", "a\n", "\xc3\xa4"};
	struct kernel_key key;
	uint8_t salt[SLOT_SALT] = {0}, out[XAES_KEY_SIZE];
	char name[200], text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct errmsg msg = {0};

		assert_int_equal(kernel_key_parse(wrong[i], &key, &msg), -EINVAL);
		assert_true(strlen(msg.text) > 10);
	}
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(kernel_key_parse(name, &key, NULL), -EINVAL);
	assert_int_equal(kernel_key_parse("scrim:x", &key, NULL), 0);
	assert_string_equal(key.type, "user");
	assert_int_equal(kernel_key_parse("logon:scrim:x", &key, NULL), 0);
	assert_string_equal(key.type, "logon");
	assert_string_equal(key.name, "scrim:x");
	snprintf(text, sizeof(text), "user:scrim:test-%d", getpid());
	assert_int_equal(kernel_key_parse(text, &key, NULL), 0);
	struct errmsg msg = {0};
	assert_int_equal(kernel_key_derive(&key, salt, out, &msg), has_keyring ? -ENOKEY : -EOPNOTSUPP);
	if (!has_keyring)
		return;
	/* Of another length than AES-256-XTS takes. */
	assert_non_null(strstr(msg.text, key.name));
	assert_true(syscall(SYS_add_key, "user", key.name, "short", (size_t)5, KEY_SPEC_PROCESS_KEYRING) >= 0);
	assert_int_equal(kernel_key_derive(&key, salt, out, NULL), -EKEYREJECTED);
	assert_int_equal(kernel_key_make(&key, NULL), -EEXIST);
	snprintf(key.name, sizeof(key.name), "scrim:test-%d-made", getpid());
	assert_int_equal(kernel_key_make(&key, NULL), 0);
	assert_int_equal(kernel_key_derive(&key, salt, out, NULL), 0);
	long serial = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", key.name, 0);
	assert_true(serial > 0 && syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_USER_KEYRING) == 0);
}

static void calibration(void **state)
{
	struct key_cost cost;

	(void)state;
	assert_int_equal(key_cost_calibrate(&cost), 0);
	assert_int_equal(key_cost_check(&cost, NULL), 0);
	assert_in_range(cost.memory, 64 << 10, 256 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_passphrase), cmocka_unit_test(golden_raw),    cmocka_unit_test(golden_kernel),
		cmocka_unit_test(golden_several),    cmocka_unit_test(every_damage),  cmocka_unit_test(no_key_files),
		cmocka_unit_test(hostile_slots),     cmocka_unit_test(bindings),      cmocka_unit_test(asking),
		cmocka_unit_test(editing),	     cmocka_unit_test(kernel_keys),   cmocka_unit_test(calibration),
	};

	return cmocka_run_group_tests(tests, make_kernel_keys, NULL);
}
