/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directories.h"
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/places.h"
#include "cli/protect.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/key_open.h"
#include "crypt/keys/material.h"
#include "crypt/keys/secret_text.h"

bool key_options_take(struct key_options *options, int opt, const char *argument)
{
	switch (opt) {
	case OPT_KEY:
	case OPT_KEY_FILE:
	case OPT_KEY_FD:
		if (options->count == KEYS_MAX) {
			options->too_many = true;
			return true;
		}
		options->given[options->count].opt = opt;
		options->given[options->count++].argument = argument;
		return true;
	case OPT_PASSFILE:
		options->passfile = argument;
		return true;
	case OPT_ASKPASS:
		options->askpass = argument;
		return true;
	default:
		return false;
	}
}

/* What a place of keys is searched with. */
struct key_source {
	const struct key_options *options;
	struct errmsg *msg;
};

/* FILE, which people know as NAME. */
static int open_slots(const struct key_source *source, const struct key_file *file, const char *name, struct kek **ret_kek)
{
	const struct key_asker asker = passphrase_asker(source->options);
	int r = key_file_open(file, name, &asker, ret_kek, NULL, source->msg);

	if (r == 0 && (*ret_kek)->why)
		cli_warn("key %s: the kernel does not compute with it, so that it is read into this process: %s", name, (*ret_kek)->why);
	return r;
}

/* A key of TEXT, which came from WHERE: a key file or the bare key. */
static int open_text(const struct key_source *source, const char *where, const struct buffer *text, struct kek **ret_kek)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	struct errmsg why = {0};
	int r;

	if (key_file_is_meant(text->data, text->len)) {
		r = key_file_parse(text->data, text->len, &file, &why);
		if (r == 0)
			return open_slots(source, file, where, ret_kek);
	} else {
		r = key_material_parse(text->data, text->len, ret_kek, &why);
	}
	return r < 0 ? errmsg_set(source->msg, r, "%s: %s", where, why.text[0] ? why.text : strerror(-r)) : 0;
}

int key_fd_number(const char *argument, int *ret_fd)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(argument, &end, 10);
	if (errno || end == argument || *end || fd < 0 || fd > INT_MAX)
		return -EINVAL;
	*ret_fd = (int)fd;
	return 0;
}

/* Read to its end and closed, so that nobody reads it again. */
static int open_fd(const struct key_source *source, const char *argument, struct kek **ret_kek)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char where[64];
	int fd;

	if (!text)
		return -ENOMEM;
	if (key_fd_number(argument, &fd) < 0)
		return errmsg_set(source->msg, -EINVAL, "--key-fd wants the number of a descriptor, not '%s'", argument);
	snprintf(where, sizeof(where), "descriptor %d", fd);
	int r = secret_text_read(fd, text);
	safe_close(fd);
	if (r < 0)
		return errmsg_set(source->msg, r, "%s: %s", where,
				  r == -EBADF ? "not open for reading" : r == -EFBIG ? "too much for a key" : strerror(-r));
	return open_text(source, where, text, ret_kek);
}

static int open_file(const struct key_source *source, const char *path, struct kek **ret_kek)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);

	if (!text)
		return -ENOMEM;
	int r = private_file_load(path, text, source->msg);
	if (r == -ENOENT)
		return -ENOKEY; /* as for a name: there is no such key */
	return r < 0 ? r : open_text(source, path, text, ret_kek);
}

static int open_credential(const struct key_source *source, const char *name, struct kek **ret_kek)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_close_ int fd = credential_open("key", name);
	char where[KEY_NAME_MAX + 32];

	if (fd < 0)
		return fd;
	if (!text)
		return -ENOMEM;
	snprintf(where, sizeof(where), "credential %s", name);
	int r = key_text_load(fd, where, KEY_TRUST_CREDENTIAL, text, source->msg);
	return r < 0 ? r : open_text(source, name, text, ret_kek);
}

int keys_directory(bool create, char *ret_path, size_t size, int *ret_fd, struct errmsg *msg)
{
	int r = config_path("keys", ret_path, size);

	if (r < 0)
		return errmsg_set(msg, r, "neither XDG_CONFIG_HOME nor HOME says where keys are");
	if (create)
		r = make_directories(ret_path, home_directory());
	return r < 0 ? errmsg_set(msg, r, "%s: %s", ret_path, strerror(-r)) : key_dir_open(ret_path, ret_fd, msg);
}

int keys_load_file(const char *name, struct key_file **ret_file, struct errmsg *msg)
{
	_cleanup_close_ int dir_fd = -EBADF;
	struct errmsg why = {0};
	char dir[PATH_MAX];
	int r = key_name_check(name, msg);

	if (r == 0)
		r = keys_directory(false, dir, sizeof(dir), &dir_fd, &why);
	if (r == 0)
		r = key_dir_load(dir_fd, dir, name, ret_file, &why);
	if (r == -ENOENT)
		return errmsg_set(msg, -ENOKEY, "there is no key %s (scrim key list; scrim key new %s)", name, name);
	return r < 0 ? errmsg_set(msg, r, "%s", why.text[0] ? why.text : strerror(-r)) : 0;
}

static int open_name(const struct key_source *source, const char *name, struct kek **ret_kek)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	struct errmsg why = {0};
	int r = keys_load_file(name, &file, &why);

	if (r == -ENOKEY) {
		int credential = open_credential(source, name, ret_kek);

		if (credential != -ENOENT)
			return credential;
	}
	if (r < 0)
		return errmsg_set(source->msg, r, "%s", why.text);
	return open_slots(source, file, name, ret_kek);
}

int key_look(const char *name, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	int r = keys_load_file(name, &file, msg);

	if (r == -ENOKEY) {
		_cleanup_close_ int fd = credential_open("key", name);

		return fd >= 0 ? 0 : r;
	}
	return r;
}

/* KEK becomes one of KEYS, or is released. */
static int add(struct keys *keys, struct kek *kek)
{
	if (keys->count == KEYS_MAX) {
		kek_free(kek);
		return -ENOSPC;
	}
	keys->store[keys->count] = kek_store_key(kek);
	keys->kek[keys->count++] = kek;
	return 0;
}

int key_open_one(const struct key_options *options, int opt, const char *argument, struct kek **ret_kek,
		 struct errmsg *msg)
{
	const struct key_source source = {options, msg};

	switch (opt) {
	case OPT_KEY_FD:
		return open_fd(&source, argument, ret_kek);
	case OPT_KEY_FILE:
		return open_file(&source, argument, ret_kek);
	default:
		return open_name(&source, argument, ret_kek);
	}
}

/* A command that is asked for a passphrase is not to find the descriptors of keys. */
static void keep_descriptors(const struct key_options *options)
{
	int fd;

	for (size_t i = 0; i < options->count; i++)
		if (options->given[i].opt == OPT_KEY_FD && key_fd_number(options->given[i].argument, &fd) == 0)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int protect(struct errmsg *msg)
{
	int r = protect_secrets();

	return r < 0 ? errmsg_set(msg, r, "a key would not be safe in this process: %s", strerror(-r)) : 0;
}

int keys_open_given(const struct key_options *options, struct keys *ret_keys, struct errmsg *msg)
{
	struct keys keys = {0};
	struct kek *kek = NULL;
	int r = protect(msg);

	if (r < 0)
		return r;
	if (options->too_many)
		return errmsg_set(msg, -E2BIG, "at most %d keys", KEYS_MAX);
	keep_descriptors(options);
	for (size_t i = 0; r == 0 && i < options->count; i++) {
		r = key_open_one(options, options->given[i].opt, options->given[i].argument, &kek, msg);
		if (r == 0)
			r = add(&keys, kek);
	}
	if (r == 0 && options->count == 0) {
		r = key_open_one(options, OPT_KEY, "default", &kek, msg);
		if (r == 0)
			r = add(&keys, kek);
	}
	if (r < 0) {
		keys_close(&keys);
		return errmsg_set(msg, r, "no key: %s", strerror(-r));
	}
	*ret_keys = keys;
	return 0;
}

static bool has_id(const uint8_t *id, const uint8_t (*ids)[KEK_ID], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(ids[i], id, KEK_ID) == 0)
			return true;
	return false;
}

/* The name of a key file with one of IDS; false: there is none that can be read. */
static bool find_name(const uint8_t (*ids)[KEK_ID], size_t count, char ret_name[KEY_NAME_MAX])
{
	_cleanup_free_ char(*names)[KEY_NAME_MAX] = NULL;
	_cleanup_close_ int dir_fd = -EBADF;
	char dir[PATH_MAX];

	if (keys_directory(false, dir, sizeof(dir), &dir_fd, NULL) < 0)
		return false;
	int n = key_dir_list(dir_fd, &names);
	for (int i = 0; i < n; i++) {
		_cleanup_(cleanup_key_file) struct key_file *file = NULL;

		if (key_dir_load(dir_fd, dir, names[i], &file, NULL) == 0 && has_id(file->id, ids, count)) {
			memcpy(ret_name, names[i], KEY_NAME_MAX);
			return true;
		}
	}
	return false;
}

static int say_needed(const uint8_t (*ids)[KEK_ID], size_t count, const char *name, struct errmsg *msg)
{
	BUFFER_ON_STACK(list, FORMAT_WRAPS * (KEK_ID_TEXT + 4));
	char id[KEK_ID_TEXT];

	for (size_t i = 0; i < count && i < FORMAT_WRAPS; i++) {
		kek_id_text(ids[i], id);
		buffer_append_str(&list, i ? " or " : "");
		buffer_append_str(&list, id);
	}
	if (name)
		return errmsg_set(msg, -ENOKEY, "needs the key with the id %s, your key %s: --key %s", list.data, name, name);
	return errmsg_set(msg, -ENOKEY, "needs the key with the id %s, which was not given and is not among yours (--key, "
			  "--key-file; scrim key import)", count ? list.data : "(none)");
}

int keys_open_for(const struct key_options *options, struct keys *keys, const uint8_t (*ids)[KEK_ID], size_t count,
		  struct errmsg *msg)
{
	const struct key_source source = {options, msg};
	char name[KEY_NAME_MAX];
	struct kek *kek;

	for (size_t k = 0; k < keys->count; k++)
		if (has_id(keys->kek[k]->id, ids, count))
			return 0;
	bool found = find_name(ids, count, name);
	if (!found || options->count > 0)
		return say_needed(ids, count, found ? name : NULL, msg);
	int r = protect(msg);
	if (r == 0)
		r = open_name(&source, name, &kek);
	return r < 0 ? r : add(keys, kek);
}

void keys_close(struct keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		kek_free(keys->kek[i]);
	memset(keys, 0, sizeof(*keys));
}

int exit_status_of(int error)
{
	switch (error) {
	case 0:
		return 0;
	case -ENOKEY:
		return EXIT_WRONG_KEY;
	case -EBADMSG:
		return EXIT_DAMAGE;
	default:
		return EXIT_FAILED;
	}
}
