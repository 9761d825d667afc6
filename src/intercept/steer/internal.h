/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the steering engine: what queue (steer.c), state machine (tracee.c) and exec (exec.c) share. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/user.h>
#include <time.h>

#include "intercept/steer/steer.h"
#include "intercept/steer/vdso.h"

/* A call by which a descriptor of ours gets into the caller; lives in the tracee, linked while it may come. */
struct expectation {
	struct expectation *next;
	pid_t tid;
	int nr;
	uint64_t args[6];
	uint64_t ip; /* instruction after the `syscall` we chose */
	int give;    /* the descriptor of ours */
	int at;	     /* its number there, and the call is run then; -1: the lowest free one, which is the call's result */
	bool linked; /* by steer->expect_lock */
};

#define EXPECT_BUCKETS 64

struct steer_node;
struct engine_thread;

struct steer {
	struct steer_config config;
	struct vdso_gadget gadget;

	pthread_mutex_t lock; /* the queue and the threads */
	pthread_cond_t work;
	pthread_cond_t drained;
	struct steer_node *head, **tail;
	unsigned queued, idle, in_flight;
	bool stopping;
	struct engine_thread *threads;

	pthread_mutex_t expect_lock;
	struct expectation *expect[EXPECT_BUCKETS];
	_Atomic unsigned expected; /* how many are linked */

	_Atomic unsigned by_hand; /* steer_run() calls under way */
	_Atomic uint64_t calls, execs, lent, busy, died, killed, signals_held, restarts;
};

void expectation_link(struct steer *steer, struct expectation *e);
void expectation_unlink(struct steer *steer, struct expectation *e);

/* The caller while we hold it. One engine thread holds one at a time, and all its ptrace calls come from there. */
struct tracee {
	struct steer *steer;
	bool timed;
	timer_t timer; /* if timed: ticks interrupt waitpid in this thread */
	pid_t tid;     /* changes to the thread group's at an exec by another thread than the leader */
	bool dead;     /* reaped, or no longer ours: nothing more to do */
	bool doomed;   /* we killed it and it is not reaped yet */
	unsigned ticks;
	struct user_regs_struct saved; /* to be restored; for an exec the new image's once it stands */
	uint64_t mask;		       /* its own signal mask */
	struct expectation expect;
};

/* How tracee_call runs. */
enum call_flags {
	CALL_UNMASKED = 1, /* its own signal mask from the entry on: it may block and be interrupted */
	CALL_EXEC = 2,	   /* may end in a new image */
	CALL_PLAIN = 4,	   /* made elsewhere, or no number that can be steered: an entry stop does for the gate */
};

struct call {
	int nr;
	uint64_t args[6];
	uint64_t ip; /* address of the `syscall` instruction */
	unsigned flags;
};

enum call_end {
	CALL_RETURNED = 0, /* at its exit stop; *ret_result is what it gave */
	CALL_BECAME_IMAGE, /* at the exit stop of a successful exec */
	CALL_INTERRUPTED,  /* at its exit stop with a restart code in *ret_result */
};

/*
 * Seize the caller of NOTIF, release the notification and hold the caller at its return from it, its registers saved
 * and all signals masked. On failure the notification has been answered and the caller is not ours any more:
 * -EPERM another tracer has it or we may not (it got EPERM), -ENOSYS not a 64-bit caller (it got that), -ESRCH gone.
 */
int tracee_hold(struct tracee *t, const struct seccomp_notif *notif);

/*
 * Run one system call in the held caller. Returns enum call_end, or -ESRCH when the caller died (also by us because
 * it did what cannot be). May be called again and again; the registers are restored by tracee_release only.
 */
int tracee_call(struct tracee *t, const struct call *call, long *ret_result);

/* Start and stop the ticks around a job. */
void tracee_arm_deadline(struct tracee *t);
void tracee_disarm_deadline(struct tracee *t);

/* Mask all its signals again, after a CALL_UNMASKED. 0 or -ESRCH. */
int tracee_mask_all(struct tracee *t);

/*
 * Give the held caller the descriptor FD of ours, close-on-exec, at its lowest free number; where its soft limit leaves
 * none, with one more for that moment. 0 and the number or a negative errno, or -ESRCH.
 */
int tracee_give(struct tracee *t, int fd, long *ret_number);

/* At the exit of a successful exec: save the new image's registers. 0 or -ESRCH. */
int tracee_take_image(struct tracee *t);
/* Set REGS and let it run to the guard's gate, masked. 0 or -ESRCH. */
int tracee_run_to_gate(struct tracee *t, const struct user_regs_struct *regs);

/* Let it go on as if its own call had returned RESULT. 0 or -ESRCH. */
int tracee_release(struct tracee *t, long result);
/* Let it go on as if its own call NR had been interrupted, with the kernel's restart code RESULT. 0 or -ESRCH. */
int tracee_release_interrupted(struct tracee *t, int nr, long result);
/* Let it go on by making its own call NR anew, as after an interruption that nobody was to notice. 0 or -ESRCH. */
int tracee_release_anew(struct tracee *t, int nr);
/* Let a new image go on. 0 or -ESRCH. */
int tracee_release_image(struct tracee *t);
/* Kill it (SIGKILL to its process, counted) and reap. Returns -ESRCH, so that `return tracee_kill(t)` reads well. */
int tracee_kill(struct tracee *t);

/*
 * Run an exec in the held caller, verify and present the new image, let it go. Returns what the caller got: 0, a
 * negative errno of the exec, or -ESRCH. SLOT is the job's slot, to be used for further texts.
 */
long exec_run(struct tracee *t, const struct steer_job *job, const struct call *call, unsigned slot,
	      const char *slot_text);

/* Have the held caller lend what the job asks for, and let it go. 0, the negative errno it got, or -ESRCH. */
long lend_run(struct tracee *t, const struct steer_job *job, unsigned slot);

/* Is this one of the kernel's restart codes (-512 ...)? */
static inline bool is_restart(long result)
{
	return result == -512 || result == -513 || result == -514 || result == -516;
}

/* Directed at engine threads only, interrupts their waitpid; its handler does nothing. */
#define STEER_TICK_SIGNAL (SIGRTMAX - 1)

#define STEER_TICKS 8 /* ticks of deadline/8: a supervisor that was itself stopped for long sees one, not eight */
