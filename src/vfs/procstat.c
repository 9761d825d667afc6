/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/procstat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/op.h"
#include "vfs/overlay/memfd.h"
#include "vfs/proclink.h"
#include "vfs/walk.h"

/* The parent comes early in both: before it a name, of at most 64 bytes when escaped, and numbers. */
#define HEAD 512
/* status lists all groups of a process: 65536 of at most ten digits. */
#define TEXT_MAX ((size_t)1 << 20)

/* Where the parent's number stands in TEXT (proc(5)); NULL: not found. */
static char *find_parent(char *text, bool status)
{
	char *at = status ? strstr(text, "\nPPid:\t") : strrchr(text, ')');

	if (!at)
		return NULL;
	/* "\nPPid:\t1234\n", and "4711 (name) S 1234 " */
	return at + (status ? 7 : strnlen(at, 4));
}

static ssize_t read_at(int fd, char *text, size_t len, size_t from)
{
	ssize_t n;

	do
		n = pread(fd, text, len, (off_t)from);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* All of it, malloc'ed, ended by a NUL. */
static int read_whole(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 4096;
	ssize_t n = 1;

	while (n > 0) {
		if (!text || len + 1 == room) {
			room *= text ? 2 : 1;
			char *grown = room > TEXT_MAX ? NULL : realloc(text, room);
			if (!grown)
				return -ENOMEM;
			text = grown;
		}
		n = read_at(fd, text + len, room - 1 - len, len);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* A number of the parent's place in the text of FD, or 0. */
static pid_t parent_in(char *text, bool status, char **ret_at)
{
	char *at = find_parent(text, status);
	int parent;

	if (!at || sscanf(at, "%d", &parent) != 1)
		return 0;
	*ret_at = at;
	return parent;
}

static int exchange(struct op *op, pid_t pid, bool status, int *fd)
{
	_cleanup_free_ char *text = NULL, *shown = NULL;
	int copy, error, len;
	size_t text_len;
	pid_t parent;
	char *at;

	error = read_whole(*fd, &text, &text_len);
	if (error)
		return error;
	/* It may have been adopted this very moment, or be gone: then it is as the kernel says. */
	if (parent_in(text, status, &at) != op->view->own_pids[1] || op->caller->ops->parent(op->caller, pid, &parent))
		return 0;
	len = asprintf(&shown, "%.*s%d%s", (int)(at - text), text, (int)parent, at + strspn(at, "0123456789"));
	if (len < 0) {
		shown = NULL;
		return -ENOMEM;
	}
	error = memfd_show(status ? "scrim-status" : "scrim-stat", shown, (size_t)len, &copy);
	if (error)
		return error;
	safe_close(*fd);
	*fd = copy;
	return 0;
}

int procstat_show(struct op *op, const struct walk *walk, int *fd)
{
	char head[HEAD];
	char *at;

	if (walk->stat.st_dev != op->view->proc_dev || !op->caller->ops->parent)
		return 0;
	const char *base = strrchr(walk->path, '/');
	bool status = base && strcmp(base, "/status") == 0;
	pid_t pid = proclink_pid(walk->path, walk->path_len);
	if (!pid || !base || (!status && strcmp(base, "/stat") != 0))
		return 0;
	bool own = op->caller->lent && proclink_is_own(op, walk->path, walk->path_len);
	if (own)
		op_own_rights(op);
	ssize_t len = read_at(*fd, head, sizeof(head) - 1, 0);
	int error = 0;
	if (len > 0) {
		head[len] = '\0';
		if (parent_in(head, status, &at) == op->view->own_pids[1])
			error = exchange(op, pid, status, fd);
	}
	if (own)
		op_lend_rights(op);
	return error;
}
