/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/crypt_note.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

static const struct {
	int error;
	const char *note;
} notes[] = {
	{EBADMSG, "not encrypted, or damaged: scrim encrypt FILE, or plain=adopt in the rule; scrim verify FILE says which"},
	{EIO, "damaged, or the disk failed: scrim verify FILE"},
	{ENOKEY, "encrypted under another key than the rule's: scrim info FILE names it"},
	{EBUSY, "another scrim has it open"},
	{EFBIG, "larger than memfd.max, the most that is held in memory of one file: option memfd.max=SIZE"},
	{ENOMEM, "all open encrypted files together reach memfd.total: option memfd.total=SIZE, or close some"},
	{ESTALE, "somebody else wrote to it, or it is an older version than was here: scrim accept FILE"},
	{ENOSPC, "the disk is full: what was written is kept in memory and tried again"},
	{EDQUOT, "the quota is used up: what was written is kept in memory and tried again"},
	{EXDEV, "between an encrypted place and another, or between two keys: to be copied, as mv(1) does"},
	{EINVAL, "O_SYNC and O_DSYNC are not served for encrypted files: fsync(2) is"},
};

/* The last report of a thread that answers calls. */
static _Thread_local struct {
	bool waits; /* this is such a thread */
	bool set;
	int error;
	size_t path_len;
	char note[192]; /* as long as the log's */
	char path[512];
} reported;

static void log_report(struct log *log, const char *path, size_t path_len, int error, const char *note)
{
	const struct log_event event = {
		.refusal = REFUSAL_CRYPT,
		.error = -error,
		.syscall = "write-back",
		.path = path,
		.path_len = path_len,
		.note = note,
	};

	if (log)
		log_refusal(log, &event);
}

void crypt_reports_wait(void)
{
	reported.waits = true;
}

void crypt_reports_end(struct log *log)
{
	if (!reported.set)
		return;
	reported.set = false;
	log_report(log, reported.path, reported.path_len, reported.error, reported.note);
}

void crypt_report(void *data, const char *path, size_t path_len, int error, const char *note)
{
	if (!note)
		note = crypt_note(error);
	if (!reported.waits) {
		log_report(data, path, path_len, error, note);
		return;
	}
	crypt_reports_end(data);
	reported.set = true;
	reported.error = error;
	reported.path_len = path_len < sizeof(reported.path) ? path_len : sizeof(reported.path);
	memcpy(reported.path, path, reported.path_len);
	snprintf(reported.note, sizeof(reported.note), "%s", note ? note : "");
}

const char *crypt_note(int error)
{
	if (reported.set && reported.error == error) {
		reported.set = false;
		return reported.note;
	}
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (notes[i].error == -error)
			return notes[i].note;
	return NULL;
}
