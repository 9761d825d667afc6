/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation in progress: what a worker needs to answer one call. A worker owns one `struct op` for its life and
 * reuses it, so that answering allocates nothing.
 */
#pragma once

#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "proc/exec_plan.h"
#include "proc/messages.h"
#include "vfs/caller.h"
#include "vfs/view.h"
#include "vfs/walk.h"

/*
 * The answer. An operation returns 0 with the outcome filled in, or a negative errno that is the caller's error.
 * Descriptors in it are owned by the outcome (outcome_release()).
 */
enum outcome_kind {
	OUT_VALUE,    /* the call returns `value` */
	OUT_FD,	      /* a copy of `fd` is installed at the lowest free number, close-on-exec if `cloexec` */
	OUT_CONTINUE, /* scalar calls only: the kernel runs it */
	OUT_ERRAND,   /* the caller itself must run the system call `errand` on the object `fd` */
};

/* A system call that only the caller's own thread can make (chdir, exec, connect, O_PATH and blocking opens). */
struct errand {
	int nr;
	uint64_t args[6];
	int object_arg;	  /* which argument becomes the address of the name of `fd` */
	bool sockaddr;	  /* that argument is a sockaddr_un; `length_arg` becomes its length */
	int length_arg;	  /* or -1 */
	/*
	 * Calls on sockets (as enum steer_slot has it). `verbatim`: no object, that argument points to a copy of `bytes`.
	 * `messages` (owned): to one message after the other.
	 */
	bool verbatim;
	struct slot_bytes bytes;
	struct messages *messages;
	/*
	 * Why the name could not be looked up (0: it could). With `sockaddr` there is no object then: the name leads to
	 * nothing, and ENOENT of the call becomes this.
	 */
	int error;
	bool may_block;
	bool ids; /* a change of ids: no object, the arguments are the caller's */
	struct exec_plan *exec; /* execve: how it is verified and presented (malloc'ed, owned); else NULL */
};

struct outcome {
	enum outcome_kind kind;
	int64_t value;
	int fd;
	bool cloexec;
	struct errand errand;
};

void outcome_init(struct outcome *out);
void outcome_release(struct outcome *out);
/* Return VALUE. Returns 0, so that `return outcome_value(out, n)` reads well. */
int outcome_value(struct outcome *out, int64_t value);
/* Hand FD over (stolen from *FD). Returns 0. */
int outcome_fd(struct outcome *out, int *fd, bool cloexec);

/* Why the operation was refused by a rule; the worker logs it once. */
struct refused {
	bool set;
	enum refusal refusal;
	int32_t rule; /* RULE_NONE when no rule decided */
	const char *note;
	size_t path_len;
	char path[PATH_MAX];
};

struct op {
	const struct view *view;
	struct caller *caller;
	int nr; /* the system call being answered */
	struct refused refused;
	char text[2][PATH_MAX + 1]; /* path arguments as the caller gave them */
	size_t text_len[2];
	uint64_t open_flags; /* of an open: as the caller gave them */
	struct walk walk[2];
	bool holds_fs; /* op_take_umask() made it the only one that may change the process's */
	/* Who sees to this thread interrupts it by a signal when `waits` is odd and the same for long. Kept from op to op. */
	bool watched;
	_Atomic unsigned waits;
	/* Scratch for content that goes to or comes from the caller (listings, xattrs, links). */
	char scratch[2][64 * 1024 + 1];
};

/* To be called once on fresh memory. */
void op_init(struct op *op);

/* A fresh operation for CALLER. */
void op_begin(struct op *op, const struct view *view, struct caller *caller, int nr);

/*
 * Copy the path argument at ADDRESS into op->text[WHICH]. Returns 0, -EFAULT, -ENAMETOOLONG (4096 bytes without NUL),
 * and for an empty path -ENOENT unless EMPTY_OK.
 */
int op_read_path(struct op *op, unsigned which, uint64_t address, bool empty_ok);

/*
 * Take the caller's umask, for a call that creates: the worker's fs_struct is its own (in a test, the process's), or
 * the operation's until op_end(). Returns 0 or a negative errno.
 */
int op_take_umask(struct op *op);
/*
 * Threads have no fs_struct of their own here (unshare(2) is refused, as by Docker's default filter): operations that
 * take a umask, or change the working directory after that, do so one after the other.
 */
void op_share_fs(void);
bool op_shares_fs(void);
/* The operation has done what it does; to be called before its answer. */
void op_end(struct op *op);

/* See struct caller_ops. */
static inline void op_own_rights(struct op *op)
{
	if (op->caller->ops->own_rights)
		op->caller->ops->own_rights(op->caller);
}

static inline void op_lend_rights(struct op *op)
{
	if (op->caller->ops->lend_rights)
		op->caller->ops->lend_rights(op->caller);
}

/* The file-system uid that the thread acts with (setfsuid(2): asking for no id changes nothing and tells). */
uid_t op_fsuid(void);

/* Note the refusal (the first stands) of the name at WALK and return ERROR. */
int op_refuse(struct op *op, const struct walk *walk, enum refusal refusal, int32_t rule, int error);
/* The same; NOTE (static text) says why or names the remedy. */
int op_refuse_noted(struct op *op, const struct walk *walk, enum refusal refusal, int32_t rule, const char *note, int error);
/* The same for a call refused whatever the policy; NOTE says why or names the remedy (static text). */
int op_refuse_unserved(struct op *op, const char *note, int error);
