/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One caller in our hands: attach, step, restore, detach. docs/STEERING.md draws the states.
 *
 * Signals. While a call is stepped all signals are masked by PTRACE_SETSIGMASK, so that they stay pending and are
 * delivered after DETACH exactly once. SIGSTOP cannot be masked: it is handed back to the kernel at its delivery stop,
 * which makes a group stop; a seized thread can be resumed out of it for our steps, and DETACH puts it back into the
 * stop, or not if a SIGCONT came meanwhile. That order is the kernel's; holding the SIGSTOP back and sending it
 * afterwards would stop a process whose SIGCONT had come already.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "intercept/steer/internal.h"

#define USER_CS_64 0x33
#define SLICE_NS 4000000

enum stop_kind { STOP_SYSCALL, STOP_TRAP, STOP_SIGNAL, STOP_EXEC };

struct stop {
	enum stop_kind kind;
	int signal;
};

/* When a wait may give up. */
enum patience { PATIENCE_DEADLINE, PATIENCE_FOREVER, PATIENCE_SLICE };

static long trace(long request, pid_t tid, unsigned long address, void *data)
{
	return ptrace((enum __ptrace_request)request, tid, (void *)address, data);
}

static void set_timer(struct tracee *t, uint64_t ns)
{
	if (!t->timed)
		return;
	struct itimerspec spec = {.it_value = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)}};
	spec.it_interval = spec.it_value;
	timer_settime(t->timer, 0, &spec, NULL);
}

void tracee_arm_deadline(struct tracee *t)
{
	set_timer(t, (uint64_t)t->steer->config.deadline_ms * 1000000 / STEER_TICKS);
}

void tracee_disarm_deadline(struct tracee *t)
{
	set_timer(t, 0);
}

static void doom(struct tracee *t)
{
	if (t->doomed || t->dead)
		return;
	/* Not reaped yet, so the number is still its own. */
	kill(t->tid, SIGKILL);
	t->doomed = true;
	atomic_fetch_add_explicit(&t->steer->killed, 1, memory_order_relaxed);
}

static void on_tick(struct tracee *t, enum patience patience)
{
	bool consumed = atomic_load(&t->expect.consumed);
	t->ticks++;
	if (patience == PATIENCE_SLICE) {
		/* Released by the worker one tick ago at least, and still not back: it blocks. */
		if (consumed && ++t->blocked_ticks > 1)
			trace(PTRACE_INTERRUPT, t->tid, 0, NULL);
		else if (!consumed && (uint64_t)t->ticks * SLICE_NS / 1000000 > t->steer->config.deadline_ms)
			doom(t);
		return;
	}
	if (patience == PATIENCE_FOREVER && consumed)
		return;
	if (t->ticks > STEER_TICKS)
		doom(t);
}

/* Wait for the next stop. 0, or -ESRCH when the caller is gone (and reaped, so that its parent may see it). */
static int wait_stop(struct tracee *t, enum patience patience, struct stop *ret)
{
	for (;;) {
		int status;
		/* -1 and not the tid: at an exec by another thread than the leader the event comes from the leader's. */
		pid_t pid = waitpid(-1, &status, __WALL | __WNOTHREAD);
		if (pid < 0) {
			if (errno == EINTR) {
				on_tick(t, patience);
				continue;
			}
			t->dead = true; /* ECHILD: its number went to a thread that exec'ed */
			return -ESRCH;
		}
		if (!WIFSTOPPED(status)) {
			t->dead = true;
			return -ESRCH;
		}
		unsigned event = (unsigned)status >> 16;
		int signal = WSTOPSIG(status);
		if (event == PTRACE_EVENT_EXEC) {
			t->tid = pid;
			*ret = (struct stop){.kind = STOP_EXEC};
		} else if (event == PTRACE_EVENT_STOP) {
			*ret = (struct stop){.kind = STOP_TRAP, .signal = signal};
		} else if (signal == (SIGTRAP | 0x80)) {
			*ret = (struct stop){.kind = STOP_SYSCALL};
		} else {
			*ret = (struct stop){.kind = STOP_SIGNAL, .signal = signal};
		}
		return 0;
	}
}

static int reap(struct tracee *t)
{
	struct stop stop;
	t->ticks = 0;
	while (!t->dead) {
		if (wait_stop(t, PATIENCE_DEADLINE, &stop) == 0)
			trace(PTRACE_CONT, t->tid, 0, NULL); /* a stop noted before its death */
	}
	expectation_unlink(t->steer, &t->expect);
	return -ESRCH;
}

/* Something impossible happened: kill, reap. */
static int lost(struct tracee *t)
{
	doom(t);
	return reap(t);
}

/*
 * A ptrace call gave ESRCH: the thread is dying already. Not killed here: if it dies of a sibling's exec, a SIGKILL
 * to its number would hit the process that is about to exec.
 */
static int vanished(struct tracee *t)
{
	return reap(t);
}

int tracee_kill(struct tracee *t)
{
	/* What failed may have failed because it is dying already. */
	uint64_t mask;
	if (trace(PTRACE_GETSIGMASK, t->tid, sizeof(mask), &mask) < 0)
		return vanished(t);
	return lost(t);
}

static int resume_to_syscall(struct tracee *t, int signal)
{
	return trace(PTRACE_SYSCALL, t->tid, 0, (void *)(long)signal) < 0 ? vanished(t) : 0;
}

static int set_mask(struct tracee *t, uint64_t mask)
{
	return trace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) < 0 ? vanished(t) : 0;
}

int tracee_mask_all(struct tracee *t)
{
	return set_mask(t, ~0ull);
}

static int respond(struct tracee *t, uint64_t id, int error)
{
	struct seccomp_notif_resp response = {.id = id, .error = error};
	return ioctl(t->steer->config.listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 ? -errno : 0;
}

/* Seized, but its notification is gone: it is dying, or the number belongs to somebody else by now. Leave it alone. */
static int let_stranger_go(struct tracee *t)
{
	struct stop stop;
	while (wait_stop(t, PATIENCE_DEADLINE, &stop) == 0) {
		long signal = stop.kind == STOP_SIGNAL ? stop.signal : 0;
		if (stop.kind == STOP_TRAP || stop.kind == STOP_SIGNAL) {
			if (trace(PTRACE_DETACH, t->tid, 0, (void *)signal) < 0)
				return vanished(t);
			t->dead = true;
			break;
		}
		trace(PTRACE_CONT, t->tid, 0, NULL);
	}
	return -ESRCH;
}

int tracee_hold(struct tracee *t, const struct seccomp_notif *notif)
{
	t->tid = (pid_t)notif->pid;
	t->dead = t->doomed = false;
	t->ticks = 0;
	atomic_store(&t->expect.consumed, false);
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	if (trace(PTRACE_SEIZE, t->tid, 0, (void *)options) < 0) {
		t->dead = true;
		return respond(t, notif->id, -EPERM) < 0 ? -ESRCH : -EPERM;
	}
	/* Asked for before the release, so that it stops before it is back in its own code. */
	if (trace(PTRACE_INTERRUPT, t->tid, 0, NULL) < 0)
		return vanished(t);
	if (respond(t, notif->id, 0) < 0)
		return let_stranger_go(t);

	struct stop stop;
	int r = wait_stop(t, PATIENCE_DEADLINE, &stop);
	if (r < 0)
		return r;
	if (stop.kind != STOP_TRAP)
		return lost(t); /* the kernel takes this trap before any signal */
	if (trace(PTRACE_GETREGS, t->tid, 0, &t->saved) < 0 ||
	    trace(PTRACE_GETSIGMASK, t->tid, sizeof(t->mask), &t->mask) < 0)
		return vanished(t);
	if (t->saved.cs != USER_CS_64) {
		r = tracee_release(t, -ENOSYS);
		return r < 0 ? r : -ENOSYS;
	}
	return set_mask(t, ~0ull);
}

static int set_call(struct tracee *t, const struct call *call)
{
	struct user_regs_struct regs = t->saved;
	regs.rip = call->ip;
	regs.rax = (unsigned long)call->nr;
	regs.orig_rax = ~0ull; /* not in a system call: nothing to restart */
	regs.rdi = call->args[0];
	regs.rsi = call->args[1];
	regs.rdx = call->args[2];
	regs.r10 = call->args[3];
	regs.r8 = call->args[4];
	regs.r9 = call->args[5];
	return trace(PTRACE_SETREGS, t->tid, 0, &regs) < 0 ? vanished(t) : 0;
}

/* Step to the entry stop and make sure that it is the entry of just that call. */
static int step_to_entry(struct tracee *t, const struct call *call)
{
	int signal = 0;
	for (;;) {
		struct stop stop;
		int r = resume_to_syscall(t, signal);
		if (r == 0)
			r = wait_stop(t, PATIENCE_DEADLINE, &stop);
		if (r < 0)
			return r;
		signal = 0;
		if (stop.kind == STOP_SYSCALL)
			break;
		if (stop.kind == STOP_SIGNAL && stop.signal == SIGSTOP) {
			signal = SIGSTOP;
			atomic_fetch_add_explicit(&t->steer->signals_held, 1, memory_order_relaxed);
		} else if (stop.kind != STOP_TRAP) {
			return lost(t); /* a fault at our instruction: no guard page, or something we do not know */
		}
	}
	struct __ptrace_syscall_info info;
	if (trace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
		return vanished(t);
	bool right = info.op == PTRACE_SYSCALL_INFO_ENTRY && info.arch == AUDIT_ARCH_X86_64 &&
		     info.entry.nr == (uint64_t)call->nr && info.instruction_pointer == call->ip + 2 &&
		     memcmp(info.entry.args, call->args, sizeof(call->args)) == 0;
	return right ? 0 : lost(t);
}

/* From the entry stop to the exit. Returns enum call_end or -ESRCH. */
static int step_to_exit(struct tracee *t, const struct call *call, long *ret_result)
{
	enum patience patience = call->flags & CALL_UNMASKED ? PATIENCE_FOREVER
				 : call->flags & CALL_SLICE ? PATIENCE_SLICE
							     : PATIENCE_DEADLINE;
	t->ticks = t->blocked_ticks = 0;
	t->expect.tid = t->tid;
	t->expect.nr = call->nr;
	memcpy(t->expect.args, call->args, sizeof(call->args));
	t->expect.ip = call->ip + 2;
	t->expect.give = call->give;
	expectation_link(t->steer, &t->expect);
	if (patience == PATIENCE_SLICE)
		set_timer(t, SLICE_NS);

	struct stop stop;
	int r = resume_to_syscall(t, 0);
	if (r == 0)
		r = wait_stop(t, patience, &stop);
	if (patience == PATIENCE_SLICE)
		tracee_arm_deadline(t);
	expectation_unlink(t->steer, &t->expect);
	t->ticks = 0;
	if (r < 0)
		return r;
	if (stop.kind == STOP_EXEC)
		return call->flags & CALL_EXEC ? CALL_BECAME_IMAGE : lost(t);
	if (stop.kind != STOP_SYSCALL)
		return lost(t);

	struct __ptrace_syscall_info info;
	if (trace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
		return vanished(t);
	if (info.op != PTRACE_SYSCALL_INFO_EXIT)
		return lost(t);
	*ret_result = (long)info.exit.rval;
	return is_restart(*ret_result) ? CALL_INTERRUPTED : CALL_RETURNED;
}

int tracee_call(struct tracee *t, const struct call *call, long *ret_result)
{
	/*
	 * A masked call comes back interrupted when a SIGSTOP or the end of a group stop met its notification before
	 * the worker had it; nothing was done yet and it is run again.
	 */
	for (;;) {
		long result = 0;
		int r = set_call(t, call);
		if (r == 0)
			r = step_to_entry(t, call);
		if (r == 0 && (call->flags & CALL_UNMASKED))
			r = set_mask(t, t->mask);
		if (r == 0)
			r = step_to_exit(t, call, &result);
		if (r < 0)
			return r;
		if (r == CALL_INTERRUPTED && !(call->flags & (CALL_UNMASKED | CALL_SLICE)))
			continue;
		*ret_result = result;
		return r;
	}
}

static int give(struct tracee *t, int fd, uint64_t ip, long *ret_number)
{
	/* An open that need not be looked up. */
	struct call call = {
		.nr = SYS_openat, .args = {(uint64_t)(int64_t)AT_FDCWD, 0, O_RDONLY | O_CLOEXEC}, .ip = ip, .give = fd};

	return tracee_call(t, &call, ret_number) < 0 ? -ESRCH : 0;
}

/* One more than its soft limit for a moment, where the hard limit has it. */
static int give_with_room(struct tracee *t, int fd, uint64_t ip, long *ret_number)
{
	struct rlimit was, more;
	if (prlimit(t->tid, RLIMIT_NOFILE, NULL, &was) < 0)
		return 0;
	more = was;
	more.rlim_cur = was.rlim_cur + 64;
	if (more.rlim_cur > more.rlim_max)
		more.rlim_max = more.rlim_cur; /* only with CAP_SYS_RESOURCE */
	if (prlimit(t->tid, RLIMIT_NOFILE, &more, NULL) < 0) {
		more.rlim_cur = more.rlim_max = was.rlim_max;
		if (prlimit(t->tid, RLIMIT_NOFILE, &more, NULL) < 0)
			return 0;
	}
	int r = give(t, fd, ip, ret_number);
	if (r == 0)
		prlimit(t->tid, RLIMIT_NOFILE, &was, NULL);
	return r;
}

int tracee_give(struct tracee *t, int fd, uint64_t ip, long *ret_number)
{
	long number = -EIO;
	int r = give(t, fd, ip, &number);
	if (r == 0 && number == -EMFILE)
		r = give_with_room(t, fd, ip, &number);
	if (r == 0)
		*ret_number = number;
	return r;
}

int tracee_finish_exec(struct tracee *t)
{
	struct stop stop;
	int r = resume_to_syscall(t, 0);
	if (r == 0)
		r = wait_stop(t, PATIENCE_DEADLINE, &stop);
	if (r < 0)
		return r;
	if (stop.kind != STOP_SYSCALL)
		return lost(t);
	if (trace(PTRACE_GETREGS, t->tid, 0, &t->saved) < 0)
		return vanished(t);
	return t->saved.cs == USER_CS_64 ? 0 : lost(t);
}

/* A signal that came while the caller was steered waits for the mask to be lifted: seen, and delivered once. */
static void count_pending(struct tracee *t)
{
	static const uint32_t queues[] = {0, PTRACE_PEEKSIGINFO_SHARED};

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		struct __ptrace_peeksiginfo_args first = {.off = 0, .flags = queues[i], .nr = 1};
		siginfo_t info;

		if (trace(PTRACE_PEEKSIGINFO, t->tid, (uintptr_t)&first, &info) > 0) {
			atomic_fetch_add_explicit(&t->steer->signals_held, 1, memory_order_relaxed);
			return;
		}
	}
}

static int release(struct tracee *t, const struct user_regs_struct *regs)
{
	count_pending(t);
	if (trace(PTRACE_SETREGS, t->tid, 0, (void *)regs) < 0)
		return vanished(t);
	int r = set_mask(t, t->mask);
	if (r < 0)
		return r;
	if (trace(PTRACE_DETACH, t->tid, 0, NULL) < 0)
		return vanished(t);
	t->dead = true; /* not ours any more */
	return 0;
}

int tracee_release(struct tracee *t, long result)
{
	struct user_regs_struct regs = t->saved;
	regs.rax = (unsigned long)result;
	regs.orig_rax = ~0ull;
	return release(t, &regs);
}

int tracee_release_interrupted(struct tracee *t, int nr, long result)
{
	/*
	 * What the kernel itself leaves when a call is interrupted. The signal that did it is still pending and is
	 * delivered on the way out, where the kernel makes EINTR of this or runs the caller's own call again.
	 */
	struct user_regs_struct regs = t->saved;
	regs.rax = (unsigned long)result;
	regs.orig_rax = (unsigned long)(long)nr;
	return release(t, &regs);
}

int tracee_release_anew(struct tracee *t, int nr)
{
	/* Back to the `syscall` of two bytes; what it does is notified and judged afresh. */
	struct user_regs_struct regs = t->saved;
	regs.rip -= 2;
	regs.rax = (unsigned long)(long)nr;
	regs.orig_rax = ~0ull;
	return release(t, &regs);
}

int tracee_release_image(struct tracee *t)
{
	return release(t, &t->saved);
}
