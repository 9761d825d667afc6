/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, and the structures that lead to them, change while a call is made. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "escape.h"
#include "races.h"

#define STREAM_HARMLESS "sock/open"
#define STREAM_PRIZE "sock/hide"
#define DGRAM_HARMLESS "sock/dope"
#define DGRAM_PRIZE "sock/dhid"

static struct sockaddr_un *addresses; /* harmless, prize, and one that changes */

static void set_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
}

static void prepare(const char *harmless, const char *prize)
{
	addresses = shared_memory(3 * sizeof(*addresses));
	set_address(&addresses[0], harmless);
	set_address(&addresses[1], prize);
	set_address(&addresses[2], harmless);
	set_words(addresses[2].sun_path, addresses[2].sun_path, harmless, prize);
}

static void prepare_stream(void)
{
	prepare(STREAM_HARMLESS, STREAM_PRIZE);
}

static void prepare_dgram(void)
{
	prepare(DGRAM_HARMLESS, DGRAM_PRIZE);
}

static void prepare_bind(void)
{
	prepare("openly/new", "closed/new");
}

/* Whom is FD connected to? */
static void judge_peer(int fd)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);

	memset(&peer, 0, sizeof(peer));
	if (getpeername(fd, (void *)&peer, &len) < 0)
		return;
	at.given += strcmp(peer.sun_path, words.harmless) == 0;
	at.wins += strcmp(peer.sun_path, words.prize) == 0;
}

static int new_socket(int domain, int type)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		broken("socket: %s", strerror(errno));
	return fd;
}

static void words_connect(void)
{
	int fd = new_socket(AF_UNIX, SOCK_STREAM);

	if (connect(fd, (void *)&addresses[2], sizeof(addresses[2])) == 0)
		judge_peer(fd);
	close(fd);
}

/* The family alternates: who takes the address for one of another kind lets the kernel look at it again. */
static void *change_family(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		*(volatile sa_family_t *)&addresses[2].sun_family = AF_INET;
		*(volatile sa_family_t *)&addresses[2].sun_family = AF_UNIX;
	}
	return NULL;
}

static void family_connect(void)
{
	strcpy(addresses[2].sun_path, at.attempts % 2 ? words.prize : words.harmless);
	words_connect();
}

static void words_bind(void)
{
	int fd = new_socket(AF_UNIX, SOCK_STREAM);

	/* The prize is looked for by whoever runs this. */
	if (bind(fd, (void *)&addresses[2], sizeof(addresses[2])) == 0)
		at.given++;
	unlink(words.harmless);
	close(fd);
}

/* What was sent where the one who receives it says. */
static void judge_received(void)
{
	at.given = received()->harmless;
	at.wins = received()->prize;
}

static int sender(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = new_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
	return fd;
}

static void words_sendto(void)
{
	sendto(sender(), "x", 1, 0, (void *)&addresses[2], sizeof(addresses[2]));
	judge_received();
}

/* The address stays, the pointer to it changes. */
static struct mmsghdr *message;
static struct iovec *part;

static void *change_message(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		*(void *volatile *)&message->msg_hdr.msg_name = &addresses[1];
		*(void *volatile *)&message->msg_hdr.msg_name = &addresses[0];
	}
	return NULL;
}

static void prepare_message(void)
{
	prepare_dgram();
	message = shared_memory(sizeof(*message));
	part = shared_memory(sizeof(*part));
	*part = (struct iovec){&message->msg_hdr, 1};
	message->msg_hdr.msg_name = &addresses[0];
	message->msg_hdr.msg_namelen = sizeof(addresses[0]);
	message->msg_hdr.msg_iov = part;
	message->msg_hdr.msg_iovlen = 1;
}

static void name_sendmsg(void)
{
	sendmsg(sender(), &message->msg_hdr, 0);
	judge_received();
}

static void name_sendmmsg(void)
{
	sendmmsg(sender(), message, 1, 0);
	judge_received();
}

/* The descriptor is a socket of another family every other moment. */
static void prepare_descriptor(void)
{
	prepare_dgram();
	descriptors[0] = new_socket(AF_INET, SOCK_DGRAM);
	descriptors[1] = new_socket(AF_UNIX, SOCK_DGRAM);
	target = dup(descriptors[0]);
}

static void descriptor_connect(void)
{
	if (connect(target, (void *)&addresses[at.attempts % 2], sizeof(addresses[0])) == 0)
		judge_peer(descriptors[1]);
}

static void descriptor_sendto(void)
{
	sendto(target, "x", 1, MSG_DONTWAIT, (void *)&addresses[at.attempts % 2], sizeof(addresses[0]));
	judge_received();
}

/* A directory on the way is exchanged for a link to the hidden one. */
static void place_connect(void)
{
	int fd = new_socket(AF_UNIX, SOCK_STREAM);
	struct sockaddr_un name;

	set_address(&name, "sm/s");
	if (connect(fd, (void *)&name, sizeof(name)) == 0)
		judge_peer(fd);
	close(fd);
}

static void prepare_place(void)
{
	prepare("sock/mids", "hids/here");
}

const struct attack socket_attacks[] = {
	{"words-connect", words_connect, prepare_stream, change_words},
	{"family-connect", family_connect, prepare_stream, change_family},
	{"words-bind", words_bind, prepare_bind, change_words},
	{"words-sendto", words_sendto, prepare_dgram, change_words},
	{"name-sendmsg", name_sendmsg, prepare_message, change_message},
	{"name-sendmmsg", name_sendmmsg, prepare_message, change_message},
	{"descriptor-connect", descriptor_connect, prepare_descriptor, change_descriptor},
	{"descriptor-sendto", descriptor_sendto, prepare_descriptor, change_descriptor},
	{"mid-connect", place_connect, prepare_place, .flip = FLIP_EXCHANGE, .from = "sm", .to = "sm-link"},
	{},
};

/* --- the one outside --- */

struct received *received(void)
{
	static struct received *counts;

	if (!counts) {
		int fd = open_or_break("received", O_RDWR);

		counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (counts == MAP_FAILED)
			broken("mmap of what was received");
		close(fd);
	}
	return counts;
}

static int listen_at(const char *name, int type)
{
	int fd = new_socket(AF_UNIX, type | SOCK_NONBLOCK);
	struct sockaddr_un address;

	set_address(&address, name);
	if (bind(fd, (void *)&address, sizeof(address)) < 0 || chmod(name, 0777) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1024) < 0))
		broken("%s: %s", name, strerror(errno));
	return fd;
}

int serve(void)
{
	static const char *const names[] = {
		STREAM_HARMLESS, STREAM_PRIZE, "sock/mids", "hids/here", DGRAM_HARMLESS, DGRAM_PRIZE,
	};
	struct pollfd ends[6];
	char byte;

	if (chdir(at.top) < 0)
		broken("chdir");
	for (int i = 0; i < 6; i++)
		ends[i] = (struct pollfd){listen_at(names[i], i < 4 ? SOCK_STREAM : SOCK_DGRAM), POLLIN, 0};
	/* By other names, which say nothing of where they were bound. */
	if (link("sock/mids", "sm/s") < 0 || link("hids/here", "hids/s") < 0)
		broken("link: %s", strerror(errno));
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(ends, 6, -1) < 0)
			broken("poll");
		for (int i = 0; i < 4; i++)
			for (int fd; (fd = accept(ends[i].fd, NULL, NULL)) >= 0;)
				close(fd);
		for (int i = 4; i < 6; i++)
			while (recv(ends[i].fd, &byte, 1, 0) == 1)
				(*(i == 4 ? &received()->harmless : &received()->prize))++;
	}
}
