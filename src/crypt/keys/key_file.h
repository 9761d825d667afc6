/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key file (docs/KEYS.md): a text that holds one key-encryption key in several slots, each of which opens it. Version 1 is
 * that of an ordinary key, version 2 that of a kernel key.
 * Here it is text and fields only; slot.h opens and makes slots, key_dir.h has the files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "crypt/keys/kek.h"
#include "crypt/keys/secret_text.h"
#include "crypt/xaes.h"

#define KEY_SLOTS           8
#define SLOT_SALT           16
#define SLOT_LINE           512  /* the longest line of a slot, with its NUL */
#define KERNEL_TYPE_MAX     8    /* with a NUL: "user" or "logon" */
#define KERNEL_NAME_MAX     128  /* with a NUL */
#define COST_MEMORY_MIN     8u   /* KiB: what Argon2 needs */
#define COST_MEMORY_MAX     (1u << 20)
#define COST_PASSES_MAX     1024u
#define COST_TOTAL_MAX      (16u << 20) /* KiB times passes: some ten seconds */

/* KERNEL: an ordinary key, wrapped under one in the kernel. KEYRING: the kernel has the key itself. */
enum slot_kind { SLOT_PASSPHRASE, SLOT_RAW, SLOT_KERNEL, SLOT_KEYRING };

/* What Argon2id costs. */
struct key_cost {
	uint32_t memory; /* KiB */
	uint32_t passes;
};

/* A key in the kernel's keyring: 64 bytes for AES-256-XTS. */
struct kernel_key {
	char type[KERNEL_TYPE_MAX];
	char name[KERNEL_NAME_MAX]; /* its description */
};

struct key_slot {
	enum slot_kind kind;
	size_t line, line_len;	  /* where it stands in the text, with its newline; 0, 0 for a new one */
	size_t secret, secret_len; /* RAW: where in the text the key stands */
	bool wide;	   /* of a kernel key */
	struct key_cost cost;	  /* PASSPHRASE */
	struct kernel_key kernel; /* KERNEL and KEYRING */
	/* PASSPHRASE and KERNEL: */
	uint8_t salt[SLOT_SALT];
	uint8_t nonce[XAES_NONCE_SIZE];
	uint8_t wrapped[KEK_WIDE]; /* an ordinary key: KEK_SIZE of them */
	uint8_t tag[XAES_TAG_SIZE];
};

/* Invariant: all is as TEXT says, and TEXT is a valid key file. */
struct key_file {
	struct buffer *text; /* in secret memory, for the sake of raw slots */
	bool wide; /* version 2 */
	uint8_t id[KEK_ID];
	char created[sizeof("2026-01-31T23:59:59Z")]; /* empty: not said */
	struct key_slot slot[KEY_SLOTS];
	size_t slot_count;
};

/* Does TEXT mean to be a key file (and not a key without one)? */
bool key_file_is_meant(const char *text, size_t len);

/*
 * Parse LEN bytes of TEXT, which are copied. 0; -EBADMSG: no key file, or a damaged one; -EPROTONOSUPPORT: of a newer
 * version; -ERANGE: costs that no key file of ours has. MSG then begins with the number of the line; no secret in it.
 */
int key_file_parse(const char *text, size_t len, struct key_file **ret_file, struct errmsg *msg);

void key_file_free(struct key_file *file);

/* The text of a new file for the key ID, without slots (so not yet valid). CREATED is the time of day. 0, -ENOBUFS. */
int key_file_start(const uint8_t *id, int64_t created, struct buffer *text);

/* The same for a kernel key: version 2. */
int key_file_start_wide(const uint8_t *id, int64_t created, struct buffer *text);

/* Append the line of SLOT, any but a RAW one. 0 or -ENOBUFS. */
int key_file_add(const uint8_t *id, const struct key_slot *slot, struct buffer *text);

/* Append the line of a raw slot. 0, -ENOBUFS or -ENOMEM; -EOPNOTSUPP: the kernel keeps the key. */
int key_file_add_raw(const struct kek *kek, struct buffer *text);

/* Append the text of FILE but for the slots that DROP says, comments and all. 0 or -ENOBUFS. */
int key_file_copy(const struct key_file *file, const bool drop[KEY_SLOTS], struct buffer *text);

/* What a slot's wrap is bound to: its kind and its parameters as they stand in the file. RET_TEXT has SLOT_LINE bytes. */
void key_slot_parameters(const struct key_slot *slot, char *ret_text);

/* "passphrase", "raw", "kernel", "keyring". */
const char *slot_kind_name(enum slot_kind kind);

/* Can Argon2id be asked for this? 0, or -ERANGE with MSG. */
int key_cost_check(const struct key_cost *cost, struct errmsg *msg);

/* Is it a name that a slot may hold? 0, or -EINVAL with MSG. */
int kernel_key_check(const struct kernel_key *key, struct errmsg *msg);

static inline void cleanup_key_file(struct key_file **file)
{
	key_file_free(*file);
}
