/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steering: while a caller is held in a notification, make its own thread run a system call of our choosing, then let
 * it go on as if its own call had returned that result. For calls that nobody can do in a caller's stead: chdir,
 * execve, connect, O_PATH and blocking opens. No permanent tracer: SEIZE, INTERRUPT, release the notification, step
 * the call from the guard page, restore, DETACH.
 *
 * How an object reaches the caller: not by a descriptor in the caller's table, which a sibling thread could exchange
 * by dup2, but by name. The *vault* is a process that shares the supervisor's descriptor table and does nothing; the
 * guard slot holds the text "/proc/VAULT/fd/N", N being the supervisor's own O_PATH descriptor of the object, which
 * stays open and unchanged until the steer is over. Nobody in the view can reach /proc/VAULT (path calls are
 * mediated), nor change the text, nor the descriptor.
 *
 * The steered call meets the filter again, which knows by the instruction pointer that it comes from the guard pages:
 * it stops for the tracer (SECCOMP_RET_TRACE), who lets it pass if it is the one he set up.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/seccomp.h>

#include "intercept/steer/guard.h"
#include "proc/exec_plan.h"
#include "proc/messages.h"

enum steer_kind {
	STEER_CALL, /* run nr(args) with one argument pointing to the slot; its result is the caller's result */
	STEER_EXEC, /* execve of an approved ELF file, verified and presented as the kernel would have */
	STEER_LEND, /* send us the description of its descriptor `lent`, then make its own call anew (lend.c) */
	STEER_IDS,  /* run nr(args), then be dumpable, which a change of ids has taken away */
};

/* What steer_config.stage is told. */
enum steer_stage {
	STAGE_BEGINS, /* the caller is about to be seized */
	STAGE_HELD,   /* it is, or could not be: it is not looked at any more */
	STAGE_ENDS,
};

enum steer_slot {
	SLOT_PATH,     /* the slot holds "/proc/VAULT/fd/N" */
	SLOT_SOCKADDR, /* the slot holds a struct sockaddr_un of that path; the length argument is set too */
	SLOT_BYTES,    /* the slot holds `bytes`; no object: `fd` may be negative */
	/*
	 * The call is made for one of `messages` after the other: the slot holds its struct msghdr and the name that
	 * leads to. `fd` is negative.
	 */
	SLOT_MESSAGES,
};

struct steer_job {
	enum steer_kind kind;
	int fd;		      /* our descriptor of the object; owned by the job, closed when it is over */
	/* The object's name is /proc/`vault`/fd/`vault_fd`; 0: the configured vault's, where it has the number `fd`. */
	pid_t vault;
	int vault_fd;
	struct seccomp_notif notif; /* the held notification (id, pid = tid, data) */
	void *who;	  /* for steer_config.stage: whom the caller is */
	/* STEER_CALL and STEER_EXEC: */
	int nr;		   /* system call to run */
	uint64_t args[6];
	int slot_arg;	   /* which argument is replaced by the slot's address */
	int length_arg;	   /* SLOT_SOCKADDR: which argument is replaced by the address length; else -1 */
	enum steer_slot slot;
	struct slot_bytes bytes; /* SLOT_BYTES */
	struct messages *messages; /* SLOT_MESSAGES; owned by the job */
	int error; /* SLOT_SOCKADDR without an object (`fd` negative): ENOENT of the call becomes this */
	bool may_block;	   /* signals stay deliverable: an interrupted call is handed back to the kernel's own restart
			      logic as if the caller's original call had been interrupted */
	struct exec_plan *exec; /* STEER_EXEC only; owned by the job (free()) */
	/* STEER_LEND only: called with a copy, to be owned, while the caller is held still. Must not block. */
	int lent;
	void (*keep)(const struct steer_job *job, int copy, void *userdata);
	/*
	 * Called once in a steering thread when the job is over, before `fd`, `exec` and `messages` are freed: RESULT is what the
	 * caller got (negative errno, or >= 0), or -ESRCH when it died. May be NULL. Must not block.
	 */
	void (*done)(const struct steer_job *job, long result, void *userdata);
	void *userdata;
};

struct steer;

struct steer_config {
	int listener;	     /* seccomp listener; not owned */
	pid_t vault;	     /* pid of the process that shares our descriptor table */
	struct guard *guard; /* not owned */
	/*
	 * A thread has executed a program and now has this number, which may have been another's; it is held. May be NULL. Must
	 * not block.
	 */
	void (*executed)(pid_t tid, void *userdata);
	/* In the steering thread, of each job: it may need other rights to trace its caller. May be NULL. */
	void (*stage)(const struct steer_job *job, enum steer_stage stage, void *userdata);
	void *userdata;
	unsigned deadline_ms; /* a step that takes longer than this (and is not may_block) kills the caller; 0: 10000 */
	bool counts_signals;  /* steer_stats.signals_held counts pending signals too, which takes two system calls a job */
};

int steer_new(const struct steer_config *config, struct steer **ret);
/* Waits until no job is in flight. */
struct steer *steer_free(struct steer *steer);

/*
 * Hand over a held notification. Always answers it: with the result, or with an error when the caller cannot be
 * seized (EPERM: somebody else traces it; counted in steer_stats). Thread-safe; does not block on the caller. Threads
 * of the engine grow with the jobs in flight (blocking calls hold one each), idle ones are kept.
 * On failure to queue (-ENOMEM, -EAGAIN) the job stays the caller's own and nothing was answered.
 */
int steer_submit(struct steer *steer, const struct steer_job *job);

/*
 * The same, done by the calling thread, which must be HAND's and must not be needed for answering notifications
 * meanwhile: an exec waits for steer_answers() in another thread. Returns when the call is over. Jobs that may block,
 * those that lend, and those that come when many are under way already, are queued as by steer_submit().
 */
struct steer_hand;
int steer_run(struct steer_hand *hand, const struct steer_job *job);
/* What a thread needs for it; made and freed in that thread. Its signal STEER_TICK_SIGNAL gets unblocked. */
int steer_hand_new(struct steer *steer, struct steer_hand **ret);
struct steer_hand *steer_hand_free(struct steer_hand *hand);

/*
 * Let THREAD come back from a call that waits; what is not interrupted by signals goes on. That thread has to have called
 * steer_interruptible() before. It may come late: a call that the thread makes later must bear it.
 */
void steer_interrupt(pthread_t thread);
void steer_interruptible(void);

/*
 * Is this notification a call by which a held caller gets a descriptor of ours (a new image's guard pages, the socket
 * for what it lends), exactly as the tracer left it (thread, number, instruction, all arguments)? Then it has been
 * answered. Thread-safe; cheap for all other calls.
 */
bool steer_answers(struct steer *steer, const struct seccomp_notif *notif);

struct steer_stats {
	uint64_t calls, execs;	    /* completed */
	uint64_t lent;		    /* descriptions lent */
	uint64_t busy;		    /* refused: already traced */
	uint64_t died;		    /* the caller died in the middle */
	uint64_t killed;	    /* killed by us: wrong image, deadline, a stop that cannot be */
	uint64_t signals_held;	    /* SIGSTOPs re-sent, signals that were pending after a steer (counts_signals) */
	uint64_t restarts;	    /* may_block calls handed back to the kernel's restart logic */
};
void steer_get_stats(struct steer *steer, struct steer_stats *ret);
