/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without recursion, since who made the tree may have made it as deep as it likes: what is in a directory of the top is either
 * removed or moved to the top itself, and then the directory goes.
 */
#include "cli/remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct removal {
	int top;
	uint64_t moved; /* makes names at the top unique */
	bool progress;	/* something was removed or moved in this pass */
	int error;	/* the first of this pass */
};

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* FD is consumed. NULL with errno. */
static DIR *open_listing(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		safe_close(fd);
	return dir;
}

static const char *next_name(DIR *dir)
{
	const struct dirent *d;

	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			return d->d_name;
	return NULL;
}

/* A file of whatever kind, or an empty directory. */
static bool remove_one(struct removal *r, int fd, const char *name)
{
	bool gone = unlinkat(fd, name, 0) == 0 || (errno != ENOENT && unlinkat(fd, name, AT_REMOVEDIR) == 0);

	r->progress |= gone;
	return gone || errno == ENOENT;
}

static void failed(struct removal *r)
{
	if (r->error == 0)
		r->error = -errno;
}

/* The directory NAME of FD with all rights for its owner. */
static int open_directory(int fd, const char *name)
{
	struct stat here, there;

	if (fstat(fd, &here) < 0 || fstatat(fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISDIR(there.st_mode) || here.st_dev != there.st_dev) {
		errno = S_ISDIR(there.st_mode) ? EXDEV : EPERM;
		return -1;
	}
	/* Should the name have become a link meanwhile: only what is ours can be changed so. */
	if ((there.st_mode & S_IRWXU) != S_IRWXU && fchmodat(fd, name, 0700, 0) < 0)
		return -1;
	return openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool move_up(struct removal *r, int fd, const char *name)
{
	_cleanup_close_ int opened = open_directory(fd, name); /* to move it its owner has to have all rights on it */
	char moved[64];

	if (opened < 0)
		return false;
	do
		snprintf(moved, sizeof(moved), REMOVED_PREFIX "%llu", (unsigned long long)r->moved++);
	while (renameat2(fd, name, r->top, moved, RENAME_NOREPLACE) < 0 && errno == EEXIST);
	if (faccessat(r->top, moved, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	r->progress = true;
	return true;
}

/* Move what is in the directory NAME of the top, and cannot be removed at once, to the top. */
static void empty(struct removal *r, const char *name)
{
	_cleanup_(cleanup_closedir) DIR *dir = open_listing(open_directory(r->top, name));

	if (!dir) {
		failed(r);
		return;
	}
	for (const char *inner; (inner = next_name(dir));)
		if (!remove_one(r, dirfd(dir), inner) && !move_up(r, dirfd(dir), inner))
			failed(r);
}

int remove_contents(int fd)
{
	struct removal r = {.top = fd};

	do {
		_cleanup_(cleanup_closedir) DIR *dir =
			open_listing(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		bool left = false;

		if (!dir)
			return -errno;
		r.progress = false;
		r.error = 0;
		for (const char *name; (name = next_name(dir));) {
			if (remove_one(&r, fd, name))
				continue;
			empty(&r, name);
			left |= !remove_one(&r, fd, name);
		}
		if (!left && !r.progress)
			return 0;
	} while (r.progress);
	return r.error ? r.error : -ENOTEMPTY;
}
