/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_command.h"
#include "cli/passphrase.h"
#include "cli/prompt.h"
#include "cli/protect.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/key_open.h"
#include "crypt/keys/recovery.h"
#include "crypt/keys/slot.h"
#include "crypt/secret.h"

#define TRIES 3

int key_finish(int r, const struct errmsg *msg)
{
	if (r < 0)
		cli_error("%s%s", msg->text[0] ? msg->text : strerror(-r), why_no_memory(r));
	return exit_status_of(r);
}

static int append_passphrase(const struct key_arguments *a, const struct kek *kek, struct buffer *text, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *passphrase = secret_text_new(PASSPHRASE_MAX);
	struct key_cost cost = a->cost;
	struct key_slot slot;
	int r;

	if (!passphrase)
		return -ENOMEM;
	r = passphrase_new(&a->options, a->new_passfile, a->name, kek->id, passphrase, msg);
	if (r == 0 && !a->cost_given)
		r = key_cost_calibrate(&cost);
	if (r == 0)
		r = slot_from_passphrase(kek, passphrase->data, passphrase->len, &cost, &slot);
	if (r == -ENOMEM)
		return errmsg_set(msg, r, "no memory for Argon2id: give a smaller --cost, as 64M,3");
	return r < 0 ? r : key_file_add(kek->id, &slot, text);
}

/* An ordinary key that one in the kernel opens. */
static int append_kernel(const struct key_arguments *a, const struct kek *kek, struct buffer *text, struct errmsg *msg)
{
	struct kernel_key key;
	struct key_slot slot;
	char usual[KERNEL_NAME_MAX];
	int r;

	snprintf(usual, sizeof(usual), "scrim:%s", a->name);
	r = kernel_key_parse(a->kernel ? a->kernel : usual, &key, msg);
	if (r == 0) {
		struct errmsg why = {0};
		int made = kernel_key_make(&key, &why);

		if (made < 0 && made != -EEXIST)
			return errmsg_set(msg, made, "%s", why.text);
		r = slot_from_kernel(kek, &key, &slot, msg);
		if (r < 0 && made == 0)
			kernel_key_remove(&key);
		else if (made == 0)
			cli_note("made the kernel's key %s:%s, which is gone when the machine is started anew", key.type, key.name);
	}
	return r < 0 ? r : key_file_add(kek->id, &slot, text);
}

int key_append_slot(const struct key_arguments *a, enum slot_kind kind, const struct kek *kek, struct buffer *text,
		    struct errmsg *msg)
{
	if (!kek->bytes)
		return key_is_kept(a->name, msg);
	switch (kind) {
	case SLOT_RAW:
		return key_file_add_raw(kek, text);
	case SLOT_KERNEL:
		return kek->wide ? key_append_keyring(a, kek, text, msg) : append_kernel(a, kek, text, msg);
	default:
		return append_passphrase(a, kek, text, msg);
	}
}

int key_load_and_open(const struct key_arguments *a, struct key_file **ret_file, struct kek **ret_kek, size_t *ret_slot,
		      struct errmsg *msg)
{
	const struct key_asker asker = passphrase_asker(&a->options);
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	int r = keys_load_file(a->name, &file, msg);

	if (r == 0)
		r = key_file_open(file, a->name, &asker, ret_kek, ret_slot, msg);
	if (r == 0)
		*ret_file = TAKE_PTR(file);
	return r;
}

static int parse_recovery(const struct buffer *text, struct kek **ret_kek, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KEK_WIDE);
	bool wide;

	if (!bytes)
		return -ENOMEM;
	int r = recovery_decode_any(text->data, text->len, bytes, &wide, msg);
	if (r == 0)
		r = kek_new_sized(bytes, wide, ret_kek);
	secret_free(bytes, KEK_WIDE);
	/* A wrong key, not a damaged file. */
	return r == -EBADMSG ? -ENOKEY : r;
}

/* That of a kernel key is two lines on paper and two when it is typed. */
static bool is_first_half(const struct buffer *text)
{
	return text->len >= 2 && (text->data[0] == 'S' || text->data[0] == 's') && text->data[1] == '2' && text->len < RECOVERY_TEXT + RECOVERY_GROUP;
}

int key_read_recovery(const struct key_arguments *a, const uint8_t *id, struct kek **ret_kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char question[256], hex[KEK_ID_TEXT] = "";
	int r;

	if (!text)
		return -ENOMEM;
	if (id)
		kek_id_text(id, hex);
	if (!isatty(STDIN_FILENO)) {
		r = secret_text_read(STDIN_FILENO, text);
		return r < 0 ? errmsg_set(msg, r, "standard input: %s", strerror(-r)) : parse_recovery(text, ret_kek, msg);
	}
	snprintf(question, sizeof(question), "recovery key of %s%s%s (S1...): ", a->name, id ? ", id " : "", hex);
	for (int attempt = 1;; attempt++) {
		struct errmsg why = {0};

		buffer_clear(text);
		r = prompt_line(question, a->echo, text);
		if (r == 0 && is_first_half(text)) {
			buffer_append_str(text, "\n");
			r = prompt_line("its second part (S3...): ", a->echo, text);
		}
		if (r < 0)
			return errmsg_set(msg, r, "no recovery key: %s", strerror(-r));
		r = parse_recovery(text, ret_kek, &why);
		if (r == 0 || r == -ENOMEM)
			return r;
		if (attempt == TRIES)
			return errmsg_set(msg, r, "%s", why.text);
		cli_note("%s", why.text);
	}
}

int key_print_recovery(const char *name, const struct kek *kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(1024);
	char *recovery, id[KEK_ID_TEXT], head[256];

	if (!kek->bytes)
		return key_is_kept(name, msg);
	recovery = secret_alloc(RECOVERY_WIDE);
	if (!text || !recovery) {
		secret_free(recovery, RECOVERY_WIDE);
		return -ENOMEM;
	}
	kek_id_text(kek->id, id);
	snprintf(head, sizeof(head), "# Recovery key of %s, id %s. Whoever has it has the key.\n"
				     "# It brings the key back: scrim key import %s --recovery\n", name, id, name);
	int r = kek->wide ? recovery_encode_wide(kek->bytes, recovery) : recovery_encode(kek->bytes, recovery);
	/* Two lines of six groups for each part. */
	for (size_t i = RECOVERY_TEXT / 2; r == 0 && i < (kek->wide ? RECOVERY_WIDE : RECOVERY_TEXT); i += RECOVERY_TEXT / 2)
		recovery[i - 1] = '\n';
	buffer_append_str(text, head);
	buffer_append_str(text, recovery);
	buffer_append_str(text, "\n");
	secret_free(recovery, RECOVERY_WIDE);
	if (r == 0)
		r = secret_text_write(STDOUT_FILENO, text);
	return r < 0 ? errmsg_set(msg, r, "the recovery key could not be printed: %s (scrim key recovery %s)", strerror(-r), name) : 0;
}
