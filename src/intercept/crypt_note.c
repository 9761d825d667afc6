/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/crypt_note.h"

#include <errno.h>
#include <stddef.h>

#include "base/cleanup.h"

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

const char *crypt_note(int error)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (notes[i].error == -error)
			return notes[i].note;
	return NULL;
}
