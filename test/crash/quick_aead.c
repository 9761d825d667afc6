/* SPDX-License-Identifier: Apache-2.0 */
#include "quick_aead.h"

#include <errno.h>
#include <string.h>

#define LANES 4

struct state {
	uint64_t lanes[LANES], pad[LANES];
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
	x = (x ^ x >> 27) * 0x94D049BB133111EB;
	return x ^ x >> 31;
}

static void start(struct state *s, const uint8_t *key, const uint8_t *nonce)
{
	uint64_t n[2] = {0}, k[LANES];

	memcpy(k, key, AEAD_KEY_SIZE);
	memcpy(n, nonce, AEAD_NONCE_SIZE);
	for (unsigned i = 0; i < LANES; i++) {
		s->lanes[i] = mix(k[i] + mix(n[0] + mix(n[1] + i)));
		s->pad[i] = mix(s->lanes[i] + 1);
	}
}

/* Each step is a bijection of the lane for given words: no change of one word is lost. */
static void absorb(struct state *s, const uint64_t words[LANES])
{
	for (unsigned i = 0; i < LANES; i++)
		s->lanes[i] = (s->lanes[i] ^ words[i]) * 0x9E3779B97F4A7C15;
}

static void absorb_bytes(struct state *s, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += 8 * LANES) {
		uint64_t words[LANES] = {0};

		memcpy(words, bytes + at, len - at < sizeof(words) ? len - at : sizeof(words));
		absorb(s, words);
	}
}

static void tag_of(const struct state *s, const struct aead_message *m, uint8_t tag[16])
{
	uint64_t t[2] = {m->len, m->aad_len};

	for (unsigned i = 0; i < LANES; i++) {
		t[0] = mix(t[0] + s->lanes[i]);
		t[1] = mix(t[1] ^ s->lanes[LANES - 1 - i]);
	}
	memcpy(tag, t, 16);
}

/* The same both ways. */
static void crypt(const uint64_t pad[LANES], const struct aead_message *m)
{
	const uint8_t *in = m->in;
	uint8_t *out = m->out;
	size_t at = 0;

	for (; at + 8 * LANES <= m->len; at += 8 * LANES) {
		uint64_t words[LANES];

		memcpy(words, in + at, sizeof(words));
		for (unsigned i = 0; i < LANES; i++)
			words[i] ^= pad[i] + at * 0x0101010101010101;
		memcpy(out + at, words, sizeof(words));
	}
	for (; at < m->len; at++)
		out[at] = (uint8_t)(in[at] ^ (pad[at / 8 % LANES] >> at % 8 * 8));
}

static int quick_usable(const char **ret_why)
{
	(void)ret_why;
	return 0;
}

static int quick_make(void **ret_context)
{
	static char nothing;

	*ret_context = &nothing;
	return 0;
}

static void quick_drop(void *context)
{
	(void)context;
}

static int quick_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct state s;

	(void)context;
	start(&s, key, nonce);
	crypt(s.pad, m);
	absorb_bytes(&s, m->aad, m->aad_len);
	absorb_bytes(&s, m->out, m->len);
	tag_of(&s, m, m->tag);
	return 0;
}

static int quick_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct state s;
	uint8_t tag[16];

	(void)context;
	start(&s, key, nonce);
	absorb_bytes(&s, m->aad, m->aad_len);
	absorb_bytes(&s, m->in, m->len);
	tag_of(&s, m, tag);
	if (memcmp(tag, m->tag, sizeof(tag)) != 0) {
		memset(m->out, 0, m->len);
		return -EBADMSG;
	}
	crypt(s.pad, m);
	return 0;
}

const struct aead_provider quick_aead = {
	.name = "quick",
	.usable = quick_usable,
	.make = quick_make,
	.drop = quick_drop,
	.seal = quick_seal,
	.open = quick_open,
};
