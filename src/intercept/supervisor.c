/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>


#include "base/cleanup.h"
#include "crypt/provider.h"
#include "intercept/crypt_note.h"
#include "intercept/ending.h"
#include "intercept/filter/filter.h"
#include "intercept/notify.h"
#include "intercept/parents.h"
#include "intercept/record.h"
#include "intercept/steer/guard.h"
#include "intercept/steer/steer.h"
#include "intercept/wards/wards.h"
#include "intercept/worker.h"
#include "vfs/overlay/privates.h"
#include "vfs/view.h"
#include "vfs/vnode/vnode.h"

static unsigned filter_needs(const struct view *view)
{
	const struct policy_needs *needs = &view->needs;

	return (needs->hide || needs->deny ? NEEDS_HIDE : 0u) | (needs->mask ? NEEDS_MASK : 0u) |
	       (needs->append ? NEEDS_APPEND : 0u) | (needs->readonly ? NEEDS_READONLY : 0u) |
	       (needs->crypt ? NEEDS_CRYPT : 0u) | (needs->private ? NEEDS_PRIVATE : 0u) | (view->root ? NEEDS_ROOT : 0u) | (view->traces ? 0u : NEEDS_DUMPABLE) |
	       (view->root && !view->traces ? NEEDS_IDS : 0u);
}

/* {"mediated": {"openat": 12, ...}, "steer": {...}}: for tests, which assert that nothing passed unmediated. */
static int write_stats(const char *path, const struct workers *workers, struct steer *steer)
{
	struct steer_stats stats;
	const char *comma = "";
	FILE *out = fopen(path, "we");

	if (!out)
		return -errno;
	fputs("{\n \"mediated\": {", out);
	for (size_t i = 0; i < syscall_table_len; i++) {
		uint64_t count = syscall_table[i].name ? workers_count(workers, syscall_table[i].nr) : 0;

		if (!count)
			continue;
		fprintf(out, "%s\n  \"%s\": %llu", comma, syscall_table[i].name, (unsigned long long)count);
		comma = ",";
	}
	steer_get_stats(steer, &stats);
	const struct {
		const char *name;
		uint64_t value;
	} steered[] = {{"calls", stats.calls},   {"execs", stats.execs},   {"lent", stats.lent},
		       {"busy", stats.busy},     {"died", stats.died},     {"killed", stats.killed},
		       {"signals_held", stats.signals_held}, {"restarts", stats.restarts}};
	fputs("\n },\n \"steer\": {", out);
	for (size_t i = 0; i < ARRAY_LEN(steered); i++)
		fprintf(out, "%s\n  \"%s\": %llu", i ? "," : "", steered[i].name, (unsigned long long)steered[i].value);
	uint64_t by_kernel, by_openssl;
	aead_afalg_counts(&by_kernel, &by_openssl);
	fprintf(out, "\n },\n \"afalg\": {\"kernel\": %llu, \"openssl\": %llu}\n}\n", (unsigned long long)by_kernel,
		(unsigned long long)by_openssl);
	return fclose(out) == 0 ? 0 : -EIO;
}

/*
 * Once the command has its own copies of what it inherits: many descriptors (pins, masked content), and files as large as
 * a caller may make them, whose own limit vfs/attr.c looks at.
 */
static void raise_limits(void)
{
	static const int raised[] = {RLIMIT_NOFILE, RLIMIT_FSIZE};
	const struct rlimit no_core = {0, 0};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		if (getrlimit(raised[i], &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(raised[i], &limit);
	}
	/* The process is not dumpable, which is enough; the command has its own limit by now. */
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGXFSZ, SIG_IGN);
}

/*
 * Every ptrace stop of a caller would send us SIGCHLD, a dozen for each exec, and take some thread out of its wait for
 * nothing. Ends are still waited for: waitpid(2) needs no signal.
 */
static void no_signals_for_stops(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};

	sigaction(SIGCHLD, &action, NULL);
}

static void free_guard(struct guard **guard)
{
	guard_free(*guard);
}

static void free_filter(struct sock_fprog **program)
{
	filter_free(*program);
}

static void free_view(struct view **view)
{
	view_free(*view);
}

_Static_assert(VAULTS_MAX <= VIEW_VAULTS_MAX, "every vault is absent from /proc");

/* What steering tells of. */
struct told {
	struct threads *threads;
	struct wards *wards;
};

static void on_executed(pid_t tid, void *userdata)
{
	const struct told *told = userdata;

	threads_forget(told->threads, tid);
}

static void on_stage(const struct steer_job *job, enum steer_stage stage, void *userdata)
{
	const struct told *told = userdata;
	bool changes = job->kind == STEER_IDS;

	switch (stage) {
	case STAGE_BEGINS:
		wards_take_to_trace(told->wards, job->who);
		if (changes)
			wards_begin_change(told->wards);
		else
			wards_begin_look(told->wards);
		break;
	case STAGE_HELD:
		if (!changes)
			wards_end_look(told->wards);
		break;
	case STAGE_ENDS:
		if (changes)
			wards_end_change(told->wards);
		wards_return_traced(told->wards, job->who);
		break;
	}
}

static int start_files(struct view *view, const struct launch *launch, struct ending **ret)
{
	int error = privates_start(view->privates);

	if (error || !view->vnodes)
		return error;
	ending_block_signals();
	error = vnodes_start(view->vnodes);
	if (error)
		return error;
	return ending_start(&(struct ending_config){.vnodes = view->vnodes,
						    .exited = launch->exited,
						    .front_socket = launch->front_socket,
						    .listener = launch->listener},
			    ret);
}

/* All that serves one view, from the start of its command on. Threads use it until the process ends. */
struct service {
	const struct supervisor_config *config;
	struct view *view;
	struct guard *guard;
	struct launch launch;
	struct parents *parents;
	struct told told;
	struct steer *steer;
	struct record *record;
	struct ending *ending;
	struct workers *workers;
};

/* What is known of callers, and the way to steer them. The command is held. */
static int start_callers(struct service *service, struct errmsg *msg)
{
	const struct launch *launch = &service->launch;
	struct view *view = service->view;
	struct told *told = &service->told;
	int error;

	error = parents_new(&(struct parents_config){.proc_fd = view->proc_fd,
						     .reaper = launch->reaper,
						     .command = launch->command,
						     .command_pidfd = launch->command_pidfd,
						     .front = view->own_pids[2]},
			    &service->parents);
	if (error)
		return errmsg_set(msg, error, "cannot watch the command: %s", strerror(-error));
	error = threads_new(&told->threads);
	if (!error && view->root)
		error = wards_new(&(struct wards_config){.proc_fd = view->proc_fd,
							 .listener = launch->listener,
							 .vault_pids = view->vault_pids,
							 .threads = told->threads},
				  &told->wards);
	if (error)
		return errmsg_set(msg, error, "cannot prepare for other users: %s", strerror(-error));
	error = steer_new(&(struct steer_config){.listener = launch->listener,
						 .vault = launch->reaper,
						 .guard = service->guard,
						 .counts_signals = service->config->stats_file != NULL,
						 .executed = on_executed,
						 .stage = told->wards ? on_stage : NULL,
						 .userdata = told},
			  &service->steer);
	return error ? errmsg_set(msg, error, "cannot start steering: %s", strerror(-error)) : 0;
}

static int start_workers(struct service *service, struct errmsg *msg)
{
	const struct supervisor_config *config = service->config;
	int error = config->log ? log_start(config->log) : 0;

	if (error)
		return errmsg_set(msg, error, "cannot start the log: %s", strerror(-error));
	error = config->record_fd > 0 ? record_new(&service->record) : 0;
	if (error)
		return errmsg_set(msg, error, "nothing can be recorded: out of memory");
	error = start_files(service->view, &service->launch, &service->ending);
	if (error)
		return errmsg_set(msg, error, "cannot start what writes encrypted files: %s", strerror(-error));
	error = workers_start(&(struct workers_config){.listener = service->launch.listener,
						       .reaper = service->launch.reaper,
						       .view = service->view,
						       .steer = service->steer,
						       .parents = service->parents,
						       .threads = service->told.threads,
						       .wards = service->told.wards,
						       .log = config->log,
						       .record = service->record,
						       .initial = config->workers},
			      &service->workers);
	return error ? errmsg_set(msg, error, "cannot start the workers: %s", strerror(-error)) : 0;
}

/* The command is let go, and served until nobody is left. */
static int serve(struct service *service, struct errmsg *msg)
{
	const struct supervisor_config *config = service->config;
	_cleanup_close_ int reaper = (int)syscall(SYS_pidfd_open, service->launch.reaper, 0);
	int error;

	if (reaper < 0)
		return errmsg_set(msg, -errno, "cannot watch the reaper: %s", strerror(errno));
	error = launch_go(&service->launch);
	if (error)
		return errmsg_set(msg, error, "cannot start the command: %s", strerror(-error));
	workers_watch(service->workers, reaper);
	error = launch_wait(&service->launch);
	ending_finish(service->ending);
	wards_end(service->told.wards);
	if (service->record)
		record_write(service->record, config->record_fd);
	if (config->stats_file)
		write_stats(config->stats_file, service->workers, service->steer);
	return error == -ESRCH ? errmsg_set(msg, error, "the reaper was killed: the view has ended") : 0;
}

int supervisor_main(const struct supervisor_config *config, struct errmsg *msg)
{
	_cleanup_(free_view) struct view *view = NULL;
	_cleanup_(free_guard) struct guard *guard = NULL;
	_cleanup_(free_filter) struct sock_fprog *program = NULL;
	struct launch_config launch_config = config->launch;
	struct vnodes_config vnodes;
	static struct service service; /* threads that are not waited for use it to the end of the process */
	int error;

	if (config->vnodes) {
		vnodes = *config->vnodes;
		vnodes.report = crypt_report;
		vnodes.report_data = config->log;
	} else {
		/* An arena for each thread takes four calls and a page table to make; what serves calls hardly allocates. */
		mallopt(M_ARENA_MAX, 1);
	}
	error = view_new(&(struct view_config){.policy = config->policy, .vnodes = config->vnodes ? &vnodes : NULL}, &view,
			 msg);
	if (error)
		return error;
	error = filter_prove_calls();
	if (error)
		return errmsg_set(msg, error, "the kernel does not do what scrim needs: %s", strerror(-error));
	error = guard_new(&guard);
	if (error)
		return errmsg_set(msg, error, "cannot make the guard pages: %s", strerror(-error));
	error = filter_build(filter_needs(view), &program, msg);
	if (error)
		return error;
	if (config->before_start)
		config->before_start();
	launch_config.guard = guard;
	launch_config.filter = program;
	launch_config.proven = true;
	launch_config.commits = view->vnodes != NULL;
	service = (struct service){.config = config, .view = view, .guard = guard, .launch = {.listener = -EBADF}};
	error = launch_start(&launch_config, &service.launch, msg);
	if (error)
		return error;
	raise_limits();
	no_signals_for_stops();
	notify_sync_wake_up(service.launch.listener);
	view->own_pids[0] = getpid();
	view->own_pids[1] = service.launch.reaper;
	view->own_pids[2] = getppid();
	error = start_callers(&service, msg);
	if (!error)
		error = start_workers(&service, msg);
	/* From here on workers read the view, the policy and the guard: the end of the process releases them. */
	if (service.workers) {
		TAKE_PTR(view);
		TAKE_PTR(guard);
	}
	return error ? error : serve(&service, msg);
}
