/* SPDX-License-Identifier: Apache-2.0 */
/* What a file has besides its content. */
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "crypt/files/internal.h"

#define ACL "system.posix_acl_access"

int attribute_lost(const struct files *files, bool must, const char *path, int error, const char *what,
		   struct errmsg *msg)
{
	char text[XATTR_NAME_MAX + 128];

	if (!must) {
		snprintf(text, sizeof(text), "%s cannot be kept: %s", what, strerror(-error));
		files_note(files, path, text);
		return 0;
	}
	snprintf(text, sizeof(text), "%s cannot be kept (--force goes on without it); it is as it was", what);
	return files_failed(msg, error, path, text);
}

static int copy_owner(const struct stat *st, int to)
{
	struct stat now;

	if (fstat(to, &now) < 0)
		return -errno;
	if (now.st_uid == st->st_uid && now.st_gid == st->st_gid)
		return 0;
	return fchown(to, st->st_uid, st->st_gid) < 0 ? -errno : 0;
}

/* The names of the extended attributes of FD, one behind the other. *RET_LEN 0: none. */
static int list_names(int fd, char **ret_names, size_t *ret_len)
{
	for (int attempt = 0; attempt < 4; attempt++) {
		_cleanup_free_ char *names = NULL;
		ssize_t n = flistxattr(fd, NULL, 0);

		if (n > 0) {
			names = malloc((size_t)n);
			if (!names)
				return -ENOMEM;
			n = flistxattr(fd, names, (size_t)n);
		}
		if (n < 0 && errno == ERANGE)
			continue;
		if (n < 0 && errno != EOPNOTSUPP)
			return -errno;
		*ret_len = n > 0 ? (size_t)n : 0;
		*ret_names = TAKE_PTR(names);
		return 0;
	}
	return -EAGAIN;
}

static int read_value(int fd, const char *name, char *value, size_t size, size_t *ret_len)
{
	ssize_t n = fgetxattr(fd, name, value, size);

	if (n < 0)
		return -errno;
	*ret_len = (size_t)n;
	return 0;
}

static int copy_value(int from, int to, const char *name, char *buffer)
{
	char *there = buffer + XATTR_SIZE_MAX;
	size_t len, there_len;
	int r = read_value(from, name, buffer, XATTR_SIZE_MAX, &len);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	/* What the kernel gives every file (security.selinux) need not be set, and often must not. */
	if (read_value(to, name, there, XATTR_SIZE_MAX, &there_len) == 0 && there_len == len &&
	    memcmp(there, buffer, len) == 0)
		return 0;
	return fsetxattr(to, name, buffer, len, 0) < 0 ? -errno : 0;
}

static int copy_xattrs(const struct files *files, bool must, int from, int to, const char *path, struct errmsg *msg)
{
	_cleanup_free_ char *names = NULL, *buffer = malloc(2 * XATTR_SIZE_MAX);
	size_t len;
	int r = buffer ? list_names(from, &names, &len) : -ENOMEM;

	if (r < 0)
		return attribute_lost(files, must, path, r, "the extended attributes", msg);
	/* Of the directory's default ACL, where the old file had none. */
	if (fremovexattr(to, ACL) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return attribute_lost(files, must, path, -errno, "the ACL", msg);
	for (const char *name = names; name && name < names + len; name += strlen(name) + 1) {
		char what[XATTR_NAME_MAX + 32];

		r = copy_value(from, to, name, buffer);
		snprintf(what, sizeof(what), "the extended attribute %.*s", XATTR_NAME_MAX, name);
		if (r < 0)
			r = attribute_lost(files, must, path, r, what, msg);
		if (r < 0)
			return r;
	}
	return 0;
}

int attributes_copy(const struct files *files, bool must, int from, const struct stat *st, int to, const char *path,
		    struct errmsg *msg)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	mode_t mode = st->st_mode & 07777;
	int r = copy_owner(st, to);

	/* The owner first: changing it takes the set-id bits and the capabilities away. The mode behind the ACL,
	 * which changes it. */
	if (r < 0) {
		mode &= 0777; /* nobody gets a set-id program of ours */
		r = attribute_lost(files, must, path, r, "its owner", msg);
	}
	if (r == 0)
		r = copy_xattrs(files, must, from, to, path, msg);
	if (r < 0)
		return r;
	if (fchmod(to, mode) < 0)
		return files_failed(msg, -errno, path, "its mode cannot be kept");
	if (futimens(to, times) < 0)
		return files_failed(msg, -errno, path, "its times cannot be kept");
	return 0;
}
