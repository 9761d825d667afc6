/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crypt_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "crypt/keys/key_dir.h"
#include "vfs/policy/internal.h"

/* One key and where it came from, so that nobody is asked for it twice. */
struct opened {
	int opt;
	const char *argument;
	struct kek *kek;
};

struct crypt_keys {
	struct vnode_key *of_rule;
	struct opened opened[CRYPT_KEYS_MAX];
	size_t count;
};

/* An option that gives a key, taken apart: NAME=ARGUMENT, or just an argument, which is for the rules without key=. */
struct given_key {
	int opt;
	char name[KEY_NAME_MAX];
	const char *argument;
};

static bool is_named(const char *argument, char name[KEY_NAME_MAX])
{
	const char *equals = strchr(argument, '=');

	if (!equals || equals == argument || (size_t)(equals - argument) >= KEY_NAME_MAX)
		return false;
	memcpy(name, argument, (size_t)(equals - argument));
	name[equals - argument] = '\0';
	return key_name_check(name, NULL) == 0;
}

static struct given_key take_apart(const struct key_options *options, size_t i)
{
	struct given_key given = {.opt = options->given[i].opt, .argument = options->given[i].argument};

	if (given.opt != OPT_KEY && is_named(given.argument, given.name))
		given.argument += strlen(given.name) + 1;
	else
		snprintf(given.name, sizeof(given.name), "%s", KEY_DEFAULT);
	return given;
}

/* Where the key NAME of a rule comes from. */
static struct given_key source_of(const struct key_options *options, const char *name)
{
	struct given_key given = {.opt = OPT_KEY, .argument = name};

	for (size_t i = 0; i < options->count; i++) {
		const struct given_key one = take_apart(options, i);
		if (strcmp(one.name, name) == 0)
			return one;
	}
	return given;
}

static bool is_crypt(const struct rule *rule)
{
	return rule->crypt_key != NULL;
}

static bool is_meant(const struct policy *policy, const char *name)
{
	for (uint32_t i = 0; i < policy_rule_count(policy); i++)
		if (is_crypt(policy_rule(policy, i)) && strcmp(policy_rule(policy, i)->crypt_key, name) == 0)
			return true;
	return false;
}

int crypt_keys_check(const struct policy *policy, const struct key_options *options, struct errmsg *msg)
{
	if (options->too_many)
		return errmsg_set(msg, -E2BIG, "at most %d keys", KEYS_MAX);
	for (size_t i = 0; i < options->count; i++) {
		const struct given_key given = take_apart(options, i);
		for (size_t before = 0; before < i; before++)
			if (strcmp(take_apart(options, before).name, given.name) == 0)
				return errmsg_set(msg, -EINVAL, "the key %s is given twice; rules that name theirs are meant by "
						  "--key-file NAME=FILE and --key-fd NAME=N", given.name);
		if (strcmp(given.name, KEY_EPHEMERAL) == 0)
			return errmsg_set(msg, -EINVAL, "key=%s is a new key for each run and cannot be given", KEY_EPHEMERAL);
		if (!is_meant(policy, given.name))
			return errmsg_set(msg, -EINVAL, "a key is given for %s%s, and no crypt rule needs it",
					  strcmp(given.name, KEY_DEFAULT) == 0 ? "rules without " : "",
					  strcmp(given.name, KEY_DEFAULT) == 0 ? "key=" : given.name);
	}
	return 0;
}

/* The rule in front of a reason. */
static int blame(const struct rule *rule, const struct errmsg *why, int error, struct errmsg *msg)
{
	char place[512];

	return errmsg_set(msg, error, "%s: crypt %s key=%s: %s", rule_place(rule->origin, rule->line, place, sizeof(place)),
			  rule->pattern, rule->crypt_key, why->text[0] ? why->text : strerror(-error));
}

static int open_key(struct crypt_keys *keys, const struct rule *rule, const struct key_options *options,
		    struct kek **ret_kek, struct errmsg *msg)
{
	const struct given_key source = source_of(options, rule->crypt_key);
	struct errmsg why = {0};
	struct kek *kek = NULL;
	int r;

	for (size_t i = 0; i < keys->count; i++) {
		if (keys->opened[i].opt == source.opt && strcmp(keys->opened[i].argument, source.argument) == 0) {
			*ret_kek = keys->opened[i].kek;
			return 0;
		}
	}
	if (keys->count == CRYPT_KEYS_MAX)
		return -E2BIG; /* policy_compile() has refused that */
	if (strcmp(rule->crypt_key, KEY_EPHEMERAL) == 0)
		r = kek_new_random(&kek);
	else
		r = key_open_one(options, source.opt, source.argument, &kek, &why);
	if (r < 0)
		return blame(rule, &why, r, msg);
	keys->opened[keys->count++] = (struct opened){source.opt, source.argument, kek};
	*ret_kek = kek;
	return 0;
}

/* Who computes for RULE: the one that it names, or who computes the same. */
static int find_provider(const struct rule *rule, const struct kek *kek, const struct aead_provider **ret,
			 struct errmsg *msg)
{
	const struct aead_provider *provider = aead_provider_find(rule->crypt_provider);
	const char *reason = NULL;
	struct errmsg why = {0};
	char id[KEK_ID_TEXT], place[512];
	const struct aead_provider *used = provider ? aead_provider_or_instead(provider, &reason) : NULL;

	if (used && reason)
		cli_warn("%s: provider=%s cannot be used on this machine: %s; OpenSSL computes the same",
			 rule_place(rule->origin, rule->line, place, sizeof(place)), provider->name, reason);
	if (!used) {
		kek_id_text(kek->id, id);
		errmsg_set(&why, -EOPNOTSUPP, "provider=%s cannot be used on this machine: %s (for the key with the id %s)",
			   provider ? provider->name : rule->crypt_provider, reason ? reason : "there is no such provider", id);
		return blame(rule, &why, -EOPNOTSUPP, msg);
	}
	*ret = used;
	return 0;
}

static void cleanup_keys(struct crypt_keys **keys)
{
	crypt_keys_free(*keys);
}

int crypt_keys_open(const struct policy *policy, const struct key_options *options, struct crypt_keys **ret,
		    struct errmsg *msg)
{
	_cleanup_(cleanup_keys) struct crypt_keys *keys = NULL;
	uint32_t count = policy_rule_count(policy);
	struct policy_needs needs;

	policy_needs(policy, &needs);
	if (!needs.crypt) {
		*ret = NULL;
		return 0;
	}
	keys = calloc(1, sizeof(*keys));
	if (!keys || !(keys->of_rule = calloc(count, sizeof(*keys->of_rule))))
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct rule *rule = policy_rule(policy, i);
		struct vnode_key *key = &keys->of_rule[i];
		struct kek *kek;

		if (!is_crypt(rule))
			continue;
		int r = open_key(keys, rule, options, &kek, msg);
		if (r == 0)
			r = find_provider(rule, kek, &key->provider, msg);
		if (r < 0)
			return r;
		key->wrap = kek_store_key(kek);
	}
	*ret = TAKE_PTR(keys);
	return 0;
}

bool crypt_keys_have_kernel(const struct crypt_keys *keys)
{
	for (size_t i = 0; keys && i < keys->count; i++)
		if (keys->opened[i].kek->wide)
			return true;
	return false;
}

const struct vnode_key *crypt_keys_all(const struct crypt_keys *keys)
{
	return keys ? keys->of_rule : NULL;
}

struct crypt_keys *crypt_keys_free(struct crypt_keys *keys)
{
	if (!keys)
		return NULL;
	for (size_t i = 0; i < keys->count; i++)
		kek_free(keys->opened[i].kek);
	free(keys->of_rule);
	free(keys);
	return NULL;
}

int crypt_key_fds(const struct key_options *options, int *ret_fds, struct errmsg *msg)
{
	int count = 0;

	for (size_t i = 0; i < options->count; i++) {
		const struct given_key given = take_apart(options, i);
		int fd;

		if (given.opt != OPT_KEY_FD)
			continue;
		if (key_fd_number(given.argument, &fd) < 0)
			return errmsg_set(msg, -EINVAL, "--key-fd: '%s' is not a descriptor's number", given.argument);
		if (fd < 3)
			return errmsg_set(msg, -EINVAL, "--key-fd: descriptor %d is the command's", fd);
		if (fcntl(fd, F_GETFD) < 0)
			return errmsg_set(msg, -EINVAL, "--key-fd: descriptor %d is not open", fd);
		ret_fds[count++] = fd;
	}
	return count;
}
