/* SPDX-License-Identifier: Apache-2.0 */
/* What is written: the lines of a key file. What is read: key_parse.c. */
#include "crypt/keys/key_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "crypt/keys/key_line.h"
#include "crypt/keys/recovery.h"
#include "crypt/secret.h"

static const char *const kind_names[] = {
	[SLOT_PASSPHRASE] = "passphrase",
	[SLOT_RAW] = "raw",
	[SLOT_KERNEL] = "kernel",
	[SLOT_KEYRING] = "keyring",
};

const char *slot_kind_name(enum slot_kind kind)
{
	return kind_names[kind];
}

int key_cost_check(const struct key_cost *cost, struct errmsg *msg)
{
	if (cost->memory < COST_MEMORY_MIN || cost->memory > COST_MEMORY_MAX)
		return errmsg_set(msg, -ERANGE, "a memory cost of %u KiB: from %u KiB to %u GiB are possible", cost->memory,
				  COST_MEMORY_MIN, COST_MEMORY_MAX >> 20);
	if (cost->passes < 1 || cost->passes > COST_PASSES_MAX)
		return errmsg_set(msg, -ERANGE, "%u passes: from 1 to %u are possible", cost->passes, COST_PASSES_MAX);
	if ((uint64_t)cost->memory * cost->passes > COST_TOTAL_MAX)
		return errmsg_set(msg, -ERANGE, "%u passes over %u KiB: at most %u GiB in all", cost->passes, cost->memory,
				  COST_TOTAL_MAX >> 20);
	return 0;
}

int kernel_key_check(const struct kernel_key *key, struct errmsg *msg)
{
	if (strcmp(key->type, "user") != 0 && strcmp(key->type, "logon") != 0)
		return errmsg_set(msg, -EINVAL, "a kernel key is of type user or logon, not '%s'", key->type);
	if (!key->name[0] || strspn(key->name, KERNEL_NAME_CHARACTERS) != strlen(key->name))
		return errmsg_set(msg, -EINVAL, "a kernel key's name is made of letters, digits and :._@/+-");
	/* add_key(2): the part before the colon says whose it is. */
	if (strcmp(key->type, "logon") == 0 && !strchr(key->name + 1, ':'))
		return errmsg_set(msg, -EINVAL, "the name of a logon key is PREFIX:NAME");
	return 0;
}

void key_slot_parameters(const struct key_slot *slot, char *ret_text)
{
	char salt[2 * SLOT_SALT + 1];

	sodium_bin2hex(salt, sizeof(salt), slot->salt, SLOT_SALT);
	if (slot->kind == SLOT_PASSPHRASE)
		snprintf(ret_text, SLOT_LINE, "slot passphrase argon2id memory=%u passes=%u salt=%s", slot->cost.memory,
			 slot->cost.passes, salt);
	else if (slot->kind == SLOT_KEYRING)
		snprintf(ret_text, SLOT_LINE, "slot keyring aes-256-xts type=%s name=%s", slot->kernel.type, slot->kernel.name);
	else
		snprintf(ret_text, SLOT_LINE, "slot kernel aes-256-xts type=%s name=%s salt=%s", slot->kernel.type,
			 slot->kernel.name, salt);
}

void key_line_format(const uint8_t *id, const struct key_slot *slot, char *ret_line)
{
	char nonce[2 * XAES_NONCE_SIZE + 1], key[2 * (KEK_WIDE + XAES_TAG_SIZE) + 1], sum[2 * SLOT_SUM + 1];
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;

	key_slot_parameters(slot, ret_line);
	size_t len = strlen(ret_line), size = slot->wide ? KEK_WIDE : KEK_SIZE;
	sodium_bin2hex(nonce, sizeof(nonce), slot->nonce, sizeof(slot->nonce));
	sodium_bin2hex(key, sizeof(key), slot->wrapped, size);
	sodium_bin2hex(key + 2 * size, sizeof(key) - 2 * size, slot->tag, sizeof(slot->tag));
	if (slot->kind != SLOT_KEYRING)
		len += (size_t)snprintf(ret_line + len, SLOT_LINE - len, " nonce=%s key=%s", nonce, key);
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, id, KEK_ID);
	crypto_hash_sha256_update(&state, (const uint8_t *)ret_line, len);
	crypto_hash_sha256_final(&state, digest);
	sodium_bin2hex(sum, sizeof(sum), digest, SLOT_SUM);
	snprintf(ret_line + len, SLOT_LINE - len, " sum=%s", sum);
}

static int start(unsigned version, const uint8_t *id, int64_t created, struct buffer *text)
{
	char hex[KEK_ID_TEXT], stamp[32] = "", head[256];
	time_t seconds = created;
	struct tm tm;

	kek_id_text(id, hex);
	if (gmtime_r(&seconds, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(head, sizeof(head), "# A key of scrim: man scrim-key. Keep a copy, and let nobody read it.\n"
				     "scrim-key %u\nid %s\ncreated %s\n", version, hex, stamp);
	return buffer_append_str(text, head);
}

int key_file_start(const uint8_t *id, int64_t created, struct buffer *text)
{
	return start(1, id, created, text);
}

int key_file_start_wide(const uint8_t *id, int64_t created, struct buffer *text)
{
	return start(2, id, created, text);
}

int key_file_add(const uint8_t *id, const struct key_slot *slot, struct buffer *text)
{
	char line[SLOT_LINE];

	key_line_format(id, slot, line);
	size_t before = text->len;
	int r = buffer_append_str(text, line);
	if (r == 0)
		r = buffer_append_str(text, "\n");
	if (r < 0)
		buffer_truncate(text, before);
	return r;
}

int key_file_add_raw(const struct kek *kek, struct buffer *text)
{
	char *recovery = kek->bytes ? secret_alloc(RECOVERY_WIDE) : NULL;
	size_t before = text->len;

	if (!recovery)
		return kek->bytes ? -ENOMEM : -EOPNOTSUPP;
	int r = kek->wide ? recovery_encode_wide(kek->bytes, recovery) : recovery_encode(kek->bytes, recovery);
	if (r == 0)
		r = buffer_append_str(text, RAW_START);
	if (r == 0)
		r = buffer_append_str(text, recovery);
	if (r == 0)
		r = buffer_append_str(text, "\n");
	secret_free(recovery, RECOVERY_WIDE);
	if (r < 0)
		buffer_truncate(text, before);
	return r;
}

int key_file_copy(const struct key_file *file, const bool drop[KEY_SLOTS], struct buffer *text)
{
	const struct buffer *old = file->text;
	size_t before = text->len, from = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < file->slot_count; i++) {
		if (!drop[i])
			continue;
		r = buffer_append(text, old->data + from, file->slot[i].line - from);
		from = file->slot[i].line + file->slot[i].line_len;
	}
	if (r == 0)
		r = buffer_append(text, old->data + from, old->len - from);
	if (r == 0 && text->len > 0 && text->data[text->len - 1] != '\n')
		r = buffer_append_str(text, "\n");
	if (r < 0)
		buffer_truncate(text, before);
	return r;
}

void key_file_free(struct key_file *file)
{
	if (!file)
		return;
	secret_text_free(file->text);
	free(file);
}
