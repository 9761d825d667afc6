/* SPDX-License-Identifier: Apache-2.0 */
/* Steered exec: the right image, looking as natively; scripts, threads, vfork, races. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/steer_harness.h"

extern char **environ;
static char self[PATH_MAX];

/* ---- what a program sees of itself ---- */

static size_t slurp(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t got, have = 0;
	while (fd >= 0 && (got = read(fd, bytes + have, size - (size_t)have)) > 0)
		have += got;
	if (fd >= 0)
		close(fd);
	return (size_t)have;
}

static int report(int argc, char **argv)
{
	static char text[4 << 20];
	FILE *out = fopen(getenv("REPORT"), "w");
	if (!out)
		return 3;
	fprintf(out, "argc %d execfn %s\n", argc, (char *)getauxval(AT_EXECFN));
	for (int i = 0; i <= argc; i++)
		fprintf(out, "argv %.200s\n", argv[i] ? argv[i] : "(null)");
	for (char **e = environ; *e; e++)
		if (strncmp(*e, "REPORT=", 7) != 0)
			fprintf(out, "env %.200s\n", *e);
	size_t len = slurp("/proc/self/comm", text, sizeof(text));
	fprintf(out, "comm %.*s", (int)len, text);
	len = slurp("/proc/self/cmdline", text, sizeof(text));
	fprintf(out, "cmdline %zu ", len);
	for (size_t i = 0; i < len && i < 2000; i++)
		fputc(text[i] ? text[i] : '|', out);
	ssize_t link = readlink("/proc/self/exe", text, sizeof(text));
	fprintf(out, "\nexe %.*s\n", (int)link, text);
	uint64_t aux[128] = {0};
	slurp("/proc/self/auxv", (char *)aux, sizeof(aux));
	for (int i = 0; i < 126 && aux[i]; i += 2)
		if (aux[i] == AT_EXECFN)
			fprintf(out, "auxv says %.200s\n", (char *)aux[i + 1]);
	unsigned char *seed = (unsigned char *)getauxval(AT_RANDOM);
	unsigned sum = 0;
	for (int i = 0; i < 16; i++)
		sum |= seed[i];
	fprintf(out, "random %d platform %s aligned %d\n", sum != 0, (char *)getauxval(AT_PLATFORM),
		((uint64_t)argv - 8) % 16 == 0);
	len = slurp("/proc/self/environ", text, sizeof(text));
	fprintf(out, "environ %d\n", len > 0 && strstr(text, "=") != NULL);
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	fprintf(out, "mask %d%d%d next fd %d\n", sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2),
		sigismember(&mask, SIGTERM), dup(1));
	fclose(out);
	return 7;
}

struct presentation {
	const char *path;
	const char *const *argv;
	int at; /* use execveat */
	int no_fds;
};

static void exec_presentation(void *argument)
{
	struct presentation *p = argument;
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	const char *env[] = {"A=1", "BB=22", getenv("REPORT") - 7, NULL};
	if (p->at)
		syscall(SYS_execveat, AT_FDCWD, p->path, p->argv, env, 0);
	else
		execve(p->path, (char *const *)p->argv, (char *const *)env);
	perror("execve");
	_exit(98);
}

static void presentation_body(void *argument)
{
	int status = in_child(exec_presentation, argument);
	if (status != 0x700)
		dprintf(2, "exec of %s: status %x\n", ((struct presentation *)argument)->path, status);
	EXPECT(status == 0x700);
}

static void compare_presentation(const char *path, const char *const *argv, int at)
{
	static char native[1 << 20], steered[1 << 20];
	struct presentation p = {.path = path, .argv = argv, .at = at};
	setenv("REPORT", scratch("report"), 1);
	assert_int_equal(in_child(exec_presentation, &p), 0x700);
	size_t n = slurp(scratch("report"), native, sizeof(native) - 1);
	native[n] = 0;
	unlink(scratch("report"));
	struct steer_stats s;
	int status = harness_run(NULL, presentation_body, &p, NULL, &s);
	n = slurp(scratch("report"), steered, sizeof(steered) - 1);
	steered[n] = 0;
	assert_int_equal(status, 0);
	assert_int_equal(s.execs, 1);
	assert_int_equal(s.killed, 0);
	assert_string_equal(native, steered);
	assert_non_null(strstr(native, "execfn"));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void test_presentation_plain(void **state)
{
	(void)state;
	const char *argv[] = {"some name", "report", "two", "", "four", NULL};
	compare_presentation(self, argv, 0);
	compare_presentation(self, argv, 1);
	/* Shorter than our own name for it, and longer than a slot. */
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof(link), "/tmp/s%d", getpid() % 100000);
	assert_int_equal(symlink(self, link), 0);
	compare_presentation(link, argv, 0);
	unlink(link);
	size_t n = (size_t)snprintf(path, sizeof(path), "/tmp");
	while (n < 3000)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/../tmp");
	snprintf(path + n, sizeof(path) - n, "/..%s", self);
	compare_presentation(path, argv, 0);
}

static void test_presentation_script(void **state)
{
	(void)state;
	char text[PATH_MAX + 64];
	const char *script = scratch("a script with a long name");
	const char *argv[] = {"lost", "one", "two", NULL}, *alone[] = {"x", NULL};
	snprintf(text, sizeof(text), "#! %s report\n", self);
	write_file(script, text);
	compare_presentation(script, argv, 0);
	compare_presentation(script, alone, 0);
	/* Many arguments: the block is longer than what the kernel gives below it. */
	static const char *many[40001];
	for (int i = 0; i < 40000; i++)
		many[i] = "0123456789";
	compare_presentation(script, many, 0);
	snprintf(text, sizeof(text), "/tmp/%0*d/../../%s", 20, 0, script);
	snprintf(text, sizeof(text), "#!%s\n", self);
	script = scratch("report"); /* no argument: the script's own name is the first */
	write_file(scratch("r2"), text);
	unlink(script);
}

static double per_exec(void (*body)(void *), int native)
{
	double t = now_s();
	if (native)
		body(NULL);
	else
		assert_int_equal(harness_run(NULL, body, NULL, NULL, NULL), 0);
	return (now_s() - t) / 300 * 1e6;
}

static void cost_body(void *argument)
{
	(void)argument;
	const char *argv[] = {"true", NULL};
	for (int i = 0; i < 300; i++) {
		pid_t pid;
		EXPECT(posix_spawn(&pid, "/bin/true", NULL, NULL, (char *const *)argv, environ) == 0);
		int status;
		EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	}
}

static void test_spawn_and_cost(void **state)
{
	(void)state;
	double native = per_exec(cost_body, 1), steered = per_exec(cost_body, 0);
	printf("# posix_spawn of true: native %.0f us, steered %.0f us\n", native, steered);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc && i < 4; i++)
		if (strcmp(argv[i], "report") == 0)
			return report(argc, argv);
	harness_main_setup(argc, argv);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presentation_plain),
		cmocka_unit_test(test_presentation_script),
		cmocka_unit_test(test_spawn_and_cost),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	harness_cleanup();
	return r;
}
