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
#include "proc/binfmt_misc.h"
#include "vfs/known.h"
#include "vfs/overlay/fstypes.h"
#include "vfs/overlay/mask.h"
#include "vfs/overlay/pins.h"
#include "vfs/overlay/privates.h"
#include "vfs/vnode/vnode.h"
#include "vfs/watch/queues.h"

/* One uid in all places, and one gid. */
static bool has_one_id(void)
{
	uid_t uids[3];
	gid_t gids[3];

	return getresuid(&uids[0], &uids[1], &uids[2]) == 0 && getresgid(&gids[0], &gids[1], &gids[2]) == 0 &&
	       uids[0] == uids[1] && uids[0] == uids[2] && gids[0] == gids[1] && gids[0] == gids[2];
}

/* CAPABILITY is effective. Should the kernel not say: OTHERWISE. */
static bool has_capability(int capability, bool otherwise)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return otherwise;
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* More than an ordinary user: uid 0, any effective capability, or ids to change between. */
static bool more_than_ordinary(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (geteuid() == 0 || !has_one_id())
		return true;
	/* Should the kernel not say, the careful answer. */
	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	return data[0].permitted || data[1].permitted;
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

/* The encrypted files of the policy, where it has any. */
static int open_vnodes(struct view *view, const struct view_config *config, struct errmsg *msg)
{
	struct vnodes_config vnodes;

	if (!view->needs.crypt)
		return 0;
	if (!config->vnodes)
		return errmsg_set(msg, -ENOKEY, "a rule encrypts, and there is no key");
	vnodes = *config->vnodes;
	vnodes.policy = config->policy;
	int error = vnodes_new(&vnodes, &view->vnodes, msg);
	return error < 0 ? errmsg_set(msg, error, "encrypted files cannot be served: %s", strerror(-error)) : 0;
}

int view_new(const struct view_config *config, struct view **ret, struct errmsg *msg)
{
	const struct policy *policy = config->policy;
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
	error = known_new(&view->known);
	if (error < 0)
		return errmsg_set(msg, error, "out of memory");
	policy_needs(policy, &view->needs);
	error = open_place("/proc", &view->proc_fd, &proc_stat, msg);
	if (error < 0)
		return error;
	view->proc_dev = proc_stat.st_dev;
	view->proc_blksize = proc_stat.st_blksize;
	error = open_place("/", &view->root_fd, &view->root_stat, msg);
	if (error < 0)
		return error;
	error = pins_new(policy, &view->pins);
	if (error < 0)
		return errmsg_set(msg, error, "the objects of the rules cannot be remembered: %s", strerror(-error));
	error = fstypes_new(policy, &view->fstypes);
	if (error < 0)
		return errmsg_set(msg, error, "the mounts cannot be watched: %s", strerror(-error));
	error = link_hints_new(&view->links);
	if (error < 0)
		return errmsg_set(msg, error, "out of memory");
	error = masks_new(policy, &view->masks, msg);
	if (error < 0)
		return error;
	error = privates_new(policy, &view->privates);
	if (error < 0)
		return errmsg_set(msg, error, "private files need files in memory (memfd_create): %s", strerror(-error));
	error = open_vnodes(view, config, msg);
	if (error < 0)
		return error;
	if (view->needs.hide || view->needs.crypt)
		error = queues_new(policy, view->pins, &view->queues);
	if (error < 0)
		return errmsg_set(msg, error, "out of memory");
	error = binfmt_misc_new(view->proc_fd, &view->formats);
	if (error < 0)
		return errmsg_set(msg, error, "out of memory");
	view->root = more_than_ordinary();
	view->traces = has_capability(CAP_SYS_PTRACE, false);
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
	queues_free(view->queues);
	vnodes_free(view->vnodes);
	privates_free(view->privates);
	binfmt_misc_free(view->formats);
	masks_free(view->masks);
	pins_free(view->pins);
	fstypes_free(view->fstypes);
	known_free(view->known);
	link_hints_free(view->links);
	safe_close(view->proc_fd);
	safe_close(view->root_fd);
	free(view->rule_counts);
	free(view);
	return NULL;
}

bool view_owns_pid(const struct view *view, pid_t pid)
{
	for (size_t i = 0; i < ARRAY_LEN(view->own_pids); i++)
		if (view->own_pids[i] == pid)
			return pid != 0;
	for (size_t i = 0; i < ARRAY_LEN(view->vault_pids); i++)
		if (atomic_load_explicit(&view->vault_pids[i], memory_order_relaxed) == pid)
			return pid != 0;
	return false;
}

void view_count_rule(const struct view *view, int32_t rule)
{
	if (rule >= 0 && (uint32_t)rule < policy_rule_count(view->policy))
		atomic_fetch_add_explicit(&view->rule_counts[rule], 1, memory_order_relaxed);
}
