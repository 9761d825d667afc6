/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/key_open.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypt/keys/slot.h"

size_t key_file_count(const struct key_file *file, enum slot_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < file->slot_count; i++)
		count += file->slot[i].kind == kind;
	return count;
}

/* PASSPHRASE on every passphrase slot. */
static int try_passphrase(const struct key_file *file, const struct buffer *passphrase, struct kek **ret_kek, size_t *ret_slot)
{
	int r = -ENOKEY;

	for (size_t i = 0; i < file->slot_count && r == -ENOKEY; i++) {
		if (file->slot[i].kind != SLOT_PASSPHRASE)
			continue;
		r = slot_open_passphrase(file, i, passphrase->data, passphrase->len, ret_kek);
		if (r == 0 && ret_slot)
			*ret_slot = i;
	}
	return r;
}

int key_file_open_passphrase(const struct key_file *file, const char *name, const struct key_asker *asker,
			     struct kek **ret_kek, size_t *ret_slot, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *answer = secret_text_new(PASSPHRASE_MAX);
	struct key_question question = {.name = name};
	char id[KEK_ID_TEXT];
	int r;

	if (!answer)
		return -ENOMEM;
	memcpy(question.id, file->id, KEK_ID);
	kek_id_text(file->id, id);
	if (key_file_count(file, SLOT_PASSPHRASE) == 0)
		return errmsg_set(msg, -ENOKEY, "key %s (id %s) has no passphrase", name, id);
	do {
		buffer_clear(answer);
		r = asker->ask(asker->data, &question, answer, msg);
		if (r == -ENOKEY)
			return errmsg_set(msg, r, "wrong passphrase for key %s (id %s)", name, id);
		if (r == 0)
			r = try_passphrase(file, answer, ret_kek, ret_slot);
		question.attempt++;
	} while (r == -ENOKEY);
	if (r == -EBADMSG)
		return errmsg_set(msg, r, "key %s: what the passphrase opens is not the key with the id %s: the file is damaged", name, id);
	if (r == -ENOMEM)
		return errmsg_set(msg, r, "no memory to try the passphrase of key %s: its slots want up to 1 GiB", name);
	return r < 0 ? errmsg_set(msg, r, "key %s: %s", name, strerror(-r)) : 0;
}

int key_file_open(const struct key_file *file, const char *name, const struct key_asker *asker, struct kek **ret_kek,
		  size_t *ret_slot, struct errmsg *msg)
{
	struct errmsg why = {0};
	int r = -ENOKEY;

	for (size_t i = 0; i < file->slot_count; i++) {
		if (file->slot[i].kind == SLOT_PASSPHRASE)
			continue;
		r = slot_open_unasked(file, i, ret_kek, &why);
		if (r == 0 && ret_slot)
			*ret_slot = i;
		if (r == 0)
			return 0;
	}
	if (key_file_count(file, SLOT_PASSPHRASE) == 0)
		return errmsg_set(msg, r, "key %s: %s", name, why.text[0] ? why.text : strerror(-r));
	return key_file_open_passphrase(file, name, asker, ret_kek, ret_slot, msg);
}
