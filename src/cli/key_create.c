/* SPDX-License-Identifier: Apache-2.0 */
/* scrim key new, scrim key import. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_command.h"
#include "cli/passphrase.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/key_open.h"
#include "crypt/keys/material.h"

/* The directory where a new key goes. */
struct place {
	int fd;
	char path[PATH_MAX];
};

static void cleanup_place(struct place *place)
{
	safe_close(place->fd);
}

/* Before anything is asked: there is no key of that name, and there could be one. ID (may be NULL): that of the new one. */
static int check_is_new(const struct key_arguments *a, const uint8_t *id, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	char old[KEK_ID_TEXT], new[KEK_ID_TEXT];
	struct errmsg why = {0};
	int r = keys_load_file(a->name, &file, &why);

	if (r == -ENOKEY)
		return 0;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return errmsg_set(msg, -EEXIST, "there is something already: %s", why.text);
	kek_id_text(file->id, old);
	if (!id)
		return errmsg_set(msg, -EEXIST, "there is a key %s already (id %s): take another name, or scrim key rm %s", a->name,
				  old, a->name);
	if (memcmp(id, file->id, KEK_ID) == 0)
		return errmsg_set(msg, -EEXIST, "this is the key %s that is there (id %s): scrim key passwd %s --recovery gives it "
				  "a new passphrase", a->name, old, a->name);
	kek_id_text(id, new);
	return errmsg_set(msg, -ENOKEY, "this is another key (id %s) than the %s that is there (id %s): take another name", new,
			  a->name, old);
}

static int check_expected(const struct key_arguments *a, const uint8_t *id, struct errmsg *msg)
{
	uint8_t expected[KEK_ID];
	char is[KEK_ID_TEXT], wanted[KEK_ID_TEXT];

	if (!a->id || kek_id_parse(a->id, expected) < 0 || memcmp(expected, id, KEK_ID) == 0)
		return 0;
	kek_id_text(id, is);
	kek_id_text(expected, wanted);
	return errmsg_set(msg, -ENOKEY, "this is the key with the id %s, not the one with the id %s: nothing was imported", is,
			  wanted);
}

static int create(const struct key_arguments *a, const struct place *place, const struct buffer *text, const uint8_t *id,
		  struct errmsg *msg)
{
	char hex[KEK_ID_TEXT];
	int r = key_dir_create(place->fd, a->name, text);

	if (r < 0)
		return errmsg_set(msg, r, "%s/%s.key: %s", place->path, a->name, strerror(-r));
	kek_id_text(id, hex);
	cli_note("key %s, id %s: %s/%s.key", a->name, hex, place->path, a->name);
	return 0;
}

/* A new file for KEK with one slot, of the kind that was asked for. */
static int create_for(const struct key_arguments *a, const struct place *place, const struct kek *kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	int r;

	if (!text)
		return -ENOMEM;
	r = kek->wide ? key_file_start_wide(kek->id, time(NULL), text) : key_file_start(kek->id, time(NULL), text);
	if (r == 0)
		r = key_append_slot(a, a->kind, kek, text, msg);
	if (r < 0)
		return r;
	r = create(a, place, text, kek->id, msg);
	if (r < 0)
		key_forget_keyring(text);
	return r;
}

/* A passphrase that is read, not typed, is the new one here: there is no old one. */
static void passfile_is_new(struct key_arguments *a)
{
	if (!a->new_passfile)
		a->new_passfile = a->options.passfile;
}

static int make_new(const struct key_arguments *arguments, struct errmsg *msg)
{
	_cleanup_(cleanup_place) struct place place = {.fd = -EBADF};
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct key_arguments a = *arguments;
	int r = keys_directory(true, place.path, sizeof(place.path), &place.fd, msg);

	passfile_is_new(&a);
	if (r == 0)
		r = check_is_new(&a, NULL, msg);
	if (r == 0)
		r = kek_new_sized(NULL, a.kind == SLOT_KERNEL, &kek);
	if (r == 0)
		r = create_for(&a, &place, kek, msg);
	if (r < 0)
		return r;
	return a.no_recovery ? 0 : key_print_recovery(a.name, kek, msg);
}

int key_new(const struct key_arguments *arguments)
{
	struct errmsg msg = {0};

	if (arguments->kind == SLOT_KERNEL && arguments->no_recovery) {
		cli_error("a key that the kernel keeps is gone when the machine is started anew: its recovery key is always printed");
		return EXIT_USAGE;
	}
	return key_finish(make_new(arguments, &msg), &msg);
}

/* TEXT is a key file: taken over as it is, or opened for a slot of another kind. */
static int import_key_file(const struct key_arguments *a, const struct place *place, const struct buffer *text, struct errmsg *msg)
{
	const struct key_asker asker = passphrase_asker(&a->options);
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct errmsg why = {0};
	int r = key_file_parse(text->data, text->len, &file, &why);

	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", a->file, why.text);
	r = check_expected(a, file->id, msg);
	if (r == 0)
		r = check_is_new(a, file->id, msg);
	if (r == 0 && !a->kind_given)
		return create(a, place, text, file->id, msg);
	if (r == 0)
		r = key_file_open(file, a->file, &asker, &kek, NULL, msg);
	return r < 0 ? r : create_for(a, place, kek, msg);
}

static int import_kek(const struct key_arguments *arguments, const struct place *place, const struct kek *kek, struct errmsg *msg)
{
	struct key_arguments a = *arguments;
	int r = check_expected(&a, kek->id, msg);

	passfile_is_new(&a);
	if (r == 0 && kek->wide && a.kind == SLOT_KERNEL) {
		r = key_put_back(&a, kek, msg);
		if (r > 0)
			return 0;
	}
	if (r == 0)
		r = check_is_new(&a, kek->id, msg);
	return r < 0 ? r : create_for(&a, place, kek, msg);
}

static int import_file(const struct key_arguments *a, const struct place *place, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct errmsg why = {0};
	int r;

	if (!text)
		return -ENOMEM;
	if (strcmp(a->file, "-") == 0)
		r = key_text_load(STDIN_FILENO, "standard input", KEY_TRUST_OWN, text, msg);
	else
		r = private_file_load(a->file, text, msg);
	if (r < 0)
		return r;
	if (key_file_is_meant(text->data, text->len))
		return import_key_file(a, place, text, msg);
	r = key_material_parse(text->data, text->len, &kek, &why);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", a->file, why.text[0] ? why.text : strerror(-r));
	return import_kek(a, place, kek, msg);
}

static int import(const struct key_arguments *a, struct errmsg *msg)
{
	_cleanup_(cleanup_place) struct place place = {.fd = -EBADF};
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	uint8_t expected[KEK_ID];
	int r;

	if (a->id && kek_id_parse(a->id, expected) < 0)
		return errmsg_set(msg, -EINVAL, "--id wants 32 hexadecimal digits");
	r = keys_directory(true, place.path, sizeof(place.path), &place.fd, msg);
	if (r < 0)
		return r;
	if (!a->recovery)
		return import_file(a, &place, msg);
	r = key_read_recovery(a, a->id ? expected : NULL, &kek, msg);
	return r < 0 ? r : import_kek(a, &place, kek, msg);
}

int key_import(const struct key_arguments *arguments)
{
	struct errmsg msg = {0};

	if (!arguments->file == !arguments->recovery) {
		cli_error("either --recovery or a FILE to import from");
		return EXIT_USAGE;
	}
	return key_finish(import(arguments, &msg), &msg);
}
