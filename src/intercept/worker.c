/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/rseq.h"
#include "intercept/crypt_note.h"
#include "intercept/description.h"
#include "intercept/handlers.h"
#include "intercept/lent.h"
#include "intercept/notify.h"
#include "intercept/notify_caller.h"
#include "intercept/random_fd.h"
#include "intercept/record.h"
#include "intercept/steer/steer.h"
#include "vfs/state.h"
#include "vfs/watch/queues.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
/* Others come when a call is pending or takes long. */
#define WORKERS_DEFAULT 1
#define WORKER_STACK_BYTES (512 * 1024)
/* So much of it an exec takes. */
#define WORKER_STACK_USUAL (72 * 1024)
/*
 * While calls come the watch looks this often, and rests after so many looks without a call. A look costs as much as some
 * calls (a timer's interrupt, in a virtual machine, and two switches): where somebody waits for the next call, or so many
 * calls came in the last pause that none of them was stuck, the next pause is twice as long, up to so many of the first.
 */
#define WATCH_NANOSECONDS 500000
#define WATCH_IDLE_LOOKS 20
#define WATCH_FLOW 4
#define WATCH_PAUSE_MAX 8
#define STEER_ATTEMPTS 100
/* After so many calls of one thread in a row it is asked whether another thread's waits. */
#define CALLS_UNASKED 8

struct workers {
	struct workers_config config;
	_Atomic int receiving;	 /* 1: a thread waits in receive, or was told to; else 0 */
	_Atomic int standing_by; /* threads waiting for their turn to receive */
	sem_t turn;
	_Atomic unsigned all; /* threads there are */
	unsigned processors;  /* that can be used */
	_Atomic uint64_t received;
	_Atomic bool watch_rests;
	int watch; /* eventfd that wakes the watch */
	struct lent *lent;
	bool random_fds;
	pthread_mutex_t lock; /* of what follows */
	struct worker *worker[WORKERS_MAX]; /* whom the watch looks after; NULL: free */
	_Atomic uint64_t counts[SYSCALL_COUNTS];
};

struct worker {
	struct workers *all;
	pthread_t thread;
	unsigned waited;  /* the watch's: what op.waits was when it looked */
	pid_t last;	  /* who made the call before this one, and how often in a row it was the same */
	unsigned in_row;
	bool receives; /* at first: it was let in */
	struct steer_hand *hand; /* made for the first call that is steered */
	struct notify_caller caller;
	struct rights rights; /* with wards only */
	struct seccomp_notif notif;
	struct op op;
};

static void let_receive(struct workers *all, struct notify_caller *caller, unsigned most);

/*
 * Memory that a worker's first calls use, had at once: a fault for each page costs more, in a virtual machine above all.
 * A kernel before 5.14 refuses.
 */
static void populate(uintptr_t address, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = address & -page;

	/* NOLINTNEXTLINE(performance-no-int-to-ptr): of a stack there is no pointer */
	madvise((void *)first, address + len - first, MADV_POPULATE_WRITE);
}

static void log_refused(struct worker *worker, int error)
{
	const struct refused *refused = &worker->op.refused;
	const struct view *view = worker->all->config.view;
	const struct syscall_row *row = syscall_find(worker->notif.data.nr);
	char rule_text[1024], origin[PATH_MAX];
	struct log_event event = {
		.pid = (pid_t)worker->notif.pid,
		.refusal = refused->refusal,
		.error = -error,
		.syscall = row ? row->name : "unknown",
		.path = refused->path,
		.path_len = refused->path_len,
		.note = refused->note,
	};

	if (refused->refusal == REFUSAL_CRYPT && !event.note)
		event.note = crypt_note(error);
	if (refused->rule >= 0) {
		const struct rule *rule = policy_rule(view->policy, (uint32_t)refused->rule);

		view_count_rule(view, refused->rule);
		snprintf(rule_text, sizeof(rule_text), "%s %s", rule->verb, rule->pattern);
		event.rule = rule_text;
		if (rule->line)
			snprintf(origin, sizeof(origin), "%s:%u", rule->origin, rule->line);
		else
			snprintf(origin, sizeof(origin), "%s", rule->origin);
		event.origin = origin;
	}
	log_refusal(worker->all->config.log, &event);
}

static void drop_names(const struct workers *all, const struct steer_job *job)
{
	const struct messages *messages = job->messages;

	if (job->vault)
		wards_drop(all->config.wards, job->vault, job->vault_fd);
	if (job->exec && job->exec->opens_binary && job->exec->binary_vault)
		wards_drop(all->config.wards, job->exec->binary_vault, job->exec->binary_vault_fd);
	for (unsigned i = 0; messages && i < messages->count; i++)
		if (messages->item[i].owned && messages->item[i].vault)
			wards_drop(all->config.wards, messages->item[i].vault, messages->item[i].vault_fd);
}

/* A steer that ended in an error of steering itself (somebody else traces the caller) is said in the log. */
static void steer_done(const struct steer_job *job, long result, void *userdata)
{
	struct workers *all = userdata;
	const struct syscall_row *row;
	struct log_event event = {.pid = (pid_t)job->notif.pid, .refusal = REFUSAL_UNSERVED, .error = EPERM};

	drop_names(all, job);
	creds_unref(job->who);
	if (result != -EPERM || !all->config.log)
		return;
	row = syscall_find(job->notif.data.nr);
	event.syscall = row ? row->name : "unknown";
	event.note = "the process is traced by somebody else, or the kernel refused";
	log_refusal(all->config.log, &event);
}

/* Names that the caller may use, of the objects of JOB, if it needs others than the reaper's. */
static int name_objects(struct worker *worker, struct steer_job *job)
{
	struct notify_caller *caller = &worker->caller;
	struct messages *messages = job->messages;
	int error = 0;

	if (!caller->creds)
		return 0;
	notify_caller_return(caller);
	if (job->fd >= 0)
		error = wards_name(caller->wards, caller->creds, job->fd, &job->vault, &job->vault_fd);
	if (!error && job->exec && job->exec->opens_binary)
		error = wards_name(caller->wards, caller->creds, job->exec->binary_fd, &job->exec->binary_vault,
				   &job->exec->binary_vault_fd);
	for (unsigned i = 0; messages && i < messages->count && !error; i++) {
		struct message *message = &messages->item[i];

		if (message->names && message->owned)
			error = wards_name(caller->wards, caller->creds, message->fd, &message->vault, &message->vault_fd);
		for (unsigned of = 0; message->names && !message->owned && message->fd >= 0 && of < i; of++) {
			if (messages->item[of].owned && messages->item[of].fd == message->fd) {
				message->vault = messages->item[of].vault;
				message->vault_fd = messages->item[of].vault_fd;
			}
		}
	}
	if (error)
		op_refuse_unserved(&worker->op, "no process could be made that this user may look into", -EPERM);
	return error ? -EPERM : 0;
}

/* Steer, by this thread or (a job that may block, or needs this thread to answer) by one of the engine's. */
static int run_or_queue(struct worker *worker, struct steer_job *job)
{
	int error = worker->hand ? 0 : steer_hand_new(worker->all->config.steer, &worker->hand);
	bool by_hand = true;

	if (error)
		return error;
	/* What follows is the supervisor's own to do; and a thread that is started inherits the rights of this one. */
	notify_caller_return(&worker->caller);
	/* It takes long, and somebody has to answer for the new image: who would leave nobody behind does not do it. */
	if (job->kind == STEER_EXEC) {
		let_receive(worker->all, &worker->caller, WORKERS_MAX);
		by_hand = atomic_load(&worker->all->receiving);
	}
	job->who = worker->caller.creds ? creds_ref(worker->caller.creds) : NULL;
	error = -EAGAIN;
	for (int i = 0; i < STEER_ATTEMPTS && error == -EAGAIN; i++) {
		error = by_hand ? steer_run(worker->hand, job) : steer_submit(worker->all->config.steer, job);
		if (error == -EAGAIN)
			sched_yield();
	}
	if (error)
		job->who = creds_unref(job->who);
	return error;
}

static int hand_over(struct worker *worker, struct outcome *out)
{
	struct errand *errand = &out->errand;
	struct steer_job job = {
		.kind = errand->exec ? STEER_EXEC : errand->ids ? STEER_IDS : STEER_CALL,
		.fd = out->fd,
		.notif = worker->notif,
		.nr = errand->nr,
		.slot_arg = errand->object_arg,
		.length_arg = errand->length_arg,
		.slot = errand->messages   ? SLOT_MESSAGES
			: errand->verbatim ? SLOT_BYTES
			: errand->sockaddr ? SLOT_SOCKADDR
					   : SLOT_PATH,
		.bytes = errand->bytes,
		.messages = errand->messages,
		.error = errand->error,
		.may_block = errand->may_block,
		.exec = errand->exec,
		.done = steer_done,
		.userdata = worker->all,
	};
	int error;

	memcpy(job.args, errand->args, sizeof(job.args));
	if (job.exec && worker->caller.creds && !wards_may_execute(worker->caller.wards, worker->caller.creds))
		return op_refuse_unserved(&worker->op, "without CAP_SYS_PTRACE only with the effective ids as file-system ids", -EPERM);
	error = name_objects(worker, &job);
	if (!error)
		error = run_or_queue(worker, &job);
	if (error)
		drop_names(worker->all, &job);
	if (!error) {
		/* The job owns them now. */
		steal_fd(&out->fd);
		errand->exec = NULL;
		errand->messages = NULL;
	}
	return error;
}

static void keep_lent(const struct steer_job *job, int copy, void *userdata)
{
	struct workers *all = userdata;

	lent_keep(all->lent, &job->notif, job->lent, copy);
}

/* The operation cannot do without a description that only the caller itself can give: it comes back with it. */
static int let_lend(struct worker *worker)
{
	struct steer_job job = {
		.kind = STEER_LEND,
		.fd = -EBADF,
		.notif = worker->notif,
		.length_arg = -1,
		.lent = worker->caller.wanted,
		.keep = keep_lent,
		.done = steer_done,
		.userdata = worker->all,
	};

	return run_or_queue(worker, &job);
}

/* -1: the lowest free number. */
static int place_of_fd(const struct worker *worker)
{
	return worker->all->random_fds ? random_fd_choose((pid_t)worker->notif.pid) : -1;
}

static void answer(struct worker *worker, int error, struct outcome *out)
{
	int listener = worker->all->config.listener;
	uint64_t id = worker->notif.id;

	/* Nothing the operation held of the caller's may outlive the reply. */
	notify_caller_end(&worker->caller);
	walk_release(&worker->op.walk[0]);
	walk_release(&worker->op.walk[1]);
	if (error == DESCRIPTION_OUT_OF_REACH && worker->caller.wanted >= 0) {
		outcome_release(out);
		error = let_lend(worker);
		if (!error)
			return;
	}
	if (!error && out->kind == OUT_ERRAND)
		error = hand_over(worker, out);
	if (error) {
		notify_error(listener, id, error);
	} else {
		switch (out->kind) {
		case OUT_VALUE:
			notify_value(listener, id, out->value);
			break;
		case OUT_FD:
			notify_fd(listener, id, steal_fd(&out->fd), place_of_fd(worker), out->cloexec);
			break;
		case OUT_CONTINUE:
			notify_continue(listener, id);
			break;
		case OUT_ERRAND:
			break;
		}
	}
	outcome_release(out);
}

/* Whose rights a call is served with: those of its caller, unless it is about the caller itself. */
static int take_rights(struct worker *worker, enum handler handler)
{
	switch (handler) {
	case HANDLER_PRCTL:
	case HANDLER_SET_ID:
		/* Of what is dumpable, and of its ids, more can be told as the caller. */
		if (worker->all->config.wards && wards_by_ids(worker->all->config.wards))
			return notify_caller_take(&worker->caller, false);
		notify_caller_return(&worker->caller);
		return 0;
	case HANDLER_MMAP_LOW:
	case HANDLER_UMASK:
	case HANDLER_CLONE:
	case HANDLER_GETPPID:
		notify_caller_return(&worker->caller);
		return 0;
	case HANDLER_ACCESS:
	case HANDLER_FACCESSAT:
		return notify_caller_take(&worker->caller, true);
	case HANDLER_FACCESSAT2:
		return notify_caller_take(&worker->caller, !(worker->notif.data.args[3] & AT_EACCESS));
	default:
		return notify_caller_take(&worker->caller, false);
	}
}

static int serve(struct worker *worker, struct outcome *out)
{
	const struct syscall_row *row = syscall_find(worker->notif.data.nr);
	uint64_t args[6];
	handler_fn handler = row ? handler_table[row->handler] : NULL;
	int error;

	op_begin(&worker->op, worker->all->config.view, &worker->caller.caller, worker->notif.data.nr);
	if (!handler) {
		op_refuse_unserved(&worker->op, "not served by this version", -ENOSYS);
		return -ENOSYS;
	}
	for (int i = 0; i < 6; i++)
		args[i] = worker->notif.data.args[i];
	error = take_rights(worker, row->handler);
	if (worker->all->config.record)
		record_begin(&worker->op);
	if (!error)
		error = handler(&worker->op, worker->notif.data.nr, args, out);
	op_end(&worker->op);
	if (queues_any(worker->op.view->queues)) {
		op_own_rights(&worker->op);
		queues_pump(worker->op.view->queues);
		op_lend_rights(&worker->op);
	}
	if (worker->all->config.record && !error)
		record_note(worker->all->config.record, row->handler, &worker->op);
	/* What was read through the pid was the caller's only if it still waits; a dead one needs no answer. */
	return error;
}

/* The next call. -ESRCH: there will be none, everyone the filter bound has ended. */
static int receive(int listener, struct seccomp_notif *notif)
{
	for (;;) {
		int error = notify_receive(listener, notif);

		/* Since 6.11 an ended view says ENOENT at once, and for ever. */
		if (error == -ENOENT && notify_ended(listener))
			return -ESRCH;
		if (error != -EINTR && error != -ENOENT)
			return error;
	}
}

static int spawn(struct workers *all, struct notify_caller *caller, bool receives);

/* Fewer than MOST threads are at work: receive, or serve a call. */
static bool fewer_work(const struct workers *all, unsigned most)
{
	return (int)atomic_load(&all->all) - atomic_load(&all->standing_by) < (int)most;
}

/* Where nobody receives, let somebody, while fewer than MOST are at work. CALLER: of the calling worker, or NULL. */
static void let_receive(struct workers *all, struct notify_caller *caller, unsigned most)
{
	int none = 0, waiting;

	if (!fewer_work(all, most) || !atomic_compare_exchange_strong(&all->receiving, &none, 1))
		return;
	waiting = atomic_load(&all->standing_by);
	while (waiting > 0 && !atomic_compare_exchange_weak(&all->standing_by, &waiting, waiting - 1))
		;
	if (waiting > 0)
		sem_post(&all->turn);
	else if (atomic_load(&all->all) >= most || spawn(all, caller, true) < 0)
		atomic_store(&all->receiving, 0);
}

/*
 * A call was taken, nobody receives: see to it that somebody will where that is wanted. A thread waits for its own
 * call, so that where all calls come from one thread none can be pending: then it is asked less often. More workers than
 * processors only take turns, which costs time: those are for calls that take long, and the watch sees to them.
 */
static void taken(struct worker *worker)
{
	struct workers *all = worker->all;
	pid_t tid = (pid_t)worker->notif.pid;

	atomic_fetch_add(&all->received, 1);
	atomic_store(&all->receiving, 0);
	worker->in_row = tid == worker->last ? worker->in_row + 1 : 0;
	worker->last = tid;
	if (worker->in_row % CALLS_UNASKED == 0 && fewer_work(all, all->processors) && notify_pending(all->config.listener))
		let_receive(all, &worker->caller, all->processors);
	if (atomic_load(&all->watch_rests) && atomic_exchange(&all->watch_rests, false))
		eventfd_write(all->watch, 1);
}

/* Receive next, or where somebody does already, when it is this thread's turn. */
static void await_turn(struct workers *all)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&all->receiving, &none, 1))
		return;
	atomic_fetch_add(&all->standing_by, 1);
	while (sem_wait(&all->turn) < 0)
		;
}

/* Until END_FD can be read (true), the watch is woken, or NANOSECONDS have passed (negative: never). */
static bool watch_waits(struct workers *all, int end_fd, long nanoseconds)
{
	const struct timespec pause = {.tv_nsec = nanoseconds};
	struct pollfd polled[] = {{.fd = end_fd, .events = POLLIN},
				  {.fd = nanoseconds < 0 ? all->watch : -1, .events = POLLIN}};
	eventfd_t woken;

	if (ppoll(polled, ARRAY_LEN(polled), nanoseconds < 0 ? NULL : &pause, NULL) <= 0)
		return false;
	if (polled[1].revents)
		eventfd_read(all->watch, &woken);
	return polled[0].revents != 0;
}

/* An open that may wait lasts: it is to come back and find out what it waits for. */
static void interrupt_waiting(struct workers *all)
{
	pthread_mutex_lock(&all->lock);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = all->worker[i];
		unsigned waits = worker ? atomic_load_explicit(&worker->op.waits, memory_order_relaxed) : 0;

		if (waits % 2 == 0)
			continue;
		if (waits == worker->waited)
			steer_interrupt(worker->thread);
		worker->waited = waits;
	}
	pthread_mutex_unlock(&all->lock);
}

/* From now on (or, IN is false, no more) the watch looks after WORKER, which is the calling thread's. */
static void be_watched(struct worker *worker, bool in)
{
	struct workers *all = worker->all;

	pthread_mutex_lock(&all->lock);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (all->worker[i] == (in ? NULL : worker)) {
			all->worker[i] = in ? worker : NULL;
			worker->op.watched = in;
			break;
		}
	}
	pthread_mutex_unlock(&all->lock);
}

void workers_watch(struct workers *all, int end_fd)
{
	uint64_t before = 0;
	unsigned idle = WATCH_IDLE_LOOKS - 1; /* rests until the first call */
	unsigned pause = 1;		      /* of WATCH_NANOSECONDS */

	for (;;) {
		uint64_t now = atomic_load(&all->received);
		bool receiving = atomic_load(&all->receiving);
		bool flows = now - before >= (uint64_t)pause * WATCH_FLOW;

		idle = now == before ? idle + 1 : 0;
		pause = !receiving && !flows ? 1 : pause < WATCH_PAUSE_MAX ? 2 * pause : pause;
		if (idle && !receiving)
			let_receive(all, NULL, WORKERS_MAX);
		before = now;
		interrupt_waiting(all);
		/* While a call is served it may come to something that lasts. */
		if (!lent_expire(all->lent) && idle >= WATCH_IDLE_LOOKS && fewer_work(all, 2)) {
			atomic_store(&all->watch_rests, true);
			/* Who takes a call from now on wakes the watch; who took one just before is seen here. */
			if ((atomic_load(&all->receiving) || !atomic_exchange(&all->watch_rests, false)) &&
			    watch_waits(all, end_fd, -1))
				return;
			idle = 0;
			pause = 1;
		}
		if (watch_waits(all, end_fd, (long)pause * WATCH_NANOSECONDS))
			return;
	}
}

static void *worker_main(void *userdata)
{
	struct worker *worker = userdata;
	struct workers *all = worker->all;
	bool receives = worker->receives;

	rseq_leave();
	populate((uintptr_t)__builtin_frame_address(0) - WORKER_STACK_USUAL, WORKER_STACK_USUAL);
	/* Own umask and working directory: creating calls borrow the caller's umask, relative texts its directory. */
	if (unshare(CLONE_FS) < 0)
		op_share_fs();
	else
		umask(0);
	worker->caller.caller.ops->leave(&worker->caller.caller);
	worker->thread = pthread_self();
	steer_interruptible();
	be_watched(worker, true);
	if (all->config.wards)
		wards_init_rights(all->config.wards, &worker->rights);
	crypt_reports_wait();
	for (;;) {
		struct outcome out _uninitialised_;
		int nr, error, number, copy;

		if (!receives)
			await_turn(all);
		receives = false;
		error = receive(all->config.listener, &worker->notif);
		if (error)
			break;
		taken(worker);
		if (steer_answers(all->config.steer, &worker->notif))
			continue;
		nr = worker->notif.data.nr;
		notify_caller_begin(&worker->caller, &worker->notif);
		if (lent_fetch(all->lent, &worker->notif, &number, &copy))
			notify_caller_lend(&worker->caller, number, copy);
		else if (nr >= 0 && nr < SYSCALL_COUNTS)
			atomic_fetch_add_explicit(&all->counts[nr], 1, memory_order_relaxed);
		outcome_init(&out);
		error = serve(worker, &out);
		if ((error || out.errand.error) && error != DESCRIPTION_OUT_OF_REACH && worker->op.refused.set &&
		    all->config.log) {
			/* The log may have to be made. */
			notify_caller_return(&worker->caller);
			log_refused(worker, error ? error : out.errand.error);
		}
		crypt_reports_end(all->config.log);
		answer(worker, error, &out);
	}
	be_watched(worker, false);
	atomic_fetch_sub(&all->all, 1);
	steer_hand_free(worker->hand);
	free(worker);
	return NULL;
}

static int start_thread(void *(*run)(void *), void *userdata)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
	error = pthread_create(&thread, &attr, run, userdata);
	pthread_attr_destroy(&attr);
	return -error;
}

static int spawn(struct workers *all, struct notify_caller *caller, bool receives)
{
	_cleanup_free_ struct worker *worker = NULL;
	int error;

	if (atomic_fetch_add(&all->all, 1) >= WORKERS_MAX) {
		atomic_fetch_sub(&all->all, 1);
		return -EAGAIN;
	}
	worker = calloc(1, sizeof(*worker));
	if (!worker) {
		atomic_fetch_sub(&all->all, 1);
		return -ENOMEM;
	}
	populate((uintptr_t)worker, offsetof(struct worker, op.scratch));
	worker->all = all;
	worker->receives = receives;
	notify_caller_init(&worker->caller, &(struct notify_caller_config){.listener = all->config.listener,
									   .proc_fd = all->config.view->proc_fd,
									   .reaper = all->config.reaper,
									   .parents = all->config.parents,
									   .threads = all->config.threads,
									   .wards = all->config.wards,
									   .rights = all->config.wards ? &worker->rights : NULL});
	/* It inherits what the calling thread has, and is to have all. */
	if (caller)
		notify_caller_return(caller);
	op_init(&worker->op);
	error = start_thread(worker_main, worker);
	if (error) {
		atomic_fetch_sub(&all->all, 1);
		return error;
	}
	TAKE_PTR(worker);
	return 0;
}

static unsigned processors(void)
{
	cpu_set_t set;

	/* Fails on machines with more than it has room for. */
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? WORKERS_MAX : (unsigned)CPU_COUNT(&set);
}

int workers_start(const struct workers_config *config, struct workers **ret)
{
	_cleanup_free_ struct workers *all = calloc(1, sizeof(*all));
	unsigned initial = config->initial ? config->initial : WORKERS_DEFAULT;
	int error;

	if (!all)
		return -ENOMEM;
	all->config = *config;
	struct policy_settings settings;
	policy_settings(config->view->policy, &settings);
	all->random_fds = settings.rand_fd;
	sem_init(&all->turn, 0, 0);
	pthread_mutex_init(&all->lock, NULL);
	all->receiving = 1;
	all->processors = processors();
	all->watch = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = all->watch < 0 ? -errno : lent_new(&all->lent);
	for (unsigned i = 0; i < initial && !error; i++)
		error = spawn(all, NULL, i == 0);
	if (error) {
		/* Threads that did start hold it: it is the end of the process anyway. */
		TAKE_PTR(all);
		return error;
	}
	*ret = TAKE_PTR(all);
	return 0;
}

uint64_t workers_count(const struct workers *workers, int nr)
{
	return nr >= 0 && nr < SYSCALL_COUNTS ? atomic_load_explicit(&workers->counts[nr], memory_order_relaxed) : 0;
}
