/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int judge(const char *path, const struct stat *st, struct errmsg *msg)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return errmsg_set(msg, -EPERM,
				  "%s: the policy file belongs to user %u, who could change it\n"
				  "make it yours or root's: chown %u '%s'",
				  path, st->st_uid, geteuid(), path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return errmsg_set(msg, -EPERM,
				  "%s: the policy file can be written by its group or by others\nchmod go-w '%s'", path,
				  path);
	return 0;
}

int source_read(const char *path, bool trust_any_owner, struct source *ret, struct errmsg *msg)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errmsg_set(msg, -errno, "%s: cannot read the policy file: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return errmsg_set(msg, -EISDIR, "%s: a directory, not a policy file\nname the file in it", path);
	if (S_ISREG(st.st_mode) && !trust_any_owner) {
		int r = judge(path, &st, msg);
		if (r < 0)
			return r;
	}

	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0;
	for (;;) {
		if (len == room) {
			room = room ? room * 2 : 16384;
			char *more = realloc(text, room);
			if (!more)
				return -ENOMEM;
			text = more;
		}
		ssize_t n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errmsg_set(msg, -errno, "%s: cannot read the policy file: %s", path, strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > SOURCE_BYTES_MAX)
			return errmsg_set(msg, -EFBIG, "%s: more than %zu MiB of policy\nsay it with patterns", path,
					  SOURCE_BYTES_MAX >> 20);
	}
	*ret = (struct source){.text = TAKE_PTR(text), .len = len, .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

void source_done(struct source *source)
{
	free(source->text);
	*source = (struct source){0};
}
