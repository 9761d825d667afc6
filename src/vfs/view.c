/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/overlay/mask.h"
#include "vfs/overlay/pins.h"

/* More than an ordinary user: uid 0 or any effective capability. */
static bool more_than_ordinary(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (geteuid() == 0)
		return true;
	/* Should the kernel not say, the careful answer. */
	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	return data[0].effective || data[1].effective;
}

/* A digit of /proc/sys/fs (proc(5)). Where it cannot be read the strictest is taken to be in force. */
static unsigned read_protection(int proc_fd, const char *name, unsigned strictest)
{
	_cleanup_close_ int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	char digit;

	if (fd < 0 || read(fd, &digit, 1) != 1 || digit < '0' || digit > '9')
		return strictest;
	return (unsigned)(digit - '0');
}

static int open_place(const char *path, int *ret_fd, struct stat *ret_stat, struct errmsg *msg)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return errmsg_set(msg, -errno, "%s cannot be opened: %s", path, strerror(errno));
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void cleanup_view(struct view **view)
{
	view_free(*view);
}

int view_new(const struct policy *policy, struct view **ret, struct errmsg *msg)
{
	_cleanup_(cleanup_view) struct view *view = calloc(1, sizeof(*view));
	struct stat proc_stat;
	uint32_t count = policy_rule_count(policy);
	int error;

	if (!view)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	view->policy = policy;
	view->proc_fd = view->root_fd = -EBADF;
	view->rule_counts = calloc(count ? count : 1, sizeof(*view->rule_counts));
	if (!view->rule_counts)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	policy_needs(policy, &view->needs);
	error = open_place("/proc", &view->proc_fd, &proc_stat, msg);
	if (error < 0)
		return error;
	view->proc_dev = proc_stat.st_dev;
	error = open_place("/", &view->root_fd, &view->root_stat, msg);
	if (error < 0)
		return error;
	error = pins_new(policy, &view->pins);
	if (error < 0)
		return errmsg_set(msg, error, "the objects of the rules cannot be remembered: %s", strerror(-error));
	error = masks_new(policy, &view->masks, msg);
	if (error < 0)
		return error;
	view->root = more_than_ordinary();
	view->protected_symlinks = read_protection(view->proc_fd, "sys/fs/protected_symlinks", 1) != 0;
	view->protected_regular = read_protection(view->proc_fd, "sys/fs/protected_regular", 2);
	view->protected_fifos = read_protection(view->proc_fd, "sys/fs/protected_fifos", 2);
	*ret = TAKE_PTR(view);
	return 0;
}

struct view *view_free(struct view *view)
{
	if (!view)
		return NULL;
	masks_free(view->masks);
	pins_free(view->pins);
	safe_close(view->proc_fd);
	safe_close(view->root_fd);
	free(view->rule_counts);
	free(view);
	return NULL;
}

void view_count_rule(const struct view *view, int32_t rule)
{
	if (rule >= 0 && (uint32_t)rule < policy_rule_count(view->policy))
		atomic_fetch_add_explicit(&view->rule_counts[rule], 1, memory_order_relaxed);
}
