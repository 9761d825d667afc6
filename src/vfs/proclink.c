/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/proclink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char proc_prefix[] = "/proc/";

pid_t proclink_pid(const char *path, size_t len)
{
	size_t at = sizeof(proc_prefix) - 1;
	long pid = 0;

	if (len <= at || memcmp(path, proc_prefix, at) != 0)
		return 0;
	for (; at < len && path[at] != '/'; at++) {
		if (path[at] < '0' || path[at] > '9' || pid > 1 << 24)
			return 0;
		pid = pid * 10 + (path[at] - '0');
	}
	return (pid_t)pid;
}

bool proclink_absent(struct op *op, const struct walk *walk)
{
	pid_t pid = proclink_pid(walk->path, walk->path_len);

	if (!pid)
		return false;
	if (view_owns_pid(op->view, pid))
		return true;
	/* proc(5): a thread has a directory by its own number, which no listing shows. */
	return op->view->own_pids[0] > 0 &&
	       (syscall(SYS_tgkill, op->view->own_pids[0], pid, 0) == 0 || errno == EPERM);
}

static bool is_own(struct op *op, pid_t pid)
{
	pid_t tgid;

	if (pid == op->caller->tid)
		return true;
	return op->caller->ops->tgid(op->caller, &tgid) == 0 && tgid == pid;
}

bool proclink_is_own(struct op *op, const char *path, size_t len)
{
	pid_t pid = op->caller->lent ? proclink_pid(path, len) : 0;

	/* Links there ask for a capability. */
	return pid && is_own(op, pid) && !memmem(path, len, "/map_files", 10);
}

bool proclink_opens_own(struct op *op, const struct walk *walk)
{
	/* No others: what looks at the capabilities that a file was opened with must not be opened with ours. */
	static const char *const names[] = {"fd", "fdinfo", "maps", "smaps", "smaps_rollup", "numa_maps", "environ", "auxv"};
	const char *base = strrchr(walk->path, '/');
	bool listed = false;

	for (size_t i = 0; base && i < ARRAY_LEN(names); i++)
		listed = listed || strcmp(base + 1, names[i]) == 0;
	if (!listed || walk->stat.st_dev != op->view->proc_dev || !proclink_is_own(op, walk->path, walk->path_len))
		return false;
	/* Directories of descriptors may be listed whatever their mode. */
	return S_ISDIR(walk->stat.st_mode) || syscall(SYS_faccessat2, walk->fd, "", R_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

enum proclink proclink_classify(struct op *op, const char *dir, size_t len, const char *name, const struct stat *stat)
{
	pid_t pid;

	if (stat->st_dev != op->view->proc_dev)
		return PROCLINK_NONE;
	if (len == 5 && memcmp(dir, "/proc", 5) == 0) {
		if (strcmp(name, "self") == 0)
			return PROCLINK_SELF;
		return strcmp(name, "thread-self") == 0 ? PROCLINK_THREAD_SELF : PROCLINK_NONE;
	}
	pid = proclink_pid(dir, len);
	if (!pid)
		return PROCLINK_NONE;
	return is_own(op, pid) || op->caller->ops->in_view(op->caller, pid) ? PROCLINK_MAGIC : PROCLINK_FORBIDDEN;
}

int proclink_self_text(struct op *op, enum proclink which, char *target, ssize_t *ret_len)
{
	pid_t tgid;
	int error;

	error = op->caller->ops->tgid(op->caller, &tgid);
	if (error)
		return error;
	if (which == PROCLINK_SELF)
		*ret_len = snprintf(target, PATH_MAX, "%d", (int)tgid);
	else
		*ret_len = snprintf(target, PATH_MAX, "%d/task/%d", (int)tgid, (int)op->caller->tid);
	return 0;
}
