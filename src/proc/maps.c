/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "proc/procmap_query.h"

bool maps_parse(const char *line, size_t len, struct maps_line *ret)
{
	unsigned dev_major, dev_minor;
	char head[160];
	int at = 0, end = 0;

	if (len >= sizeof(head))
		len = sizeof(head) - 1;
	memcpy(head, line, len);
	head[len] = '\0';
	if (sscanf(head, "%" SCNx64 "-%" SCNx64 " %*4[-rwxps] %*x %n%x:%x %" SCNu64 "%n", &ret->start, &ret->end, &at,
		   &dev_major, &dev_minor, &ret->ino, &end) != 5 ||
	    end == 0)
		return false;
	ret->dev = makedev(dev_major, dev_minor);
	ret->device_at = (size_t)at;
	ret->device_end = (size_t)end;
	ret->path_at = (size_t)end + strspn(head + end, " ");
	return true;
}

/* Returns -ENOTTY where the kernel cannot be asked so. */
static int each_by_query(int maps_fd, uint64_t from, uint64_t to, int (*each)(uint64_t dev, uint64_t ino, void *data),
			 void *data)
{
	while (from < to) {
		struct procmap_query query = {.size = sizeof(query),
					      .query_flags = QUERY_COVERING_OR_NEXT | QUERY_FILE_BACKED,
					      .query_addr = from};
		if (ioctl(maps_fd, PROCMAP_QUERY_IOCTL, &query) < 0)
			return errno == ENOENT ? 0 : -errno;
		if (query.vma_start >= to)
			return 0;
		int r = each(makedev(query.dev_major, query.dev_minor), query.inode, data);
		if (r)
			return r;
		from = query.vma_end;
	}
	return 0;
}

static int each_by_text(int maps_fd, uint64_t from, uint64_t to, int (*each)(uint64_t dev, uint64_t ino, void *data),
			void *data)
{
	char text[8192];
	size_t have = 0;

	for (;;) {
		ssize_t got = read(maps_fd, text + have, sizeof(text) - have);
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		have += (size_t)got;
		char *line = text, *end;
		while ((end = memchr(line, '\n', have - (size_t)(line - text)))) {
			struct maps_line at;
			bool parsed = maps_parse(line, (size_t)(end - line), &at);
			if (parsed && at.start >= to)
				return 0;
			int r = parsed && at.ino && at.end > from ? each(at.dev, at.ino, data) : 0;
			if (r)
				return r;
			line = end + 1;
		}
		have -= (size_t)(line - text);
		if (have == sizeof(text))
			return -EOVERFLOW; /* no path is as long */
		memmove(text, line, have);
	}
}

int maps_each_file(int maps_fd, uint64_t from, uint64_t to, int (*each)(uint64_t dev, uint64_t ino, void *data), void *data)
{
	int r = each_by_query(maps_fd, from, to, each, data);

	return r == -ENOTTY ? each_by_text(maps_fd, from, to, each, data) : r;
}
