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
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/steer_harness.h"

extern char **environ;
static char self[PATH_MAX];
static char bare[PATH_MAX + 16]; /* a static program beside it */

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
	syscall(SYS_close_range, 3u, ~0u, 0u); /* what the test's own parent left open */
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


/* ---- threads, vfork, limits ---- */

static void exec_self(const char *mode)
{
	const char *argv[] = {"steer_exec", mode, NULL};
	execve(self, (char *const *)argv, environ);
	_exit(97);
}

static void *exec_thread(void *argument)
{
	exec_self(argument);
	return NULL;
}

static void *busy_thread(void *argument)
{
	(void)argument;
	for (int i = 0;; i++)
		EXPECT(chdir(i & 1 ? "/usr" : "/tmp") == 0);
	return NULL;
}

/* A thread that is not the leader execs while its siblings are steered all the time; the pid must stay. */
static void non_leader(void *argument)
{
	(void)argument;
	pthread_t threads[3];
	char text[16];
	for (int i = 0; i < 3; i++)
		EXPECT(pthread_create(&threads[i], NULL, busy_thread, NULL) == 0);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("EXPECT_PID", text, 1);
	usleep(1000);
	EXPECT(pthread_create(&threads[0], NULL, exec_thread, (void *)"pid") == 0);
	busy_thread(NULL);
}

/* All threads exec at once: one wins. */
static void all_exec(void *argument)
{
	pthread_t threads[4];
	(void)argument;
	char text[16];
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("EXPECT_PID", text, 1);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, exec_thread, (void *)"pid") != 0)
			break;
	pause();
}

static void expect_status(int status, int wanted)
{
	if (status != wanted)
		dprintf(2, "status %x\n", status);
	EXPECT(status == wanted);
}

static void *spawning_thread(void *argument)
{
	(void)argument;
	const char *argv[] = {"steer_exec", "exit", NULL};
	for (int i = 0; i < 20; i++) {
		pid_t pid;
		int status;
		EXPECT(posix_spawn(&pid, self, NULL, NULL, (char *const *)argv, environ) == 0);
		EXPECT(waitpid(pid, &status, 0) == pid);
		expect_status(status, 0xb00);
		pid = fork();
		if (pid == 0)
			exec_self("exit");
		EXPECT(waitpid(pid, &status, 0) == pid);
		expect_status(status, 0xb00);
	}
	return NULL;
}

static void vfork_caller(void *argument)
{
	(void)argument;
	for (volatile int i = 0; i < 20; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			const char *argv[] = {"steer_exec", "exit", NULL};
			execve(i & 1 ? "/nowhere" : self, (char *const *)argv, environ);
			_exit(errno == ENOENT ? 12 : 13);
		}
		int status;
		EXPECT(waitpid(pid, &status, 0) == pid && status == (i & 1 ? 0xc00 : 0xb00));
	}
}

/* The runtime of the thread sanitizer in the child wants descriptors of its own. */
#ifdef UNDER_TSAN
#define NO_FDS_WORK 0
#else
#define NO_FDS_WORK 1
#endif

static void no_fds(void *argument)
{
	(void)argument;
	struct rlimit three = {3, 64};
	EXPECT(setrlimit(RLIMIT_NOFILE, &three) == 0);
	const char *argv[] = {"bare", NULL};
	execve(bare, (char *const *)argv, environ);
	_exit(97);
}

static void kinds_body(void *argument)
{
	(void)argument;
	for (int i = 0; i < 20; i++) {
		expect_status(in_child(non_leader, NULL), 0xb00);
		expect_status(in_child(all_exec, NULL), 0xb00);
	}
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		EXPECT(pthread_create(&threads[i], NULL, spawning_thread, NULL) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT(in_child(vfork_caller, NULL) == 0);
	if (NO_FDS_WORK)
		EXPECT(in_child(no_fds, NULL) == 0xb00);
}

static void test_kinds(void **state)
{
	(void)state;
	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, kinds_body, NULL, &c, &s), 0);
	assert_int_equal(s.killed, 0);
	assert_true(s.execs == 20 * 2 + 120 + 10 + NO_FDS_WORK);
	assert_true(s.died > 0); /* siblings killed in the middle of a steer */
	assert_int_equal(c.done, c.steered);
}

/* ---- deaths ---- */

static void kills_body(void *argument)
{
	(void)argument;
	unsigned seed = 1;
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		if (pid == 0)
			exec_self("again");
		usleep((unsigned)(rand_r(&seed) % 6000));
		EXPECT(kill(pid, SIGKILL) == 0);
		alarm(10);
		int status;
		EXPECT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		alarm(0);
	}
}

static void test_kills(void **state)
{
	(void)state;
	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, kills_body, NULL, &c, &s), 0);
	printf("# kills: %llu execs, %llu died in the middle\n", (unsigned long long)s.execs, (unsigned long long)s.died);
	assert_true(s.died > 20);
	assert_int_equal(s.killed, 0);
	assert_int_equal(c.done, c.steered);
}

/* ---- signals ---- */

static void stop_body(void *argument)
{
	(void)argument;
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		if (pid == 0)
			exec_self("pending");
		/* Pending across the exec, and a stop somewhere in it. */
		kill(pid, SIGUSR1);
		usleep((unsigned)(i * 31 % 2000));
		kill(pid, SIGSTOP);
		int status;
		pid_t got = waitpid(pid, &status, WUNTRACED);
		EXPECT(got == pid);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			EXPECT(waitpid(pid, &status, 0) == pid);
		}
		EXPECT(status == 0xb00);
	}
}

static void test_stops(void **state)
{
	(void)state;
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, stop_body, NULL, NULL, &s), 0);
	assert_int_equal(s.killed, 0);
	assert_int_equal(s.execs, 100);
}

/* ---- the race ---- */

static char racing[PATH_MAX];
static uint32_t *tail;
static _Atomic bool racing_on = true;

static void *racer(void *argument)
{
	(void)argument;
	uint32_t good, evil;
	memcpy(&good, "good", 4);
	memcpy(&evil, "evil", 4);
	while (racing_on) {
		__atomic_store_n(tail, good, __ATOMIC_SEQ_CST);
		for (volatile int i = 0; i < 300; i++)
			;
		__atomic_store_n(tail, evil, __ATOMIC_SEQ_CST);
		for (volatile int i = 0; i < 300; i++)
			;
	}
	return NULL;
}

struct race {
	_Atomic int good, refused, wrong;
};
static struct race *race;

static void race_body(void *argument)
{
	(void)argument;
	pthread_t thread;
	EXPECT(pthread_create(&thread, NULL, racer, NULL) == 0);
	double end = now_s() + 5;
	while (now_s() < end) {
		pid_t pid = vfork(); /* shares the memory in which the racer writes */
		if (pid == 0) {
			const char *argv[] = {"x", "exit", NULL};
			execve(racing, (char *const *)argv, environ);
			_exit(errno == EACCES ? 12 : 13);
		}
		int status;
		EXPECT(waitpid(pid, &status, 0) == pid);
		atomic_fetch_add(status == 0xb00 ? &race->good : status == 0xc00 ? &race->refused : &race->wrong, 1);
	}
	racing_on = false;
	pthread_join(thread, NULL);
}

static void test_race(void **state)
{
	(void)state;
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(racing, sizeof(racing), "%s", scratch("good"));
	size_t at = strlen(racing) - 4;
	/* A word that is written whole must be aligned: slashes in front. */
	size_t pad = (4 - ((uintptr_t)racing + at) % 4) % 4;
	memmove(racing + pad, racing, at + 5);
	memset(racing, '/', pad);
	tail = (uint32_t *)(void *)(racing + at + pad);
	assert_int_equal(symlink(self, scratch("good")), 0);
	close(open(scratch("evil"), O_CREAT | O_WRONLY, 0));

	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, race_body, NULL, &c, &s), 0);
	printf("# race: %d right, %d refused at the check, %d wrong; execs %llu, failed %llu\n", race->good, race->refused,
	       race->wrong, (unsigned long long)s.execs, (unsigned long long)c.exec_failed);
	assert_true(race->good > 50 && race->refused > 50);
	assert_int_equal(race->wrong, 0);
	assert_int_equal(s.execs, race->good); /* whatever was approved ran */
	assert_int_equal(c.exec_failed, 0);
	assert_int_equal(s.killed, 0);
}

/* ---- images that must not run ---- */

static void other_body(void *argument)
{
	(void)argument;
	pid_t pid = fork();
	if (pid == 0)
		exec_self("exit");
	int status;
	EXPECT(waitpid(pid, &status, 0) == pid && status == SIGKILL);
}

static void test_wrong_image(void **state)
{
	(void)state;
	for (unsigned how = 1; how <= 2; how++) {
		struct harness_options lie = {.wrong_interp = how};
		struct steer_stats s;
		assert_int_equal(harness_run(&lie, other_body, NULL, NULL, &s), 0);
		assert_int_equal(s.killed, 1);
		assert_int_equal(s.execs, 0);
	}
}

/* A program of the tests: what it was exec'ed for. */
static int act(const char *mode)
{
	if (strcmp(mode, "exit") == 0)
		return 11;
	if (strcmp(mode, "pid") == 0)
		return atoi(getenv("EXPECT_PID")) == getpid() ? 11 : 14;
	if (strcmp(mode, "again") == 0)
		exec_self("again");
	sigset_t set;
	if (strcmp(mode, "pending") == 0) {
		for (int i = 0; i < 2000; i++, usleep(1000))
			if (sigpending(&set) == 0 && sigismember(&set, SIGUSR1))
				return sigprocmask(SIG_SETMASK, NULL, &set) == 0 && sigismember(&set, SIGUSR1) ? 11 : 16;
	}
	return 17;
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return 1;
	for (int i = 1; i < argc && i < 4; i++)
		if (strcmp(argv[i], "report") == 0)
			return report(argc, argv);
	if (argc == 2 && argv[1][0] != '-')
		return act(argv[1]);
	snprintf(bare, sizeof(bare), "%.*ssteer_bare", (int)(strrchr(self, '/') + 1 - self), self);
	harness_main_setup(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presentation_plain), cmocka_unit_test(test_presentation_script),
		cmocka_unit_test(test_kinds),		   cmocka_unit_test(test_kills),
		cmocka_unit_test(test_stops),		   cmocka_unit_test(test_race),
		cmocka_unit_test(test_wrong_image),	   cmocka_unit_test(test_spawn_and_cost),
	};
	if (getenv("STEER_TEST_FILTER"))
		cmocka_set_test_filter(getenv("STEER_TEST_FILTER"));
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	harness_cleanup();
	return r;
}
