/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as texts: ids, recovery keys, what --key-file and --key-fd are given. The vectors were made by a program of its own. */
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
#include "crypt/keys/kek.h"
#include "crypt/keys/material.h"
#include "crypt/keys/recovery.h"
#include "crypt/keys/secret_text.h"
#include "crypt/random.h"

static const struct {
	uint8_t first, step; /* the bytes of the key */
	const char *recovery;
	const char *id;
} vectors[] = {
	{0, 1, "S1000-G40R4-0M30E-20918-5GR38-E1W81-24GK2-GAHC5-RR34D-1P70X-3RFGV-4J3P3",
	 "10b14ec8107d922d1ca4fbe4161e6454"},
	{255, 0, "S1ZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZGG-ETGZD",
	 "f66acb2b5c9740752e779ee0e33cf9a4"},
	{0, 0, "S1000-00000-00000-00000-00000-00000-00000-00000-00000-00000-0000J-GS1PT",
	 "14fdb5cfa196e49f55e6883a1503e0f4"},
	{53, 109, "S16PH-0YZ79-AV1K1-78AEZ-J53FH-BK02Q-5QTCQ-4K960-3DV93-V88CE-ZDM08-K88BC",
	 "15ae2ccb4b6d13d735283d615ebb20bd"},
};

static void fill(size_t vector, uint8_t bytes[KEK_SIZE])
{
	for (size_t i = 0; i < KEK_SIZE; i++)
		bytes[i] = (uint8_t)(vectors[vector].first + i * vectors[vector].step);
}

static void known_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		uint8_t bytes[KEK_SIZE], back[KEK_SIZE];
		char text[RECOVERY_TEXT], id[KEK_ID_TEXT];
		struct kek *kek;

		fill(i, bytes);
		assert_int_equal(kek_new(bytes, &kek), 0);
		assert_memory_equal(kek->bytes, bytes, KEK_SIZE);
		kek_id_text(kek->id, id);
		assert_string_equal(id, vectors[i].id);
		const struct store_key key = kek_store_key(kek);
		assert_memory_equal(key.id, kek->id, KEK_ID);
		assert_ptr_equal(key.kek, kek->bytes);
		kek_free(kek);
		assert_int_equal(recovery_encode(bytes, text), 0);
		assert_string_equal(text, vectors[i].recovery);
		assert_int_equal(recovery_decode(text, strlen(text), back, NULL), 0);
		assert_memory_equal(back, bytes, KEK_SIZE);
	}
}

static void ids(void **state)
{
	static const char *const wrong[] = {"", "00", "000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0g",
					    "000102030405060708090a0b0c0d0e0f00"};
	uint8_t id[KEK_ID];

	(void)state;
	assert_int_equal(kek_id_parse("0001-0203 0405060708090A0B0c0d0e0f", id), 0);
	for (int i = 0; i < KEK_ID; i++)
		assert_int_equal(id[i], i);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(kek_id_parse(wrong[i], id), -EINVAL);
	assert_int_equal(id[1], 1);
}

static void two_random_keys_differ(void **state)
{
	struct kek *a, *b;

	(void)state;
	assert_int_equal(kek_new_random(&a), 0);
	assert_int_equal(kek_new_random(&b), 0);
	assert_memory_not_equal(a->bytes, b->bytes, KEK_SIZE);
	assert_memory_not_equal(a->id, b->id, KEK_ID);
	kek_free(a);
	kek_free(b);
	kek_free(NULL);
}

/* As people type: case, look-alikes, blanks, comments. */
static void tolerant(void **state)
{
	uint8_t bytes[KEK_SIZE], back[KEK_SIZE];
	char text[RECOVERY_TEXT], typed[4 * RECOVERY_TEXT] = "# the key\n  ";
	static const char look_alike[][3] = {"0o", "0O", "1i", "1I", "1l", "1L"};

	(void)state;
	/* All ones is the same symbol again and again; 0 and 1 are wanted. */
	for (size_t alike = 0; alike < ARRAY_LEN(look_alike); alike++) {
		fill(0, bytes);
		assert_int_equal(recovery_encode(bytes, text), 0);
		assert_non_null(strchr(text, look_alike[alike][0]));
		size_t len = strlen("# the key\n  ");
		for (const char *c = text; *c; c++) {
			typed[len] = *c == look_alike[alike][0] ? look_alike[alike][1] : *c == '-' ? "\n\t -"[len % 4] : *c;
			len++;
			if (len % 7 == 0)
				typed[len++] = '\r';
			if (typed[len - 1] >= 'A' && typed[len - 1] <= 'Z' && len % 2)
				typed[len - 1] = (char)(typed[len - 1] - 'A' + 'a');
		}
		strcpy(typed + len, " # end");
		memset(back, 0, sizeof(back));
		assert_int_equal(recovery_decode(typed, strlen(typed), back, NULL), 0);
		assert_memory_equal(back, bytes, KEK_SIZE);
	}
}

/* Every single error, and every exchange of two characters. */
static void typing_errors(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t bytes[KEK_SIZE], back[KEK_SIZE] = {0};
	char text[RECOVERY_TEXT], typed[RECOVERY_TEXT], place[64];
	unsigned tried = 0;

	(void)state;
	assert_int_equal(random_bytes(bytes, sizeof(bytes)), 0);
	assert_int_equal(recovery_encode(bytes, text), 0);
	for (size_t i = 0, symbol = 0; text[i]; i++) {
		if (text[i] == '-')
			continue;
		for (const char *c = alphabet; *c; c++) {
			struct errmsg msg = {0};

			if (*c == text[i])
				continue;
			strcpy(typed, text);
			typed[i] = *c;
			/* To look for the place takes its time. */
			bool asked = tried % 7 == 0;
			assert_int_equal(recovery_decode(typed, strlen(typed), back, asked ? &msg : NULL), -EBADMSG);
			snprintf(place, sizeof(place), "character %zu of group %zu", symbol % 5 + 1, symbol / 5 + 1);
			assert_true(!asked || strstr(msg.text, place));
			tried++;
		}
		for (size_t k = i + 1; text[k]; k++) {
			if (text[k] == '-' || text[k] == text[i])
				continue;
			strcpy(typed, text);
			typed[i] = text[k];
			typed[k] = text[i];
			assert_int_equal(recovery_decode(typed, strlen(typed), back, NULL), -EBADMSG);
			tried++;
		}
		symbol++;
	}
	assert_true(tried > 60 * 31 + 1000);
	for (size_t i = 0; i < KEK_SIZE; i++)
		assert_int_equal(back[i], 0);
}

static void no_recovery_keys(void **state)
{
	static const char *const wrong[] = {"", "S1", "hello", "S1000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-0000U",
					    "S1000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-0000",
					    "S1000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-0"};
	char text[2 * RECOVERY_TEXT];
	uint8_t bytes[KEK_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct errmsg msg = {0};

		assert_int_equal(recovery_decode(wrong[i], strlen(wrong[i]), bytes, &msg), -EINVAL);
		assert_true(strlen(msg.text) > 10);
	}
	/* Characters too many, and one lost. */
	fill(0, bytes);
	assert_int_equal(recovery_encode(bytes, text), 0);
	for (size_t i = 0; i < strlen(vectors[0].recovery); i++) {
		snprintf(text, sizeof(text), "%.*s%s", (int)i, vectors[0].recovery, vectors[0].recovery + i + 1);
		assert_int_equal(recovery_decode(text, strlen(text), bytes, NULL), vectors[0].recovery[i] == '-' ? 0 : -EINVAL);
		snprintf(text, sizeof(text), "%.*s0%s", (int)i, vectors[0].recovery, vectors[0].recovery + i);
		assert_int_equal(recovery_decode(text, strlen(text), bytes, NULL), -EINVAL);
	}
}

/* Of a checksum that fits, but of a kind that is not ours. */
static void other_kinds(void **state)
{
	static const char other_kind[] = "S23333333333333333333333333333333333333333333333333330WEZT17";
	static const char other_bits[] = "S1333333333333333333333333333333333333333333333333333195J0JY";
	struct errmsg msg = {0};
	uint8_t bytes[KEK_SIZE];

	(void)state;
	assert_int_equal(recovery_decode(other_kind, strlen(other_kind), bytes, &msg), -EINVAL);
	assert_non_null(strstr(msg.text, "newer"));
	assert_int_equal(recovery_decode(other_bits, strlen(other_bits), bytes, NULL), -EINVAL);
}

static void material(void **state)
{
	char hex[2 * KEK_SIZE + 4], recovery[RECOVERY_TEXT + 16];
	struct {
		const char *data;
		size_t len;
		int error;
	} given[] = {{NULL, KEK_SIZE, 0}, {hex, 64, 0}, {hex, 65, 0}, {hex, 66, 0}, {recovery, 0, 0}, {hex, 0, -EINVAL},
		     {hex, 63, -EINVAL}, {hex, 67, -EINVAL}, {hex + 1, 64, -EINVAL}, {"\0\0\0", 3, -EINVAL}, {"\0\0\0\0", 33, -EINVAL}};
	static const char zeros[64];
	uint8_t bytes[KEK_SIZE];

	(void)state;
	fill(0, bytes);
	for (size_t i = 0; i < KEK_SIZE; i++)
		snprintf(hex + 2 * i, 3, i % 2 ? "%02X" : "%02x", bytes[i]);
	strcpy(hex + 64, "\r\nx");
	snprintf(recovery, sizeof(recovery), "#\n%s\n", vectors[0].recovery);
	given[0].data = (const char *)bytes;
	given[4].len = strlen(recovery);
	given[10].data = zeros;
	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		struct errmsg msg = {0};
		struct kek *kek = NULL;
		int r = key_material_parse(given[i].data, given[i].len, &kek, &msg);

		assert_int_equal(r, given[i].error);
		if (r == 0)
			assert_memory_equal(kek->bytes, bytes, KEK_SIZE);
		else
			assert_true(strlen(msg.text) > 10);
		kek_free(kek);
	}
}

static void reading(void **state)
{
	struct buffer *b = secret_text_new(10);
	int pipes[2];

	(void)state;
	assert_non_null(b);
	assert_null(secret_text_new(1 << 24));
	for (size_t len = 0; len < 14; len++) {
		assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
		assert_int_equal(write(pipes[1], "ab\r\ncdefghijklm", len), len);
		close(pipes[1]);
		buffer_clear(b);
		assert_int_equal(secret_text_read(pipes[0], b), len <= 10 ? 0 : -EFBIG);
		assert_int_equal(b->len, len <= 10 ? len : 10);
		assert_int_equal(b->data[b->len], 0);
		close(pipes[0]);
		secret_text_first_line(b);
		assert_int_equal(b->len, len < 4 ? len : 2);
		for (size_t i = b->len; i < len && i < b->cap; i++)
			assert_int_equal(b->data[i], 0);
	}
	assert_int_equal(secret_text_read(-1, b), -EBADF);
	secret_text_free(b);
	secret_text_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers), cmocka_unit_test(ids),		     cmocka_unit_test(two_random_keys_differ),
		cmocka_unit_test(tolerant),	 cmocka_unit_test(typing_errors),    cmocka_unit_test(no_recovery_keys),
		cmocka_unit_test(other_kinds),	 cmocka_unit_test(material),	     cmocka_unit_test(reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
