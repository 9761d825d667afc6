/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version of an encrypted file was last written on this machine: an encrypted file cannot know that it was replaced as
 * a whole by an older copy of itself, so that is remembered beside it.
 *
 * The record is a directory with up to 256 files of lines, each line a path (its hash), a file id, a sequence and a tag. It is
 * not authenticated: it lies in the user's own state directory, and whoever can write there could as well delete it, which is
 * no error. It is meant against those who can write where the encrypted file lies, and not here.
 *
 * A file is replaced by rename(2) under a lock, so that readers see a whole one and of several writers none is lost. It is not
 * synced: what a power loss takes is a little knowledge, and the record is never ahead of the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypt/provider.h"
#include "crypt/store/format.h"

/* A version of an encrypted file: struct store_info has these. */
struct freshness_version {
	uint8_t file_id[FORMAT_ID];
	uint64_t sequence;
	uint8_t tag[AEAD_TAG_SIZE];
};

enum freshness {
	FRESH_UNKNOWN, /* nothing is known of this file at this path */
	FRESH_GOOD,    /* what was recorded, or newer */
	FRESH_OLDER,   /* a newer version was recorded */
	FRESH_OTHER,   /* another version with the same sequence was recorded */
	FRESH_EARLIER, /* another file was recorded here after this one */
};

/*
 * Compare the version of the file at PATH (absolute) with the record in DIRECTORY. *RET_RECORDED (may be NULL): the sequence
 * of this file that was recorded, if any. 0, or a negative errno when the record is there and cannot be read. Thread safe.
 */
int freshness_check(const char *directory, const char *path, const struct freshness_version *version,
		    enum freshness *ret_freshness, uint64_t *ret_recorded);

/*
 * Record the version, after it has become durable. An older one than is recorded stays out, unless ACCEPT, which forgets all else
 * about PATH. DIRECTORY is made, private, with what is missing above it. 0 or a negative errno. Thread safe.
 */
int freshness_record(const char *directory, const char *path, const struct freshness_version *version, bool accept);
