/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/places.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *home_directory(void)
{
	const char *home = getenv("HOME");

	if (home && home[0] == '/')
		return home;
	const struct passwd *entry = getpwuid(geteuid());
	return entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : NULL;
}

int config_path(const char *below, char *ret_path, size_t size)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = home_directory();
	int len;

	/* A relative XDG_CONFIG_HOME is to be ignored, says its specification. */
	if (config && config[0] == '/')
		len = snprintf(ret_path, size, "%s/scrim/%s", config, below);
	else if (home)
		len = snprintf(ret_path, size, "%s/.config/scrim/%s", home, below);
	else
		return -ENOENT;
	return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int state_path(const char *below, char *ret_path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = home_directory();
	int len;

	if (state && state[0] == '/')
		len = snprintf(ret_path, size, "%s/scrim/%s", state, below);
	else if (home && access(home, F_OK) == 0) /* a home that is not there is not made */
		len = snprintf(ret_path, size, "%s/.local/state/scrim/%s", home, below);
	else
		return -ENOENT;
	return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
