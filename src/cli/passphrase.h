/* SPDX-License-Identifier: Apache-2.0 */
/* Where passphrases come from: --passfile, --askpass, a credential of the service manager, the terminal. */
#pragma once

#include "cli/key_options.h"
#include "crypt/keys/key_open.h"

/* An asker for key_file_open(); OPTIONS outlive it. */
struct key_asker passphrase_asker(const struct key_options *options);

/*
 * A new passphrase for the key NAME with ID, twice if it is typed, into ANSWER. FILE (may be NULL) is what it is read from.
 * 0 or a negative errno, with MSG.
 */
int passphrase_new(const struct key_options *options, const char *file, const char *name, const uint8_t *id,
		   struct buffer *answer, struct errmsg *msg);

/* Open the credential NAME for reading ("scrim.KIND.NAME", else NAME itself if KIND is key): a descriptor or -ENOENT. */
int credential_open(const char *kind, const char *name);

/* What is said of a passphrase or key that was given as FILE: others may not read it. As key_text_load(). */
int private_file_load(const char *path, struct buffer *text, struct errmsg *msg);
