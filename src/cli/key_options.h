/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options by which every subcommand that needs keys is given them: --key, --key-file, --key-fd, --passfile,
 * --askpass (scrim-key(1), GIVING KEYS). Neither the command line nor the environment ever holds a key or a passphrase.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/errmsg.h"
#include "crypt/keys/key_file.h"

/* Values of `val` in the long options below; kept above any character and apart from enum policy_option. */
enum key_option {
	OPT_KEY_FIRST = 0x1100,
	OPT_KEY = OPT_KEY_FIRST, /* --key NAME */
	OPT_KEY_FILE,		 /* --key-file FILE */
	OPT_KEY_FD,		 /* --key-fd N */
	OPT_PASSFILE,		 /* --passfile FILE */
	OPT_ASKPASS,		 /* --askpass CMD */
	OPT_KEY_END,
};

#define KEY_LONG_OPTIONS                                                                                               \
	{"key", required_argument, NULL, OPT_KEY}, {"key-file", required_argument, NULL, OPT_KEY_FILE},                \
		{"key-fd", required_argument, NULL, OPT_KEY_FD}, {"passfile", required_argument, NULL, OPT_PASSFILE},  \
		{"askpass", required_argument, NULL, OPT_ASKPASS}

/* For the end of a subcommand's --help. */
#define KEY_OPTIONS_HELP                                                                                               \
	"Keys (the first one given is for new files; all are tried for those there are):\n"                            \
	"  --key NAME       a key of yours (scrim key list), or a credential; without any: the key \"default\"\n"      \
	"  --key-file FILE  a key file, 32 bytes, 64 hexadecimal digits, or a recovery key\n"                          \
	"  --key-fd N       the same, read from descriptor N to its end\n"                                             \
	"  --passfile FILE  the passphrase is the first line of FILE\n"                                                \
	"  --askpass CMD    ... the first line that the shell command CMD prints; $SCRIM_PROMPT says what is asked\n"

#define KEYS_MAX 16

/* The options as they were given; texts are those of argv. All zeros: none was. */
struct key_options {
	struct {
		int opt; /* OPT_KEY, OPT_KEY_FILE or OPT_KEY_FD */
		const char *argument;
	} given[KEYS_MAX];
	size_t count;
	bool too_many;
	const char *passfile;
	const char *askpass;
};

/* Take one option as getopt_long returned it; false: not one of ours. */
bool key_options_take(struct key_options *options, int opt, const char *argument);

/* Keys that are open. Invariant: store[i] is kek[i] as the store takes it. All zeros: none. */
struct keys {
	struct kek *kek[KEYS_MAX];
	struct store_key store[KEYS_MAX]; /* for struct store_env */
	size_t count;
};

/*
 * Open every key that was given, in that order, asking for passphrases as the options say; without any the key called
 * "default". From here on the process leaves no core dump and cannot be traced. 0; -ENOKEY: no such key, or a
 * wrong passphrase; -EBADMSG: a damaged key file; or a negative errno. MSG then says what to do.
 */
int keys_open_given(const struct key_options *options, struct keys *ret_keys, struct errmsg *msg);

/*
 * See to it that one of KEYS has one of the COUNT public IDS (those in the head of a file), so that the file can be opened.
 * If none has, and no key was given by name, file or descriptor, the key directory is searched for one, which is opened
 * and added. 0; -ENOKEY: there is none, and MSG names the ids. KEYS may start all zeros: no keys_open_given() needed.
 */
int keys_open_for(const struct key_options *options, struct keys *keys, const uint8_t (*ids)[KEK_ID], size_t count,
		  struct errmsg *msg);

void keys_close(struct keys *keys);

/*
 * One key: OPT (OPT_KEY, OPT_KEY_FILE or OPT_KEY_FD) with its ARGUMENT; OPTIONS say how passphrases are asked for. The process is
 * protected by the caller (cli/protect.h). Errors as keys_open_given().
 */
int key_open_one(const struct key_options *options, int opt, const char *argument, struct kek **ret_kek,
		 struct errmsg *msg);

/* The number in the ARGUMENT of --key-fd. 0 or -EINVAL. */
int key_fd_number(const char *argument, int *ret_fd);

/* The directory of key files, opened; its path for messages. As key_dir_open(). */
int keys_directory(bool create, char *ret_path, size_t size, int *ret_fd, struct errmsg *msg);

/* The key file NAME of that directory. -ENOKEY: there is none; as key_dir_load() else, with MSG. */
int keys_load_file(const char *name, struct key_file **ret_file, struct errmsg *msg);

/*
 * Is there a key that --key NAME would open? Nothing is opened and nobody asked. 0; -ENOKEY: none of yours, nor a credential; or a
 * negative errno for a file that is there and cannot be read, with MSG.
 */
int key_look(const char *name, struct errmsg *msg);

/* The exit status for ERROR (a negative errno, or 0) in commands that deal with keys and encrypted files. */
int exit_status_of(int error);
