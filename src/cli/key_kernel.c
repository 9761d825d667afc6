/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel keys: made in the kernel's keyring, where they stay, and put back there after the machine was started anew. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_command.h"
#include "crypt/keys/kernel_key.h"

int key_is_kept(const char *name, struct errmsg *msg)
{
	return errmsg_set(msg, -EOPNOTSUPP, "the kernel has the key %s, and nobody else: its recovery key, which was printed when it was "
			  "made, is the only copy (scrim key passwd %s --recovery gives it a passphrase)", name, name);
}

/* The name that was given, or the usual one, of a type that gives nothing out where the kernel can use that. */
static int choose(const struct key_arguments *a, struct kernel_key *ret_key, struct errmsg *msg)
{
	char usual[KERNEL_NAME_MAX + 16];

	snprintf(usual, sizeof(usual), "%s:scrim:%s", kernel_key_computes() ? "logon" : "user", a->name);
	return kernel_key_parse(a->kernel ? a->kernel : usual, ret_key, msg);
}

/* Does the kernel make of its copy what we make of KEK? */
static int compare(const struct kernel_key *key, const struct kek *kek, struct errmsg *msg)
{
	_cleanup_(cleanup_kek) struct kek *kept = NULL;
	int r = kernel_key_open(key, &kept, msg);

	if (r < 0)
		return r;
	if (memcmp(kept->id, kek->id, KEK_ID) != 0)
		return errmsg_set(msg, -EEXIST, "the kernel has another key %s:%s", key->type, key->name);
	if (kept->why)
		cli_warn("this kernel does not compute with keys that it keeps, so that each command reads %s:%s: %s", key->type, key->name,
			 kept->why);
	return 0;
}

/* KEK into the kernel; taken away again if it cannot be used there. */
static int put(const struct kernel_key *key, const struct kek *kek, struct errmsg *msg)
{
	int r = kernel_key_put(key, kek->bytes, msg);

	if (r < 0)
		return r;
	r = compare(key, kek, msg);
	if (r < 0)
		kernel_key_remove(key);
	else
		cli_note("made the kernel's key %s:%s, which is gone when the machine is started anew", key->type, key->name);
	return r;
}

int key_append_keyring(const struct key_arguments *a, const struct kek *kek, struct buffer *text, struct errmsg *msg)
{
	struct key_slot slot = {.kind = SLOT_KEYRING, .wide = true};
	int r = choose(a, &slot.kernel, msg);

	if (r == 0)
		r = put(&slot.kernel, kek, msg);
	if (r < 0)
		return r;
	r = key_file_add(kek->id, &slot, text);
	if (r < 0)
		kernel_key_remove(&slot.kernel);
	return r;
}

void key_forget_keyring(const struct buffer *text)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;

	if (key_file_parse(text->data, text->len, &file, NULL) < 0)
		return;
	for (size_t i = 0; i < file->slot_count; i++)
		if (file->slot[i].kind == SLOT_KEYRING)
			kernel_key_remove(&file->slot[i].kernel);
}

int key_put_back(const struct key_arguments *a, const struct kek *kek, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;

	if (keys_load_file(a->name, &file, NULL) < 0 || memcmp(file->id, kek->id, KEK_ID) != 0)
		return 0;
	for (size_t i = 0; i < file->slot_count; i++) {
		if (file->slot[i].kind != SLOT_KEYRING)
			continue;
		int r = put(&file->slot[i].kernel, kek, msg);
		return r < 0 ? r : 1;
	}
	return 0;
}
