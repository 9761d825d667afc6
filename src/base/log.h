/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of refusals: JSON lines, bounded, drops counted. Writers (workers) never block on the disk: an event is
 * copied into a fixed ring and a thread of the log writes it. Path bytes are escaped; no content is ever logged.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a refusal was about; also the counters of the summary. */
enum refusal {
	REFUSAL_HIDDEN,
	REFUSAL_DENIED,
	REFUSAL_MASKED_WRITE,
	REFUSAL_APPEND,
	REFUSAL_READONLY,
	REFUSAL_CRYPT,	  /* an encrypted file that cannot be served or written: log_event.error says why */
	REFUSAL_UNSERVED, /* a call that scrim refuses whatever the policy (not mediated yet, traced, set-id...) */
	REFUSAL_COUNT,
};

/* Counters shared between the supervisor and the front process (anonymous shared memory); plain atomics. */
struct run_counters {
	_Atomic uint64_t refusals[REFUSAL_COUNT];
	_Atomic uint64_t dropped; /* events that did not fit the ring or the file */
};

struct log_event {
	pid_t pid;
	enum refusal refusal;
	int error;	      /* positive errno the caller got */
	const char *syscall;
	const char *path;     /* not NUL-terminated; may be NULL */
	size_t path_len;
	const char *rule;     /* "hide ~/.ssh"; NULL when no rule decided */
	const char *origin;   /* "FILE:LINE" or "command line"; may be NULL */
	const char *note;     /* remedy or reason; may be NULL */
};

struct log;

struct log_config {
	int fd;		    /* where lines go; owned by the log from now on; -1: see open */
	/* With fd -1: called once by the log's thread, at the first event, for a descriptor or a negative errno; NULL:
	 * count only. So nothing is made by a run that was refused nothing. */
	int (*open)(void *userdata);
	void *userdata;
	uint64_t max_bytes; /* the file stops growing there (a last line says how many were dropped); 0: 4 MiB */
	struct run_counters *counters; /* not owned; may be NULL */
};

/*
 * One event is one line:
 *   {"time":"2026-01-31T23:59:59.123Z","pid":1,"comm":"cat","syscall":"openat","path":"/x","verdict":"hide",
 *    "errno":"ENOENT","rule":"hide /x","origin":"a.conf:3","note":"..."}
 * comm, rule, origin and note may be missing. A path that is not UTF-8 is written with each such byte as \u00XX and
 * once more, exactly, as "path_bytes":"hex"; one cut at 512 bytes has "path_cut":true. The last line is
 * {"dropped":N} if events were lost.
 */
/* Returns 0 or a negative errno; the thread comes with the first refusal after log_start(), which must follow any fork. */
int log_new(const struct log_config *config, struct log **ret);
int log_start(struct log *log);
/* Count and queue an event; its strings are copied (paths cut at 512 bytes). Thread-safe, never blocks on I/O. */
void log_refusal(struct log *log, const struct log_event *event);
/* Write what is queued, stop the thread if it was started. Takes NULL, returns NULL. */
struct log *log_free(struct log *log);

/* The rule's verb, "hide", "deny", "mask", "append", "readonly", "crypt", or "unserved". */
const char *refusal_name(enum refusal refusal);
