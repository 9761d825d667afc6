/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's ciphers: sockets of AF_ALG (Documentation/crypto/userspace-if.rst). One socket is bound to a cipher and has a
 * key; each request accepts another one from it. What a kernel, a container or an administrator takes away is told apart.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What is missing, by the call that fails. */
enum alg_lack {
	ALG_NO_FAMILY,	 /* socket(): the family is not there, or a filter says so */
	ALG_NO_SOCKET,	 /* socket(): refused */
	ALG_NO_CIPHER,	 /* bind(): no such cipher: a module is missing */
	ALG_NO_BIND,	 /* bind(): refused, by crypto.af_alg_restrict or a security module */
	ALG_NO_SERIAL,	 /* setsockopt(): this kernel takes no keys by serial number (before 6.2) */
	ALG_NO_KEY,	 /* setsockopt(): the key is refused */
	ALG_NO_REQUEST,	 /* the request itself fails */
};

/* A text that lives for ever: what is missing, and what would help. */
const char *alg_lack_text(enum alg_lack lack);

/* A socket bound to the cipher NAME of TYPE ("aead", "skcipher"). 0 and a descriptor; or a negative errno and *RET_LACK. */
int alg_open(const char *type, const char *name, int *ret_fd, enum alg_lack *ret_lack);

/* Let the socket use the key with this serial number, which the caller may search (Linux 6.2). As alg_open(). */
int alg_set_serial(int fd, int32_t serial, enum alg_lack *ret_lack);

/* One request, in one piece: IN is encrypted or decrypted into OUT. */
struct alg_request {
	uint32_t op; /* ALG_OP_ENCRYPT, ALG_OP_DECRYPT */
	const uint8_t *iv;
	uint32_t iv_len;    /* at most 16 */
	uint32_t assoc_len; /* of an AEAD; else 0 */
	struct iovec *in;
	size_t in_count, in_len;
	struct iovec *out;
	size_t out_count;
};

/* How many bytes came out, or a negative errno; -EBADMSG: another tag. Any number of threads may ask one socket. */
ssize_t alg_ask(int fd, const struct alg_request *request);
