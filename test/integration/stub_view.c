/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scrim without a view, for the tests of the command line, the front process and the launch: the real cli and launch
 * code around a filter that notifies execve alone and a supervisor that lets it pass. Never installed.
 *
 * STUB_FAIL=requirements|filter|start|die makes that step fail.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "cli/cli.h"
#include "cli/policy_options.h"
#include "cli/run_crypt.h"
#include "intercept/filter/filter.h"
#include "intercept/steer/guard.h"
#include "intercept/supervisor.h"

static bool fails(const char *step)
{
	const char *wanted = getenv("STUB_FAIL");
	return wanted && strcmp(wanted, step) == 0;
}

int filter_check_requirements(struct errmsg *msg)
{
	return fails("requirements") ? errmsg_set(msg, -ENOSYS, "the kernel is too old; Linux 5.19 is needed") : 0;
}

/* Asked for by launches that are to be proven, which ours is not. */
int filter_probe(void)
{
	return -ENOSYS;
}

int filter_prove(int listener, pid_t command, int reaper_pidfd, int fd)
{
	(void)listener;
	(void)command;
	(void)reaper_pidfd;
	(void)fd;
	return -ENOSYS;
}

int filter_install(const struct sock_fprog *program)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog own = {.len = ARRAY_LEN(code), .filter = code};

	(void)program;
	if (fails("filter") || fails("requirements"))
		return -EBUSY;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &own);
	return fd < 0 ? -errno : (int)fd;
}

int guard_map_self(const struct guard *guard)
{
	(void)guard;
	return 0;
}

static void *serve(void *userdata)
{
	int listener = *(int *)userdata;

	for (;;) {
		struct seccomp_notif request = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) {
			if (errno == EINTR || errno == ENOENT) /* ENOENT: the caller was stopped or killed first */
				continue;
			return NULL;
		}
		struct seccomp_notif_resp reply = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
}

int supervisor_main(const struct supervisor_config *config, struct errmsg *msg)
{
	struct launch launch;
	pthread_t thread;

	if (fails("start"))
		return errmsg_set(msg, -EPERM, "the start failed as asked");
	int r = launch_start(&config->launch, &launch, msg);
	if (r < 0)
		return r;
	log_start(config->log);
	pthread_create(&thread, NULL, serve, &launch.listener);
	launch_go(&launch);
	if (fails("die"))
		kill(getpid(), SIGKILL);
	r = launch_wait(&launch);
	if (config->stats_file)
		close(open(config->stats_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return r < 0 ? errmsg_set(msg, r, "the reaper died") : 0;
}

/* A policy of nothing. */
struct policy_options {
	int taken;
};
int policy_options_new(struct policy_options **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}
struct policy_options *policy_options_free(struct policy_options *options)
{
	free(options);
	return NULL;
}
bool policy_options_take(struct policy_options *options, int opt, const char *argument)
{
	(void)opt;
	(void)argument;
	options->taken++;
	return true;
}
int policy_options_load(const struct policy_options *options, struct policy **ret, struct errmsg *msg)
{
	(void)options;
	(void)msg;
	*ret = NULL;
	return 0;
}
struct policy *policy_free(struct policy *policy)
{
	(void)policy;
	return NULL;
}
const char *policy_warning(const struct policy *policy, uint32_t index)
{
	(void)policy;
	(void)index;
	return NULL;
}
void policy_verdict(const struct policy *policy, const char *path, size_t len, struct verdict *ret)
{
	(void)policy;
	(void)path;
	(void)len;
	*ret = (struct verdict){0};
}
const struct rule *policy_rule(const struct policy *policy, uint32_t index)
{
	(void)policy;
	(void)index;
	return NULL;
}
uint32_t policy_env_count(const struct policy *policy)
{
	(void)policy;
	return 0;
}
const struct env_rule *policy_env(const struct policy *policy, uint32_t index)
{
	(void)policy;
	(void)index;
	return NULL;
}
/* The subcommands that start nothing. */
#define NOT_HERE(name)                                                                                                 \
	int name(int argc, char **argv)                                                                                \
	{                                                                                                              \
		(void)argc;                                                                                            \
		(void)argv;                                                                                            \
		return EXIT_SCRIM_FAILED;                                                                              \
	}
NOT_HERE(cmd_check)
NOT_HERE(cmd_explain)
NOT_HERE(cmd_tree)
NOT_HERE(cmd_learn)
NOT_HERE(cmd_encrypt)
NOT_HERE(cmd_decrypt)
NOT_HERE(cmd_cat)
NOT_HERE(cmd_key)
NOT_HERE(cmd_accept)
NOT_HERE(cmd_info)
NOT_HERE(cmd_verify)
NOT_HERE(cmd_salvage)
NOT_HERE(cmd_rekey)
NOT_HERE(cmd_compact)
NOT_HERE(cmd_cp)
NOT_HERE(cmd_scratch)
NOT_HERE(cmd_doctor)

/* The stub has no policy with crypt rules: their options and keys are not there. */
int run_crypt_take(struct run_crypt *crypt, int opt, const char *argument, struct errmsg *msg)
{
	(void)crypt, (void)opt, (void)argument, (void)msg;
	return 0;
}

int run_crypt_find_fds(struct run_crypt *crypt, struct errmsg *msg)
{
	(void)crypt, (void)msg;
	return 0;
}

int run_crypt_prepare(struct run_crypt *crypt, const struct policy *policy, struct front_config *front, struct errmsg *msg)
{
	(void)crypt, (void)policy, (void)front, (void)msg;
	return 0;
}
