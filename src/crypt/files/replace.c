/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/files/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "crypt/files/internal.h"
#include "crypt/random.h"

#define DIGITS 16

static void temporary_name(uint64_t number, char *ret_name, size_t size)
{
	snprintf(ret_name, size, REPLACE_PREFIX "%016" PRIx64 REPLACE_SUFFIX, number);
}

bool replacement_is_name(const char *name)
{
	size_t prefix = strlen(REPLACE_PREFIX), suffix = strlen(REPLACE_SUFFIX);

	return strlen(name) == prefix + DIGITS + suffix && strncmp(name, REPLACE_PREFIX, prefix) == 0 &&
	       strspn(name + prefix, "0123456789abcdef") == DIGITS && strcmp(name + prefix + DIGITS,
									     REPLACE_SUFFIX) == 0;
}

int replacement_clean(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st, named;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Who made it holds a lock on it (flock(2)) until it is renamed. */
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && geteuid() != 0))
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	if (fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != st.st_ino ||
	    named.st_dev != st.st_dev)
		return 0;
	return unlinkat(dir, name, 0) < 0 ? -errno : 1;
}

/*
 * Do TRY with the temporary name of this file, which may be left from a run that was killed. Where that cannot be
 * removed, with some other name.
 */
static int with_temporary(struct replacement *r, int (*try)(struct replacement *r))
{
	uint64_t number = hash_more(HASH_START, r->place->name, strlen(r->place->name));
	int e = 0;

	for (int attempt = 0; attempt < 8; attempt++) {
		temporary_name(number, r->temporary, sizeof(r->temporary));
		e = try(r);
		if (e == 0)
			return 0;
		if (e != -EEXIST)
			break;
		if (attempt == 0 && replacement_clean(r->place->dir, r->temporary) > 0)
			continue;
		e = random_bytes(&number, sizeof(number));
		if (e < 0)
			break;
	}
	r->temporary[0] = '\0';
	return e ? e : -EEXIST;
}

static int make_named(struct replacement *r)
{
	r->fd = openat(r->place->dir, r->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return r->fd < 0 ? -errno : 0;
}

static int link_as(struct replacement *r, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	return linkat(AT_FDCWD, path, r->place->dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int link_temporary(struct replacement *r)
{
	return link_as(r, r->temporary);
}

int replacement_begin(const struct files_place *place, struct replacement *ret_replacement, struct errmsg *msg)
{
	struct replacement r = {.place = place, .fd = openat(place->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
	int e = 0;

	/* Also where /proc is missing, without which it could not be given a name. */
	if (r.fd >= 0 && access("/proc/self/fd", X_OK) < 0)
		r.fd = safe_close(r.fd);
	if (r.fd < 0)
		e = with_temporary(&r, make_named);
	if (e < 0)
		return files_failed(msg, e, place->path, "cannot make a file beside it; it is as it was");
	/* Against replacement_clean() of another process. */
	if (flock(r.fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		replacement_cancel(&r);
		return files_failed(msg, -EBUSY, place->path, "another scrim is at work with it");
	}
	*ret_replacement = r;
	return 0;
}

/* What was renamed is on the disk when the directory is. Where that may not be opened for reading: all of the file
 * system. */
static int sync_directory(int dir, int file)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd >= 0 ? fsync(fd) : syncfs(file);

	/* Some file systems have nothing to sync in a directory. */
	return r < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

static int give_name(struct replacement *r, bool over)
{
	const struct files_place *place = r->place;
	int e;

	if (!over && !r->temporary[0])
		return link_as(r, place->name);
	if (!r->temporary[0]) {
		e = with_temporary(r, link_temporary);
		if (e < 0)
			return e;
	}
	if (renameat2(place->dir, r->temporary, place->dir, place->name, over ? 0 : RENAME_NOREPLACE) < 0)
		return -errno;
	r->temporary[0] = '\0';
	return 0;
}

int replacement_sync(const struct replacement *r, struct errmsg *msg)
{
	if (fsync(r->fd) < 0)
		return files_failed(msg, -errno, r->place->path,
				    "the new file cannot be made durable; nothing was changed");
	return 0;
}

int replacement_finish(struct replacement *r, bool over, struct errmsg *msg)
{
	const char *path = r->place->path;
	int e = give_name(r, over);

	if (e < 0) {
		files_failed(msg, e, path, "cannot give the new file its name; nothing was changed");
	} else {
		e = sync_directory(r->place->dir, r->fd);
		if (e < 0)
			files_failed(msg, e, path,
				     "done, but its directory cannot be made durable: after a power loss it may be as "
				     "before");
	}
	replacement_cancel(r);
	return e;
}

void replacement_cancel(struct replacement *r)
{
	if (r->fd < 0)
		return;
	if (r->temporary[0])
		unlinkat(r->place->dir, r->temporary, 0);
	r->temporary[0] = '\0';
	r->fd = safe_close(r->fd);
}
