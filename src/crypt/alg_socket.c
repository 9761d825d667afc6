/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/alg_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef ALG_SET_KEY_BY_KEY_SERIAL /* linux/if_alg.h of Linux 6.2 */
#define ALG_SET_KEY_BY_KEY_SERIAL 7
#endif
#define IV_MOST 16

static const char *const texts[] = {
	[ALG_NO_FAMILY] = "the family AF_ALG is not there (module af_alg), or blocked (a container's filter, crypto.af_alg_restrict=2)",
	[ALG_NO_SOCKET] = "a socket of AF_ALG is refused to this process (a container's filter or a security module)",
	[ALG_NO_CIPHER] = "the kernel offers no such cipher by AF_ALG: modules are missing (algif_aead and gcm, or algif_skcipher and xts)",
	[ALG_NO_BIND] = "this process may not bind the cipher (crypto.af_alg_restrict, or a security module)",
	[ALG_NO_SERIAL] = "this kernel's AF_ALG takes no keys of keyrings (Linux 6.2 or later does)",
	[ALG_NO_KEY] = "the kernel refuses the key (who asks may not search it, or it is not of 64 bytes)",
	[ALG_NO_REQUEST] = "the kernel fails to compute",
};

const char *alg_lack_text(enum alg_lack lack)
{
	return texts[lack];
}

/* From 7.3 on unprivileged processes may bind only some ciphers; the others are ENOENT to them, as if they were not there. */
static bool is_restricted(void)
{
	_cleanup_close_ int fd = open("/proc/sys/crypto/af_alg_restrict", O_RDONLY | O_CLOEXEC);
	char level;

	return fd >= 0 && read(fd, &level, 1) == 1 && level != '0';
}

int alg_open(const char *type, const char *name, int *ret_fd, enum alg_lack *ret_lack)
{
	struct sockaddr_alg cipher = {.salg_family = AF_ALG};
	_cleanup_close_ int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		*ret_lack = errno == EAFNOSUPPORT ? ALG_NO_FAMILY : ALG_NO_SOCKET;
		return -errno;
	}
	if (strlen(type) >= sizeof(cipher.salg_type) || strlen(name) >= sizeof(cipher.salg_name))
		return -EINVAL;
	strcpy((char *)cipher.salg_type, type);
	strcpy((char *)cipher.salg_name, name);
	if (bind(fd, (const struct sockaddr *)&cipher, sizeof(cipher)) < 0) {
		int error = errno;

		*ret_lack = (error == ENOENT && !is_restricted()) || error == ELIBBAD ? ALG_NO_CIPHER : ALG_NO_BIND;
		return -error;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int alg_set_serial(int fd, int32_t serial, enum alg_lack *ret_lack)
{
	if (setsockopt(fd, SOL_ALG, ALG_SET_KEY_BY_KEY_SERIAL, &serial, sizeof(serial)) == 0)
		return 0;
	*ret_lack = errno == ENOPROTOOPT || errno == EOPNOTSUPP ? ALG_NO_SERIAL : ALG_NO_KEY;
	return -errno;
}

static void put(struct cmsghdr *part, int type, const void *data, size_t len)
{
	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	memcpy(CMSG_DATA(part), data, len);
}

ssize_t alg_ask(int socket_fd, const struct alg_request *q)
{
	_cleanup_close_ int fd = accept4(socket_fd, NULL, NULL, SOCK_CLOEXEC);
	/* As struct af_alg_iv: its length and it. */
	uint8_t iv[sizeof(uint32_t) + IV_MOST];
	_Alignas(struct cmsghdr) char control[2 * CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(iv))] = {0};
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control), .msg_iov = q->in, .msg_iovlen = q->in_count};

	if (fd < 0)
		return -errno;
	if (q->iv_len > IV_MOST)
		return -EINVAL;
	memcpy(iv, &q->iv_len, sizeof(q->iv_len));
	memcpy(iv + sizeof(q->iv_len), q->iv, q->iv_len);
	struct cmsghdr *part = CMSG_FIRSTHDR(&msg);
	put(part, ALG_SET_OP, &q->op, sizeof(q->op));
	part = CMSG_NXTHDR(&msg, part);
	put(part, ALG_SET_IV, iv, sizeof(q->iv_len) + q->iv_len);
	msg.msg_controllen = CMSG_SPACE(sizeof(q->op)) + CMSG_SPACE(sizeof(q->iv_len) + q->iv_len);
	if (q->assoc_len > 0) {
		msg.msg_controllen += CMSG_SPACE(sizeof(q->assoc_len));
		put(CMSG_NXTHDR(&msg, part), ALG_SET_AEAD_ASSOCLEN, &q->assoc_len, sizeof(q->assoc_len));
	}
	/* What is larger than the socket's room would wait for a reader, who is us. */
	ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	/* What does not fit at once is not computed in parts. */
	if ((size_t)n != q->in_len)
		return -EMSGSIZE;
	struct msghdr answer = {.msg_iov = q->out, .msg_iovlen = q->out_count};
	n = recvmsg(fd, &answer, 0);
	return n < 0 ? -errno : n;
}
