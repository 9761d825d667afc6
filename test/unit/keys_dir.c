/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of key files: who may read what, and that an interruption loses nothing. The linker puts the functions
 * below in front of libc's (test/cmake/keys.cmake): each call that changes something fails, or is the last one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/directories.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/secret_text.h"
#include "crypt/keys/slot.h"

static struct {
	unsigned at;	 /* the call that is interrupted, from 1; 0: none */
	unsigned count;	 /* of calls so far */
	int error;	 /* that it gets; 0: the process ends there */
	bool half_write; /* a write writes a byte only, before the error in the next */
	bool no_rename;	 /* renameat2 knows no flags here */
	char trace[256];
} plan;

static bool interrupted(const char *name)
{
	size_t len = strlen(plan.trace);

	snprintf(plan.trace + len, sizeof(plan.trace) - len, "%s ", name);
	if (++plan.count != plan.at)
		return false;
	if (plan.error == 0)
		_exit(99);
	errno = plan.error;
	return true;
}

#define WRAP(name, parameters, arguments)                                                                              \
	int __real_##name parameters;                                                                                  \
	int __wrap_##name parameters;                                                                                  \
	int __wrap_##name parameters                                                                                   \
	{                                                                                                              \
		return interrupted(#name) ? -1 : __real_##name arguments;                                              \
	}
WRAP(fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(fsync, (int fd), (fd))
WRAP(flock, (int fd, int operation), (fd, operation))
WRAP(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))

int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	if (interrupted("renameat2"))
		return -1;
	if (plan.no_rename) {
		errno = EINVAL;
		return -1;
	}
	return __real_renameat2(a, from, b, to, flags);
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	if (interrupted("write"))
		return -1;
	return __real_write(fd, bytes, plan.half_write && len > 1 ? len / 2 : len);
}

static int opening(int fd, const char *path, int flags, mode_t mode, int (*real)(int, const char *, int, ...))
{
	return (flags & O_CREAT) && interrupted("create") ? -1 : real(fd, path, flags, mode);
}

#define WRAP_OPEN(name)                                                                                                \
	int __real_##name(int fd, const char *path, int flags, ...);                                                   \
	int __wrap_##name(int fd, const char *path, int flags, mode_t mode);                                           \
	int __wrap_##name(int fd, const char *path, int flags, mode_t mode)                                            \
	{                                                                                                              \
		return opening(fd, path, flags, mode, __real_##name);                                                  \
	}
WRAP_OPEN(openat)
WRAP_OPEN(openat64)

static char place[64], dir[128];
static int dir_fd = -EBADF;
static struct buffer *old_text, *new_text;

static void path_of(const char *file, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/%s", dir, file);
}

/* In ordinary memory, which children have too. */
static struct buffer *make_text(void)
{
	struct buffer *text = malloc(sizeof(*text) + KEY_TEXT_MAX + 1);
	struct kek *kek;

	assert_non_null(text);
	buffer_init(text, (char *)(text + 1), KEY_TEXT_MAX + 1);
	assert_int_equal(kek_new_random(&kek), 0);
	assert_int_equal(key_file_start(kek->id, 1234567890, text), 0);
	assert_int_equal(key_file_add_raw(kek, text), 0);
	kek_free(kek);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	/* Many files are made durable: in memory, where that costs nothing. */
	snprintf(place, sizeof(place), "%s/scrim-keys-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(place))
		return -1;
	snprintf(dir, sizeof(dir), "%s/config/scrim/keys", place);
	old_text = make_text();
	new_text = make_text();
	/* A home that is not there is not made. */
	if (make_directories(dir, "/nowhere") < 0 || make_directories("/nowhere/at/all", "/nowhere") != -ENOENT)
		return -1;
	return key_dir_open(dir, &dir_fd, NULL);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	safe_close(dir_fd);
	free(old_text);
	free(new_text);
	snprintf(command, sizeof(command), "rm -rf '%s'", place);
	return system(command);
}

/* What stands in NAME is TEXT, opens, and is private. */
static bool holds(const char *name, const struct buffer *text)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;
	struct kek *kek = NULL;
	struct stat st;
	char path[256];

	if (key_dir_load(dir_fd, dir, name, &file, NULL) < 0)
		return false;
	assert_int_equal(slot_open_unasked(file, 0, &kek, NULL), 0);
	kek_free(kek);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 1);
	return file->text->len == text->len && memcmp(file->text->data, text->data, text->len) == 0;
}

static unsigned count_files(void)
{
	DIR *d = opendir(dir);
	unsigned count = 0;

	for (struct dirent *entry; (entry = readdir(d));)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(d);
	return count;
}

static void forget(const char *name)
{
	memset(&plan, 0, sizeof(plan));
	int r = key_dir_remove(dir_fd, name);
	assert_true(r == 0 || r == -ENOENT);
}

static void directory(void **state)
{
	struct errmsg msg = {0};
	struct stat st;
	int fd = -EBADF;

	(void)state;
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(dir, 0720), 0);
	assert_int_equal(key_dir_open(dir, &fd, &msg), -EPERM);
	assert_non_null(strstr(msg.text, "chmod go-w"));
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(key_dir_open("/proc/1/nothing", &fd, NULL), -ENOENT);
	if (geteuid() == 0) {
		msg.text[0] = '\0';
		assert_int_equal(setegid(1), 0);
		assert_int_equal(seteuid(65534), 0);
		int r = key_dir_open("/tmp", &fd, &msg);
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
		assert_int_equal(r, -EPERM);
	}
	assert_int_equal(fd, -EBADF);
}

static void names(void **state)
{
	static const char *const wrong[] = {"", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "a\n", "\xc3\xa4", "a*"};
	char longest[KEY_NAME_MAX + 1], (*list)[KEY_NAME_MAX] = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct key_file *file = NULL;

		assert_int_equal(key_name_check(wrong[i], NULL), -EINVAL);
		assert_int_equal(key_dir_load(dir_fd, dir, wrong[i], &file, NULL), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[KEY_NAME_MAX] = '\0';
	assert_int_equal(key_name_check(longest, NULL), -EINVAL);
	longest[KEY_NAME_MAX - 1] = '\0';
	assert_int_equal(key_name_check(longest, NULL), 0);
	assert_int_equal(key_name_check("you@host.example_1+2-3", NULL), 0);
	assert_int_equal(key_dir_create(dir_fd, longest, old_text), 0);
	assert_int_equal(key_dir_create(dir_fd, "a", new_text), 0);
	/* What others put there is no key. */
	static const char *const others[] = {".key", "b", ".c.key.new", "d e.key", "key"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		int fd = openat(dir_fd, others[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(key_dir_list(dir_fd, &list), 2);
	assert_string_equal(list[0], "a");
	assert_string_equal(list[1], longest);
	free(list);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(unlinkat(dir_fd, others[i], 0), 0);
	forget("a");
	forget(longest);
}

static void private_files(void **state)
{
	static const struct {
		mode_t mode;
		const char *says;
	} modes[] = {{0640, "read"}, {0604, "read"}, {0620, "change"}, {0602, "change"}, {0601, "read"}, {0777, "change"}};
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	struct key_file *file = NULL;
	char path[256], to[256];

	(void)state;
	assert_int_equal(key_dir_create(dir_fd, "a", old_text), 0);
	assert_true(holds("a", old_text));
	assert_int_equal(key_dir_create(dir_fd, "a", new_text), -EEXIST);
	path_of("a.key", path, sizeof(path));
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct errmsg msg = {0};

		assert_int_equal(chmod(path, modes[i].mode), 0);
		assert_int_equal(key_dir_load(dir_fd, dir, "a", &file, &msg), -EPERM);
		assert_non_null(strstr(msg.text, modes[i].says));
		assert_non_null(strstr(msg.text, "chmod 600"));
	}
	/* As a service manager gives it: a group may read. */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fchmod(fd, 0440), 0);
	assert_int_equal(key_text_load(fd, path, KEY_TRUST_CREDENTIAL, text, NULL), 0);
	assert_int_equal(key_text_load(fd, path, KEY_TRUST_OWN, text, NULL), -EPERM);
	assert_int_equal(fchmod(fd, 0460), 0);
	assert_int_equal(key_text_load(fd, path, KEY_TRUST_CREDENTIAL, text, NULL), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	if (geteuid() == 0) {
		struct errmsg msg = {0};

		assert_int_equal(fchown(fd, 65534, 65534), 0);
		assert_int_equal(key_dir_load(dir_fd, dir, "a", &file, &msg), -EPERM);
		assert_non_null(strstr(msg.text, "another user"));
		assert_int_equal(fchown(fd, 0, 0), 0);
	}
	close(fd);
	/* A link, a pipe that nobody writes to, a directory, and what is too large to be one. */
	path_of("l.key", to, sizeof(to));
	assert_int_equal(symlink(path, to), 0);
	assert_int_equal(key_dir_load(dir_fd, dir, "l", &file, NULL), -ELOOP);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(mkfifo(to, 0600), 0);
	assert_int_equal(key_dir_load(dir_fd, dir, "l", &file, NULL), -EPERM);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(mkdir(to, 0700), 0);
	assert_int_equal(key_dir_load(dir_fd, dir, "l", &file, NULL), -EPERM);
	assert_int_equal(rmdir(to), 0);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	assert_int_equal(key_dir_load(dir_fd, dir, "a", &file, NULL), -EFBIG);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(key_dir_load(dir_fd, dir, "a", &file, NULL), -EBADMSG);
	assert_int_equal(key_dir_load(dir_fd, dir, "b", &file, NULL), -ENOENT);
	assert_null(file);
	forget("a");
	assert_int_equal(key_dir_remove(dir_fd, "a"), -ENOENT);
}

/* A new key, or another text for one, with one call interrupted. */
static int act(bool replace)
{
	_cleanup_(cleanup_key_file) struct key_file *file = NULL;

	if (!replace)
		return key_dir_create(dir_fd, "a", new_text);
	assert_int_equal(key_file_parse(old_text->data, old_text->len, &file, NULL), 0);
	return key_dir_replace(dir_fd, "a", file, new_text);
}

/* Whatever was interrupted: the old file or the new one, whole, and the next attempt succeeds. */
static void check_rest(bool replace, bool failed)
{
	bool has_old = holds("a", old_text), has_new = holds("a", new_text);

	if (replace)
		assert_true(has_old || has_new);
	else
		assert_false(has_old);
	if (!failed)
		assert_true(has_new);
	memset(&plan, 0, sizeof(plan));
	if (has_new)
		return;
	assert_int_equal(act(replace), 0);
	assert_true(holds("a", new_text));
	assert_int_equal(count_files(), 1);
}

static void prepare(bool replace)
{
	forget("a");
	assert_int_equal(count_files(), 0);
	if (replace)
		assert_int_equal(key_dir_create(dir_fd, "a", old_text), 0);
	memset(&plan, 0, sizeof(plan));
}

static void every_call_fails(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EPERM};
	unsigned failures = 0;

	(void)state;
	for (int round = 0; round < 8; round++) {
		bool replace = round & 1;

		for (size_t e = 0; e < ARRAY_LEN(errors); e++)
			for (unsigned at = 1;; at++) {
				prepare(replace);
				plan.half_write = round & 2;
				plan.no_rename = round & 4;
				plan.at = at;
				plan.error = errors[e];
				int r = act(replace);
				bool reached = plan.count >= at;
				failures += r < 0;
				if (r < 0)
					assert_int_equal(r, -errors[e]);
				check_rest(replace, r < 0);
				if (!reached)
					break;
			}
	}
	assert_true(failures > 100);
	forget("a");
}

static void killed_at_every_call(void **state)
{
	unsigned kills = 0;

	(void)state;
	for (int round = 0; round < 8; round++) {
		bool replace = round & 1;

		for (unsigned at = 1;; at++) {
			int status;

			prepare(replace);
			pid_t pid = fork();
			if (pid == 0) {
				plan.half_write = round & 2;
				plan.no_rename = round & 4;
				plan.at = at;
				_exit(act(replace) == 0 ? 0 : 1);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
			kills += WEXITSTATUS(status) == 99;
			/* Between a link and its unlink there are two names; what follows clears that away. */
			if (round & 4 && !replace && WEXITSTATUS(status) == 99 && faccessat(dir_fd, ".a.key.new", F_OK, 0) == 0 &&
			    faccessat(dir_fd, "a.key", F_OK, 0) == 0) {
				forget("a");
				assert_int_equal(act(false), 0);
			}
			if (at % 2)
				check_rest(replace, WEXITSTATUS(status) != 0);
			/* Removed, it is gone, with what was left of it. */
			memset(&plan, 0, sizeof(plan));
			int r = key_dir_remove(dir_fd, "a");
			assert_true(r == 0 || (r == -ENOENT && !replace));
			assert_int_equal(count_files(), 0);
			if (WEXITSTATUS(status) == 0)
				break;
		}
	}
	assert_true(kills > 40);
	forget("a");
}

/* On the disk before it has the name, and the name before it is said to be done. */
static void order(void **state)
{
	(void)state;
	prepare(false);
	assert_int_equal(act(false), 0);
	assert_string_equal(plan.trace, "flock unlinkat create fchmod write fsync renameat2 fsync ");
	prepare(true);
	assert_int_equal(act(true), 0);
	assert_string_equal(plan.trace, "flock unlinkat create fchmod write fsync renameat fsync ");
	forget("a");
}

static void changed_meanwhile(void **state)
{
	(void)state;
	prepare(true);
	assert_int_equal(act(true), 0);
	assert_int_equal(act(true), -ESTALE);
	assert_true(holds("a", new_text));
	forget("a");
	assert_int_equal(act(true), -ESTALE);
	assert_int_equal(count_files(), 0);
}

/* Who changes a key waits for others who do. */
static void one_at_a_time(void **state)
{
	int status, pipes[2];
	char byte;

	(void)state;
	prepare(true);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fd);
		close(pipes[0]);
		_exit(act(true) == 0 && __real_write(pipes[1], "x", 1) == 1 ? 0 : 1);
	}
	close(pipes[1]);
	usleep(100000);
	assert_true(holds("a", old_text));
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	close(fd);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(holds("a", new_text));
	forget("a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directory),		cmocka_unit_test(names), cmocka_unit_test(private_files),
		cmocka_unit_test(every_call_fails),	cmocka_unit_test(killed_at_every_call),
		cmocka_unit_test(order),		cmocka_unit_test(changed_meanwhile),
		cmocka_unit_test(one_at_a_time),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
