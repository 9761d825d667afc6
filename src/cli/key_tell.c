/* SPDX-License-Identifier: Apache-2.0 */
/* scrim key list, show, export, recovery. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/json_value.h"
#include "cli/key_command.h"
#include "crypt/keys/key_dir.h"

static json_t *slot_json(const struct key_file *file, size_t i)
{
	const struct key_slot *slot = &file->slot[i];
	json_t *value = json_pack("{s:I, s:s}", "slot", (json_int_t)i + 1, "kind", slot_kind_name(slot->kind));

	if (slot->kind == SLOT_PASSPHRASE) {
		json_object_set_new(value, "function", json_string("argon2id"));
		json_object_set_new(value, "memory_kib", json_integer(slot->cost.memory));
		json_object_set_new(value, "passes", json_integer(slot->cost.passes));
	} else if (slot->kind == SLOT_KERNEL || slot->kind == SLOT_KEYRING) {
		json_object_set_new(value, "type", json_string(slot->kernel.type));
		json_object_set_new(value, "name", json_string(slot->kernel.name));
	}
	return value;
}

static json_t *file_json(const char *name, const char *dir, const struct key_file *file)
{
	_cleanup_free_ char *path = NULL;
	json_t *slots = json_array();
	char id[KEK_ID_TEXT];

	kek_id_text(file->id, id);
	for (size_t i = 0; i < file->slot_count; i++)
		json_array_append_new(slots, slot_json(file, i));
	json_t *value = json_pack("{s:s, s:s, s:o}", "name", name, "id", id, "slots", slots);
	if (asprintf(&path, "%s/%s.key", dir, name) >= 0)
		json_object_set_new(value, "file", json_bytes(path));
	if (file->created[0])
		json_object_set_new(value, "created", json_string(file->created));
	return value;
}

/* "passphrase, raw" */
static void print_kinds(const struct key_file *file)
{
	for (size_t i = 0; i < file->slot_count; i++)
		printf("%s%s", i ? ", " : "", slot_kind_name(file->slot[i].kind));
}

/* One line, or one element of RESULTS. */
static int list_one(int dir_fd, const char *dir, const char *name, int width, json_t *results)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	struct errmsg msg = {0};
	char id[KEK_ID_TEXT];
	int r = key_dir_load(dir_fd, dir, name, &file, &msg);

	if (r < 0 && results)
		json_array_append_new(results, json_pack("{s:s, s:o}", "name", name, "error", json_bytes(msg.text)));
	else if (r < 0)
		cli_error("%s", msg.text);
	else if (results)
		json_array_append_new(results, file_json(name, dir, file));
	else {
		kek_id_text(file->id, id);
		printf("%-*s  %s  ", width, name, id);
		print_kinds(file);
		putchar('\n');
	}
	return r;
}

static int list(const struct key_arguments *a, struct errmsg *msg)
{
	_cleanup_free_ char(*names)[KEY_NAME_MAX] = NULL;
	_cleanup_close_ int dir_fd = -EBADF;
	struct errmsg why = {0};
	char dir[PATH_MAX];
	int width = 0, failed = 0;
	int r = keys_directory(false, dir, sizeof(dir), &dir_fd, &why);
	int count = r < 0 ? r : key_dir_list(dir_fd, &names);

	if (count < 0 && r != -ENOENT)
		return errmsg_set(msg, count, "%s", why.text[0] ? why.text : strerror(-count));
	json_t *results = a->json ? json_array() : NULL;
	for (int i = 0; i < count; i++)
		width = (int)strlen(names[i]) > width ? (int)strlen(names[i]) : width;
	for (int i = 0; i < count; i++) {
		r = list_one(dir_fd, dir, names[i], width, results);
		failed = r < 0 && failed != -EBADMSG ? r : failed;
	}
	if (results && !json_print(results))
		failed = -EIO;
	if (count <= 0 && !results)
		cli_note("no keys in %s (scrim key new NAME)", dir);
	return failed;
}

int key_list(const struct key_arguments *arguments)
{
	struct errmsg msg = {0};
	int r = list(arguments, &msg);

	/* What is wrong with single keys has been said. */
	return msg.text[0] ? key_finish(r, &msg) : exit_status_of(r);
}

static void print_slot(const struct key_file *file, size_t i)
{
	const struct key_slot *slot = &file->slot[i];

	printf("slot %zu   %s", i + 1, slot_kind_name(slot->kind));
	if (slot->kind == SLOT_PASSPHRASE)
		printf(", Argon2id, %u KiB, %u pass%s", slot->cost.memory, slot->cost.passes, slot->cost.passes == 1 ? "" : "es");
	else if (slot->kind == SLOT_KERNEL || slot->kind == SLOT_KEYRING)
		printf(", %s:%s", slot->kernel.type, slot->kernel.name);
	putchar('\n');
}

int key_show(const struct key_arguments *a)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_close_ int dir_fd = -EBADF;
	struct errmsg msg = {0};
	char dir[PATH_MAX], id[KEK_ID_TEXT];
	int r = keys_load_file(a->name, &file, &msg);

	if (r == 0)
		r = keys_directory(false, dir, sizeof(dir), &dir_fd, &msg);
	if (r < 0)
		return key_finish(r, &msg);
	if (a->json)
		return json_print(file_json(a->name, dir, file)) ? 0 : EXIT_FAILED;
	kek_id_text(file->id, id);
	printf("name     %s\nid       %s\nfile     %s/%s.key\n", a->name, id, dir, a->name);
	if (file->created[0])
		printf("created  %s\n", file->created);
	for (size_t i = 0; i < file->slot_count; i++)
		print_slot(file, i);
	return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

/* A key file with the bare key, for another machine. */
static int write_export(const struct key_arguments *a, const struct kek *kek, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	_cleanup_close_ int fd = -EBADF;

	if (!text)
		return -ENOMEM;
	if (!kek->bytes)
		return key_is_kept(a->name, msg);
	int r = kek->wide ? key_file_start_wide(kek->id, time(NULL), text) : key_file_start(kek->id, time(NULL), text);
	if (r == 0)
		r = key_file_add_raw(kek, text);
	if (r == 0 && !a->output) {
		r = secret_text_write(STDOUT_FILENO, text);
		return r < 0 ? errmsg_set(msg, r, "standard output: %s", strerror(-r)) : 0;
	}
	if (r == 0) {
		fd = open(a->output, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : secret_text_write(fd, text);
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlink(a->output);
	return r < 0 ? errmsg_set(msg, r, "%s: %s", a->output, strerror(-r)) : 0;
}

int key_export(const struct key_arguments *a)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct errmsg msg = {0};
	int r;

	if (!a->output && !a->force && isatty(STDOUT_FILENO)) {
		cli_error("a key is not for a terminal: redirect it, --output FILE, or --force");
		return EXIT_USAGE;
	}
	r = key_load_and_open(a, &file, &kek, NULL, &msg);
	if (r == 0)
		r = write_export(a, kek, &msg);
	return key_finish(r, &msg);
}

int key_recovery(const struct key_arguments *a)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	_cleanup_(cleanup_kek) struct kek *kek = NULL;
	struct errmsg msg = {0};
	int r = key_load_and_open(a, &file, &kek, NULL, &msg);

	if (r == 0)
		r = key_print_recovery(a->name, kek, &msg);
	return key_finish(r, &msg);
}
