/* SPDX-License-Identifier: Apache-2.0 */
#include "view_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define ORDINARY_ID 65534

static char ext4_place[64]; /* where test directories are made; empty when there is none */
static char loop_mount[64];

static int make_view(struct fixture *fixture, const char *base, const char *const *rules, struct errmsg *msg)
{
	const struct policy_context context = {.home = base, .cwd = base, .trust_any_owner = true, .no_mseal = true};
	int error = policy_new(&context, &fixture->policy);

	for (; !error && *rules; rules++) {
		char text[1024];
		size_t at = 0;

		for (const char *c = *rules; *c; c++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, *c == '@' ? "%s" : "%.1s", *c == '@' ? base : c);
		error = policy_add_rule(fixture->policy, text, msg);
	}
	if (!error)
		error = policy_compile(fixture->policy, msg);
	if (!error)
		error = view_new(&(struct view_config){.policy = fixture->policy}, &fixture->view, msg);
	return error;
}

void fixture_view(struct fixture *fixture, const char *base, const char *const *rules)
{
	struct errmsg msg = {0};

	memset(fixture, 0, sizeof(*fixture));
	if (make_view(fixture, base, rules, &msg) < 0)
		fail_msg("%s", msg.text);
}

int fixture_refused(const char *base, const char *const *rules, char *text, size_t size)
{
	struct fixture fixture = {0};
	struct errmsg msg = {0};
	int error = make_view(&fixture, base, rules, &msg);

	snprintf(text, size, "%s", msg.text);
	fixture_free(&fixture);
	return error;
}

void fixture_free(struct fixture *fixture)
{
	fixture->view = view_free(fixture->view);
	fixture->policy = policy_free(fixture->policy);
}

static bool is_on(const char *path, long type)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == type;
}

static bool _printf_(1, 2) run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static void find_ext4(void)
{
	const char *temporary = getenv("TMPDIR");
	const char *const places[] = {temporary ? temporary : "/tmp", "/var/tmp"};

	for (size_t i = 0; i < 2 && !getenv("SCRIM_TEST_LOOP"); i++) {
		if (strlen(places[i]) < sizeof(ext4_place) && is_on(places[i], EXT4_SUPER_MAGIC)) {
			snprintf(ext4_place, sizeof(ext4_place), "%s", places[i]);
			return;
		}
	}
	if (geteuid() != 0)
		return;
	snprintf(loop_mount, sizeof(loop_mount), "/tmp/scrim-unit-ext4-XXXXXX");
	if (!mkdtemp(loop_mount))
		return;
	if (run("truncate -s 64M %s.img && mkfs.ext4 -q -b 4096 -F %s.img && mount -o loop %s.img %s", loop_mount, loop_mount,
		loop_mount, loop_mount) &&
	    chmod(loop_mount, 01777) == 0)
		snprintf(ext4_place, sizeof(ext4_place), "%s", loop_mount);
}

static void lose_ext4(void)
{
	if (loop_mount[0])
		run("umount %s; rmdir %s; rm -f %s.img", loop_mount, loop_mount, loop_mount);
}

const char *fixture_directory(bool ext4)
{
	static char made[2][128];
	char *path = made[ext4];

	if (ext4 && !ext4_place[0]) {
		/* An ordinary user on a machine without it may go without; the machine that decides may not. */
		if (getenv("SCRIM_MUST_RUN"))
			fail_msg("no ext4 in TMPDIR or /var/tmp, and no loop file could be mounted");
		return NULL;
	}
	snprintf(path, sizeof(made[0]), "%s/scrim-unit-XXXXXX", ext4 ? ext4_place : "/dev/shm");
	assert_non_null(mkdtemp(path));
	assert_true(is_on(path, ext4 ? EXT4_SUPER_MAGIC : TMPFS_MAGIC));
	return path;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_remove(const char *directory)
{
	assert_int_equal(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fixture_file(const char *directory, const char *name, const char *content)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

bool fixture_is_root(void)
{
	return geteuid() == 0;
}

static int as_ordinary(int (*tests)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0 ||
		    setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0 || geteuid() != ORDINARY_ID || getuid() == 0)
			_exit(125);
		status = tests();
		fflush(NULL);
		_exit(status != 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

int fixture_main(int (*tests)(void))
{
	int failed = 0;

	umask(022);
	find_ext4();
	if (geteuid() == 0) {
		printf("as user %d:\n", ORDINARY_ID);
		fflush(NULL);
		failed |= as_ordinary(tests);
		printf("as root:\n");
	}
	failed |= tests();
	lose_ext4();
	return failed != 0;
}
