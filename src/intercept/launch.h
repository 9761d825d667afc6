/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the command under the filter.
 *
 *   front process ── supervisor ── reaper (the vault) ── command
 *
 * The reaper shares the supervisor's descriptor table (clone with CLONE_FILES, without CLONE_VM): it is the vault of
 * intercept/steer, the parent and subreaper of the command (so that ptrace stops of callers never mix with waits for
 * children, and Yama scope 1 is satisfied: the supervisor is an ancestor of every caller), and it tells the front
 * process of stops, continuations and the exit of the command. It ends when no descendant is left.
 *
 * Who dies, and what then:
 *   front       the command is killed (front stands for it); with die_with_front all of the view is
 *   supervisor  the reaper closes the listener (every mediated call is ENOSYS from then on), kills the command, says so
 *   reaper      the supervisor kills the command and launch_wait() fails
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/errmsg.h"

struct guard;
struct signal_state;
struct sock_fprog;

struct launch_config {
	char *const *argv; /* the command; argv[0] is searched in PATH of envp, by the command itself, inside the view */
	char *const *envp;
	const char *chdir; /* NULL: stay; done inside the view */
	const int *pass_fds; /* kept open besides 0, 1, 2; closed in the supervisor once the command has its own */
	size_t pass_fd_count;
	pid_t process_group; /* the front process's group, which the command joins; 0: leave */
	int front_socket;    /* SOCK_SEQPACKET; struct front_message goes to the front process, signals come from it */
	int front_pidfd;     /* the front process, woken by SIGCONT when it may be stopped; -1: none */
	bool kill_on_exit;   /* when the command ends, kill what is left of the view */
	bool die_with_front; /* when the front process dies before the command, kill all of the view */
	bool subreaper;	     /* the command is one, as whoever executed scrim was (prctl(2), PR_SET_CHILD_SUBREAPER) */
	bool fresh_keyring;  /* the command gets a session keyring of its own: what opens a key of this run is not in it */
	bool commits;	     /* something is to be done once the command has ended: see `exited` of struct launch */
	bool proven; /* prove that the command can be served (filter_prove()): false only in tests with another filter */
	const struct guard *guard;
	const struct sock_fprog *filter;
	const struct signal_state *original_signals; /* what scrim was started with, for the command; NULL: defaults */
};

struct launch {
	pid_t reaper;  /* = the vault */
	pid_t command;
	int listener;  /* owned by the caller of launch_start() */
	int go;	       /* write end that releases the command */
	int command_pidfd;
	int exited;	/* with `commits`: readable when front is told of the command's end; else -EBADF. The caller's */
	int front_socket;
};

/* What the reaper tells the front process. */
enum front_event {
	FRONT_STARTED,	 /* value: pid of the command */
	FRONT_STOPPED,	 /* value: signal */
	FRONT_CONTINUED,
	FRONT_EXITED,	 /* value: wait status */
	FRONT_FAILED,	 /* text: why the run could not start or go on; exit 125; value: see below */
	/* The supervisor's own, after the end of the command. Value: 0 or a negative errno. */
	FRONT_COMMITTED,
	FRONT_ENDS, /* the same, and nothing is left of the view: the supervisor ends, and its locks on files with it */
};
/* The text says all: what the machine lacks need not be looked for. */
#define FRONT_REASON_KNOWN 1

struct front_message {
	int event;
	int value;
	char text[ERRMSG_MAX];
};
/* The value that the reaper's SIGCONT carries (sigqueue(3)): it wakes the front process and means nothing else. */
#define FRONT_WAKE 0x73637269

/* The front process asks for a signal to be sent to the command; 0: it has taken note of FRONT_CONTINUED. */
struct front_request {
	int signal;
};

/* Send a message to the front process; TEXT may be NULL. Never blocks for long, never raises SIGPIPE. */
void front_tell(int front_socket, enum front_event event, int value, const char *text);

/*
 * Before any thread is started. The command stands under the filter, held before its first exec. Replaces 0, 1 and 2
 * of the supervisor by /dev/null (the command has the real ones) and makes it a subreaper in "/".
 */
int launch_start(const struct launch_config *config, struct launch *ret, struct errmsg *msg);
/* Workers serve the listener: let the command go. */
int launch_go(struct launch *launch);
/* Until the reaper has ended, that is until no descendant is left. -ESRCH: it was killed; the command is, too. */
int launch_wait(struct launch *launch);
