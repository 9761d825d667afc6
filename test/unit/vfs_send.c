/* SPDX-License-Identifier: Apache-2.0 */
/* Sending without an address, several messages at a time, and who gets the signal. */
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

/* As resolvers use it: two queries at once by a connected socket. */
static void two_datagrams(void **state)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	struct address none = {.len = 0};
	struct mmsghdr messages[3];
	struct iovec iov[3][2];
	char bytes[16];

	(void)state;
	begin(bystanders);
	int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&name, len), 0);
	for (size_t i = 0; i < 3; i++)
		make_message(&messages[i], iov[i], &none);
	uint64_t args[6] = {(uint64_t)client, (uintptr_t)messages, 2, MSG_NOSIGNAL};
	assert_int_equal(viewed(SYS_sendmmsg, args), 2);
	assert_int_equal(out.kind, OUT_VALUE);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(messages[i].msg_len, sizeof(data));
		assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
		assert_memory_equal(bytes, data, sizeof(data));
	}
	/* The second cannot be sent: one was. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	messages[1].msg_hdr.msg_iov = (struct iovec *)8;
	args[2] = 3;
	assert_int_equal(viewed(SYS_sendmmsg, args), 1);
	assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
	assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	/* None at all. */
	args[2] = 0;
	assert_int_equal(viewed(SYS_sendmmsg, args), 0);
	close(server);
	close(client);
	end();
}

/* To names in the file system: as far as they are there; each is looked up once, and so many at most. */
static void many_datagrams(void **state)
{
	enum { COUNT = 80 };
	static struct mmsghdr messages[COUNT];
	static struct iovec iov[COUNT][2];
	char bytes[16], name[16];

	(void)state;
	begin(bystanders);
	int target = make_socket("target", SOCK_DGRAM, false);
	int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint64_t args[6] = {(uint64_t)client, (uintptr_t)messages, 4};
	address_count = 0;
	for (size_t i = 0; i < 4; i++)
		make_message(&messages[i], iov[i], add_path(i == 3 ? "absent" : "target"));
	assert_int_equal(viewed(SYS_sendmmsg, args), 3);
	assert_true(out.errand.messages->item[0].owned && !out.errand.messages->item[1].owned);
	assert_int_equal(out.errand.messages->item[0].fd, out.errand.messages->item[2].fd);
	assert_int_equal(out.errand.error, -ENOENT);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(messages[i].msg_len, sizeof(data));
		assert_int_equal(recv(target, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
	}
	assert_int_equal(recv(target, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	for (size_t i = 0; i < COUNT; i++) {
		address_count = 0;
		snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(link("target", name), 0);
		struct address *to = malloc(sizeof(*to));
		*to = *add_path(name);
		to->bytes = to->raw;
		make_message(&messages[i], iov[i], to);
	}
	const uint64_t all[6] = {(uint64_t)client, (uintptr_t)messages, COUNT, MSG_DONTWAIT};
	outcome_release(&out);
	outcome_init(&out);
	op_begin(the_op, view.view, &fake.caller, SYS_sendmmsg);
	assert_int_equal(handle_sendmmsg(the_op, SYS_sendmmsg, all, &out), 0);
	assert_int_equal(out.errand.messages->count, 64);
	for (size_t i = 0; i < COUNT; i++)
		free((char *)messages[i].msg_hdr.msg_name - offsetof(struct address, raw));
	close(client);
	close(target);
	end();
}

/* A write to a socket whose other side is shut raises a signal in the caller, so the caller does it. */
static void signals_are_the_callers(void **state)
{
	struct address none = {.len = 0};

	(void)state;
	begin(bystanders);
	int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
	assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(messaging(viewed, client, &none), -EPIPE);
	assert_int_equal(out.kind, OUT_VALUE); /* MSG_NOSIGNAL */
	struct mmsghdr message;
	struct iovec iov[2];
	make_message(&message, iov, &none);
	const uint64_t args[6] = {(uint64_t)client, (uintptr_t)&message.msg_hdr, 0};
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(viewed(SYS_sendmsg, args), -EPIPE);
	assert_int_equal(out.kind, OUT_ERRAND);
	signal(SIGPIPE, SIG_DFL);
	close(client);
	end();
}

static int tests(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	outcome_init(&out);
	const struct CMUnitTest list[] = {
		cmocka_unit_test(two_datagrams),
		cmocka_unit_test(many_datagrams),
		cmocka_unit_test(signals_are_the_callers),
	};
	return cmocka_run_group_tests_name("send", list, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
