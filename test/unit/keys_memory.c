/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys are in memory: after all that is done with one its bytes, its text and the passphrase stand nowhere but in
 * pages that are locked and in no core dump; and after it was released nowhere at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/keys/key_file.h"
#include "crypt/keys/material.h"
#include "crypt/keys/recovery.h"
#include "crypt/keys/slot.h"
#include "crypt/random.h"
#include "crypt/secret.h"
#include "memfd_secret.h"

#define STEP (1 << 16)
#define MASK 0x5a

/* What is looked for, each byte changed, so that this copy is not found. */
struct needle {
	const char *what;
	uint8_t masked[64];
	size_t len;
};

static void remember(struct needle *needle, const char *what, const void *bytes, size_t len)
{
	needle->what = what;
	needle->len = len;
	for (size_t i = 0; i < len; i++)
		needle->masked[i] = ((const uint8_t *)bytes)[i] ^ MASK;
}

static bool stands_at(const struct needle *needle, const uint8_t *bytes)
{
	for (size_t i = 0; i < needle->len; i++)
		if ((bytes[i] ^ MASK) != needle->masked[i])
			return false;
	return true;
}

/* How often NEEDLE stands in [start, end). */
static unsigned count_in(int mem, const struct needle *needle, uint64_t start, uint64_t end)
{
	static uint8_t piece[STEP + 64];
	unsigned found = 0;

	for (uint64_t at = start; at < end; at += STEP) {
		uint64_t want = end - at < sizeof(piece) ? end - at : sizeof(piece);
		ssize_t len = pread(mem, piece, want, (off_t)at);

		for (ssize_t i = 0; i < STEP && i + (ssize_t)needle->len <= len; i++)
			found += stands_at(needle, piece + i);
	}
	/* What was looked through is not looked at as a part of this process. */
	memset(piece, 0, sizeof(piece));
	return found;
}

/* Count NEEDLE in all memory of this process: apart in what is locked and left out of dumps. */
static void search(const struct needle *needle, unsigned *ret_safe, unsigned *ret_elsewhere)
{
	_cleanup_close_ int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[1024], rights[5] = "";
	unsigned long start = 0, end = 0;

	assert_true(mem >= 0);
	assert_non_null(maps);
	*ret_safe = *ret_elsewhere = 0;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long a, b;
		char r[5];

		if (sscanf(line, "%lx-%lx %4s", &a, &b, r) == 3) {
			start = a;
			end = b;
			memcpy(rights, r, sizeof(rights));
		} else if (strncmp(line, "VmFlags:", 8) == 0 && rights[0] == 'r') {
			bool safe = strstr(line, " lo") && strstr(line, " dd");

			*(safe ? ret_safe : ret_elsewhere) += count_in(mem, needle, start, end);
		}
	}
	fclose(maps);
}

static void everything(const struct kek *kek, const char *passphrase, size_t len)
{
	static const struct key_cost cost = {8, 1};
	struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char *recovery = secret_alloc(RECOVERY_TEXT);
	struct key_file *file;
	struct key_slot slot;
	struct kek *found;

	assert_int_equal(key_file_start(kek->id, 0, text), 0);
	assert_int_equal(slot_from_passphrase(kek, passphrase, len, &cost, &slot), 0);
	assert_int_equal(key_file_add(kek->id, &slot, text), 0);
	assert_int_equal(key_file_add_raw(kek, text), 0);
	assert_int_equal(key_file_parse(text->data, text->len, &file, NULL), 0);
	assert_int_equal(slot_open_passphrase(file, 0, passphrase, len, &found), 0);
	kek_free(found);
	assert_int_equal(slot_open_unasked(file, 1, &found, NULL), 0);
	kek_free(found);
	assert_int_equal(recovery_encode(kek->bytes, recovery), 0);
	assert_int_equal(key_material_parse(recovery, strlen(recovery), &found, NULL), 0);
	kek_free(found);
	key_file_free(file);
	secret_text_free(text);
	secret_free(recovery, RECOVERY_TEXT);
}

static void only_in_secret_memory(void **state)
{
	enum { KEY, RECOVERY, PASSPHRASE, NEEDLES };
	struct needle needles[NEEDLES];
	char *recovery = secret_alloc(RECOVERY_TEXT);
	struct buffer *passphrase = secret_text_new(64);
	unsigned safe, elsewhere;
	struct kek *kek;

	(void)state;
	assert_int_equal(kek_new_random(&kek), 0);
	assert_int_equal(recovery_encode(kek->bytes, recovery), 0);
	assert_int_equal(random_bytes(passphrase->data, 24), 0);
	passphrase->len = 24;
	remember(&needles[KEY], "the key", kek->bytes, KEK_SIZE);
	remember(&needles[RECOVERY], "the recovery key", recovery + 12, 40);
	remember(&needles[PASSPHRASE], "the passphrase", passphrase->data, passphrase->len);
	everything(kek, passphrase->data, passphrase->len);
	for (int i = 0; i < NEEDLES; i++) {
		search(&needles[i], &safe, &elsewhere);
		if (safe != 1 || elsewhere != 0)
			fail_msg("%s: %u times in secret memory, %u times elsewhere", needles[i].what, safe, elsewhere);
	}
	/* The search finds what is elsewhere. */
	uint8_t *copy = malloc(KEK_SIZE);
	memcpy(copy, kek->bytes, KEK_SIZE);
	search(&needles[KEY], &safe, &elsewhere);
	assert_int_equal(elsewhere, 1);
	secret_wipe(copy, KEK_SIZE);
	free(copy);
	kek_free(kek);
	secret_text_free(passphrase);
	secret_free(recovery, RECOVERY_TEXT);
	for (int i = 0; i < NEEDLES; i++) {
		search(&needles[i], &safe, &elsewhere);
		assert_int_equal(safe, 0);
		assert_int_equal(elsewhere, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_in_secret_memory),
	};

	without_memfd_secret();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
