/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM of every provider against Project Wycheproof's and NIST's tests (test/data/aes256gcm.txt). Which providers can
 * be used here is found out without them, so that one that says no too easily is no pass.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/provider.h"

#define MOST 1024
#define WANTED_VALID   164
#define WANTED_INVALID 77

struct text {
	uint8_t bytes[MOST];
	size_t len;
};

struct vector {
	char name[64];
	struct text key, nonce, aad, plain, cipher, tag;
	bool valid;
};

static void from_hex(const char *hex, struct text *t)
{
	t->len = 0;
	if (strcmp(hex, "-") == 0)
		return;
	for (; hex[0]; hex += 2) {
		unsigned byte = 0;

		assert_true(t->len < MOST && sscanf(hex, "%2x", &byte) == 1);
		t->bytes[t->len++] = (uint8_t)byte;
	}
}

static bool next_vector(FILE *f, struct vector *v)
{
	static char line[8 * MOST], words[6][2 * MOST + 1];
	char verdict[8];

	do
		if (!fgets(line, sizeof(line), f))
			return false;
	while (line[0] == '#');
	assert_int_equal(sscanf(line, "%63s %2048s %2048s %2048s %2048s %2048s %2048s %7s", v->name, words[0], words[1], words[2],
				words[3], words[4], words[5], verdict),
			 8);
	from_hex(words[0], &v->key);
	from_hex(words[1], &v->nonce);
	from_hex(words[2], &v->aad);
	from_hex(words[3], &v->plain);
	from_hex(words[4], &v->cipher);
	from_hex(words[5], &v->tag);
	v->valid = strcmp(verdict, "valid") == 0;
	assert_true(v->valid || strcmp(verdict, "invalid") == 0);
	assert_true(v->key.len == AEAD_KEY_SIZE && v->nonce.len == AEAD_NONCE_SIZE && v->tag.len == AEAD_TAG_SIZE);
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static void check(const struct aead_provider *p, void *context, struct vector *v, bool in_place)
{
	uint8_t out[MOST] = {0}, tag[AEAD_TAG_SIZE];
	struct aead_message m = {.aad = v->aad.bytes, .aad_len = v->aad.len, .out = out, .tag = tag};
	int r;

	memset(out, 0xee, sizeof(out));
	memcpy(tag, v->tag.bytes, sizeof(tag));
	m.len = v->cipher.len;
	m.in = v->cipher.bytes;
	if (in_place) {
		memcpy(out, v->cipher.bytes, m.len);
		m.in = out;
	}
	r = p->open(context, v->key.bytes, v->nonce.bytes, &m);
	if (!v->valid) {
		if (r != -EBADMSG || !is_zero(out, m.len))
			fail_msg("%s, %s: not refused (%d)", p->name, v->name, r);
		return;
	}
	if (r != 0 || memcmp(out, v->plain.bytes, v->plain.len) != 0)
		fail_msg("%s, %s: not opened (%d)", p->name, v->name, r);
	m.len = v->plain.len;
	m.in = v->plain.bytes;
	if (in_place)
		m.in = out;
	memset(tag, 0, sizeof(tag));
	r = p->seal(context, v->key.bytes, v->nonce.bytes, &m);
	if (r != 0 || memcmp(out, v->cipher.bytes, m.len) != 0 || memcmp(tag, v->tag.bytes, sizeof(tag)) != 0)
		fail_msg("%s, %s: sealed otherwise (%d)", p->name, v->name, r);
}

static bool kernel_has_gcm(void)
{
	static const struct sockaddr_alg gcm = {.salg_family = AF_ALG, .salg_type = "aead", .salg_name = "gcm(aes)"};
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&gcm, sizeof(gcm)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static bool should_be_usable(const struct aead_provider *p)
{
	if (p == &aead_afalg)
		return kernel_has_gcm();
	if (p == &aead_sodium)
#if defined(__x86_64__)
		return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#else
		return false;
#endif
	return true;
}

static void vectors(void **state)
{
	static struct vector v;
	const struct aead_provider *p;
	unsigned used = 0;

	(void)state;
	for (size_t i = 0; (p = aead_provider_at(i)); i++) {
		const char *why = NULL;
		unsigned valid = 0, invalid = 0;
		void *context;
		FILE *f;

		assert_ptr_equal(aead_provider_find(p->name), p);
		assert_int_equal(p->usable(&why) == 0, should_be_usable(p));
		/* Said where it is known, in the machine of scripts/vm-test.sh. */
		assert_true(p != &aead_afalg || !getenv("SCRIM_HAS_AF_ALG") || should_be_usable(p));
		if (!should_be_usable(p)) {
			assert_non_null(why);
			assert_true(strlen(why) > 10);
			print_message("%s: %s\n", p->name, why);
			assert_true(p->make(&context) < 0);
			continue;
		}
		f = fopen(SCRIM_TEST_DATA "/aes256gcm.txt", "re");
		assert_non_null(f);
		assert_int_equal(p->make(&context), 0);
		while (next_vector(f, &v)) {
			check(p, context, &v, false);
			check(p, context, &v, true);
			valid += v.valid;
			invalid += !v.valid;
		}
		assert_int_equal(valid, WANTED_VALID);
		assert_int_equal(invalid, WANTED_INVALID);
		print_message("%s: %u, and %u that must fail\n", p->name, valid, invalid);
		p->drop(context);
		if (p == &aead_afalg) {
			uint64_t kernel, instead;

			/* The provider's name is no pretence: only what AF_ALG does not take is OpenSSL's. */
			aead_afalg_counts(&kernel, &instead);
			print_message("by the kernel %llu, by OpenSSL %llu\n", (unsigned long long)kernel, (unsigned long long)instead);
			assert_true(kernel >= 2 * (uint64_t)valid && instead <= kernel / 20);
		}
		fclose(f);
		used++;
	}
	assert_true(used >= 1);
	assert_null(aead_provider_find("none of them"));
	assert_ptr_equal(aead_provider_find(NULL), &aead_openssl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
