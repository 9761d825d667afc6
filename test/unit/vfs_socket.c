/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket calls with an address, against the kernel: each call is made natively and through the view, and results must be
 * the same for every kind of socket and address.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "intercept/handlers.h"
#include "socket_stand.h"

static void as_the_kernel(void **state)
{
	(void)state;
	begin(bystanders);
	make_zoo();
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < address_count * ARRAY_LEN(calls); i++) {
			const struct address *a = &addresses[i / ARRAY_LEN(calls)];
			size_t c = i % ARRAY_LEN(calls);
			int mine = open_kind(&kinds[k]);
			long expected = calls[c].make(native, mine, a);
			if (mine != 999)
				close(mine);
			int yours = open_kind(&kinds[k]);
			long got = calls[c].make(viewed, yours, a);
			if (yours != 999)
				close(yours);
			drain();
			if (got != expected)
				fail_msg("%s of %s to \"%s\": natively %ld, here %ld", calls[c].what, kinds[k].what,
					 a->what, expected, got);
		}
	}
	lose_zoo();
	end();
}

/* Sends without any name on sockets that have a peer. */
static void connected(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

	(void)state;
	begin(bystanders);
	make_zoo();
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		for (size_t i = 0; i < address_count * ARRAY_LEN(calls); i++) {
			const struct address *a = &addresses[i / ARRAY_LEN(calls)];
			size_t c = i % ARRAY_LEN(calls);
			int pairs[2][2];
			long results[2];
			/* A datagram pair that connects elsewhere leaves its peer: a fresh one each time. */
			for (int v = 0; v < 2; v++) {
				assert_int_equal(socketpair(AF_UNIX, types[t] | SOCK_CLOEXEC, 0, pairs[v]), 0);
				results[v] = calls[c].make(v ? viewed : native, pairs[v][0], a);
				close(pairs[v][0]);
				close(pairs[v][1]);
			}
			drain();
			if (results[0] != results[1])
				fail_msg("%s of a connected socket (%d) to \"%s\": natively %ld, here %ld", calls[c].what,
					 types[t], a->what, results[0], results[1]);
		}
	}
	lose_zoo();
	end();
}

/* ---- bind ---- */

static long binding(call_fn call, int fd, const struct address *a)
{
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)a->bytes, (uint32_t)a->len | JUNK};

	return call(SYS_bind, args);
}

struct bound {
	long result;
	mode_t mode;
	socklen_t len;
	struct sockaddr_un name;
};

static void bind_and_look(call_fn call, const struct kind *kind, const struct address *a, const char *path,
			  struct bound *ret)
{
	struct stat stat;
	int fd = open_kind(kind);

	memset(ret, 0, sizeof(*ret));
	ret->result = binding(call, fd, a);
	ret->len = sizeof(ret->name);
	if (kind->domain == AF_UNIX)
		assert_int_equal(getsockname(fd, (struct sockaddr *)&ret->name, &ret->len), 0);
	if (path && ret->result == 0 && lstat(path, &stat) == 0) {
		ret->mode = stat.st_mode;
		unlink(path);
	}
	if (fd != 999)
		close(fd);
}

static void binding_as_the_kernel(void **state)
{
	static const char *const paths[] = {"new", "sub/../new", "./new", "new/", "absent/new", "file/new", "file", "sub",
					    "sub/", ".", "..", "/", "sub/.", "sub/..", "dangling", "link", "stream",
					    "loop/new", "link/new"};
	struct bound mine, yours;

	(void)state;
	begin(bystanders);
	make_zoo();
	address_count = 0;
	add_odd_addresses();
	size_t odd = address_count;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		add_path(paths[i]);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < address_count; i++) {
			const struct address *a = &addresses[i];
			const char *path = i < odd ? NULL : a->un.sun_path;
			bind_and_look(native, &kinds[k], a, path, &mine);
			bind_and_look(viewed, &kinds[k], a, path, &yours);
			if (mine.result != yours.result)
				fail_msg("bind of %s to \"%s\": natively %ld, here %ld", kinds[k].what, a->what, mine.result,
					 yours.result);
			assert_int_equal(mine.mode, yours.mode);
			/* A text with a slash keeps its last name only; the kernel chooses the name of an unnamed one. */
			if (path && strchr(path, '/'))
				continue;
			assert_int_equal(mine.len, yours.len);
			if (strcmp(a->what, "unnamed") != 0)
				assert_memory_equal(&mine.name, &yours.name, mine.len);
		}
	}
	lose_zoo();
	end();
}

static void bound_twice(void **state)
{
	(void)state;
	begin(bystanders);
	address_count = 0;
	const struct address *first = add_path("first"), *second = add_path("second");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(binding(viewed, fd, first), 0);
	assert_int_equal(binding(viewed, fd, second), -EINVAL);
	assert_int_equal(access("second", F_OK), -1);
	close(fd);
	/* A caller that is gone makes nothing. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fake.validate_error = -ESRCH;
	assert_int_equal(binding(viewed, fd, second), -ESRCH);
	assert_int_equal(access("second", F_OK), -1);
	close(fd);
	end();
}

/* ---- rules ---- */

static void expect(const char *path, int expected)
{
	address_count = 0;
	const struct address *a = add_path(path);

	for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		long got = calls[c].make(viewed, fd, a);
		close(fd);
		if (expected ? got != expected : got < 0)
			fail_msg("%s to %s: %ld instead of %d", calls[c].what, path, got, expected);
		assert_int_equal(the_op->refused.set, expected != 0);
	}
}

static void expect_bind(const char *path, int expected)
{
	address_count = 0;
	const struct address *a = add_path(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(binding(viewed, fd, a), expected);
	close(fd);
}

static void rules(void **state)
{
	static const char *const the_rules[] = {"hide @/hidden*", "deny @/denied*", "mask @/masked", "readonly @/fixed*",
						"readonly @/sub", NULL};
	static const char *const names[] = {"hidden", "denied", "masked", "fixed"};

	(void)state;
	begin(the_rules);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int fd = make_socket(names[i], SOCK_DGRAM, false);
		close(fd);
	}
	assert_int_equal(mkdir("sub", 0755), 0);
	assert_int_equal(symlink("hidden", "to-hidden"), 0);
	unlink("fixed");
	listeners[1] = make_socket("fixed", SOCK_DGRAM, false);
	expect("hidden", -ENOENT);
	expect("hidden-absent", -ENOENT);
	expect("to-hidden", -ENOENT);
	expect("denied", -EACCES);
	expect("denied-absent", -EACCES);
	expect("masked", -EACCES);
	expect("fixed", 0);
	expect_bind("hidden", -EACCES);
	expect_bind("hidden-absent", -EACCES);
	expect_bind("denied", -EACCES);
	expect_bind("denied-absent", -EACCES);
	expect_bind("fixed-new", -EROFS);
	expect_bind("fixed", -EADDRINUSE);
	expect_bind("sub/new", -EROFS);
	assert_int_equal(access("hidden-absent", F_OK), -1);
	close(listeners[1]);
	end();
}

/* What a sibling could make of a descriptor meanwhile: no path reaches the kernel but the judged object's. */
static void no_path_is_passed_on(void **state)
{
	(void)state;
	begin(bystanders);
	make_zoo();
	address_count = 0;
	const struct address *a = add_path("stream");
	for (size_t k = 0; k < 8; k++) {
		for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
			int fd = open_kind(&kinds[k]);
			calls[c].make(viewed, fd, a);
			close(fd);
			if (out.kind != OUT_ERRAND || out.fd >= 0)
				continue;
			const struct messages *messages = out.errand.messages;
			const struct slot_bytes *bytes = messages ? &messages->item[0].bytes : &out.errand.bytes;
			size_t at = messages ? sizeof(struct msghdr) : 0;
			if (messages && messages->item[0].names)
				continue;
			assert_int_equal(bytes->len, at + PATH_AT + 7);
			assert_int_equal(bytes->data[at + PATH_AT], 0);
		}
	}
	lose_zoo();
	end();
}

static int tests(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	outcome_init(&out);
	const struct CMUnitTest list[] = {
		cmocka_unit_test(as_the_kernel),
		cmocka_unit_test(connected),
		cmocka_unit_test(binding_as_the_kernel),
		cmocka_unit_test(bound_twice),
		cmocka_unit_test(rules),
		cmocka_unit_test(no_path_is_passed_on),
	};
	return cmocka_run_group_tests_name("socket", list, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
