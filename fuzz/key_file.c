/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files and what else keys are read from. The first byte says what the rest is: a key file; a bare key; or the fields
 * of a slot, which get the checksum that a random text never has. What is accepted is what scrim writes, within the
 * bounds of what may be asked of a machine, and none of it opens as another key than it says.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/key_line.h"
#include "crypt/keys/material.h"
#include "crypt/keys/recovery.h"
#include "crypt/keys/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_slot(const struct key_file *file, size_t i)
{
	const struct key_slot *slot = &file->slot[i];
	struct kek *kek = NULL;
	char line[SLOT_LINE];

	require(slot->line < file->text->len && slot->line_len > 0 && slot->line + slot->line_len <= file->text->len);
	require(slot->line == 0 || file->text->data[slot->line - 1] == '\n');
	if (slot->kind == SLOT_RAW) {
		require(slot->secret >= slot->line && slot->secret + slot->secret_len <= slot->line + slot->line_len);
		int r = slot_open_unasked(file, i, &kek, NULL);
		require(r == 0 || r == -EBADMSG);
		require(r < 0 || memcmp(kek->id, file->id, KEK_ID) == 0);
		kek_free(kek);
		return;
	}
	/* As it would be written, to the byte. */
	key_line_format(file->id, slot, line);
	require(strlen(line) <= slot->line_len && memcmp(line, file->text->data + slot->line, strlen(line)) == 0);
	require(slot->wide == file->wide && slot->kind != (file->wide ? SLOT_KERNEL : SLOT_KEYRING));
	if (slot->kind == SLOT_KERNEL || slot->kind == SLOT_KEYRING) {
		require(kernel_key_check(&slot->kernel, NULL) == 0);
		return;
	}
	require(key_cost_check(&slot->cost, NULL) == 0);
	require((uint64_t)slot->cost.memory * slot->cost.passes <= COST_TOTAL_MAX && slot->cost.memory <= COST_MEMORY_MAX);
}

/* Without its Ith slot it is as before, but for that. */
static void check_without(const struct key_file *file, size_t i)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX + 1);
	struct key_file *rest = NULL;
	bool drop[KEY_SLOTS] = {false};

	drop[i] = true;
	require(key_file_copy(file, drop, text) == 0);
	int r = key_file_parse(text->data, text->len, &rest, NULL);
	if (file->slot_count == 1 || text->len > KEY_TEXT_MAX) {
		require(r == -EBADMSG);
		return;
	}
	require(r == 0 && rest->slot_count == file->slot_count - 1 && memcmp(rest->id, file->id, KEK_ID) == 0);
	for (size_t k = 0; k < rest->slot_count; k++)
		require(rest->slot[k].kind == file->slot[k + (k >= i)].kind);
	key_file_free(rest);
}

static int try_file(const char *text, size_t len)
{
	struct key_file *file = NULL;
	struct errmsg msg = {0};
	int r = key_file_parse(text, len, &file, &msg);

	require(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ERANGE);
	require((r < 0) == (msg.text[0] != '\0') && (r < 0) == !file);
	if (r < 0) {
		require(strncmp(msg.text, "line ", 5) == 0);
		return r;
	}
	require(key_file_is_meant(text, len));
	require(file->slot_count >= 1 && file->slot_count <= KEY_SLOTS && file->text->len == len);
	for (size_t i = 0; i < file->slot_count; i++)
		check_slot(file, i);
	check_without(file, file->slot_count / 2);
	key_file_free(file);
	return r;
}

static void try_bare(const char *text, size_t len)
{
	struct errmsg msg = {0};
	struct kek *kek = NULL;
	uint8_t bytes[KEK_SIZE];
	char again[RECOVERY_TEXT];
	int r = key_material_parse(text, len, &kek, &msg);

	require(r == 0 || r == -EINVAL || r == -EBADMSG);
	require((r < 0) == (msg.text[0] != '\0'));
	kek_free(kek);
	r = recovery_decode(text, len, bytes, NULL);
	require(r == 0 || r == -EINVAL || r == -EBADMSG);
	if (r == 0) {
		uint8_t back[KEK_SIZE];

		require(recovery_encode(bytes, again) == 0 && recovery_decode(again, strlen(again), back, NULL) == 0);
		require(memcmp(bytes, back, KEK_SIZE) == 0);
	}
	/* That of a kernel key, in two parts. */
	uint8_t all[KEK_WIDE], all_back[KEK_WIDE];
	char parts[RECOVERY_WIDE];
	bool wide = false;
	int any = recovery_decode_any(text, len, all, &wide, NULL);
	require(any == r || (r == -EINVAL && any == 0 && wide) || any == -EBADMSG);
	if (any == 0 && wide) {
		require(recovery_encode_wide(all, parts) == 0 && recovery_decode_any(parts, strlen(parts), all_back, &wide, NULL) == 0);
		require(wide && memcmp(all, all_back, KEK_WIDE) == 0);
	}
}

static void take(const uint8_t **data, size_t *size, void *bytes, size_t len)
{
	size_t n = len < *size ? len : *size;

	memset(bytes, 0, len);
	memcpy(bytes, *data, n);
	*data += n;
	*size -= n;
}

/* A slot of any fields, as somebody would write who knows the checksum. */
static void try_slot(const uint8_t *data, size_t size)
{
	struct key_slot slot = {0};
	uint8_t id[KEK_ID], kind;
	struct kernel_key key;
	BUFFER_ON_STACK(text, 2048);

	take(&data, &size, &kind, 1);
	slot.wide = kind & 2;
	slot.kind = !(kind & 1) ? SLOT_PASSPHRASE : slot.wide ? SLOT_KEYRING : SLOT_KERNEL;
	take(&data, &size, id, sizeof(id));
	take(&data, &size, &slot.cost, sizeof(slot.cost));
	take(&data, &size, slot.salt, sizeof(slot.salt));
	take(&data, &size, slot.nonce, sizeof(slot.nonce));
	take(&data, &size, slot.wrapped, sizeof(slot.wrapped));
	take(&data, &size, slot.tag, sizeof(slot.tag));
	take(&data, &size, slot.kernel.type, sizeof(slot.kernel.type) - 1);
	take(&data, &size, slot.kernel.name, sizeof(slot.kernel.name) - 1);
	require((slot.wide ? key_file_start_wide : key_file_start)(id, kind, &text) == 0 && key_file_add(id, &slot, &text) == 0);
	/* Names that are none of ours, as with a newline in them, make other lines of it. */
	bool sound = slot.kind == SLOT_PASSPHRASE ? key_cost_check(&slot.cost, NULL) == 0
						  : kernel_key_check(&slot.kernel, NULL) == 0;
#ifdef SCRIM_SEEDED_BUG /* the control: one cost in 16 is thought to be sound and is not */
	sound |= slot.cost.memory % 16 == 7;
#endif
	require((try_file(text.data, text.len) == 0) == sound);
	char name[KERNEL_NAME_MAX + 8] = {0};
	memcpy(name, slot.kernel.name, sizeof(slot.kernel.name));
	require(kernel_key_parse(name, &key, NULL) < 0 || kernel_key_check(&key, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* A copy of just that length, so that what is behind it is seen to be read. */
	size_t len = size - 1;
	char *text = malloc(len + !len);
	memcpy(text, data + 1, len);
	switch (data[0] % 3) {
	case 0:
		try_file(text, len);
		break;
	case 1:
		try_bare(text, len);
		break;
	default:
		try_slot(data + 1, len);
	}
	free(text);
	return 0;
}
