/* SPDX-License-Identifier: Apache-2.0 */
/* scrim rekey: other keys for files. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/protect.h"
#include "cli/store_command.h"

#define MAX_DROPPED 32

enum { OPT_NEW_KEY = OPT_STORE_END, OPT_NEW_KEY_FILE, OPT_NEW_KEY_FD, OPT_NEW_PASSFILE, OPT_KEEP_OLD, OPT_DROP, OPT_FULL };

static const char usage[] =
	"usage: scrim rekey [OPTION]... PATH...\n\n"
	"Wrap the keys of files for a new key and no longer for the old one: first the new key everywhere, then the old one is\n"
	"dropped. Interrupted at any moment the files open with the old key or with both, or with both or the new one; run it again.\n"
	"This does not revoke: who could open a file may have kept its own key. --full encrypts anew.\n\n"
	"  --new-key NAME, --new-key-file FILE, --new-key-fd N, --new-passfile FILE\n"
	"                   the new key, given like the others below\n"
	"  --keep-old       only add the new key\n"
	"  --drop ID        drop the key with this id (scrim info)\n"
	"  --full           encrypt all content anew with new keys of the files, wrapped for the new key alone (or, without\n"
	"                   one, for the first of the old ones)\n" TREE_OPTIONS_HELP
	"  -f, --force      with --full: also files with several names, open for writing, with attributes that get lost\n"
	STORE_OPTIONS_HELP;

struct rekeying {
	struct store_command c; /* first */
	struct key_options new_options;
	struct keys new_keys;
	bool keep_old, full, bad_id;
	uint8_t dropped[MAX_DROPPED][FORMAT_ID];
	size_t dropped_count;
	struct store_key merged[2 * KEYS_MAX];
};

static void drop(struct rekeying *k, const uint8_t *id)
{
	for (size_t i = 0; i < k->dropped_count; i++)
		if (memcmp(k->dropped[i], id, FORMAT_ID) == 0)
			return;
	if (k->dropped_count < MAX_DROPPED)
		memcpy(k->dropped[k->dropped_count++], id, FORMAT_ID);
}

static bool own_option(void *data, int opt, const char *argument)
{
	struct rekeying *k = data;
	uint8_t id[FORMAT_ID];

	switch (opt) {
	case OPT_NEW_KEY:
		return key_options_take(&k->new_options, OPT_KEY, argument);
	case OPT_NEW_KEY_FILE:
		return key_options_take(&k->new_options, OPT_KEY_FILE, argument);
	case OPT_NEW_KEY_FD:
		return key_options_take(&k->new_options, OPT_KEY_FD, argument);
	case OPT_NEW_PASSFILE:
		return key_options_take(&k->new_options, OPT_PASSFILE, argument);
	case OPT_KEEP_OLD:
		k->keep_old = true;
		return true;
	case OPT_FULL:
		k->full = true;
		return true;
	case OPT_DROP:
		if (kek_id_parse(argument, id) < 0 || k->dropped_count == MAX_DROPPED)
			k->bad_id = true;
		else
			drop(k, id);
		return true;
	default:
		return false;
	}
}

static const struct store_key *new_key(const struct rekeying *k)
{
	return k->new_keys.count > 0 ? &k->new_keys.store[0] : NULL;
}

/* The old keys for a file, as far as there are any, and the new one. */
static int both_keys(void *data, const uint8_t (*ids)[FORMAT_ID], size_t count, const struct store_key **ret_keys, size_t *ret_count,
		     struct errmsg *msg)
{
	struct rekeying *k = data;
	uint8_t old[2 * FORMAT_WRAPS][FORMAT_ID];
	const struct store_key *keys = NULL;
	size_t old_count = 0, n = 0;
	int r = 0;

	if (count == 0 && new_key(k)) {
		*ret_keys = new_key(k);
		*ret_count = 1;
		return 0;
	}
	if (count == 0) {
		*ret_keys = k->c.keys.store;
		*ret_count = k->c.keys.count;
		return k->c.keys.count > 0 ? 0 : -ENOKEY;
	}
	for (size_t i = 0; i < count; i++)
		if (!new_key(k) || memcmp(ids[i], new_key(k)->id, FORMAT_ID) != 0)
			memcpy(old[old_count++], ids[i], FORMAT_ID);
	if (old_count > 0) {
		struct errmsg why = {0};

		r = store_command_keys(&k->c, (const uint8_t(*)[FORMAT_ID])old, old_count, &keys, &n, &why);
		/* Without an old one the new one may do: what an earlier run left. */
		if (r < 0 && (old_count == count || k->c.keys_failed))
			return errmsg_set(msg, r, "%s", why.text[0] ? why.text : strerror(-r));
	}
	for (size_t i = 0; i < n; i++)
		k->merged[i] = keys[i];
	if (new_key(k))
		k->merged[n++] = *new_key(k);
	*ret_keys = k->merged;
	*ret_count = n;
	return 0;
}

static int add(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	struct rekeying *k = (struct rekeying *)c;
	int r = files_rekey_add(&c->files, place, new_key(k), msg);

	if (r == -ENODATA && depth > 0)
		return FILES_SKIPPED;
	json_object_set_new(extra, "step", json_string("add"));
	return r;
}

static int drop_old(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	struct rekeying *k = (struct rekeying *)c;
	int r = files_rekey_drop(&c->files, place, new_key(k) ? new_key(k)->id : NULL, (const uint8_t(*)[FORMAT_ID])k->dropped,
				 k->dropped_count, msg);

	if (r == -ENODATA && depth > 0)
		return FILES_SKIPPED;
	json_object_set_new(extra, "step", json_string("drop"));
	return r;
}

static int full(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	struct files_sizes sizes;
	int r = files_rekey_full(&c->files, place, &sizes, msg);

	if (r == -ENODATA && depth > 0)
		return FILES_SKIPPED;
	if (r == FILES_DONE)
		store_add_sizes(extra, &sizes);
	return r;
}

static void two_passes(struct rekeying *k, char **paths)
{
	struct store_command *c = &k->c;
	const uint8_t *kept = new_key(k) ? new_key(k)->id : NULL;

	c->progress_unit = PROGRESS_FILES; /* a few KiB of each, however large it is */
	if (new_key(k))
		store_command_each(c, paths, add);
	if (c->failed > 0 || c->status > 0) {
		store_say(c, "rekey: not every file has the new key, so no old one is dropped; run it again when that is mended");
		return;
	}
	for (size_t i = 0; i < c->keys.count && !k->keep_old; i++)
		if (!kept || memcmp(c->keys.kek[i]->id, kept, FORMAT_ID) != 0)
			if (kept)
				drop(k, c->keys.kek[i]->id);
	if (k->dropped_count > 0 && !store_command_interrupted())
		store_command_each(c, paths, drop_old);
}

int cmd_rekey(int argc, char **argv)
{
	static const struct option long_options[] = {
		STORE_LONG_OPTIONS,
		TREE_LONG_OPTIONS,
		FORCE_LONG_OPTION,
		{"new-key", required_argument, NULL, OPT_NEW_KEY},
		{"new-key-file", required_argument, NULL, OPT_NEW_KEY_FILE},
		{"new-key-fd", required_argument, NULL, OPT_NEW_KEY_FD},
		{"new-passfile", required_argument, NULL, OPT_NEW_PASSFILE},
		{"keep-old", no_argument, NULL, OPT_KEEP_OLD},
		{"drop", required_argument, NULL, OPT_DROP},
		{"full", no_argument, NULL, OPT_FULL},
		{0},
	};
	struct rekeying k = {.c = {.name = "rekey", .usage = usage}};
	struct errmsg msg = {0};

	if (store_command_parse(&k.c, argc, argv, "hqrf", long_options, own_option, &k))
		return k.c.status;
	if (optind == argc)
		return store_command_misused(&k.c, "no path was given");
	if (k.bad_id)
		return store_command_misused(&k.c, "--drop takes the id of a key: 32 hexadecimal digits (scrim info), %d times at most", MAX_DROPPED);
	if (k.new_options.count > 1)
		return store_command_misused(&k.c, "one new key at a time");
	if (k.new_options.count == 0 && k.dropped_count == 0 && !k.full)
		return store_command_misused(&k.c, "nothing to do: neither a new key nor --drop nor --full");
	if (store_command_start(&k.c))
		return k.c.status;
	k.c.files.keys = both_keys;
	k.new_options.askpass = k.c.key_options.askpass;
	int r = k.new_options.count > 0 ? keys_open_given(&k.new_options, &k.new_keys, &msg) : 0;

	if (r < 0) {
		cli_error("the new key: %s%s", msg.text, why_no_memory(r));
		k.c.status = exit_status_of(r);
		return store_command_finish(&k.c);
	}
	if (k.full)
		store_command_each(&k.c, argv + optind, full);
	else
		two_passes(&k, argv + optind);
	if (!k.full && k.dropped_count > 0)
		store_say(&k.c, "who had the old key may have kept the files' own keys: this does not revoke; --full encrypts anew");
	keys_close(&k.new_keys);
	return store_command_finish(&k.c);
}
