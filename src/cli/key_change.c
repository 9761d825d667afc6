/* SPDX-License-Identifier: Apache-2.0 */
/* scrim key passwd, scrim key rm. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_command.h"
#include "cli/passphrase.h"
#include "cli/prompt.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/key_open.h"

/* TEXT, which is to open as well as OLD did, in OLD's place. */
static int replace(const struct key_arguments *a, const struct key_file *old, const struct buffer *text, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_close_ int dir_fd = -EBADF;
	struct errmsg why = {0};
	char dir[PATH_MAX];
	int r = key_file_parse(text->data, text->len, &file, &why);

	if (r < 0)
		return errmsg_set(msg, r, "key %s was not changed: %s", a->name, why.text);
	r = keys_directory(false, dir, sizeof(dir), &dir_fd, msg);
	if (r == 0)
		r = key_dir_replace(dir_fd, a->name, old, text);
	if (r == -ESTALE)
		return errmsg_set(msg, r, "key %s was changed by somebody else meanwhile: try again", a->name);
	return r < 0 ? errmsg_set(msg, r, "%s/%s.key: %s", dir, a->name, strerror(-r)) : 0;
}

/* OLD with a new slot, by a passphrase if nothing else is said, in the place of those that DROP says. */
static int set_slot(const struct key_arguments *a, const struct key_file *old, const struct kek *kek,
		    const bool drop[KEY_SLOTS], struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	int r;

	if (!text)
		return -ENOMEM;
	r = key_file_copy(old, drop, text);
	if (r == 0)
		r = key_append_slot(a, a->kind, kek, text, msg);
	if (r == -ENOBUFS)
		return errmsg_set(msg, r, "key %s: no room in its file: scrim key passwd %s --remove", a->name, a->name);
	return r < 0 ? r : replace(a, old, text, msg);
}

static int add(const struct key_arguments *a, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	static const bool none[KEY_SLOTS];
	int r = key_load_and_open(a, &file, &kek, NULL, msg);

	if (r == 0 && file->slot_count == KEY_SLOTS)
		return errmsg_set(msg, -ENOSPC, "key %s has %d slots, which is all there can be: --remove one", a->name, KEY_SLOTS);
	return r < 0 ? r : set_slot(a, file, kek, none, msg);
}

static int change(const struct key_arguments *a, struct errmsg *msg)
{
	const struct key_asker asker = passphrase_asker(&a->options);
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	bool drop[KEY_SLOTS] = {false};
	size_t slot = 0;
	int r = keys_load_file(a->name, &file, msg);

	if (r == 0 && key_file_count(file, SLOT_PASSPHRASE) == 0)
		return errmsg_set(msg, -EINVAL, "key %s has no passphrase: --add gives it one", a->name);
	if (r == 0)
		r = key_file_open_passphrase(file, a->name, &asker, &kek, &slot, msg);
	if (r < 0)
		return r;
	drop[slot] = true;
	return set_slot(a, file, kek, drop, msg);
}

/* Whoever has the recovery key has forgotten the passphrases: all of them are replaced by one. */
static int reset(const struct key_arguments *a, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	bool drop[KEY_SLOTS] = {false};
	char is[KEK_ID_TEXT], wanted[KEK_ID_TEXT];
	int r = keys_load_file(a->name, &file, msg);

	if (r == 0)
		r = key_read_recovery(a, file->id, &kek, msg);
	if (r < 0)
		return r;
	kek_id_text(kek->id, is);
	kek_id_text(file->id, wanted);
	if (strcmp(is, wanted) != 0)
		return errmsg_set(msg, -ENOKEY, "this is the recovery key of another key (id %s) than %s (id %s)", is, a->name, wanted);
	size_t kept = 0;
	for (size_t i = 0; i < file->slot_count; i++) {
		drop[i] = file->slot[i].kind == SLOT_PASSPHRASE;
		kept += !drop[i];
	}
	if (kept == KEY_SLOTS)
		return errmsg_set(msg, -ENOSPC, "key %s has %d slots, which is all there can be: --remove one", a->name, KEY_SLOTS);
	return set_slot(a, file, kek, drop, msg);
}

/* The slot that --remove names, or the one that the passphrase opens. */
static int find_slot(const struct key_arguments *a, const struct key_file *file, size_t *ret_slot, struct errmsg *msg)
{
	const struct key_asker asker = passphrase_asker(&a->options);
	_cleanup_(cleanup_kek) struct kek *kek = NULL;

	if (!a->remove_slot)
		return key_file_open_passphrase(file, a->name, &asker, &kek, ret_slot, msg);
	const char *n = a->remove_slot;
	if (n[0] < '1' || n[0] > '9' || n[1] || (size_t)(n[0] - '0') > file->slot_count)
		return errmsg_set(msg, -EINVAL, "key %s has no slot '%s': there are %zu (scrim key show %s)", a->name, n,
				  file->slot_count, a->name);
	*ret_slot = (size_t)(n[0] - '1');
	return 0;
}

/* A slot may go if another one is seen to open the key. */
static int remove_slot(const struct key_arguments *a, struct errmsg *msg)
{
	const struct key_asker asker = passphrase_asker(&a->options);
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_(cleanup_key_file) struct key_file *file = NULL, *rest = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	bool drop[KEY_SLOTS] = {false};
	size_t slot = 0;
	int r = keys_load_file(a->name, &file, msg);

	if (!text)
		return -ENOMEM;
	if (r == 0 && file->slot_count == 1)
		return errmsg_set(msg, -EINVAL, "key %s has one slot only: without it nothing would open it (scrim key rm %s)", a->name,
				  a->name);
	if (r == 0)
		r = find_slot(a, file, &slot, msg);
	if (r < 0)
		return r;
	drop[slot] = true;
	r = key_file_copy(file, drop, text);
	if (r == 0)
		r = key_file_parse(text->data, text->len, &rest, msg);
	/* By its own passphrase it has been seen to open: whoever knows that may take it away. */
	if (r == 0 && a->remove_slot)
		r = key_file_open(rest, a->name, &asker, &kek, NULL, msg);
	return r < 0 ? r : replace(a, file, text, msg);
}

int key_passwd(const struct key_arguments *a)
{
	struct errmsg msg = {0};

	if (a->add + a->remove + a->recovery > 1) {
		cli_error("one of --add, --remove and --recovery");
		return EXIT_USAGE;
	}
	if (a->kind != SLOT_PASSPHRASE && !a->add) {
		cli_error("--%s goes with --add", slot_kind_name(a->kind));
		return EXIT_USAGE;
	}
	int r = a->add ? add(a, &msg) : a->remove ? remove_slot(a, &msg) : a->recovery ? reset(a, &msg) : change(a, &msg);
	if (r == 0)
		cli_note("key %s: %s", a->name, a->remove ? "slot removed" : a->add ? "slot added" : "passphrase changed");
	return key_finish(r, &msg);
}

/* The id, for the question, also of a file that is damaged. -ENOKEY: there is none. */
static int describe(const struct key_arguments *a, char *ret_text, size_t size, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	struct errmsg why = {0};
	char id[KEK_ID_TEXT] = "";
	int r = keys_load_file(a->name, &file, &why);

	if (r == -ENOKEY)
		return errmsg_set(msg, r, "%s", why.text);
	if (r == 0)
		kek_id_text(file->id, id);
	snprintf(ret_text, size, "%s (%s%s)", a->name, id[0] ? "id " : "not readable", id);
	return 0;
}

static int rm(const struct key_arguments *a, struct errmsg *msg)
{
	char dir[PATH_MAX], what[256], question[512];
	_cleanup_close_ int dir_fd = -EBADF;
	int r = describe(a, what, sizeof(what), msg);

	if (r == 0)
		r = keys_directory(false, dir, sizeof(dir), &dir_fd, msg);
	if (r == 0 && !a->force) {
		snprintf(question, sizeof(question), "remove key %s? Without a recovery key, what is encrypted for it is lost. [y/N] ", what);
		r = prompt_yes(question);
		if (r == -ENOTTY)
			return errmsg_set(msg, r, "key %s: nobody to ask whether it may go (--force)", a->name);
		if (r == 0)
			return errmsg_set(msg, -ECANCELED, "key %s stays", a->name);
		r = r > 0 ? 0 : r;
	}
	if (r == 0)
		r = key_dir_remove(dir_fd, a->name);
	return r < 0 ? errmsg_set(msg, r, "%s/%s.key: %s", dir, a->name, strerror(-r)) : 0;
}

int key_rm(const struct key_arguments *arguments)
{
	struct errmsg msg = {0};

	return key_finish(rm(arguments, &msg), &msg);
}
