/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs unix_* share: every line they print is the same for the same kernel, whoever runs them where. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An address as bytes, longer than any that is valid. */
struct name {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		unsigned char bytes[160];
	};
};

extern const int types[3];
extern const char *const type_names[3];

/* "WHAT: result", or the name of errno where the result is negative. */
void say(const char *what, long result);
/* A path with its NUL. */
struct name named(const char *path);
/* LEN bytes of sun_path. */
struct name raw_name(const void *bytes, size_t len);
/* Abstract, of this process alone: the name is printed without its number. */
struct name abstract_name(const char *text);

int new_socket(int type);
/* A socket bound to PATH; streams listen with BACKLOG (below 0: do not). Exits where that fails. */
int serve(int type, const char *path, int backlog);
long dial(int fd, const char *path);
/* What getsockname or getpeername says: length and every byte. */
void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *));
/* SO_PEERCRED and, where there is one, SO_PEERPIDFD, compared with PID. */
void show_peer(const char *what, int fd, pid_t pid);
/* The message that waits at FD: bytes, origin, flags, credentials compared with PID, descriptors. */
void receive(const char *what, int fd, pid_t pid);
/* Run BODY in a child and wait for its end. */
void in_child(void (*body)(void *argument), void *argument);
/* A child that runs BODY; flushes before it. */
pid_t child(void (*body)(void *argument), void *argument);
void reap(const char *what, pid_t pid);
/* Milliseconds. */
void rest(unsigned milliseconds);
