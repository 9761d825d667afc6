/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/protect.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypt/secret.h"

/* May this process lock as much as it likes? mlock(2). */
static bool may_lock_all(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit limit;

	if (syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_IPC_LOCK)
		return true;
	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

int protect_secrets(void)
{
	const struct rlimit none = {0, 0};

	/* A pattern that pipes cores to a program looks at the first alone, others at both. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	/*
	 * What Argon2id works in is allocated by libsodium, and larger than most may lock: no key, but what follows
	 * from a passphrase. Who may lock anything does it with all that comes.
	 */
	if (may_lock_all())
		(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	return 0;
}

const char *why_no_memory(int error)
{
	if (error != -ENOMEM || !secret_was_refused())
		return "";
	return ": keys stand in locked memory alone, and the limit for that is too small here "
	       "(ulimit -l; RLIMIT_MEMLOCK)";
}
