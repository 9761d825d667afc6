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
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "intercept/listener.h"
#include "intercept/steer/internal.h"

#define USER_CS_64 0x33

enum stop_kind { STOP_SYSCALL, STOP_TRAP, STOP_SIGNAL, STOP_GATE };

struct stop {
	enum stop_kind kind;
	int signal;
};

/* When a wait may give up. */
enum patience { PATIENCE_DEADLINE, PATIENCE_FOREVER };

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
	if (patience != PATIENCE_FOREVER && ++t->ticks > STEER_TICKS)
		doom(t);
}

/* Wait for the next stop. 0, or -ESRCH when the caller is gone (and reaped, so that its parent may see it). */
static int wait_stop(struct tracee *t, enum patience patience, struct stop *ret)
{
	for (;;) {
		int status;
		/* -1 and not the tid: after an exec by another thread than the leader it has the leader's. */
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
		t->tid = pid;
		if (event == PTRACE_EVENT_SECCOMP) {
			*ret = (struct stop){.kind = STOP_GATE};
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

/* HOW: PTRACE_SYSCALL or PTRACE_CONT. */
static int resume(struct tracee *t, long how, int signal)
{
	return trace(how, t->tid, 0, (void *)(long)signal) < 0 ? vanished(t) : 0;
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
	return listener_request(t->steer->config.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
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
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
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

/*
 * Resume it by HOW until it stops at a system call: at an entry or exit (PTRACE_SYSCALL), or where the filter stops it
 * (STOP_GATE). Nothing else may come on the way than stops of its group.
 */
static int run_to_call(struct tracee *t, long how, enum patience patience, struct stop *ret)
{
	int signal = 0;
	for (;;) {
		struct stop stop;
		int r = resume(t, how, signal);
		if (r == 0)
			r = wait_stop(t, patience, &stop);
		if (r < 0)
			return r;
		signal = 0;
		if (stop.kind == STOP_SYSCALL || stop.kind == STOP_GATE) {
			*ret = stop;
			return 0;
		}
		if (stop.kind == STOP_SIGNAL && stop.signal == SIGSTOP) {
			signal = SIGSTOP;
			atomic_fetch_add_explicit(&t->steer->signals_held, 1, memory_order_relaxed);
		} else if (stop.kind != STOP_TRAP) {
			return lost(t); /* a fault at our instruction: no guard page, or something we do not know */
		}
	}
}

static int syscall_info(struct tracee *t, struct __ptrace_syscall_info *ret)
{
	return trace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(*ret), ret) <= 0 ? vanished(t) : 0;
}

/* At a stop by the filter, as INFO tells: is it ours, behind the `syscall` that ends at END? */
static bool at_gate(const struct __ptrace_syscall_info *info, uint64_t end)
{
	return info->op == PTRACE_SYSCALL_INFO_SECCOMP && info->arch == AUDIT_ARCH_X86_64 &&
	       info->instruction_pointer == end;
}

/* The caller's own filter answered in our place: with its errno, or by a stop for a tracer that is not there. */
static int answered_by_its_filter(struct tracee *t, const struct __ptrace_syscall_info *info, long *ret_result)
{
	if (info->instruction_pointer == GUARD_CALL_END) {
		*ret_result = -ENOSYS;
		return CALL_RETURNED;
	}
	struct user_regs_struct regs;
	if (trace(PTRACE_GETREGS, t->tid, 0, &regs) < 0)
		return vanished(t);
	*ret_result = (long)regs.r15;
	return CALL_RETURNED;
}

/*
 * Step to where the call is about to be made, and make sure that it is just that call. Returns -EINPROGRESS when it
 * is, enum call_end when the caller's own filter answered it with *RET_RESULT, -ESRCH.
 */
static int step_to_entry(struct tracee *t, const struct call *call, long *ret_result)
{
	bool plain = call->flags & CALL_PLAIN;
	struct __ptrace_syscall_info info;
	struct stop stop;
	do {
		int r = run_to_call(t, plain ? PTRACE_SYSCALL : PTRACE_CONT, PATIENCE_DEADLINE, &stop);
		if (r == 0)
			r = syscall_info(t, &info);
		if (r < 0)
			return r;
	} while (plain && info.op == PTRACE_SYSCALL_INFO_EXIT); /* of the call it was stopped in before */

	bool right;
	if (plain) {
		right = info.op == PTRACE_SYSCALL_INFO_ENTRY && info.arch == AUDIT_ARCH_X86_64 &&
			info.entry.nr == (uint64_t)call->nr && info.instruction_pointer == call->ip + 2 &&
			memcmp(info.entry.args, call->args, sizeof(call->args)) == 0;
		return right ? -EINPROGRESS : lost(t);
	}
	if (at_gate(&info, GUARD_GATE_END))
		return answered_by_its_filter(t, &info, ret_result);
	right = at_gate(&info, call->ip + 2) && info.seccomp.nr == (uint64_t)call->nr &&
		memcmp(info.seccomp.args, call->args, sizeof(call->args)) == 0;
	if (!right)
		return lost(t);
	if (info.seccomp.ret_data != GUARD_TRACE_DATA)
		return answered_by_its_filter(t, &info, ret_result);
	return -EINPROGRESS;
}

/* From where it is about to be made to its exit. Returns enum call_end or -ESRCH. */
static int step_to_exit(struct tracee *t, const struct call *call, long *ret_result)
{
	enum patience patience = call->flags & CALL_UNMASKED ? PATIENCE_FOREVER : PATIENCE_DEADLINE;
	struct __ptrace_syscall_info info;
	struct stop stop;

	t->ticks = 0;
	int r;
	do {
		r = resume(t, PTRACE_SYSCALL, 0);
		if (r == 0)
			r = wait_stop(t, patience, &stop);
	} while (r == 0 && stop.kind == STOP_GATE && (call->flags & CALL_PLAIN)); /* its entry has been seen */
	t->ticks = 0;
	if (r < 0)
		return r;
	if (stop.kind != STOP_SYSCALL)
		return lost(t);
	r = syscall_info(t, &info);
	if (r < 0)
		return r;
	if (info.op != PTRACE_SYSCALL_INFO_EXIT)
		return lost(t);
	*ret_result = (long)info.exit.rval;
	/* Only success comes back as 0. */
	if ((call->flags & CALL_EXEC) && info.exit.rval == 0)
		return CALL_BECAME_IMAGE;
	return is_restart(*ret_result) ? CALL_INTERRUPTED : CALL_RETURNED;
}

int tracee_call(struct tracee *t, const struct call *call, long *ret_result)
{
	/* A masked call that a SIGSTOP interrupts is run again: nothing else can have interrupted it. */
	for (;;) {
		long result = 0;
		int r = set_call(t, call);
		if (r == 0)
			r = step_to_entry(t, call, &result);
		if (r == -EINPROGRESS) {
			r = call->flags & CALL_UNMASKED ? set_mask(t, t->mask) : 0;
			if (r == 0)
				r = step_to_exit(t, call, &result);
		}
		if (r < 0)
			return r;
		if (r == CALL_INTERRUPTED && !(call->flags & CALL_UNMASKED))
			continue;
		*ret_result = result;
		return r;
	}
}

static int give(struct tracee *t, int fd, long *ret_number)
{
	/* A call that is notified wherever it comes from; nothing is looked up or made. */
	struct call call = {.nr = SYS_creat, .ip = GUARD_CALL, .flags = CALL_PLAIN};

	t->expect = (struct expectation){.tid = t->tid, .nr = call.nr, .ip = call.ip + 2, .give = fd, .at = -1};
	expectation_link(t->steer, &t->expect);
	int r = tracee_call(t, &call, ret_number) < 0 ? -ESRCH : 0;
	expectation_unlink(t->steer, &t->expect);
	return r;
}

/* One more than its soft limit for a moment, where the hard limit has it. */
static int give_with_room(struct tracee *t, int fd, long *ret_number)
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
	int r = give(t, fd, ret_number);
	if (r == 0)
		prlimit(t->tid, RLIMIT_NOFILE, &was, NULL);
	return r;
}

int tracee_give(struct tracee *t, int fd, long *ret_number)
{
	long number = -EIO;
	int r = give(t, fd, &number);
	if (r == 0 && number == -EMFILE)
		r = give_with_room(t, fd, &number);
	if (r == 0)
		*ret_number = number;
	return r;
}

int tracee_take_image(struct tracee *t)
{
	if (trace(PTRACE_GETREGS, t->tid, 0, &t->saved) < 0)
		return vanished(t);
	return t->saved.cs == USER_CS_64 ? 0 : lost(t);
}

int tracee_run_to_gate(struct tracee *t, const struct user_regs_struct *regs)
{
	struct __ptrace_syscall_info info;
	struct stop stop;

	if (trace(PTRACE_SETREGS, t->tid, 0, (void *)regs) < 0)
		return vanished(t);
	int r = run_to_call(t, PTRACE_CONT, PATIENCE_DEADLINE, &stop);
	if (r == 0)
		r = syscall_info(t, &info);
	if (r < 0)
		return r;
	return at_gate(&info, GUARD_GATE_END) && info.seccomp.nr == GUARD_GATE_CALL ? 0 : lost(t);
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
	if (t->steer->config.counts_signals)
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
	struct user_regs_struct regs = t->saved;
	regs.orig_rax = ~0ull; /* it stands at the gate: that call is not to be made */
	return release(t, &regs);
}
