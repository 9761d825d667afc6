/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/kernel_key.h"

#include <errno.h>
#include <linux/if_alg.h>
#include <linux/keyctl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/init.h"
#include "crypt/random.h"
#include "crypt/secret.h"

#ifndef ALG_SET_KEY_BY_KEY_SERIAL /* linux/if_alg.h of Linux 6.2 */
#define ALG_SET_KEY_BY_KEY_SERIAL 7
#endif
/* keyctl_setperm(3): the possessor all; the user may see, read and search. Else a session without the user's keyring, as
 * sudo and cron have them, could not use it. */
#define PERMISSIONS 0x3f0b0000

static const uint8_t slot_label[XAES_KEY_SIZE] = "scrim kernel slot v1";

int kernel_key_parse(const char *text, struct kernel_key *ret_key, struct errmsg *msg)
{
	struct kernel_key key = {.type = "user"};

	if (strncmp(text, "logon:", 6) == 0) {
		strcpy(key.type, "logon");
		text += 6;
	} else if (strncmp(text, "user:", 5) == 0) {
		text += 5;
	}
	if (strlen(text) >= sizeof(key.name))
		return errmsg_set(msg, -EINVAL, "the name of a kernel key has at most %zu characters", sizeof(key.name) - 1);
	strcpy(key.name, text);
	int r = kernel_key_check(&key, msg);
	if (r == 0)
		*ret_key = key;
	return r;
}

/* Its serial number: in the keyrings of this process, else in the user's. */
static long find(const struct kernel_key *key)
{
	long serial = syscall(SYS_request_key, key->type, key->name, NULL, 0);

	if (serial < 0 && errno != ENOSYS && errno != EPERM)
		serial = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, key->type, key->name, 0);
	return serial < 0 ? -errno : serial;
}

static int say(struct errmsg *msg, int error, const struct kernel_key *key)
{
	switch (error) {
	case -ENOSYS:
	case -EPERM:
		return errmsg_set(msg, -EOPNOTSUPP, "no use of the kernel's keys here (%s): containers often forbid it",
				  strerror(-error));
	case -ENOKEY:
	case -EKEYEXPIRED:
	case -EKEYREVOKED:
		return errmsg_set(msg, -ENOKEY, "the kernel has no key %s:%s (%s): put it there again, or use another slot or the "
				  "recovery key", key->type, key->name, strerror(-error));
	default:
		return errmsg_set(msg, error, "the kernel's key %s:%s: %s", key->type, key->name, strerror(-error));
	}
}

int kernel_key_make(const struct kernel_key *key, struct errmsg *msg)
{
	uint8_t *bytes;
	long serial = find(key);

	if (serial >= 0)
		return errmsg_set(msg, -EEXIST, "the kernel has a key %s:%s already", key->type, key->name);
	bytes = secret_alloc(KERNEL_KEY_BYTES);
	if (!bytes)
		return -ENOMEM;
	int r = random_bytes(bytes, KERNEL_KEY_BYTES);
	if (r == 0) {
		serial = syscall(SYS_add_key, key->type, key->name, bytes, (size_t)KERNEL_KEY_BYTES, KEY_SPEC_USER_KEYRING);
		r = serial < 0 ? -errno : 0;
	}
	secret_free(bytes, KERNEL_KEY_BYTES);
	if (r < 0)
		return say(msg, r, key);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, serial, PERMISSIONS) < 0)
		return say(msg, -errno, key);
	return 0;
}

void kernel_key_remove(const struct kernel_key *key)
{
	long serial = find(key);

	if (serial >= 0)
		syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_USER_KEYRING);
}

/* The same as the kernel's xts(aes), for a key that can be read. */
static int derive_here(const uint8_t *bytes, const uint8_t *salt, uint8_t *ret_key)
{
	EVP_CIPHER_CTX *context = crypt_init() == 0 ? EVP_CIPHER_CTX_new() : NULL;
	int len = 0;

	if (!context)
		return -ENOMEM;
	int good = EVP_EncryptInit_ex(context, EVP_aes_256_xts(), NULL, bytes, salt) &&
		   EVP_EncryptUpdate(context, ret_key, &len, slot_label, sizeof(slot_label)) && len == (int)sizeof(slot_label);
	EVP_CIPHER_CTX_free(context);
	return good ? 0 : -EIO;
}

static int derive_from_payload(const struct kernel_key *key, long serial, const uint8_t *salt, uint8_t *ret_key,
			       struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KERNEL_KEY_BYTES);
	int r = 0;

	if (!bytes)
		return -ENOMEM;
	long len = syscall(SYS_keyctl, KEYCTL_READ, serial, bytes, (size_t)KERNEL_KEY_BYTES);
	if (len < 0)
		r = say(msg, -errno, key);
	else if (len != KERNEL_KEY_BYTES)
		r = errmsg_set(msg, -EKEYREJECTED, "the kernel's key %s:%s has %ld bytes: %d random ones are wanted", key->type,
			       key->name, len, KERNEL_KEY_BYTES);
	else
		r = derive_here(bytes, salt, ret_key);
	secret_free(bytes, KERNEL_KEY_BYTES);
	return r;
}

/* One request to the kernel's cipher: encrypt LABEL under SALT. */
static int ask_cipher(int socket_fd, const uint8_t *salt, uint8_t *ret_key)
{
	_cleanup_close_ int fd = accept4(socket_fd, NULL, NULL, SOCK_CLOEXEC);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct af_alg_iv) + SLOT_SALT)] = {0};
	struct iovec text = {.iov_base = (void *)(uintptr_t)slot_label, .iov_len = sizeof(slot_label)};
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control), .msg_iov = &text, .msg_iovlen = 1};
	const uint32_t encrypt = ALG_OP_ENCRYPT, salt_len = SLOT_SALT;

	if (fd < 0)
		return -errno;
	struct cmsghdr *part = CMSG_FIRSTHDR(&msg);
	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_OP, .cmsg_len = CMSG_LEN(sizeof(encrypt))};
	memcpy(CMSG_DATA(part), &encrypt, sizeof(encrypt));
	part = CMSG_NXTHDR(&msg, part);
	*part = (struct cmsghdr){.cmsg_level = SOL_ALG, .cmsg_type = ALG_SET_IV,
				 .cmsg_len = CMSG_LEN(sizeof(struct af_alg_iv) + SLOT_SALT)};
	memcpy(CMSG_DATA(part), &salt_len, sizeof(salt_len));
	memcpy(CMSG_DATA(part) + sizeof(salt_len), salt, SLOT_SALT);
	if (sendmsg(fd, &msg, 0) != (ssize_t)sizeof(slot_label))
		return -errno;
	ssize_t n = read(fd, ret_key, XAES_KEY_SIZE);
	return n == XAES_KEY_SIZE ? 0 : n < 0 ? -errno : -EIO;
}

/* By the kernel, which keeps the key (Documentation/crypto/userspace-if.rst; by serial number since Linux 6.2). */
static int derive_in_kernel(const struct kernel_key *key, long serial, const uint8_t *salt, uint8_t *ret_key,
			    struct errmsg *msg)
{
	const struct sockaddr_alg cipher = {.salg_family = AF_ALG, .salg_type = "skcipher", .salg_name = "xts(aes)"};
	_cleanup_close_ int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int number = (int)serial;

	int r = fd < 0 || bind(fd, (const struct sockaddr *)&cipher, sizeof(cipher)) < 0 ||
				setsockopt(fd, SOL_ALG, ALG_SET_KEY_BY_KEY_SERIAL, &number, sizeof(number)) < 0
			? -errno : ask_cipher(fd, salt, ret_key);
	if (r < 0)
		return errmsg_set(msg, -EOPNOTSUPP, "the kernel's key %s:%s never leaves the kernel, and this kernel does not encrypt "
				  "with it (AF_ALG: %s): use another slot or the recovery key", key->type, key->name, strerror(-r));
	return 0;
}

int kernel_key_derive(const struct kernel_key *key, const uint8_t salt[SLOT_SALT], uint8_t ret_key[XAES_KEY_SIZE],
		      struct errmsg *msg)
{
	long serial = find(key);

	if (serial < 0)
		return say(msg, (int)serial, key);
	return strcmp(key->type, "logon") == 0 ? derive_in_kernel(key, serial, salt, ret_key, msg)
					       : derive_from_payload(key, serial, salt, ret_key, msg);
}
