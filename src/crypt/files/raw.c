/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of an encrypted file as it is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/files/replace.h"
#include "crypt/store/lock.h"

#define SLOTS (2 * FORMAT_MAX_SLOT)
#define LOOKS 1000 /* until both slots are the same twice: a writer needs microseconds for one */
#define TRIES 10   /* where nobody can be told to leave pages alone */

/* Both slots, not in the middle of being written. */
static int read_slots(int fd, uint8_t *slots)
{
	uint8_t again[SLOTS];
	int r = store_read_zeroed(&store_io_file, &fd, slots, SLOTS, 0);

	for (int look = 0; r == 0 && look < LOOKS; look++) {
		r = store_read_zeroed(&store_io_file, &fd, again, SLOTS, 0);
		if (r == 0 && memcmp(slots, again, SLOTS) == 0)
			return 0;
		memcpy(slots, again, SLOTS);
	}
	return r < 0 ? r : -EBUSY;
}

/*
 * The order: writers are told, then the slots are read, then the pages that they refer to, which nobody may use for
 * anything else by now. What the slots are at the end does not matter. Bytes from the slots' place on that belong to
 * pages (slots of 4 KiB) are among those copied before; so only the slots themselves are put back.
 */
static int copy_once(const struct files *files, int from, int to, bool held, struct errmsg *msg, const char *path)
{
	uint8_t slots[SLOTS], after[SLOTS];
	struct files_head head;
	struct stat st;
	size_t size;
	int r = read_slots(from, slots);

	if (r == 0)
		r = files_look(from, &head);
	if (r < 0)
		return files_failed(msg, r, path, "cannot be read");
	if (head.kind != FILES_ENCRYPTED)
		return errmsg_set(msg, -ENODATA, "%s: is not an encrypted file", path);
	size = (size_t)2 << head.slots[head.present[0] ? 0 : 1].slot_shift;
	if (fstat(from, &st) < 0 || ftruncate(to, 0) < 0)
		return files_failed(msg, -errno, path, "cannot be copied");
	r = copy_file(files, from, to, (uint64_t)st.st_size);
	if (r == 0 && !held) {
		r = read_slots(from, after);
		if (r == 0 && memcmp(slots, after, size) != 0)
			return -EAGAIN;
	}
	for (size_t at = 0; r == 0 && at < size && at < (size_t)st.st_size; at += FORMAT_PAGE)
		if (pwrite(to, slots + at, FORMAT_PAGE, (off_t)at) != FORMAT_PAGE)
			r = -EIO;
	return r < 0 ? files_failed(msg, r, path, "cannot be copied") : 0;
}

static int copy(const struct files *files, int from, int to, const char *path, struct errmsg *msg)
{
	bool held = store_hold(from) == 0;
	int r = -EAGAIN;

	for (int attempt = 0; r == -EAGAIN && attempt < TRIES; attempt++)
		r = copy_once(files, from, to, held, msg, path);
	if (r == -EAGAIN)
		return errmsg_set(msg, -EBUSY,
				  "%s: is written all the time, and this file system has no locks: no copy", path);
	return r;
}

int files_copy_raw(const struct files *files, int fd, const char *path, const struct files_place *out,
		   struct files_sizes *ret_sizes, struct errmsg *msg)
{
	_cleanup_close_ int from = fd;
	struct replacement new = {.fd = -1};
	struct stat st, copied;
	int r;

	if (fstat(from, &st) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	if (!S_ISREG(st.st_mode))
		return errmsg_set(msg, -EINVAL, "%s: is no regular file", path);
	if (!files->force && fstatat(out->dir, out->name, &copied, AT_SYMLINK_NOFOLLOW) == 0)
		return errmsg_set(msg, -EEXIST, "%s: exists; --force replaces it", out->path);
	r = replacement_begin(out, &new, msg);
	if (r < 0)
		return r;
	r = copy(files, from, new.fd, path, msg);
	if (r == 0)
		r = attributes_copy(files, false, from, &st, new.fd, out->path, msg);
	if (r == 0)
		r = replacement_sync(&new, msg);
	if (r == 0 && ret_sizes)
		*ret_sizes = (struct files_sizes){.before = (uint64_t)st.st_size,
						  .after = fstat(new.fd, &copied) == 0 ? (uint64_t)copied.st_size : 0};
	if (r == 0)
		r = replacement_finish(&new, files->force, msg);
	replacement_cancel(&new);
	return r;
}
