/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/kernel_key.h"

#include <errno.h>
#include <linux/if_alg.h>
#include <linux/keyctl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/alg_socket.h"
#include "crypt/init.h"
#include "crypt/random.h"
#include "crypt/secret.h"

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

int kernel_key_put(const struct kernel_key *key, const uint8_t *bytes, struct errmsg *msg)
{
	long serial = find(key);

	if (serial >= 0)
		return errmsg_set(msg, -EEXIST, "the kernel has a key %s:%s already", key->type, key->name);
	serial = syscall(SYS_add_key, key->type, key->name, bytes, (size_t)KERNEL_KEY_BYTES, KEY_SPEC_USER_KEYRING);
	if (serial < 0)
		return say(msg, -errno, key);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, serial, PERMISSIONS) < 0) {
		int r = say(msg, -errno, key);

		syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_USER_KEYRING);
		return r;
	}
	return 0;
}

int kernel_key_make(const struct kernel_key *key, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KERNEL_KEY_BYTES);

	if (!bytes)
		return -ENOMEM;
	int r = random_bytes(bytes, KERNEL_KEY_BYTES);
	if (r == 0)
		r = kernel_key_put(key, bytes, msg);
	secret_free(bytes, KERNEL_KEY_BYTES);
	return r;
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

/* The key's bytes, of a type that gives them out. */
static int read_payload(const struct kernel_key *key, long serial, uint8_t *bytes, struct errmsg *msg)
{
	long len = syscall(SYS_keyctl, KEYCTL_READ, serial, bytes, (size_t)KERNEL_KEY_BYTES);

	if (len < 0)
		return say(msg, -errno, key);
	if (len != KERNEL_KEY_BYTES)
		return errmsg_set(msg, -EKEYREJECTED, "the kernel's key %s:%s has %ld bytes: %d random ones are wanted", key->type,
				  key->name, len, KERNEL_KEY_BYTES);
	return 0;
}

static int derive_from_payload(const struct kernel_key *key, long serial, const uint8_t *salt, uint8_t *ret_key,
			       struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KERNEL_KEY_BYTES);

	if (!bytes)
		return -ENOMEM;
	int r = read_payload(key, serial, bytes, msg);
	if (r == 0)
		r = derive_here(bytes, salt, ret_key);
	secret_free(bytes, KERNEL_KEY_BYTES);
	return r;
}

/* A socket that encrypts with the key, which stays in the kernel. */
static int open_cipher(long serial, int *ret_fd, enum alg_lack *ret_lack)
{
	_cleanup_close_ int fd = -EBADF;
	int r = alg_open("skcipher", "xts(aes)", &fd, ret_lack);

	if (r == 0)
		r = alg_set_serial(fd, (int32_t)serial, ret_lack);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

static int say_lack(const struct kernel_key *key, enum alg_lack lack, int error, struct errmsg *msg)
{
	return errmsg_set(msg, -EOPNOTSUPP, "the kernel's key %s:%s never leaves the kernel, and cannot be used there: %s (AF_ALG: %s). "
			  "Its recovery key opens the files on any machine: scrim key import NAME --recovery", key->type, key->name,
			  alg_lack_text(lack), strerror(-error));
}

/* By the kernel, which keeps the key (Documentation/crypto/userspace-if.rst; by serial number since Linux 6.2). */
static int derive_in_kernel(const struct kernel_key *key, long serial, const uint8_t *salt, uint8_t *ret_key,
			    struct errmsg *msg)
{
	/* Not secret memory, which the kernel cannot pin: wiped at once. */
	uint8_t plain[XAES_KEY_SIZE];
	struct iovec in = {(void *)(uintptr_t)slot_label, sizeof(slot_label)}, out = {plain, sizeof(plain)};
	const struct alg_request request = {.op = ALG_OP_ENCRYPT, .iv = salt, .iv_len = SLOT_SALT, .in = &in, .in_count = 1,
					    .in_len = sizeof(slot_label), .out = &out, .out_count = 1};
	enum alg_lack lack = ALG_NO_REQUEST;
	_cleanup_close_ int fd = -EBADF;
	int r = open_cipher(serial, &fd, &lack);

	if (r == 0) {
		ssize_t n = alg_ask(fd, &request);

		lack = ALG_NO_REQUEST;
		r = n == XAES_KEY_SIZE ? 0 : n < 0 ? (int)n : -EIO;
		if (r == 0)
			memcpy(ret_key, plain, sizeof(plain));
		secret_wipe(plain, sizeof(plain));
	}
	return r < 0 ? say_lack(key, lack, r, msg) : 0;
}

/* Its bytes, since the kernel does not compute with it: WHY. */
static int open_payload(const struct kernel_key *key, long serial, const char *why, struct kek **ret_kek, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KERNEL_KEY_BYTES);

	if (!bytes)
		return -ENOMEM;
	int r = read_payload(key, serial, bytes, msg);
	if (r == 0)
		r = kek_new_sized(bytes, true, ret_kek);
	if (r == 0)
		(*ret_kek)->why = why;
	secret_free(bytes, KERNEL_KEY_BYTES);
	return r;
}

int kernel_key_open(const struct kernel_key *key, struct kek **ret_kek, struct errmsg *msg)
{
	long serial = find(key);
	enum alg_lack lack = ALG_NO_REQUEST;
	int fd;

	if (serial < 0)
		return say(msg, (int)serial, key);
	int r = open_cipher(serial, &fd, &lack);
	if (r == 0) {
		r = kek_new_in_kernel(fd, ret_kek);
		if (r == 0 || r == -ENOMEM)
			return r;
		lack = ALG_NO_REQUEST;
	}
	if (strcmp(key->type, "user") == 0)
		return open_payload(key, serial, alg_lack_text(lack), ret_kek, msg);
	return say_lack(key, lack, r, msg);
}

bool kernel_key_computes(void)
{
	static const uint8_t bytes[KERNEL_KEY_BYTES] = {1};
	_cleanup_close_ int fd = -EBADF;
	enum alg_lack lack;
	long serial = syscall(SYS_add_key, "user", "scrim:probe", bytes, sizeof(bytes), KEY_SPEC_PROCESS_KEYRING);
	bool computes = serial >= 0 && open_cipher(serial, &fd, &lack) == 0;

	if (serial >= 0)
		syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_PROCESS_KEYRING);
	return computes;
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
