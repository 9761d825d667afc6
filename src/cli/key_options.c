/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/protect.h"
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

/* A key of TEXT, which came from WHERE. */
static int open_text(const char *where, const struct buffer *text, struct kek **ret_kek, struct errmsg *msg)
{
	struct errmsg why = {0};
	int r = key_material_parse(text->data, text->len, ret_kek, &why);

	return r < 0 ? errmsg_set(msg, r, "%s: %s", where, why.text[0] ? why.text : strerror(-r)) : 0;
}

/* Read to its end and closed, so that nobody reads it again. */
static int open_fd(const char *argument, struct kek **ret_kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char where[64], *end;
	long fd;

	errno = 0;
	fd = strtol(argument, &end, 10);
	if (errno || end == argument || *end || fd < 0 || fd > INT_MAX)
		return errmsg_set(msg, -EINVAL, "--key-fd wants the number of a descriptor, not '%s'", argument);
	snprintf(where, sizeof(where), "descriptor %ld", fd);
	if (!text)
		return -ENOMEM;
	int r = secret_text_read((int)fd, text);
	close((int)fd);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", where, r == -EBADF ? "is not open for reading" : strerror(-r));
	return open_text(where, text, ret_kek, msg);
}

static int open_file(const char *path, struct kek **ret_kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (!text)
		return -ENOMEM;
	int r = fd < 0 ? -errno : secret_text_read(fd, text);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", path, strerror(-r));
	return open_text(path, text, ret_kek, msg);
}

static int open_name(const char *name, struct kek **ret_kek, struct errmsg *msg)
{
	(void)ret_kek;
	return errmsg_set(msg, -ENOKEY, "no key '%s' (scrim key list)", name);
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

static int open_one(const struct key_options *options, size_t i, struct kek **ret_kek, struct errmsg *msg)
{
	switch (options->given[i].opt) {
	case OPT_KEY_FD:
		return open_fd(options->given[i].argument, ret_kek, msg);
	case OPT_KEY_FILE:
		return open_file(options->given[i].argument, ret_kek, msg);
	default:
		return open_name(options->given[i].argument, ret_kek, msg);
	}
}

int keys_open_given(const struct key_options *options, struct keys *ret_keys, struct errmsg *msg)
{
	struct keys keys = {0};
	struct kek *kek = NULL;
	int r = protect_secrets();

	if (r < 0)
		return errmsg_set(msg, r, "a key would not be safe in this process: %s", strerror(-r));
	if (options->too_many)
		return errmsg_set(msg, -E2BIG, "at most %d keys", KEYS_MAX);
	for (size_t i = 0; r == 0 && i < options->count; i++) {
		r = open_one(options, i, &kek, msg);
		if (r == 0)
			r = add(&keys, kek);
	}
	if (r == 0 && options->count == 0) {
		r = open_name("default", &kek, msg);
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

int keys_open_for(const struct key_options *options, struct keys *keys, const uint8_t (*ids)[KEK_ID], size_t count,
		  struct errmsg *msg)
{
	char text[KEK_ID_TEXT] = "";

	(void)options;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < keys->count; k++)
			if (memcmp(ids[i], keys->kek[k]->id, KEK_ID) == 0)
				return 0;
	if (count > 0)
		kek_id_text(ids[0], text);
	return errmsg_set(msg, -ENOKEY, "needs the key with the id %s", text);
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
