/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of jobs, the threads that run them, and the way of descriptors into held callers. */
#include "intercept/steer/steer.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/rseq.h"
#include "intercept/listener.h"
#include "intercept/steer/internal.h"
#include "intercept/steer/vdso.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define STACK_BYTES (256 * 1024)
/* So many calls at a time are steered by the threads that were asked to: the rest of these serve. */
#define BY_HAND_MAX 16

struct steer_node {
	struct steer_node *next;
	struct steer_job job;
};

struct engine_thread {
	struct engine_thread *next;
	struct steer *steer;
	pthread_t id;
};

/* ---- descriptors of ours for held callers ---- */

static struct expectation **bucket(struct steer *steer, pid_t tid)
{
	return &steer->expect[(unsigned)tid % EXPECT_BUCKETS];
}

void expectation_link(struct steer *steer, struct expectation *e)
{
	pthread_mutex_lock(&steer->expect_lock);
	struct expectation **head = bucket(steer, e->tid);
	e->next = *head;
	*head = e;
	e->linked = true;
	pthread_mutex_unlock(&steer->expect_lock);
	atomic_fetch_add(&steer->expected, 1);
}

/* With the lock held. */
static void unlink_locked(struct steer *steer, struct expectation *e)
{
	for (struct expectation **p = bucket(steer, e->tid); *p; p = &(*p)->next) {
		if (*p == e) {
			*p = e->next;
			break;
		}
	}
	e->linked = false;
	atomic_fetch_sub(&steer->expected, 1);
}

void expectation_unlink(struct steer *steer, struct expectation *e)
{
	pthread_mutex_lock(&steer->expect_lock);
	if (e->linked)
		unlink_locked(steer, e);
	pthread_mutex_unlock(&steer->expect_lock);
}

/*
 * The descriptor; then the call itself is run, or is said to have opened it. In two steps: when something wakes the
 * caller just as SECCOMP_ADDFD_FLAG_SEND answers it, its call returns 0 and there is no descriptor (seen on Linux 6.18).
 */
static void give(const struct steer *steer, const struct seccomp_notif *notif, int fd, int at)
{
	struct seccomp_notif_addfd add = {
		.id = notif->id,
		.flags = at >= 0 ? SECCOMP_ADDFD_FLAG_SETFD : 0,
		.srcfd = (uint32_t)fd,
		.newfd = at >= 0 ? (uint32_t)at : 0,
		.newfd_flags = O_CLOEXEC,
	};
	struct seccomp_notif_resp response = {.id = notif->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	int number = listener_request(steer->config.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (number < 0)
		response = (struct seccomp_notif_resp){.id = notif->id, .error = number};
	else if (at < 0)
		response = (struct seccomp_notif_resp){.id = notif->id, .val = number};
	/* One that died meanwhile needs no answer; who steers it sees that, and what an error does to it. */
	listener_request(steer->config.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

bool steer_answers(struct steer *steer, const struct seccomp_notif *notif)
{
	/* The notification comes out of the kernel after the expectation was linked: relaxed is enough. */
	if (atomic_load_explicit(&steer->expected, memory_order_relaxed) == 0)
		return false;
	bool found = false;
	int fd = -EBADF, at = -1;
	pthread_mutex_lock(&steer->expect_lock);
	for (struct expectation *e = *bucket(steer, (pid_t)notif->pid); e; e = e->next) {
		if (e->tid != (pid_t)notif->pid)
			continue;
		found = e->nr == notif->data.nr && e->ip == notif->data.instruction_pointer &&
			memcmp(e->args, notif->data.args, sizeof(e->args)) == 0;
		if (found) {
			fd = e->give;
			at = e->at;
			unlink_locked(steer, e);
		}
		break;
	}
	pthread_mutex_unlock(&steer->expect_lock);
	if (found)
		give(steer, notif, fd, at);
	return found;
}

/* ---- one job ---- */

/* The name of FD: in VAULT, where it is VAULT_FD, or (0) in that of callers with our own credentials. Returns its length. */
static int name_in(char *ret, size_t room, const struct steer *steer, pid_t vault, int vault_fd, int fd)
{
	return snprintf(ret, room, "/proc/%d/fd/%d", vault ? vault : steer->config.vault, vault ? vault_fd : fd);
}

/*
 * The name of our descriptor in the caller's slot. For an exec it is padded with slashes to the length of the text
 * the caller gave, so that AT_EXECFN can be put right in place and the new stack is laid out as natively.
 */
static size_t name_object(char text[GUARD_SLOT_BYTES], const struct steer *steer, const struct steer_job *job)
{
	char name[64];
	int len = name_in(name, sizeof(name), steer, job->vault, job->vault_fd, job->fd);
	size_t pad = 0;
	if (job->kind == STEER_EXEC) {
		size_t wanted = strlen(job->exec->execfn);
		if (wanted > GUARD_SLOT_BYTES - 1)
			wanted = GUARD_SLOT_BYTES - 1;
		if (wanted > (size_t)len)
			pad = wanted - (size_t)len;
	}
	memset(text, '/', pad);
	memcpy(text + pad, name, (size_t)len + 1);
	return pad + (size_t)len;
}

/* FD as a sockaddr_un; below 0: a name that leads to nothing. Returns its length. */
static size_t form_address(struct sockaddr_un *ret, const struct steer *steer, pid_t vault, int vault_fd, int fd)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	int len = fd >= 0 ? name_in(ret->sun_path, sizeof(ret->sun_path), steer, vault, vault_fd, fd)
			  : snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/-");
	return offsetof(struct sockaddr_un, sun_path) + (size_t)len + 1;
}

/* A struct msghdr and its name behind it, in the slot. Returns the address in the caller. */
static uint64_t put_message(struct steer *steer, unsigned slot, const struct message *message)
{
	unsigned char bytes[GUARD_SLOT_BYTES];
	uint64_t address = guard_slot_address(slot);
	size_t len = message->bytes.len;
	struct msghdr header;
	memcpy(bytes, message->bytes.data, len);
	memcpy(&header, bytes, sizeof(header));
	if (message->names) {
		struct sockaddr_un name;
		header.msg_namelen = (socklen_t)form_address(&name, steer, message->vault, message->vault_fd, message->fd);
		memcpy(bytes + sizeof(header), &name, header.msg_namelen);
		len = sizeof(header) + header.msg_namelen;
	}
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the caller's */
	header.msg_name = len > sizeof(header) ? (void *)(uintptr_t)(address + sizeof(header)) : NULL;
	memcpy(bytes, &header, sizeof(header));
	return guard_write_slot(steer->config.guard, slot, bytes, len);
}

static void fill_slot(struct steer *steer, const struct steer_job *job, unsigned slot, char text[GUARD_SLOT_BYTES],
		      struct call *call)
{
	uint64_t address;
	if (job->slot == SLOT_MESSAGES)
		return; /* one after the other */
	if (job->slot == SLOT_SOCKADDR) {
		struct sockaddr_un name;
		size_t bytes = form_address(&name, steer, job->vault, job->vault_fd, job->fd);
		address = guard_write_slot(steer->config.guard, slot, &name, bytes);
		if (job->length_arg >= 0)
			call->args[job->length_arg] = bytes;
	} else if (job->slot == SLOT_BYTES) {
		address = guard_write_slot(steer->config.guard, slot, job->bytes.data, job->bytes.len);
	} else {
		size_t len = name_object(text, steer, job);
		address = guard_write_slot(steer->config.guard, slot, text, len + 1);
	}
	call->args[job->slot_arg] = address;
}

/* The length sent, where sendmmsg puts it. 0 or -EFAULT. */
static int store_length(const struct tracee *t, uint64_t address, long result)
{
	uint32_t length = (uint32_t)result;
	return memory_write(t->tid, address, &length, sizeof(length)) == (ssize_t)sizeof(length) ? 0 : -EFAULT;
}

/* Returns enum call_end or -ESRCH. */
static int run_once(struct tracee *t, const struct steer_job *job, struct call *call, long *ret_result)
{
	call->flags = job->may_block ? CALL_UNMASKED : 0;
	return tracee_call(t, call, ret_result);
}

static long release_interrupted(struct tracee *t, const struct steer_job *job, long result)
{
	atomic_fetch_add_explicit(&t->steer->restarts, 1, memory_order_relaxed);
	return tracee_release_interrupted(t, job->notif.data.nr, result) < 0 ? -ESRCH : result;
}

static long run_call(struct tracee *t, const struct steer_job *job, struct call *call)
{
	long result = 0;
	int end = run_once(t, job, call, &result);
	if (end < 0)
		return -ESRCH;
	if (end == CALL_INTERRUPTED)
		return release_interrupted(t, job, result);
	if (result == -ENOENT && job->error)
		result = job->error;
	return tracee_release(t, result) < 0 ? -ESRCH : result;
}

/* As ___sys_sendmmsg() does it: what was sent counts, however the rest ends. */
static long run_messages(struct tracee *t, const struct steer_job *job, unsigned slot, struct call *call)
{
	const struct messages *messages = job->messages;
	unsigned sent = messages->before;
	long result = 0;
	for (unsigned i = 0; i < messages->count; i++) {
		const struct message *message = &messages->item[i];
		/* The one before may have let signals in. */
		if (i && tracee_mask_all(t) < 0)
			return -ESRCH;
		call->args[job->slot_arg] = put_message(t->steer, slot, message);
		int end = run_once(t, job, call, &result);
		if (end < 0)
			return -ESRCH;
		if (end == CALL_INTERRUPTED) {
			if (!sent)
				return release_interrupted(t, job, result);
			break;
		}
		if (result == -ENOENT && message->error)
			result = message->error;
		if (result >= 0 && messages->counted && store_length(t, message->count_at, result) < 0)
			result = -EFAULT;
		if (result < 0)
			break;
		sent++;
		if ((size_t)result < message->whole)
			break;
	}
	if (messages->counted && sent)
		result = sent;
	return tracee_release(t, result) < 0 ? -ESRCH : result;
}

/* A change of ids. Whatever the result of one that succeeded (setfsuid(2) returns an id), the memory is dumpable then. */
static long run_ids(struct tracee *t, const struct call *call)
{
	const struct call dumpable = {.nr = SYS_prctl, .args = {PR_SET_DUMPABLE, 1}, .ip = GUARD_CALL};
	long result = 0, ignored = 0;

	if (tracee_call(t, call, &result) < 0)
		return -ESRCH;
	if (result >= 0 && tracee_call(t, &dumpable, &ignored) < 0)
		return -ESRCH;
	return tracee_release(t, result) < 0 ? -ESRCH : result;
}

static long run(struct tracee *t, const struct steer_job *job, unsigned slot, const char *text, struct call *call)
{
	if (job->kind == STEER_IDS)
		return run_ids(t, call);
	if (job->kind == STEER_LEND)
		return lend_run(t, job, slot);
	if (job->kind == STEER_EXEC)
		return exec_run(t, job, call, slot, text);
	return job->messages ? run_messages(t, job, slot, call) : run_call(t, job, call);
}

static void count(struct steer *steer, const struct steer_job *job, long result)
{
	if (result == -ESRCH)
		atomic_fetch_add_explicit(&steer->died, 1, memory_order_relaxed);
	else if (job->kind == STEER_LEND)
		atomic_fetch_add_explicit(&steer->lent, 1, memory_order_relaxed);
	else if (job->kind == STEER_EXEC)
		atomic_fetch_add_explicit(&steer->execs, 1, memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&steer->calls, 1, memory_order_relaxed);
}

static void tell_stage(const struct steer *steer, const struct steer_job *job, enum steer_stage stage)
{
	if (steer->config.stage)
		steer->config.stage(job, stage, steer->config.userdata);
}

static void run_job(struct tracee *t, const struct steer_job *job)
{
	struct steer *steer = t->steer;
	unsigned slot = guard_take_slot(steer->config.guard);
	char text[GUARD_SLOT_BYTES];
	struct call call = {.nr = job->nr, .ip = GUARD_CALL};
	memcpy(call.args, job->args, sizeof(call.args));
	if (job->kind == STEER_CALL || job->kind == STEER_EXEC)
		fill_slot(steer, job, slot, text, &call);

	tracee_arm_deadline(t);
	tell_stage(steer, job, STAGE_BEGINS);
	long result = tracee_hold(t, &job->notif);
	tell_stage(steer, job, STAGE_HELD);
	if (result == 0) {
		result = run(t, job, slot, text, &call);
		count(steer, job, result);
	} else if (result == -EPERM) {
		atomic_fetch_add_explicit(&steer->busy, 1, memory_order_relaxed);
	} else {
		count(steer, job, result);
	}
	tell_stage(steer, job, STAGE_ENDS);
	tracee_disarm_deadline(t);
	guard_release_slot(steer->config.guard, slot);
	if (job->done)
		job->done(job, result, job->userdata);
	safe_close(job->fd);
	exec_plan_free(job->exec);
	messages_free(job->messages);
}

/* ---- threads ---- */

static void on_tick_signal(int signal)
{
	(void)signal; /* only to interrupt waitpid, and what steer_interrupt() is for */
}

void steer_interruptible(void)
{
	sigset_t tick;

	sigemptyset(&tick);
	sigaddset(&tick, STEER_TICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &tick, NULL);
}

void steer_interrupt(pthread_t thread)
{
	pthread_kill(thread, STEER_TICK_SIGNAL);
}

/* The calling thread is to be a tracer. */
static void begin_tracing(struct tracee *t, struct steer *steer)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = STEER_TICK_SIGNAL};

	memset(t, 0, sizeof(*t));
	t->steer = steer;
	event.sigev_notify_thread_id = gettid();
	/* Without a timer (RLIMIT_SIGPENDING) there is no deadline; everything else works. */
	t->timed = timer_create(CLOCK_MONOTONIC, &event, &t->timer) == 0;
	steer_interruptible();
}

static void *engine_main(void *argument)
{
	struct engine_thread *self = argument;
	struct steer *steer = self->steer;
	struct tracee t;

	rseq_leave();
	begin_tracing(&t, steer);
	pthread_mutex_lock(&steer->lock);
	for (;;) {
		while (!steer->head && !steer->stopping) {
			steer->idle++;
			pthread_cond_wait(&steer->work, &steer->lock);
			steer->idle--;
		}
		struct steer_node *node = steer->head;
		if (!node)
			break;
		steer->head = node->next;
		if (!steer->head)
			steer->tail = &steer->head;
		steer->queued--;
		pthread_mutex_unlock(&steer->lock);

		run_job(&t, &node->job);
		free(node);

		pthread_mutex_lock(&steer->lock);
		if (--steer->in_flight == 0)
			pthread_cond_broadcast(&steer->drained);
	}
	pthread_mutex_unlock(&steer->lock);
	if (t.timed)
		timer_delete(t.timer);
	return NULL;
}

/* With the lock held. */
static int start_thread(struct steer *steer)
{
	struct engine_thread *thread = calloc(1, sizeof(*thread));
	if (!thread)
		return -ENOMEM;
	thread->steer = steer;

	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited */
	int error = pthread_create(&thread->id, &attr, engine_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (error) {
		free(thread);
		return -error;
	}
	thread->next = steer->threads;
	steer->threads = thread;
	return 0;
}

int steer_submit(struct steer *steer, const struct steer_job *job)
{
	struct steer_node *node = malloc(sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->next = NULL;
	node->job = *job;

	pthread_mutex_lock(&steer->lock);
	/* A job may block for ever in its thread, so none is queued behind another. */
	int r = steer->idle > steer->queued ? 0 : start_thread(steer);
	if (r == 0) {
		*steer->tail = node;
		steer->tail = &node->next;
		steer->queued++;
		steer->in_flight++;
		pthread_cond_signal(&steer->work);
	}
	pthread_mutex_unlock(&steer->lock);
	if (r < 0)
		free(node);
	return r;
}

struct steer_hand {
	struct tracee tracee;
};

int steer_hand_new(struct steer *steer, struct steer_hand **ret)
{
	struct steer_hand *hand = malloc(sizeof(*hand));

	if (!hand)
		return -ENOMEM;
	begin_tracing(&hand->tracee, steer);
	*ret = hand;
	return 0;
}

struct steer_hand *steer_hand_free(struct steer_hand *hand)
{
	if (hand && hand->tracee.timed)
		timer_delete(hand->tracee.timer);
	free(hand);
	return NULL;
}

int steer_run(struct steer_hand *hand, const struct steer_job *job)
{
	struct steer *steer = hand->tracee.steer;

	if (job->may_block || job->kind == STEER_LEND)
		return steer_submit(steer, job);
	if (atomic_fetch_add(&steer->by_hand, 1) >= BY_HAND_MAX) {
		atomic_fetch_sub(&steer->by_hand, 1);
		return steer_submit(steer, job);
	}
	run_job(&hand->tracee, job);
	atomic_fetch_sub(&steer->by_hand, 1);
	return 0;
}

int steer_new(const struct steer_config *config, struct steer **ret)
{
	struct steer *steer = calloc(1, sizeof(*steer));
	if (!steer)
		return -ENOMEM;
	steer->config = *config;
	if (steer->config.deadline_ms == 0)
		steer->config.deadline_ms = 10000;
	steer->gadget = vdso_find_gadget();
	steer->tail = &steer->head;
	pthread_mutex_init(&steer->lock, NULL);
	pthread_mutex_init(&steer->expect_lock, NULL);
	pthread_cond_init(&steer->work, NULL);
	pthread_cond_init(&steer->drained, NULL);

	struct sigaction action = {.sa_handler = on_tick_signal}; /* no SA_RESTART: it is there to interrupt */
	sigemptyset(&action.sa_mask);
	if (sigaction(STEER_TICK_SIGNAL, &action, NULL) < 0) {
		int error = -errno;
		steer_free(steer);
		return error;
	}
	*ret = steer;
	return 0;
}

struct steer *steer_free(struct steer *steer)
{
	if (!steer)
		return NULL;
	pthread_mutex_lock(&steer->lock);
	while (steer->in_flight)
		pthread_cond_wait(&steer->drained, &steer->lock);
	steer->stopping = true;
	pthread_cond_broadcast(&steer->work);
	struct engine_thread *thread = steer->threads;
	pthread_mutex_unlock(&steer->lock);
	while (thread) {
		struct engine_thread *next = thread->next;
		pthread_join(thread->id, NULL);
		free(thread);
		thread = next;
	}
	pthread_cond_destroy(&steer->work);
	pthread_cond_destroy(&steer->drained);
	pthread_mutex_destroy(&steer->lock);
	pthread_mutex_destroy(&steer->expect_lock);
	free(steer);
	return NULL;
}

void steer_get_stats(struct steer *steer, struct steer_stats *ret)
{
	*ret = (struct steer_stats){
		.calls = atomic_load(&steer->calls),
		.execs = atomic_load(&steer->execs),
		.lent = atomic_load(&steer->lent),
		.busy = atomic_load(&steer->busy),
		.died = atomic_load(&steer->died),
		.killed = atomic_load(&steer->killed),
		.signals_held = atomic_load(&steer->signals_held),
		.restarts = atomic_load(&steer->restarts),
	};
}
