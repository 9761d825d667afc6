/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of these tests share. Calls are made by number, so that the counts of mediated calls say which
 * were made; each trial runs in a child of its own, which may change its directory, execute something or hang.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RESULT_MAX 200

/* What a trial found out: shared with the child that makes it. */
struct result {
	char text[RESULT_MAX];
};

/* Add to the result of the trial that is running: printf(3). */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Say what VALUE and errno are: "ok" or the errno's name. A descriptor is closed. */
long say_value(long value);
long say_fd(long value);

/* Run TRIAL in a child and return what it said, valid until the next; the end of the child is added unless it is 0. */
const char *run_trial(void (*trial)(void *userdata), void *userdata);

/* Wait for CHILD at most some seconds, then kill it. Returns the wait status. */
int wait_for(int child);

/* The tests say in ESCAPE_EUID who they are to run as: exit unless that is so. */
void check_identity(void);

/* Exit with a message: the test itself does not work. */
__attribute__((format(printf, 1, 2), noreturn)) void broken(const char *format, ...);

/* DIR "/" NAME in one of a few static buffers. */
const char *in_dir(const char *dir, const char *name);

/* Make or replace the file PATH with this content; by ordinary calls. */
void put_file(const char *path, const void *bytes, size_t len, unsigned mode);
