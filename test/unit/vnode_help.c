/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/random.h"
#include "crypt/secret.h"
#include "vnode_help.h"

static void note_report(void *data, const char *path, size_t path_len, int error, const char *note)
{
	struct stand *stand = data;

	snprintf(stand->path, sizeof(stand->path), "%.*s", (int)path_len, path);
	snprintf(stand->note, sizeof(stand->note), "%s", note);
	stand->reports++;
	stand->error = error;
}

static void make_key(struct store_key *key)
{
	uint8_t *kek = secret_alloc(32);

	assert_non_null(kek);
	assert_int_equal(random_bytes(kek, 32), 0);
	assert_int_equal(random_bytes(key->id, sizeof(key->id)), 0);
	key->kek = kek;
}

void stand_start(struct stand *stand, bool thread)
{
	struct errmsg msg = {0};

	stand->config.policy = stand->policy;
	stand->config.keys = stand->keys;
	stand->config.report = note_report;
	stand->config.report_data = stand;
	stand->reports = 0;
	if (vnodes_new(&stand->config, &stand->vnodes, &msg) < 0)
		fail_msg("%s", msg.text);
	assert_non_null(stand->vnodes);
	if (thread)
		assert_int_equal(vnodes_start(stand->vnodes), 0);
}

void stand_stop(struct stand *stand)
{
	stand->vnodes = vnodes_free(stand->vnodes);
}

void stand_set_up(struct stand *stand, const char *rule)
{
	const char *tmp = getenv("TMPDIR");
	char text[600];
	struct errmsg msg = {0};
	char *base;
	uint32_t count;

	memset(stand, 0, sizeof(*stand));
	assert_true(asprintf(&base, "%s/scrim-vnode-XXXXXX", tmp ? tmp : "/tmp") > 0);
	assert_non_null(mkdtemp(base));
	stand->base = realpath(base, NULL);
	free(base);
	snprintf(text, sizeof(text), "crypt %s %s", stand->base, rule);
	assert_int_equal(policy_new(&(struct policy_context){.home = stand->base, .cwd = stand->base, .trust_any_owner = true, .no_mseal = true},
				    &stand->policy), 0);
	if (policy_add_rule(stand->policy, text, &msg) < 0 || policy_compile(stand->policy, &msg) < 0)
		fail_msg("%s", msg.text);
	count = policy_rule_count(stand->policy);
	stand->keys = calloc(count, sizeof(*stand->keys));
	make_key(&stand->keys[0].wrap);
	for (uint32_t i = 1; i < count; i++)
		stand->keys[i] = stand->keys[0];
	stand_start(stand, true);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

void stand_tear_down(struct stand *stand)
{
	stand_stop(stand);
	nftw(stand->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	secret_free((void *)stand->keys[0].wrap.kek, 32);
	free(stand->keys);
	policy_free(stand->policy);
	free((char *)stand->base);
}

const char *stand_path(const struct stand *stand, const char *name)
{
	static _Thread_local char path[1024];

	snprintf(path, sizeof(path), "%s/%s", stand->base, name);
	return path;
}

struct vnode_place stand_place(struct stand *stand, const char *name, int *object, struct stat *real)
{
	const char *path = stand_path(stand, name);
	struct verdict verdict;

	if (*object < 0)
		*object = open(path, O_PATH | O_CLOEXEC);
	if (*object < 0 || fstat(*object, real) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	policy_verdict(stand->policy, path, strlen(path), &verdict);
	assert_int_equal(verdict.content, CONTENT_CRYPT);
	return (struct vnode_place){
		.rule = verdict.content_rule, .object = *object, .real = real, .path = path, .path_len = strlen(path)};
}

int stand_open(struct stand *stand, const char *name, int flags)
{
	_cleanup_close_ int object = -EBADF;
	struct vnode_place place;
	struct stat real;
	bool made = false;
	int fd, error;

	if (flags & O_CREAT) {
		object = open(stand_path(stand, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		made = object >= 0;
	}
	place = stand_place(stand, name, &object, &real);
	error = vnodes_open(stand->vnodes, &place, flags & ~(O_CREAT | O_EXCL), made, &fd);
	return error < 0 ? error : fd;
}

struct stat stand_stat(struct stand *stand, const char *name)
{
	_cleanup_close_ int object = -EBADF;
	struct stat real, shown;
	struct vnode_place place = stand_place(stand, name, &object, &real);

	shown = real;
	assert_int_equal(vnodes_present(stand->vnodes, &place, &shown), 0);
	return shown;
}

struct stat stand_fstat(struct stand *stand, int fd)
{
	struct stat own, shown;

	assert_int_equal(fstat(fd, &own), 0);
	assert_int_equal(vnodes_find(stand->vnodes, own.st_dev, own.st_ino, NULL, NULL, NULL, NULL, &shown), 0);
	return shown;
}

int stand_truncate(struct stand *stand, const char *name, uint64_t size)
{
	_cleanup_close_ int object = -EBADF;
	struct stat real;
	struct vnode_place place = stand_place(stand, name, &object, &real);

	return vnodes_truncate(stand->vnodes, &place, size);
}

int stand_sync(struct stand *stand, int fd)
{
	struct stat own;

	assert_int_equal(fstat(fd, &own), 0);
	return vnodes_sync(stand->vnodes, own.st_dev, own.st_ino);
}

void stand_put(struct stand *stand, const char *name, const void *content, size_t len)
{
	int fd = stand_open(stand, name, O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0)
		fail_msg("%s: %s", name, strerror(-fd));
	assert_int_equal(write(fd, content, len), len);
	close(fd);
}

static void compare(const char *name, const uint8_t *have, ssize_t n, const void *content, size_t len)
{
	if (n != (ssize_t)len)
		fail_msg("%s has %zd bytes, not %zu", name, n, len);
	for (size_t i = 0; i < len; i++)
		if (have[i] != ((const uint8_t *)content)[i])
			fail_msg("%s: byte %zu is %02x, not %02x", name, i, have[i], ((const uint8_t *)content)[i]);
}

void stand_holds(struct stand *stand, const char *name, const void *content, size_t len)
{
	int fd = stand_open(stand, name, O_RDONLY);
	uint8_t *have = malloc(len + 1);

	if (fd < 0)
		fail_msg("%s: %s", name, strerror(-fd));
	compare(name, have, pread(fd, have, len + 1, 0), content, len);
	free(have);
	close(fd);
}

static ssize_t read_disk(struct stand *stand, const char *name, uint8_t *have, size_t room)
{
	_cleanup_close_ int fd = open(stand_path(stand, name), O_RDONLY | O_CLOEXEC);
	struct store_env env = {.io = &store_io_file, .handle = &fd, .provider = aead_provider_find(NULL), .random = random_bytes,
				.keys = &stand->keys[0].wrap, .key_count = 1};
	struct store *store;
	ssize_t n;
	int error;

	assert_true(fd >= 0);
	error = store_open(&env, STORE_READ, NULL, &store);
	if (error < 0)
		return error;
	n = store_read(store, have, room, 0);
	store_free(store);
	return n;
}

void stand_disk_holds(struct stand *stand, const char *name, const void *content, size_t len)
{
	uint8_t *have = malloc(len + 1);

	compare(name, have, read_disk(stand, name, have, len + 1), content, len);
	free(have);
}

void stand_wait_disk(struct stand *stand, const char *name, const void *content, size_t len)
{
	uint8_t *have = malloc(len + 1);

	for (int i = 0; i < 2000; i++) {
		ssize_t n = read_disk(stand, name, have, len + 1);

		if (n == (ssize_t)len && (len == 0 || memcmp(have, content, len) == 0))
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	free(have);
	stand_disk_holds(stand, name, content, len);
}

uint8_t *stand_bytes(unsigned seed, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)x;
	}
	return bytes;
}
