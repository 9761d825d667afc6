/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of `scrim key` share. */
#pragma once

#include <stdbool.h>

#include "cli/key_options.h"
#include "crypt/keys/key_file.h"

/* The command line of one of them, checked: nothing stands here that the subcommand does not take. */
struct key_arguments {
	const char *name; /* of the key; NULL for list */
	const char *file; /* import */
	bool kind_given;
	enum slot_kind kind;
	const char *kernel; /* --kernel=KEY; may be NULL */
	bool cost_given;
	struct key_cost cost;
	bool no_recovery, recovery, echo, add, remove, json, force;
	const char *remove_slot; /* --remove=N; may be NULL */
	const char *id, *output, *new_passfile;
	struct key_options options; /* --passfile, --askpass */
};

/* Each returns an exit status and has said what went wrong. */
int key_new(const struct key_arguments *arguments);
int key_import(const struct key_arguments *arguments);
int key_passwd(const struct key_arguments *arguments);
int key_rm(const struct key_arguments *arguments);
int key_list(const struct key_arguments *arguments);
int key_show(const struct key_arguments *arguments);
int key_export(const struct key_arguments *arguments);
int key_recovery(const struct key_arguments *arguments);

/* Append a slot of the kind that was asked for to TEXT, asking for its passphrase; kind RAW or KERNEL without. */
int key_append_slot(const struct key_arguments *arguments, enum slot_kind kind, const struct kek *kek, struct buffer *text,
		    struct errmsg *msg);

/* key_kernel.c: the line of a slot that says where the kernel has KEK, a kernel key, which is put there. */
int key_append_keyring(const struct key_arguments *arguments, const struct kek *kek, struct buffer *text, struct errmsg *msg);

/* Take away again what key_append_keyring() put into the kernel, if there is a reason. */
void key_forget_keyring(const struct buffer *text);

/*
 * Is there a key file of this name for KEK, a kernel key, which the kernel has lost? Then it has it again, and 1 is returned; 0:
 * there is no such file.
 */
int key_put_back(const struct key_arguments *arguments, const struct kek *kek, struct errmsg *msg);

/* MSG says that the kernel has the key NAME and nobody else. -EOPNOTSUPP. */
int key_is_kept(const char *name, struct errmsg *msg);

/* Load and open the key that the arguments name. RET_SLOT may be NULL. */
int key_load_and_open(const struct key_arguments *arguments, struct key_file **ret_file, struct kek **ret_kek,
		      size_t *ret_slot, struct errmsg *msg);

/* Read a recovery key: typed on the terminal if standard input is one, else standard input to its end. ID: that it should
 * have, for the question; NULL where nobody knows. */
int key_read_recovery(const struct key_arguments *arguments, const uint8_t *id, struct kek **ret_kek, struct errmsg *msg);

/* Print the recovery key on standard output. */
int key_print_recovery(const char *name, const struct kek *kek, struct errmsg *msg);

/* Say R (a negative errno, or 0) and what MSG knows; the exit status. */
int key_finish(int r, const struct errmsg *msg);
