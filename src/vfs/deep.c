/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/deep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"

#define LEVELS_MAX 4096
#define LEVELS_AT_ONCE 1024 /* of "../", in a text shorter than PATH_MAX */
#define ELLIPSIS "/..."
/* What is told of the place leaves room for a whole relative path behind it. */
#define TOLD_MAX (PATH_MAX - NAME_MAX)

/* Names from the bottom up: the last one pushed is the topmost. */
struct names {
	char *text;
	size_t len, cap;
};

static int push_name(struct names *names, const char *name)
{
	size_t len = strlen(name) + 1;

	if (names->len + len > names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 4 * PATH_MAX;
		char *text = realloc(names->text, cap);

		if (!text)
			return -ENOMEM;
		names->text = text;
		names->cap = cap;
	}
	memcpy(names->text + names->len, name, len);
	names->len += len;
	return 0;
}

static bool is_entry(int dir, const char *name, const struct stat *child)
{
	struct stat stat;

	return fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && stat.st_dev == child->st_dev &&
	       stat.st_ino == child->st_ino;
}

/* For its entries; of one's own directory without a trace in its times. */
static int open_entries(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : fd;
}

/*
 * The name of CHILD in the directory DIR, read from its entries. BY_NUMBER: only those with its inode number are looked
 * at, which not every file system and no mount point has right.
 */
static int find_entry(int dir, const struct stat *child, bool by_number, struct names *names)
{
	_cleanup_close_ int fd = open_entries(dir);
	char buffer[32 * 1024] __attribute__((aligned(8)));
	long len;

	if (fd < 0)
		return -ENAMETOOLONG;
	while ((len = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < len;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
			bool candidate = by_number ? entry->d_ino == child->st_ino
						   : entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;

			at += entry->d_reclen;
			if (candidate && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			    is_entry(dir, entry->d_name, child))
				return push_name(names, entry->d_name);
		}
	}
	return -ENAMETOOLONG;
}

/* An O_PATH descriptor of the directory LEVELS above FD. */
static int above(int fd, int levels, int *ret_fd)
{
	char up[3 * LEVELS_AT_ONCE + 1];
	_cleanup_close_ int cur = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (cur < 0)
		return -errno;
	for (int i = 0; i < LEVELS_AT_ONCE; i++)
		memcpy(up + 3 * i, "../", 3);
	while (levels > 0) {
		int now = levels < LEVELS_AT_ONCE ? levels : LEVELS_AT_ONCE;
		int next;

		up[3 * now] = '\0';
		next = openat(cur, up, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return -EACCES;
		safe_close(cur);
		cur = next;
		levels -= now;
	}
	*ret_fd = steal_fd(&cur);
	return 0;
}

/* The path of the directory LEVELS above FD: its length, or a negative errno; -ENAMETOOLONG only for its path's sake. */
static int path_above(int fd, int levels, char *path, size_t cap)
{
	_cleanup_close_ int dir = -EBADF;
	bool detached;
	int len = above(fd, levels, &dir);

	if (len < 0)
		return len;
	len = fd_path(dir, path, cap, &detached);
	return len >= 0 && detached ? -ENOENT : len;
}

/*
 * How many levels above FD the first directory with a path is, that path in PATH. What is above a directory with a path
 * has one too, so that few have to be asked, and not one for each level.
 */
static int find_path(int fd, char *path, size_t cap, size_t *ret_len, int *ret_levels)
{
	int low = 0, high = 1, len;

	while (path_above(fd, high, path, cap) == -ENAMETOOLONG) {
		if (high == LEVELS_MAX)
			return -ENAMETOOLONG;
		low = high;
		high = high * 2 < LEVELS_MAX ? high * 2 : LEVELS_MAX;
	}
	/* What cannot be reached is far above what we look for, or the answer. */
	while (high - low > 1) {
		int middle = low + (high - low) / 2;

		if (path_above(fd, middle, path, cap) == -ENAMETOOLONG)
			low = middle;
		else
			high = middle;
	}
	/* The last one that was asked need not be the one. */
	len = path_above(fd, high, path, cap);
	if (len < 0)
		return -ENAMETOOLONG;
	*ret_len = (size_t)len;
	*ret_levels = high;
	return 0;
}

/* The names of the LEVELS above FD, and the path of the directory that holds the last of them. */
static int climb(int fd, int levels, struct names *names, char *path, size_t cap, size_t *ret_len)
{
	_cleanup_close_ int cur = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	bool detached;
	int len;

	if (cur < 0)
		return -errno;
	for (int level = 0; level < levels; level++) {
		_cleanup_close_ int parent = openat(cur, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct stat child;
		int error;

		if (parent < 0 || fstat(cur, &child) < 0)
			return -ENAMETOOLONG;
		error = find_entry(parent, &child, true, names);
		if (error == -ENAMETOOLONG)
			error = find_entry(parent, &child, false, names);
		if (error)
			return error;
		safe_close(cur);
		cur = steal_fd(&parent);
	}
	len = fd_path(cur, path, cap, &detached);
	if (len < 0 || detached)
		return -ENAMETOOLONG;
	*ret_len = (size_t)len;
	return 0;
}

/* Cut PATH to whole components that leave room. */
static size_t tell(char *path, size_t len)
{
	while (len > TOLD_MAX - sizeof(ELLIPSIS)) {
		do {
			len--;
		} while (len > 0 && path[len] != '/');
	}
	memcpy(path + len, ELLIPSIS, sizeof(ELLIPSIS));
	return len + sizeof(ELLIPSIS) - 1;
}

int deep_place(const struct policy *policy, int fd, struct match_state *ret, char *path, size_t cap, size_t *ret_len)
{
	_cleanup_free_ char *storage = NULL;
	struct names names = {0};
	struct stat stat;
	size_t len;
	int error, levels;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISDIR(stat.st_mode))
		return -ENAMETOOLONG;
	error = find_path(fd, path, cap, &len, &levels);
	if (error)
		return error;
	match_path(policy, path, len, ret);
	if (ret->count) {
		/* Rules can match below: what the levels are called counts. */
		error = climb(fd, levels, &names, path, cap, &len);
		storage = names.text;
		if (error)
			return error;
		match_path(policy, path, len, ret);
		for (size_t end = names.len; end > 0;) {
			size_t at = end - 1;

			while (at > 0 && names.text[at - 1])
				at--;
			match_step(policy, ret, names.text + at, end - 1 - at, ret);
			end = at;
		}
	}
	*ret_len = tell(path, len);
	return 0;
}
