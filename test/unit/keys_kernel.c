/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel key that never leaves the kernel, on a kernel that computes with it: played by the functions below, which the
 * linker puts in front of libc's, as Documentation/crypto/userspace-if.rst has it. Few machines have one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <linux/keyctl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/init.h"
#include "crypt/kdf.h"
#include "crypt/keys/kernel_key.h"
#include "crypt/keys/slot.h"

enum step { NOTHING, SOCKET, BIND, SETSOCKOPT, ACCEPT, SENDMSG, READ, SHORT_READ };

/* The kernel as it is played: what fails, what it was told. */
static struct {
	enum step fails;
	int error;
	int cipher, request; /* its two descriptors */
	int serial;
	bool has_key, has_text;
	uint8_t answer[64];
	size_t len;
} kernel;

static uint8_t payload[KERNEL_KEY_BYTES];

static int failing(enum step step)
{
	if (kernel.fails != step)
		return 0;
	errno = kernel.error;
	return -1;
}

static int make_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
	assert_int_equal(domain, AF_ALG);
	assert_int_equal(type, SOCK_SEQPACKET | SOCK_CLOEXEC);
	assert_int_equal(protocol, 0);
	if (failing(SOCKET))
		return -1;
	return kernel.cipher = make_fd();
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_alg *cipher = (const void *)address;

	assert_int_equal(fd, kernel.cipher);
	assert_int_equal(len, sizeof(*cipher));
	assert_int_equal(cipher->salg_family, AF_ALG);
	assert_string_equal((const char *)cipher->salg_type, "skcipher");
	assert_string_equal((const char *)cipher->salg_name, "xts(aes)");
	return failing(BIND);
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	assert_int_equal(fd, kernel.cipher);
	assert_int_equal(level, SOL_ALG);
	assert_int_equal(option, 7); /* ALG_SET_KEY_BY_KEY_SERIAL */
	assert_int_equal(len, sizeof(int));
	memcpy(&kernel.serial, value, sizeof(int));
	kernel.has_key = true;
	return failing(SETSOCKOPT);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	assert_int_equal(fd, kernel.cipher);
	assert_null(address);
	assert_null(len);
	assert_int_equal(flags, SOCK_CLOEXEC);
	assert_true(kernel.has_key);
	if (failing(ACCEPT))
		return -1;
	return kernel.request = make_fd();
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr copy = *msg;
	struct af_alg_iv *iv = NULL;
	uint32_t op = 99;
	int len = 0;

	assert_int_equal(fd, kernel.request);
	assert_int_equal(flags, MSG_DONTWAIT);
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&copy); part; part = CMSG_NXTHDR(&copy, part)) {
		assert_int_equal(part->cmsg_level, SOL_ALG);
		if (part->cmsg_type == ALG_SET_OP) {
			assert_int_equal(part->cmsg_len, CMSG_LEN(sizeof(op)));
			memcpy(&op, CMSG_DATA(part), sizeof(op));
		} else {
			assert_int_equal(part->cmsg_type, ALG_SET_IV);
			iv = (void *)CMSG_DATA(part);
			assert_int_equal(part->cmsg_len, CMSG_LEN(sizeof(*iv) + SLOT_SALT));
			assert_int_equal(iv->ivlen, SLOT_SALT);
		}
	}
	assert_int_equal(op, ALG_OP_ENCRYPT);
	assert_non_null(iv);
	assert_int_equal(msg->msg_iovlen, 1);
	kernel.len = msg->msg_iov[0].iov_len;
	assert_true(kernel.len == 32 || kernel.len == 64);
	if (failing(SENDMSG))
		return -1;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	assert_true(EVP_EncryptInit_ex(context, EVP_aes_256_xts(), NULL, payload, iv->iv) &&
		    EVP_EncryptUpdate(context, kernel.answer, &len, msg->msg_iov[0].iov_base, (int)kernel.len));
	EVP_CIPHER_CTX_free(context);
	kernel.has_text = true;
	return (ssize_t)kernel.len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	assert_int_equal(fd, kernel.request);
	assert_int_equal(flags, 0);
	assert_true(kernel.has_text);
	assert_int_equal(msg->msg_iovlen, 1);
	assert_int_equal(msg->msg_iov[0].iov_len, kernel.len);
	if (failing(READ))
		return -1;
	memcpy(msg->msg_iov[0].iov_base, kernel.answer, kernel.len);
	return kernel.fails == SHORT_READ ? 16 : (ssize_t)kernel.len;
}

static struct key_file *golden(const char *path)
{
	struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	struct key_file *file = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(secret_text_read(fd, text), 0);
	assert_int_equal(key_file_parse(text->data, text->len, &file, NULL), 0);
	secret_text_free(text);
	return file;
}

static void computed_in_the_kernel(void **state)
{
	static const struct {
		enum step step;
		int error;
	} lacks[] = {{SOCKET, EAFNOSUPPORT}, {BIND, ENOENT},	 {SETSOCKOPT, ENOPROTOOPT}, {ACCEPT, EPERM},
		     {SENDMSG, EINVAL},	     {READ, EKEYEXPIRED}, {SHORT_READ, 0}};
	_cleanup_(cleanup_key_file) struct key_file *file = golden(SCRIM_TEST_DATA "/logon.key");
	struct errmsg msg = {0};
	struct kek *kek = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	/* The kernel's keyring has a key of that name, with another content: it is not looked at. */
	long serial = syscall(SYS_add_key, "logon", "scrim:golden", "other", (size_t)5, KEY_SPEC_PROCESS_KEYRING);
	if (serial < 0) {
		assert_true(errno == EPERM || errno == ENOSYS);
		assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -EOPNOTSUPP);
		return;
	}
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), 0);
	assert_int_equal(kernel.serial, serial);
	for (int i = 0; i < KEK_SIZE; i++)
		assert_int_equal(kek->bytes[i], i);
	kek_free(kek);
	kek = NULL;
	/* What is missing is said, and nothing stays open. */
	int before = make_fd();
	close(before);
	for (size_t i = 0; i < ARRAY_LEN(lacks); i++) {
		msg.text[0] = '\0';
		memset(&kernel, 0, sizeof(kernel));
		kernel.fails = lacks[i].step;
		kernel.error = lacks[i].error;
		assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -EOPNOTSUPP);
		assert_null(kek);
		assert_non_null(strstr(msg.text, "logon:scrim:golden"));
		assert_non_null(strstr(msg.text, lacks[i].error ? strerror(lacks[i].error) : "AF_ALG"));
	}
	memset(&kernel, 0, sizeof(kernel));
	int after = make_fd();
	close(after);
	assert_int_equal(before, after);
	/* Another key under that name. */
	payload[0] ^= 1;
	msg.text[0] = '\0';
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -ENOKEY);
	assert_non_null(strstr(msg.text, "another one"));
}

/* A key that the kernel has: its id and what is derived from it, without a byte of it in this process. */
static void kept_in_the_kernel(void **state)
{
	/* The call that fails, and what the message says of it: each something of its own. */
	static const struct {
		enum step step;
		int error;
		const char *says;
	} lacks[] = {
		{SOCKET, EAFNOSUPPORT, "the family AF_ALG is not there"}, {SOCKET, EPERM, "a socket of AF_ALG is refused"},
		{BIND, ENOENT, "modules are missing"},		       {BIND, EPERM, "may not bind"},
		{SETSOCKOPT, ENOPROTOOPT, "Linux 6.2"},		       {SETSOCKOPT, EACCES, "refuses the key"},
		{ACCEPT, EPERM, "fails to compute"},		       {SENDMSG, EINVAL, "fails to compute"},
		{READ, EIO, "fails to compute"},		       {SHORT_READ, 0, "fails to compute"},
	};
	_cleanup_(cleanup_key_file) struct key_file *file = golden(SCRIM_TEST_DATA "/keyring-logon.key");
	struct errmsg msg = {0};
	struct kek *kek = NULL;
	uint8_t salt[16] = {7}, kept[64], here[64];

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	memset(&kernel, 0, sizeof(kernel));
	if (syscall(SYS_add_key, "logon", "scrim:golden", "other", (size_t)5, KEY_SPEC_PROCESS_KEYRING) < 0) {
		assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -EOPNOTSUPP);
		return;
	}
	int before = make_fd();
	close(before);
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), 0);
	assert_true(kek->wide && !kek->bytes && !kek->why);
	assert_memory_equal(kek->id, file->id, KEK_ID);
	struct store_key key = kek_store_key(kek);
	assert_null(key.kek);
	assert_int_equal(key.stretch(key.data, salt, kept), 0);
	assert_int_equal(kdf_here(payload, salt, kdf_wrap_text, here), 0);
	assert_memory_equal(kept, here, sizeof(here));
	kernel.fails = SENDMSG;
	kernel.error = ENOMEM;
	assert_int_equal(key.stretch(key.data, salt, kept), -ENOMEM);
	kek_free(kek);
	kek = NULL;
	for (size_t i = 0; i < ARRAY_LEN(lacks); i++) {
		msg.text[0] = '\0';
		memset(&kernel, 0, sizeof(kernel));
		kernel.fails = lacks[i].step;
		kernel.error = lacks[i].error;
		assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -EOPNOTSUPP);
		assert_null(kek);
		assert_non_null(strstr(msg.text, lacks[i].says));
		assert_non_null(strstr(msg.text, "recovery key"));
	}
	memset(&kernel, 0, sizeof(kernel));
	payload[63] ^= 1;
	msg.text[0] = '\0';
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -ENOKEY);
	assert_non_null(strstr(msg.text, "another one"));
	int after = make_fd();
	close(after);
	assert_int_equal(before, after);
}

/* A key that can be read is, where the kernel does not compute; and it is said why. */
static void read_where_it_must_be(void **state)
{
	_cleanup_(cleanup_key_file) struct key_file *file = golden(SCRIM_TEST_DATA "/keyring-user.key");
	struct errmsg msg = {0};
	struct kek *kek = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	memset(&kernel, 0, sizeof(kernel));
	kernel.fails = BIND;
	kernel.error = ENOENT;
	if (syscall(SYS_add_key, "user", "scrim:golden", payload, sizeof(payload), KEY_SPEC_PROCESS_KEYRING) < 0) {
		assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), -EOPNOTSUPP);
		return;
	}
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), 0);
	assert_true(kek->wide && kek->bytes);
	assert_non_null(strstr(kek->why, "modules are missing"));
	assert_memory_equal(kek->bytes, payload, sizeof(payload));
	kek_free(kek);
	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(slot_open_unasked(file, 0, &kek, &msg), 0);
	assert_true(!kek->bytes && !kek->why);
	kek_free(kek);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(computed_in_the_kernel),
		cmocka_unit_test(kept_in_the_kernel),
		cmocka_unit_test(read_where_it_must_be),
	};

	if (crypt_init() < 0) /* before the kernel that is played uses libcrypto */
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
