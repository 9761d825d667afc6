/* SPDX-License-Identifier: Apache-2.0 */
/* What of a watched directory may be told: that of names which a listing of it shows. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "vfs/overlay/pins.h"
#include "vfs/policy/policy.h"
#include "vfs/walk.h"
#include "vfs/watch/internal.h"

/* By the rules on its very object, as far as there is one at that name yet or still. */
static void apply_identity(const struct queues *all, const struct watch *watch, const char *name, struct verdict *verdict)
{
	char path[WALK_PATH_MAX + NAME_ROOM];
	struct stat stat;

	if (!pins_any_hidden(all->pins, watch->dev))
		return;
	snprintf(path, sizeof(path), "%s/%s", watch->path, name);
	if (fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW) == 0)
		pins_apply(all->pins, all->policy, stat.st_dev, stat.st_ino, verdict);
}

bool sift_shows(const struct queues *all, const struct watch *watch, const char *name)
{
	struct match_state state;
	struct verdict of_directory, of_name;

	if (!name)
		return true;
	if (watch->path_len == 0)
		return false;
	match_path(all->policy, watch->path, watch->path_len, &state);
	match_verdict(all->policy, &state, &of_directory);
	if (pins_any(all->pins))
		pins_apply(all->pins, all->policy, watch->dev, watch->ino, &of_directory);
	match_step(all->policy, &state, name, strlen(name), &state);
	match_verdict(all->policy, &state, &of_name);
	apply_identity(all, watch, name, &of_name);
	switch (of_directory.visibility) {
	case VIS_WAY:
		return of_name.visibility == VIS_SHOW || of_name.visibility == VIS_WAY;
	case VIS_SHOW:
		return of_name.visibility != VIS_HIDE;
	case VIS_HIDE:
	case VIS_DENY:
		break;
	}
	return false;
}
