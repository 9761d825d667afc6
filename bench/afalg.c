/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM by the kernel against the libraries: a new key for each message, as XAES has it, an associated text of 32 bytes, sealed.
 * The ways take turns, so that what else the machine does meets all of them; medians, and the ratio to OpenSSL, which is what a
 * virtual machine's numbers are good for.
 *
 *	bench_afalg [ROUNDS]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/alg_socket.h"
#include "crypt/provider.h"

#define MOST  (1u << 20)
#define AAD   32
#define BATCH (64u << 10) /* what a pipe takes: 16 pages */
#define ROUNDS_MOST 101

static uint8_t *plain, *cipher;
static uint8_t key[AEAD_KEY_SIZE], nonce[AEAD_NONCE_SIZE], aad[AAD], tag[AEAD_TAG_SIZE];
static int gcm = -1, channel[2];

static void require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_head(int fd, bool with_text, size_t len)
{
	char control[CMSG_SPACE(4) * 2 + CMSG_SPACE(4 + AEAD_NONCE_SIZE)] = {0};
	struct iovec parts[] = {{aad, AAD}, {plain, len}};
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control), .msg_iov = parts, .msg_iovlen = with_text ? 2 : 1};
	const uint32_t op = ALG_OP_ENCRYPT, iv_len = AEAD_NONCE_SIZE, aad_len = AAD;
	struct cmsghdr *part = CMSG_FIRSTHDR(&msg);

	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_OP, .cmsg_len = CMSG_LEN(4)};
	memcpy(CMSG_DATA(part), &op, 4);
	part = CMSG_NXTHDR(&msg, part);
	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_IV, .cmsg_len = CMSG_LEN(4 + AEAD_NONCE_SIZE)};
	memcpy(CMSG_DATA(part), &iv_len, 4);
	memcpy(CMSG_DATA(part) + 4, nonce, sizeof(nonce));
	part = CMSG_NXTHDR(&msg, part);
	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_AEAD_ASSOCLEN, .cmsg_len = CMSG_LEN(4)};
	memcpy(CMSG_DATA(part), &aad_len, 4);
	require(sendmsg(fd, &msg, with_text ? 0 : MSG_MORE) == (ssize_t)(AAD + (with_text ? len : 0)), "sendmsg");
}

/* Pages of ours, not copied on their way in. */
static void splice_text(int fd, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct iovec piece = {plain + at, len - at < BATCH ? len - at : BATCH};
		ssize_t n = vmsplice(channel[1], &piece, 1, 0);

		require(n > 0, "vmsplice");
		for (ssize_t left = n; left > 0;) {
			ssize_t moved = splice(channel[0], NULL, fd, NULL, (size_t)left, at + (size_t)n < len ? SPLICE_F_MORE : 0);

			require(moved > 0, "splice");
			left -= moved;
		}
		at += (size_t)n;
	}
}

static void by_kernel(size_t len, bool spliced)
{
	const int room = 8 << 20;

	require(setsockopt(gcm, SOL_ALG, ALG_SET_KEY, key, sizeof(key)) == 0, "ALG_SET_KEY");
	_cleanup_close_ int fd = accept4(gcm, NULL, NULL, SOCK_CLOEXEC);
	require(fd >= 0, "accept");
	if (len > BATCH) /* root may */
		require(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) == 0 &&
				setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0, "room of the socket");
	send_head(fd, !spliced, len);
	if (spliced)
		splice_text(fd, len);
	struct iovec out[] = {{aad, AAD}, {cipher, len}, {tag, sizeof(tag)}};
	struct msghdr answer = {.msg_iov = out, .msg_iovlen = 3};
	require(recvmsg(fd, &answer, 0) == (ssize_t)(AAD + len + sizeof(tag)), "recvmsg");
}

enum way { OPENSSL, SODIUM, SENDMSG, SPLICE, WAYS };
static const char *const names[] = {"openssl", "sodium", "afalg", "afalg, splice"};

static void seal(enum way way, void *const *contexts, size_t len)
{
	static const struct aead_provider *const libraries[] = {&aead_openssl, &aead_sodium};
	const struct aead_message m = {.aad = aad, .aad_len = AAD, .in = plain, .len = len, .out = cipher, .tag = tag};

	key[0]++;
	if (way <= SODIUM)
		require(libraries[way]->seal(contexts[way], key, nonce, &m) == 0, "seal");
	else
		by_kernel(len, way == SPLICE);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {4 << 10, 16 << 10, 64 << 10, 1 << 20};
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	static double took[WAYS][ROUNDS_MOST];
	void *contexts[2];
	const char *why;
	enum alg_lack lack;
	bool has_sodium = aead_sodium.usable(&why) == 0;

	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MOST ? ROUNDS_MOST : rounds;
	plain = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	cipher = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	require(plain != MAP_FAILED && cipher != MAP_FAILED, "memory");
	require(aead_openssl.make(&contexts[0]) == 0, "openssl");
	if (has_sodium)
		require(aead_sodium.make(&contexts[1]) == 0, "sodium");
	if (alg_open("aead", "gcm(aes)", &gcm, &lack) < 0) {
		fprintf(stderr, "%s\n", alg_lack_text(lack));
		return 1;
	}
	require(setsockopt(gcm, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, AEAD_TAG_SIZE) == 0 && pipe2(channel, O_CLOEXEC) == 0, "AF_ALG");
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		size_t len = sizes[s];
		int many = (int)((4u << 20) / len < 64 ? (4u << 20) / len : 64);
		double openssl = 0;

		for (int round = 0; round < rounds; round++)
			for (enum way way = 0; way < WAYS; way++) {
				if (way == SODIUM && !has_sodium)
					continue;
				double start = now();
				for (int i = 0; i < many; i++)
					seal(way, contexts, len);
				took[way][round] = (now() - start) / many;
			}
		for (enum way way = 0; way < WAYS; way++) {
			if (way == SODIUM && !has_sodium)
				continue;
			qsort(took[way], (size_t)rounds, sizeof(double), compare);
			double median = took[way][rounds / 2];
			openssl = way == OPENSSL ? median : openssl;
			printf("%5zu KiB  %-14s %9.1f us  %8.1f MiB/s  %5.2f times OpenSSL's time\n", len >> 10, names[way], median * 1e6,
			       (double)len / median / (1 << 20), median / openssl);
		}
	}
	return 0;
}
