/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on encrypted files against a caller that can be gone, limited, or lie about what it holds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fake_caller.h"
#include "intercept/handlers.h"
#include "vfs/vnode/vnode.h"
#include "vnode_help.h"

#define CONTINUED 1000000 /* the kernel would run it */
#define PAGE 4096

static struct stand stand;
static struct view *view;
static struct fake_caller fake;
static struct op *op;
static int32_t refused_rule;
static enum refusal refusal;

static int set_up(void **state)
{
	struct errmsg msg = {0};

	(void)state;
	stand_set_up(&stand, "key=k");
	if (view_new(&(struct view_config){.policy = stand.policy, .vnodes = &stand.config}, &view, &msg) < 0)
		fail_msg("%s", msg.text);
	assert_int_equal(fake_caller_init(&fake, stand.base, 022), 0);
	op = calloc(1, sizeof(*op));
	assert_non_null(op);
	op_init(op);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(op);
	fake_caller_release(&fake);
	view = view_free(view);
	stand_tear_down(&stand);
	return 0;
}

/* The call NR by its HANDLER: its result, a descriptor, CONTINUED, or a negative errno. */
static long call(handler_fn handler, int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t args[6] = {a, b, c, d};
	struct outcome out;
	long result;
	int error;

	outcome_init(&out);
	op_begin(op, view, &fake.caller, nr);
	error = handler(op, nr, args, &out);
	op_end(op);
	refused_rule = op->refused.set ? op->refused.rule : RULE_NONE;
	refusal = op->refused.set ? op->refused.refusal : REFUSAL_COUNT;
	walk_release(&op->walk[0]);
	walk_release(&op->walk[1]);
	result = error ? error : out.kind == OUT_FD ? steal_fd(&out.fd) : out.kind == OUT_CONTINUE ? CONTINUED : out.value;
	outcome_release(&out);
	return result;
}

#define ADDRESS(pointer) ((uint64_t)(uintptr_t)(pointer))
#define OPENAT(name, flags) ((int)call(handle_openat, SYS_openat, (uint64_t)AT_FDCWD, ADDRESS(name), (flags), 0644))
#define FD_CALL(what, fd) call(handle_##what, SYS_##what, (uint64_t)(fd), 0, 0, 0)

/* A file of LEN bytes 'x', closed. */
static void make(const char *name, size_t len)
{
	_cleanup_free_ char *bytes = malloc(len);
	_cleanup_close_ int fd = OPENAT(name, O_WRONLY | O_CREAT | O_EXCL);

	assert_true(fd >= 0);
	memset(bytes, 'x', len);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(FD_CALL(fsync, fd), 0);
}

static off_t size_of(int fd)
{
	struct stat stat;

	assert_int_equal(call(handle_fstat, SYS_fstat, (uint64_t)fd, ADDRESS(&stat), 0, 0), 0);
	return stat.st_size;
}

static void test_nobody_waits(void **state)
{
	char names[2][32];
	const char *const argument[2] = {strcpy(names[0], "made"), strcpy(names[1], "there")};

	(void)state;
	make(argument[1], 100);
	_cleanup_close_ int fd = OPENAT(argument[1], O_RDWR);
	assert_true(fd >= 0);
	fake.validate_error = -ESRCH;
	assert_int_equal(OPENAT(argument[0], O_RDWR | O_CREAT), -ESRCH);
	assert_int_equal(access(stand_path(&stand, argument[0]), F_OK), -1);
	assert_int_equal(OPENAT(argument[1], O_RDWR | O_TRUNC), -ESRCH);
	assert_int_equal(call(handle_ftruncate, SYS_ftruncate, (uint64_t)fd, 5, 0, 0), -ESRCH);
	assert_int_equal(call(handle_fallocate, SYS_fallocate, (uint64_t)fd, 0, 0, 500), -ESRCH);
	assert_int_equal(call(handle_truncate, SYS_truncate, ADDRESS(argument[1]), 5, 0, 0), -ESRCH);
	assert_int_equal(FD_CALL(fsync, fd), -ESRCH);
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)fd, F_ADD_SEALS, F_SEAL_WRITE, 0), -ESRCH);
	fake.validate_error = 0;
	assert_int_equal(size_of(fd), 100);
	assert_int_equal(write(fd, "y", 1), 1);
}

static void test_limit(void **state)
{
	(void)state;
	make("limited", 100);
	_cleanup_close_ int fd = OPENAT("limited", O_RDWR);
	assert_true(fd >= 0);
	fake.size_limit = 200;
	assert_int_equal(call(handle_ftruncate, SYS_ftruncate, (uint64_t)fd, 201, 0, 0), -EFBIG);
	assert_int_equal(fake.signalled, SIGXFSZ);
	fake.signalled = 0;
	assert_int_equal(call(handle_truncate, SYS_truncate, ADDRESS("limited"), 201, 0, 0), -EFBIG);
	assert_int_equal(fake.signalled, SIGXFSZ);
	fake.signalled = 0;
	assert_int_equal(call(handle_ftruncate, SYS_ftruncate, (uint64_t)fd, 200, 0, 0), 0);
	assert_int_equal(call(handle_truncate, SYS_truncate, ADDRESS("limited"), 10, 0, 0), 0);
	assert_int_equal(fake.signalled, 0);
	assert_int_equal(size_of(fd), 10);
}

static void test_refusals(void **state)
{
	(void)state;
	make("file", 10);
	assert_int_equal(OPENAT("file", O_RDWR | O_SYNC), -EINVAL);
	assert_int_equal(refusal, REFUSAL_CRYPT);
	assert_int_equal(refused_rule, 0);
	assert_int_equal(OPENAT("new", O_RDWR | O_CREAT | O_DSYNC), -EINVAL);
	assert_int_equal(access(stand_path(&stand, "new"), F_OK), -1);
	assert_int_equal(OPENAT(".", O_RDWR | O_TMPFILE | O_SYNC), -EINVAL);
	/* Not encrypted. */
	_cleanup_close_ int plain = open(stand_path(&stand, "plain"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(plain, "plain text", 10), 10);
	assert_int_equal(OPENAT("plain", O_RDONLY), -EBADMSG);
	assert_int_equal(refusal, REFUSAL_CRYPT);
	struct stat stat;
	assert_int_equal(call(handle_stat, SYS_stat, ADDRESS("plain"), ADDRESS(&stat), 0, 0), 0);
	assert_int_equal(stat.st_size, 10);
	/* The caller's own permissions count, as asked of the real file. */
	if (geteuid() != 0) {
		assert_int_equal(chmod(stand_path(&stand, "file"), 0444), 0);
		assert_int_equal(OPENAT("file", O_RDWR), -EACCES);
		assert_int_equal(OPENAT("file", O_RDONLY | O_TRUNC), -EACCES);
		assert_int_equal(call(handle_truncate, SYS_truncate, ADDRESS("file"), 0, 0, 0), -EACCES);
		_cleanup_close_ int reader = OPENAT("file", O_RDONLY);
		assert_int_equal(size_of(reader), 10);
	}
}

static void test_seals_and_flags(void **state)
{
	char bytes[PAGE * 5];

	(void)state;
	make("flags", sizeof(bytes));
	_cleanup_close_ int fd = OPENAT("flags", O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)fd, F_GET_SEALS, 0, 0), -EINVAL);
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)fd, F_ADD_SEALS, F_SEAL_WRITE, 0), -EINVAL);
	_cleanup_close_ int own = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)own, F_ADD_SEALS, F_SEAL_SHRINK, 0), 0);
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)own, F_GET_SEALS, 0, 0), F_SEAL_SHRINK);
	/* What it never saw is there when it may write over it. */
	assert_int_equal(call(handle_fcntl, SYS_fcntl, (uint64_t)fd, F_SETFL, O_NONBLOCK, 0), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_NONBLOCK);
	assert_int_equal(pwrite(fd, "abc", 3, PAGE), 3);
	assert_int_equal(FD_CALL(fdatasync, fd), 0);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes + PAGE, "abc", 3);
	stand_disk_holds(&stand, "flags", bytes, sizeof(bytes));
	/* Zeros, and a size. */
	assert_int_equal(call(handle_fallocate, SYS_fallocate, (uint64_t)fd, FALLOC_FL_ZERO_RANGE, 0, 2 * PAGE), 0);
	assert_int_equal(call(handle_fallocate, SYS_fallocate, (uint64_t)fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), -EOPNOTSUPP);
	assert_int_equal(FD_CALL(fsync, fd), 0);
	memset(bytes, 0, 2 * PAGE);
	stand_disk_holds(&stand, "flags", bytes, sizeof(bytes));
}

/* Each way to ask for durability: the disk has it when it returns. */
static void test_durable(void **state)
{
	static const struct {
		const char *name;
		handler_fn handler;
		int nr;
		uint64_t args[4];
		long result;
	} ways[] = {
		{"fsync", handle_fsync, SYS_fsync, {0}, 0},
		{"fdatasync", handle_fdatasync, SYS_fdatasync, {0}, 0},
		{"sync_file_range", handle_sync_file_range, SYS_sync_file_range, {0, 0, 0, SYNC_FILE_RANGE_WRITE}, 0},
		{"syncfs", handle_syncfs, SYS_syncfs, {0}, 0},
		{"sync", handle_sync, SYS_sync, {0}, CONTINUED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		_cleanup_close_ int fd = OPENAT(ways[i].name, O_RDWR | O_CREAT);
		assert_int_equal(write(fd, ways[i].name, 4), 4);
		assert_int_equal(call(ways[i].handler, ways[i].nr, (uint64_t)fd, ways[i].args[1], ways[i].args[2], ways[i].args[3]),
				 ways[i].result);
		stand_disk_holds(&stand, ways[i].name, ways[i].name, 4);
		assert_int_equal(write(fd, ways[i].name, 4), 4);
		char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(at, MAP_FAILED);
		memcpy(at + 2, "via map", 6);
		assert_int_equal(call(handle_msync, SYS_msync, ADDRESS(at), PAGE, MS_SYNC, 0), CONTINUED);
		stand_disk_holds(&stand, ways[i].name, at, 8);
		munmap(at, PAGE);
		assert_int_equal(FD_CALL(pwritev2, fd), -EOPNOTSUPP);
	}
	/* Of others it is the kernel's own call, or is let run. */
	_cleanup_close_ int plain = open(stand_path(&stand, "elsewhere"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		assert_int_equal(call(ways[i].handler, ways[i].nr, (uint64_t)plain, ways[i].args[1], ways[i].args[2], ways[i].args[3]),
				 ways[i].result);
	assert_int_equal(FD_CALL(pwritev2, plain), CONTINUED);
	assert_int_equal(FD_CALL(fsync, 999), -EBADF);
	assert_int_equal(call(handle_sync_file_range, SYS_sync_file_range, (uint64_t)plain, 0, 0, 8), -EINVAL);
}

static void test_o_path(void **state)
{
	struct stat by_name;

	(void)state;
	make("object", 100);
	_cleanup_close_ int fd = open(stand_path(&stand, "object"), O_PATH | O_CLOEXEC);
	assert_int_equal(size_of(fd), 100);
	assert_int_equal(FD_CALL(fsync, fd), -EBADF);
	assert_int_equal(call(handle_fchmod, SYS_fchmod, (uint64_t)fd, 0600, 0, 0), -EBADF);
	assert_int_equal(call(handle_stat, SYS_stat, ADDRESS("object"), ADDRESS(&by_name), 0, 0), 0);
	assert_int_equal(by_name.st_size, 100);
	/* Its name gone it is an encrypted file still. */
	assert_int_equal(unlink(stand_path(&stand, "object")), 0);
	assert_int_equal(size_of(fd), 100);
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	_cleanup_close_ int again = OPENAT(link, O_RDONLY);
	char bytes[200];
	assert_int_equal(read(again, bytes, sizeof(bytes)), 100);
	assert_int_equal(bytes[99], 'x');
}

/* Nothing is left open by what was refused or done. */
static void test_descriptors(void **state)
{
	int before, after;

	(void)state;
	make("counted", 10);
	before = dup(0);
	close(before);
	for (int i = 0; i < 20; i++) {
		_cleanup_close_ int fd = OPENAT("counted", O_RDWR);
		assert_int_equal(FD_CALL(fsync, fd), 0);
		assert_int_equal(OPENAT("counted", O_RDWR | O_SYNC), -EINVAL);
		assert_int_equal(size_of(fd), 10);
		assert_int_equal(FD_CALL(syncfs, fd), 0);
	}
	after = dup(0);
	close(after);
	assert_in_range(after, 0, before + 4); /* what the vnode itself keeps */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits), cmocka_unit_test(test_limit),   cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_seals_and_flags), cmocka_unit_test(test_durable), cmocka_unit_test(test_o_path),
		cmocka_unit_test(test_descriptors),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
