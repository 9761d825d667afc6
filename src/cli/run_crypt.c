/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_crypt.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/places.h"
#include "cli/swap.h"
#include "vfs/policy/settings.h"

static int take_size(const char *option, const char *argument, uint64_t *ret, struct errmsg *msg)
{
	if (size_parse(argument, strlen(argument), ret) < 0)
		return errmsg_set(msg, -EINVAL, "--%s: '%s' is not a size, as 512M or 2G", option, argument);
	return 1;
}

int run_crypt_take(struct run_crypt *crypt, int opt, const char *argument, struct errmsg *msg)
{
	switch (opt) {
	case OPT_MEMFD_MAX:
		return take_size("memfd-max", argument, &crypt->given.memfd_max, msg);
	case OPT_MEMFD_TOTAL:
		return take_size("memfd-total", argument, &crypt->given.memfd_total, msg);
	case OPT_REQUIRE_NO_SWAP:
		crypt->given.require_no_swap = true;
		return 1;
	case OPT_RUN_STRICT_FRESHNESS:
		crypt->given.strict_freshness = true;
		return 1;
	default:
		return key_options_take(&crypt->options, opt, argument);
	}
}

int run_crypt_find_fds(struct run_crypt *crypt, struct errmsg *msg)
{
	int count = crypt_key_fds(&crypt->options, crypt->fds, msg);

	crypt->fd_count = count > 0 ? (size_t)count : 0;
	return count < 0 ? count : 0;
}

/* What the policy says, and what the command line says over it. */
static struct policy_settings settings_of(const struct run_crypt *crypt)
{
	struct policy_settings settings;

	policy_settings(crypt->policy, &settings);
	if (crypt->given.memfd_max)
		settings.memfd_max = crypt->given.memfd_max;
	if (crypt->given.memfd_total)
		settings.memfd_total = crypt->given.memfd_total;
	settings.require_no_swap |= crypt->given.require_no_swap;
	settings.strict_freshness |= crypt->given.strict_freshness;
	return settings;
}

static int check_swap(bool refuse, struct errmsg *msg)
{
	char name[PATH_MAX];
	int r = swap_find_plain(NULL, name, sizeof(name));

	if (r == 0)
		return 0;
	if (r < 0) {
		if (refuse)
			return errmsg_set(msg, r, "cannot tell whether swap is on: %s", strerror(-r));
		return 0;
	}
	if (refuse)
		return errmsg_set(msg, -EPERM,
				  "swap is on and not encrypted (%s): what is decrypted could be written there\n"
				  "turn it off (swapoff), or put it on dm-crypt",
				  name);
	cli_warn("swap is on and not encrypted (%s): what is decrypted may be written there (--require-no-swap refuses)",
		 name);
	return 0;
}

/* In the process that becomes the supervisor. */
static int open_keys(void *data, struct supervisor_config *config, struct errmsg *msg)
{
	struct run_crypt *crypt = data;
	const struct policy_settings settings = settings_of(crypt);

	int r = crypt_keys_open(crypt->policy, &crypt->options, &crypt->keys, msg);
	if (r < 0)
		return r;
	crypt->vnodes = (struct vnodes_config){
		.policy = crypt->policy,
		.keys = crypt_keys_all(crypt->keys),
		.file_max = settings.memfd_max,
		.total_max = settings.memfd_total,
		.freshness = crypt->freshness[0] ? crypt->freshness : NULL,
		.strict_freshness = settings.strict_freshness,
	};
	config->vnodes = &crypt->vnodes;
	config->launch.fresh_keyring = crypt_keys_have_kernel(crypt->keys);
	return 0;
}

int run_crypt_prepare(struct run_crypt *crypt, const struct policy *policy, struct front_config *front, struct errmsg *msg)
{
	struct policy_needs needs;

	int r = crypt_keys_check(policy, &crypt->options, msg);
	if (r < 0)
		return r;
	policy_needs(policy, &needs);
	if (!needs.crypt)
		return 0;
	crypt->policy = policy;
	r = check_swap(settings_of(crypt).require_no_swap, msg);
	if (r < 0)
		return r;
	if (state_path("freshness", crypt->freshness, sizeof(crypt->freshness)) < 0)
		crypt->freshness[0] = '\0';
	front->prepare = open_keys;
	front->prepare_data = crypt;
	front->private_fds = crypt->fds;
	front->private_fd_count = crypt->fd_count;
	front->commits = true;
	return 0;
}
