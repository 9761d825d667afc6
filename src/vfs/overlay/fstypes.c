/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/fstypes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mounts.h"

#define DEVICES_MAX 1024

/* The last rule for a type of which the file system DEVICE is. */
struct device {
	dev_t device;
	int32_t rule; /* RULE_NONE: none */
};

struct fstypes {
	const struct policy *policy;
	int mounts; /* /proc/self/mountinfo: polls POLLPRI once whenever a mount has changed */
	pthread_mutex_t lock;
	size_t count;
	struct device devices[DEVICES_MAX];
};

static bool is_any(const struct policy *policy)
{
	for (uint32_t i = 0; i < policy_rule_count(policy); i++)
		if (policy_rule(policy, i)->fstype)
			return true;
	return false;
}

int fstypes_new(const struct policy *policy, struct fstypes **ret)
{
	struct fstypes *fstypes;

	if (!is_any(policy)) {
		*ret = NULL;
		return 0;
	}
	fstypes = calloc(1, sizeof(*fstypes));
	if (!fstypes)
		return -ENOMEM;
	fstypes->policy = policy;
	fstypes->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fstypes->mounts < 0) {
		int error = -errno;

		free(fstypes);
		return error;
	}
	pthread_mutex_init(&fstypes->lock, NULL);
	*ret = fstypes;
	return 0;
}

struct fstypes *fstypes_free(struct fstypes *fstypes)
{
	if (!fstypes)
		return NULL;
	safe_close(fstypes->mounts);
	pthread_mutex_destroy(&fstypes->lock);
	free(fstypes);
	return NULL;
}

struct search {
	const struct policy *policy;
	struct device found;
};

static int compare(const struct mount *mount, void *data)
{
	struct search *search = data;

	if (mount->device != search->found.device)
		return 0;
	for (uint32_t i = 0; i < policy_rule_count(search->policy); i++) {
		const struct rule *rule = policy_rule(search->policy, i);

		if (rule->fstype && mount_type_is(mount->type, rule->fstype) && (int32_t)i > search->found.rule)
			search->found.rule = (int32_t)i;
	}
	return 0;
}

/* With the lock. */
static int32_t rule_of(struct fstypes *fstypes, dev_t device)
{
	struct pollfd changed = {.fd = fstypes->mounts, .events = POLLPRI};
	struct search search = {.policy = fstypes->policy, .found = {.device = device, .rule = RULE_NONE}};

	/* Numbers are given anew to other file systems. */
	if (poll(&changed, 1, 0) != 0)
		fstypes->count = 0;
	for (size_t i = 0; i < fstypes->count; i++)
		if (fstypes->devices[i].device == device)
			return fstypes->devices[i].rule;
	/* What is mounted nowhere (pipes, memfds, subvolumes) is of no type that can be named. */
	if (mounts_each(compare, &search) < 0)
		return search.found.rule;
	if (fstypes->count < DEVICES_MAX)
		fstypes->devices[fstypes->count++] = search.found;
	return search.found.rule;
}

void fstypes_apply(struct fstypes *fstypes, dev_t device, struct verdict *verdict)
{
	int32_t rule;

	if (!fstypes)
		return;
	pthread_mutex_lock(&fstypes->lock);
	rule = rule_of(fstypes, device);
	pthread_mutex_unlock(&fstypes->lock);
	if (rule <= verdict->visibility_rule)
		return;
	verdict->visibility = policy_rule(fstypes->policy, (uint32_t)rule)->fstype_visibility;
	verdict->visibility_rule = rule;
}
