/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where socket calls with an address are tried: a view whose errands are carried out here as steering would, sockets of
 * every kind, addresses of every kind, and the calls that take one.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fake_caller.h"
#include "view_fixture.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)
/* In the upper half of int arguments. */
#define JUNK 0xabcd00000000

/* The view of a test, from begin() to end(); `out` is what the last call through it came to. */
extern struct fixture view;
extern struct fake_caller fake;
extern struct op *the_op;
extern struct outcome out;
extern const char *const bystanders[]; /* rules that concern nothing */

void begin(const char *const *rules);
void end(void);

/* A call through the view, and the same natively. Both return a result or a negative errno. */
typedef long (*call_fn)(int nr, const uint64_t args[6]);
long viewed(int nr, const uint64_t args[6]);
long native(int nr, const uint64_t args[6]);

#define KINDS 11
struct kind {
	const char *what;
	int domain, type;
};
extern const struct kind kinds[KINDS];
/* 999: closed. */
int open_kind(const struct kind *kind);

struct address {
	char what[64];
	const void *bytes;
	int len;
	union {
		struct sockaddr_storage storage;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		unsigned char raw[256];
	};
};
extern struct address addresses[64];
extern size_t address_count;
struct address *add_path(const char *path);
void add_odd_addresses(void);

/* Sockets to be found, and names that lead to none; `addresses` has them all then. */
int make_socket(const char *path, int type, bool listening);
extern int listeners[3];
void make_zoo(void);
void drain(void);
void lose_zoo(void);

extern char data[8];
#define CALLS 4
struct call_form {
	const char *what;
	long (*make)(call_fn call, int fd, const struct address *a);
};
extern const struct call_form calls[CALLS];
void make_message(struct mmsghdr *message, struct iovec iov[2], const struct address *a);
long messaging(call_fn call, int fd, const struct address *a);
