/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a policy's crypt rules (scrim.conf(5)), as scrim-run(1) is given them: key=NAME is a key of the user's, or what
 * --key-file and --key-fd say is meant by that name; a rule without key= means the one of --key, or of these two without a
 * name, or "default"; key=ephemeral is a new one that is kept nowhere.
 */
#pragma once

#include "cli/key_options.h"
#include "vfs/policy/policy.h"
#include "vfs/vnode/vnode.h"

struct crypt_keys;

/* Are the options ones that the rules of POLICY can mean? So that a mistake is told before anybody is asked. 0 or -EINVAL. */
int crypt_keys_check(const struct policy *policy, const struct key_options *options, struct errmsg *msg);

/*
 * Open every key that a crypt rule of POLICY names, each once, asking for passphrases as OPTIONS say. *RET is NULL when there
 * is no such rule. To be called in the process that uses them: they lie in its secret memory, and no child has them. 0 or a
 * negative errno, and MSG names the rule, where it stands, and the key.
 */
int crypt_keys_open(const struct policy *policy, const struct key_options *options, struct crypt_keys **ret,
		    struct errmsg *msg);
/* Is one of them a kernel key, which others of the user find in the keyrings? */
bool crypt_keys_have_kernel(const struct crypt_keys *keys);
/* One for each rule of the policy, by its index: for struct vnodes_config. */
const struct vnode_key *crypt_keys_all(const struct crypt_keys *keys);
/* Wipes them. Takes NULL, returns NULL. */
struct crypt_keys *crypt_keys_free(struct crypt_keys *keys);

/* The descriptors of --key-fd: room for KEYS_MAX. Returns how many; or -EINVAL with MSG, also where one is not open. */
int crypt_key_fds(const struct key_options *options, int *ret_fds, struct errmsg *msg);
