/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log says of encrypted files. Vnodes report what went wrong where it is found, and mostly an operation is refused for
 * it a moment later in the same thread: then the two are one event, the operation's, with the reason that was reported.
 */
#pragma once

#include <stddef.h>

struct log;

/* A vnode_report (vfs/vnode/vnode.h); DATA is the struct log. Any thread. */
void crypt_report(void *data, const char *path, size_t path_len, int error, const char *note);

/* The calling thread answers calls: what is reported in it waits for crypt_note() or crypt_reports_end(). */
void crypt_reports_wait(void);

/* Why an operation on an encrypted file was refused with ERROR (a negative errno); NULL: nothing known. Until the next report. */
const char *crypt_note(int error);

/* The call is over: what was reported and asked for by nobody goes to LOG by itself (which may be NULL). */
void crypt_reports_end(struct log *log);
