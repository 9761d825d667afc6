/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a key file by any of its slots, asking for a passphrase only if nothing else opens it. */
#pragma once

#include "crypt/keys/key_file.h"

/* What is asked for. */
struct key_question {
	const char *name; /* of the key, for people; may be a path */
	uint8_t id[KEK_ID];
	unsigned attempt; /* 0, 1, ...: so many answers were wrong */
};

struct key_asker {
	/* Put the passphrase into ANSWER (secret, PASSPHRASE_MAX). 0; -ENOKEY: there is no other answer than the last one; or
	 * a negative errno, with MSG. */
	int (*ask)(void *data, const struct key_question *question, struct buffer *answer, struct errmsg *msg);
	void *data;
};

/*
 * The key of FILE, which people know as NAME. RET_SLOT (may be NULL) says which slot opened it. 0; -ENOKEY: wrong
 * passphrase, or the kernel has not what a kernel slot needs; -EBADMSG: damage; or a negative errno. MSG names the key and its id.
 */
int key_file_open(const struct key_file *file, const char *name, const struct key_asker *asker, struct kek **ret_kek,
		  size_t *ret_slot, struct errmsg *msg);

/* The same by a passphrase alone, also where there are other slots. */
int key_file_open_passphrase(const struct key_file *file, const char *name, const struct key_asker *asker,
			     struct kek **ret_kek, size_t *ret_slot, struct errmsg *msg);

/* How many slots of this kind it has. */
size_t key_file_count(const struct key_file *file, enum slot_kind kind);
