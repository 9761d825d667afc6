/* SPDX-License-Identifier: Apache-2.0 */
/* scrim encrypt, scrim decrypt */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/store_command.h"

enum { OPT_CHUNK = OPT_STORE_END, OPT_SLOT };

struct converting {
	struct store_command c; /* first: the walk knows it alone */
	enum files_direction direction;
	const char *out;
	bool warned;
	bool bad_size;
};

static const char encrypt_usage[] =
	"usage: scrim encrypt [OPTION]... PATH...\n"
	"       scrim encrypt [OPTION]... PATH -o OUT\n\n"
	"Encrypt files in place: interrupted at any moment each is whole, in one form or the other. PATH or OUT \"-\": standard\n"
	"input or output.\n\n"
	"  -o, --output OUT leave PATH as it is, write to OUT\n" TREE_OPTIONS_HELP
	"  -f, --force      also files with several names, open for writing, with attributes that get lost; replace OUT;\n"
	"                   write to a terminal\n"
	"  --chunk-size N   4K to 64K: what is encrypted in one piece (16K); 4K suits databases\n"
	"  --slot-size N    4K or 8K: files of up to 3328 or 7424 bytes stand in one slot (4K)\n" STORE_OPTIONS_HELP;

static const char decrypt_usage[] =
	"usage: scrim decrypt [OPTION]... PATH...\n"
	"       scrim decrypt [OPTION]... PATH -o OUT\n\n"
	"Decrypt files in place: interrupted at any moment each is whole, in one form or the other. PATH or OUT \"-\": standard\n"
	"input or output.\n\n"
	"  -o, --output OUT leave PATH as it is, write to OUT\n" TREE_OPTIONS_HELP
	"  -f, --force      also files with several names, open for writing, with attributes that get lost; replace OUT;\n"
	"                   write binary data to a terminal\n" STORE_OPTIONS_HELP;

static bool own_option(void *data, int opt, const char *argument)
{
	struct converting *v = data;

	switch (opt) {
	case 'o':
		v->out = argument;
		return true;
	case OPT_CHUNK:
		v->bad_size |= !parse_power(argument, FORMAT_MIN_CHUNK, FORMAT_MAX_CHUNK, &v->c.files.layout.chunk_shift);
		return true;
	case OPT_SLOT:
		v->bad_size |= !parse_power(argument, 12, 13, &v->c.files.layout.slot_shift);
		return true;
	default:
		return false;
	}
}

/* One of the files that --key-file names: whoever encrypts a tree with a key that lies in it would lock himself out. */
static bool is_given_key(const struct store_command *c, const struct files_place *place)
{
	struct stat file, key;

	if (fstatat(place->dir, place->name, &file, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	for (size_t i = 0; i < c->key_options.count; i++)
		if (c->key_options.given[i].opt == OPT_KEY_FILE && stat(c->key_options.given[i].argument, &key) == 0 &&
		    key.st_ino == file.st_ino && key.st_dev == file.st_dev)
			return true;
	return false;
}

static int in_place(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	struct converting *v = (struct converting *)c;
	struct files_sizes sizes;
	int r = 0;

	if (v->direction == FILES_ENCRYPT && !c->files.force && is_given_key(c, place))
		return errmsg_set(msg, -EPERM, "%s: is the key itself", place->path);
	r = files_convert(&c->files, v->direction, place, &sizes, msg);

	/* In a tree some are and some are not: what a run that was cut off left, say. */
	if (r == -ENODATA && depth > 0)
		return FILES_SKIPPED;
	if (r != FILES_DONE)
		return r;
	store_add_sizes(extra, &sizes);
	if (v->direction == FILES_ENCRYPT && !v->warned) {
		v->warned = true;
		store_say(c, "what stood in the blocks of the old files is not wiped: until it is overwritten it may be recoverable "
			     "(man scrim-store)");
	}
	return r;
}

/* To a descriptor: standard output, or what is no file. */
static int to_descriptor(struct converting *v, int in, const char *path, int out, struct errmsg *msg)
{
	struct output o = {.fd = out, .terminal = isatty(out), .force = v->c.files.force, .msg = msg};

	if (o.terminal)
		progress_off(&v->c.progress);
	if (o.terminal && !o.force && v->direction == FILES_ENCRYPT) {
		close(in);
		return errmsg_set(msg, -EINVAL, "encrypted data is not written to a terminal (--force does; -o FILE writes to a file)");
	}
	return files_convert_into(&v->c.files, v->direction, in, path, output_write, &o, msg);
}

static int to_path(struct converting *v, int in, const char *path, json_t *extra, struct errmsg *msg)
{
	_cleanup_close_ int dir = -EBADF;
	struct files_place out = {.path = v->out};
	struct files_sizes sizes;
	int r = files_split(v->out, &dir, &out.name, msg);

	if (r < 0) {
		close(in);
		return r;
	}
	out.dir = dir;
	r = files_convert_to(&v->c.files, v->direction, in, path, &out, &sizes, msg);
	if (r == FILES_DONE)
		store_add_sizes(extra, &sizes);
	return r;
}

static int to_output(struct converting *v, const char *path, json_t *extra, struct errmsg *msg)
{
	_cleanup_close_ int out = -EBADF;
	int in = store_open_input(path, msg);
	struct stat st;

	if (in < 0)
		return in;
	progress_one(&v->c.progress, path);
	if (strcmp(v->out, "-") == 0)
		return to_descriptor(v, in, path, STDOUT_FILENO, msg);
	if (stat(v->out, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(in);
		return errmsg_set(msg, -EISDIR, "%s: is a directory", v->out);
	}
	if (stat(v->out, &st) < 0 || S_ISREG(st.st_mode))
		return to_path(v, in, path, extra, msg);
	out = open(v->out, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (out < 0) {
		close(in);
		return errmsg_set(msg, -errno, "%s: cannot be opened: %s", v->out, strerror(errno));
	}
	return to_descriptor(v, in, path, out, msg);
}

static int check_usage(struct converting *v, int count, char **paths)
{
	struct store_command *c = &v->c;

	if (count == 0)
		return store_command_misused(c, "no path was given");
	if (v->bad_size)
		return store_command_misused(c, "a chunk has 4K, 8K, 16K, 32K or 64K, a slot 4K or 8K");
	if (!v->out && count == 1 && strcmp(paths[0], "-") == 0)
		v->out = "-";
	for (int i = 0; i < count && !v->out; i++)
		if (strcmp(paths[i], "-") == 0)
			return store_command_misused(c, "standard input has to be the only path");
	if (v->out && count > 1)
		return store_command_misused(c, "-o takes one path");
	if (v->out && c->recursive)
		return store_command_misused(c, "-o and -r do not go together");
	if (v->out && strcmp(v->out, "-") == 0 && c->json)
		return store_command_misused(c, "--json has no place beside the content on standard output");
	return 0;
}

static int convert(int argc, char **argv, enum files_direction direction)
{
	static const struct option long_options[] = {
		STORE_LONG_OPTIONS,
		TREE_LONG_OPTIONS,
		FORCE_LONG_OPTION,
		{"output", required_argument, NULL, 'o'},
		{"chunk-size", required_argument, NULL, OPT_CHUNK},
		{"slot-size", required_argument, NULL, OPT_SLOT},
		{0},
	};
	struct converting v = {
		.c = {.name = direction == FILES_ENCRYPT ? "encrypt" : "decrypt",
		      .usage = direction == FILES_ENCRYPT ? encrypt_usage : decrypt_usage},
		.direction = direction,
	};
	struct errmsg msg = {0};

	if (store_command_parse(&v.c, argc, argv, "hqrfo:", long_options, own_option, &v))
		return v.c.status;
	int status = check_usage(&v, argc - optind, argv + optind);

	if (status)
		return status;
	if (store_command_start(&v.c))
		return v.c.status;
	if (v.out) {
		json_t *extra = json_object();
		int r = to_output(&v, argv[optind], extra, &msg);

		store_report_result(&v.c, argv[optind], r == FILES_SKIPPED ? -EINVAL : r, &msg, extra);
	} else {
		store_command_each(&v.c, argv + optind, in_place);
	}
	return store_command_finish(&v.c);
}

int cmd_encrypt(int argc, char **argv)
{
	return convert(argc, argv, FILES_ENCRYPT);
}

int cmd_decrypt(int argc, char **argv)
{
	return convert(argc, argv, FILES_DECRYPT);
}
