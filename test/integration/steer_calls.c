/* SPDX-License-Identifier: Apache-2.0 */
/* Steered chdir, O_PATH and blocking open, connect: results, signals, stops, deaths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/steer_harness.h"

/* ---- plain ---- */

static void plain_caller(void *argument)
{
	(void)argument;
	char cwd[256];
	for (int i = 0; i < 50; i++) {
		EXPECT(chdir(i & 1 ? "/usr" : "/tmp") == 0);
		EXPECT(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, i & 1 ? "/usr" : "/tmp") == 0);
	}
	errno = 0;
	EXPECT(chdir("/etc/passwd") == -1 && errno == ENOTDIR);
	EXPECT(chdir("/nowhere") == -1 && errno == ENOENT);
	int fd = dup(0);
	EXPECT(fd == 3); /* no descriptor was left behind */
}

static void plain_body(void *argument)
{
	EXPECT(in_child(plain_caller, argument) == 0);
}

static void test_plain(void **state)
{
	(void)state;
	struct harness_counts c;
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, plain_body, NULL, &c, &s), 0);
	assert_int_equal(s.calls, 51);
	assert_int_equal(c.received, c.continued + 51 + 1); /* a steered call comes once; one fails before */
	assert_int_equal(c.done, 51);
	assert_int_equal(s.killed, 0);
}


static void chdir_loop(void *argument)
{
	(void)argument;
	for (int i = 0; i < 1000; i++)
		EXPECT(chdir(i & 1 ? "/usr" : "/tmp") == 0);
}

static void cost_body(void *argument)
{
	EXPECT(in_child(chdir_loop, argument) == 0);
}

static void test_cost(void **state)
{
	(void)state;
	double t = now_s();
	chdir_loop(NULL);
	double native = (now_s() - t) * 1e3;
	t = now_s();
	assert_int_equal(harness_run(NULL, cost_body, NULL, NULL, NULL), 0);
	printf("# chdir: native %.2f us, steered %.1f us\n", native, (now_s() - t) * 1e3);
}

/* ---- O_PATH, FIFO, connect ---- */

static void objects_body(void *argument)
{
	(void)argument;
	struct stat opened, named;
	EXPECT(dup(0) == 3 && close(3) == 0);
	int fd = open(scratch("link"), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	EXPECT(fd == 3); /* the lowest, as natively */
	EXPECT(fstat(fd, &opened) == 0 && lstat(scratch("link"), &named) == 0);
	EXPECT(S_ISLNK(opened.st_mode) && opened.st_ino == named.st_ino);
	EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_PATH));
	close(fd);
	fd = open(scratch("mode000"), O_PATH);
	EXPECT(fd == 3 && fstat(fd, &opened) == 0 && stat(scratch("mode000"), &named) == 0);
	EXPECT(opened.st_ino == named.st_ino);
	close(fd);

	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", scratch("socket"));
	EXPECT(connect(s, (struct sockaddr *)&name, sizeof(name)) == 0);
	struct sockaddr_un peer = {0};
	socklen_t len = sizeof(peer);
	EXPECT(getpeername(s, (struct sockaddr *)&peer, &len) == 0 && strcmp(peer.sun_path, name.sun_path) == 0);
	pid_t seen = 0;
	EXPECT(read(s, &seen, sizeof(seen)) == sizeof(seen));
	EXPECT(seen == getpid());
}

static void *serve_one(void *argument)
{
	int s = *(int *)argument;
	int c = accept(s, NULL, NULL);
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (write(c, &cred.pid, sizeof(cred.pid)) < 0)
		perror("write");
	close(c);
	return NULL;
}

static void test_objects(void **state)
{
	(void)state;
	assert_int_equal(symlink("/nowhere", scratch("link")), 0);
	close(open(scratch("mode000"), O_CREAT | O_WRONLY, 0));
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", scratch("socket"));
	assert_int_equal(bind(s, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(s, 1), 0);
	pthread_t thread;
	pthread_create(&thread, NULL, serve_one, &s);
	struct harness_counts c;
	struct steer_stats st;
	int status = harness_run(NULL, objects_body, NULL, &c, &st);
	assert_int_equal(status, 0);
	pthread_join(thread, NULL);
	close(s);
	assert_int_equal(st.calls, 3);
}

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

static void catch(int signal, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
	sigemptyset(&action.sa_mask);
	EXPECT(sigaction(signal, &action, NULL) == 0);
}

static void alarm_in(long us)
{
	struct itimerval timer = {.it_value = {0, us}};
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void fifo_without_restart(void *argument)
{
	(void)argument;
	catch(SIGALRM, 0);
	alarm_in(100000);
	double t = now_s();
	errno = 0;
	EXPECT(open(scratch("fifo"), O_RDONLY) == -1 && errno == EINTR);
	EXPECT(handled == 1 && now_s() - t > 0.09 && now_s() - t < 2);
}

static void fifo_with_restart(void *argument)
{
	(void)argument;
	catch(SIGALRM, SA_RESTART);
	alarm_in(50000);
	pid_t writer = fork();
	if (writer == 0) {
		usleep(200000);
		int fd = open(scratch("fifo"), O_WRONLY);
		EXPECT(fd >= 0 && write(fd, "x", 1) == 1);
		_exit(0);
	}
	double t = now_s();
	int fd = open(scratch("fifo"), O_RDONLY);
	char byte;
	EXPECT(fd >= 0 && handled == 1 && now_s() - t > 0.15);
	EXPECT(read(fd, &byte, 1) == 1 && byte == 'x');
	int status;
	EXPECT(waitpid(writer, &status, 0) == writer && status == 0);
}

static void fifo_killed(void *argument)
{
	(void)argument;
	signal(SIGALRM, SIG_DFL);
	alarm_in(50000);
	open(scratch("fifo"), O_RDONLY);
	EXPECT(!"reached");
}

static void fifo_stopped(void *argument)
{
	(void)argument;
	pid_t reader = fork();
	if (reader == 0) {
		int fd = open(scratch("fifo"), O_RDONLY);
		_exit(fd >= 0 ? 5 : 6);
	}
	usleep(100000);
	int status;
	EXPECT(kill(reader, SIGSTOP) == 0 && waitpid(reader, &status, WUNTRACED) == reader && WIFSTOPPED(status));
	int fd = open(scratch("fifo"), O_WRONLY | O_NONBLOCK); /* natively a stopped reader is no reader yet either */
	EXPECT(fd == -1 && errno == ENXIO);
	EXPECT(kill(reader, SIGCONT) == 0 && waitpid(reader, &status, WCONTINUED) == reader && WIFCONTINUED(status));
	fd = open(scratch("fifo"), O_WRONLY);
	EXPECT(fd >= 0 && waitpid(reader, &status, 0) == reader && WEXITSTATUS(status) == 5);
}

static void fifo_body(void *argument)
{
	EXPECT(in_child(fifo_without_restart, argument) == 0);
	EXPECT(in_child(fifo_with_restart, argument) == 0);
	EXPECT(in_child(fifo_killed, argument) == SIGALRM);
	EXPECT(in_child(fifo_stopped, argument) == 0);
}

static void test_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
	/* The test of the test: natively all of it holds. */
	assert_int_equal(in_child(fifo_body, NULL), 0);
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, fifo_body, NULL, NULL, &s), 0);
	assert_true(s.restarts >= 4);
	assert_int_equal(s.killed, 0);
}

/* A signal before the worker has the notification must not interrupt an open that would not have blocked. */
static void fifo_ready_caller(void *argument)
{
	(void)argument;
	int both = open(scratch("fifo2"), O_RDWR);
	EXPECT(both >= 0);
	catch(SIGUSR1, 0);
	pid_t pid = getpid();
	pid_t pest = fork();
	if (pest == 0)
		for (;;) {
			kill(pid, SIGUSR1);
			usleep(300);
		}
	int interrupted = 0, opened = 0;
	double end = now_s() + 2;
	while (now_s() < end) {
		int fd = open(scratch("fifo2"), O_RDONLY);
		if (fd < 0)
			interrupted += errno == EINTR;
		else
			opened++;
		close(fd);
	}
	kill(pest, SIGKILL);
	while (waitpid(pest, NULL, 0) < 0)
		;
	EXPECT(handled > 50 && opened > 0);
	/* What is left is the first notification's own (before its RECV), not the steered one's. */
	dprintf(1, "# ready FIFO: %d opened, %d EINTR\n", opened, interrupted);
}

static void fifo_ready_body(void *argument)
{
	EXPECT(in_child(fifo_ready_caller, argument) == 0);
}

static void test_fifo_ready(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(scratch("fifo2"), 0600), 0);
	struct steer_stats s;
	struct harness_options late = {.sleep_us = 150};
	assert_int_equal(harness_run(&late, fifo_ready_body, NULL, NULL, &s), 0);
	assert_int_equal(s.killed, 0);
	/* None of them blocks, so none may be handed back as interrupted. */
	assert_int_equal(s.restarts, 0);
}

/* ---- storms ---- */

struct shared {
	_Atomic int sent, handled, alarms, rounds, interrupted;
	_Atomic bool stop;
};
static struct shared *shared;

static void on_storm(int signal)
{
	if (signal == SIGALRM)
		atomic_fetch_add(&shared->alarms, 1);
	else
		atomic_fetch_add(&shared->handled, 1);
}

static int storm_flags;

static void *storm_thread(void *argument)
{
	char cwd[256];
	int number = (int)(long)argument;
	EXPECT(unshare(CLONE_FS) == 0); /* a working directory of its own */
	for (int i = 0; !atomic_load(&shared->stop); i++) {
		const char *to = (i + number) & 1 ? "/usr" : "/tmp";
		int r = chdir(to);
		if (r < 0) {
			EXPECT(errno == EINTR && !(storm_flags & SA_RESTART));
			atomic_fetch_add(&shared->interrupted, 1);
			continue;
		}
		EXPECT(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, to) == 0);
		atomic_fetch_add(&shared->rounds, 1);
	}
	return NULL;
}

static void storm_caller(void *argument)
{
	(void)argument;
	pthread_t threads[3];
	struct sigaction action = {.sa_handler = on_storm, .sa_flags = storm_flags};
	sigemptyset(&action.sa_mask);
	EXPECT(sigaction(SIGRTMIN, &action, NULL) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
	struct itimerval timer = {.it_value = {0, 700}, .it_interval = {0, 700}};
	setitimer(ITIMER_REAL, &timer, NULL);
	for (long i = 0; i < 3; i++)
		EXPECT(pthread_create(&threads[i], NULL, storm_thread, (void *)i) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	/* Queued signals come one for one: wait for the last. */
	for (int i = 0; i < 200 && atomic_load(&shared->handled) < atomic_load(&shared->sent); i++)
		usleep(10000);
}

static void storm_body(void *argument)
{
	pid_t pid = fork();
	if (pid == 0) {
		storm_caller(argument);
		_exit(0);
	}
	while (atomic_load(&shared->rounds) < 10)
		usleep(1000);
	double end = now_s() + 3;
	/* On a busy machine until there was enough of everything. */
	while (now_s() < end || ((shared->sent <= 1000 || shared->rounds <= 100 || shared->alarms <= 100) && now_s() < end + 60)) {
		if (sigqueue(pid, SIGRTMIN, (union sigval){0}) == 0)
			atomic_fetch_add(&shared->sent, 1);
		usleep(100);
	}
	atomic_store(&shared->stop, true);
	int status;
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void storm(int flags)
{
	*shared = (struct shared){0};
	storm_flags = flags;
	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, storm_body, NULL, &c, &s), 0);
	printf("# storm: %d signals, %d handled, %d alarms, %d chdirs, %d EINTR\n", shared->sent, shared->handled,
	       shared->alarms, shared->rounds, shared->interrupted);
	assert_true(shared->sent > 1000 && shared->rounds > 100 && shared->alarms > 100);
#ifdef UNDER_TSAN
	assert_true(shared->handled <= shared->sent); /* its runtime in the caller merges signals */
#else
	assert_int_equal(shared->sent, shared->handled);
#endif
	assert_int_equal(s.calls, shared->rounds);
	assert_int_equal(s.killed + s.died, 0);
}

static void test_storm(void **state)
{
	(void)state;
	storm(SA_RESTART);
	storm(0);
}

/* ---- stops ---- */

static void stop_caller(void *argument)
{
	(void)argument;
	for (int i = 0;; i++) {
		EXPECT(chdir(i & 1 ? "/usr" : "/tmp") == 0);
		atomic_fetch_add(&shared->rounds, 1);
	}
}

static void *stop_thread(void *argument)
{
	stop_caller(argument);
	return NULL;
}

/* Are all threads of PID in state T? */
static bool all_stopped(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	EXPECT(dir != NULL);
	bool all = true;
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", pid, e->d_name);
		int fd = open(path, O_RDONLY);
		memset(text, 0, sizeof(text));
		EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		all = all && strrchr(text, ')')[2] == 'T';
	}
	closedir(dir);
	return all;
}

static void stops_body(void *argument)
{
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t thread;
		pthread_create(&thread, NULL, stop_thread, argument);
		stop_caller(argument);
	}
	int status;
	for (int i = 0; i < 150; i++) {
		int before = shared->rounds;
		for (int w = 0; w < 2000 && shared->rounds == before; w++)
			usleep(1000);
		EXPECT(shared->rounds != before); /* going on after the last stop */
		usleep((unsigned)(i * 37 % 400));
		kill(pid, i % 3 ? SIGSTOP : SIGTSTP);
		EXPECT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
		/* A thread that was being steered comes into the stop when its call is over. */
		for (int w = 0; w < 2000 && !all_stopped(pid); w++)
			usleep(1000);
		int stopped_at = shared->rounds;
		usleep(2000);
		EXPECT(shared->rounds == stopped_at && all_stopped(pid));
		kill(pid, SIGCONT);
		EXPECT(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	}
	/* STOP and CONT hard after one another: it must never stay stopped. */
	for (int i = 0; i < 300; i++) {
		kill(pid, SIGSTOP);
		kill(pid, SIGCONT);
		usleep((unsigned)(i * 53 % 300));
	}
	int before = shared->rounds;
	for (int w = 0; w < 2000 && shared->rounds < before + 10; w++)
		usleep(1000);
	EXPECT(shared->rounds >= before + 10);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		;
}

static void test_stops(void **state)
{
	(void)state;
	*shared = (struct shared){0};
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, stops_body, NULL, NULL, &s), 0);
	printf("# stops: %llu met a steer\n", (unsigned long long)s.signals_held);
	assert_int_equal(s.killed, 0);
	assert_true(s.signals_held > 0);
}

/* ---- deaths ---- */

static void kills_body(void *argument)
{
	(void)argument;
	unsigned seed = 1;
	for (int i = 0; i < 500; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_t thread;
			pthread_create(&thread, NULL, stop_thread, NULL);
			if (i % 5 == 0)
				open(scratch("fifo3"), O_RDONLY);
			stop_caller(NULL);
		}
		usleep((unsigned)(rand_r(&seed) % 2500));
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
	*shared = (struct shared){0};
	assert_int_equal(mkfifo(scratch("fifo3"), 0600), 0);
	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, kills_body, NULL, &c, &s), 0);
	printf("# kills: %llu calls, %llu died in the middle\n", (unsigned long long)s.calls, (unsigned long long)s.died);
	assert_true(s.died > 50);
	assert_int_equal(s.killed, 0);
	assert_int_equal(c.done, c.steered);
}

/* ---- refused, overdue ---- */

static void traced_body(void *argument)
{
	(void)argument;
	int go[2];
	EXPECT(pipe(go) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		EXPECT(read(go[0], &byte, 1) == 1);
		errno = 0;
		EXPECT(chdir("/usr") == -1 && errno == EPERM);
		_exit(0);
	}
	EXPECT(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
	EXPECT(write(go[1], "x", 1) == 1);
	int status;
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_traced(void **state)
{
	(void)state;
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, traced_body, NULL, NULL, &s), 0);
	assert_int_equal(s.busy, 1);
	assert_int_equal(s.calls, 0);
}

static void overdue_caller(void *argument)
{
	(void)argument;
	execl("/bin/true", "true", NULL);
	_exit(2);
}

static void overdue_body(void *argument)
{
	double t = now_s();
	EXPECT(in_child(overdue_caller, argument) == SIGKILL);
	EXPECT(now_s() - t > 0.2 && now_s() - t < 3);
}

static void test_overdue(void **state)
{
	(void)state;
	struct harness_options options = {.never_answer = true, .deadline_ms = 300};
	struct steer_stats s;
	assert_int_equal(harness_run(&options, overdue_body, NULL, NULL, &s), 0);
	assert_int_equal(s.killed, 1);
}

/* ---- the guard under attack ---- */

static void guard_body(void *argument)
{
	(void)argument;
	unsigned char *guard = (unsigned char *)GUARD_ADDRESS;
	static unsigned char before[GUARD_BYTES];
	EXPECT(chdir("/usr") == 0);
	memcpy(before, guard, GUARD_BYTES);
	EXPECT(munmap(guard, GUARD_BYTES) == -1);
	EXPECT(munmap((void *)4096, 1ul << 40) == -1);
	EXPECT(mprotect(guard, 4096, PROT_READ | PROT_WRITE) == -1);
	EXPECT(mmap(guard, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
	       errno == EPERM);
	EXPECT(mmap((void *)4096, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
	EXPECT(mremap(guard, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
	void *other = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(mremap(other, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, guard) == MAP_FAILED);
	EXPECT(madvise(guard, 4096, MADV_DONTFORK) == -1 && madvise(guard, 4096, MADV_DONTNEED) == -1);
	EXPECT(syscall(SYS_remap_file_pages, guard, 4096, 0, 1, 0) == -1);
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	EXPECT(id >= 0 && shmat(id, guard, SHM_REMAP) == (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	int mem = open("/proc/self/mem", O_RDWR);
	EXPECT(mem >= 0 && pwrite(mem, "EVIL", 4, (off_t)GUARD_ADDRESS) == -1);
	close(mem);
	EXPECT(memcmp(before, guard, GUARD_BYTES) == 0);
	EXPECT(chdir("/tmp") == 0);
	pid_t pid = fork();
	if (pid == 0) {
		EXPECT(chdir("/usr") == 0);
		_exit(0);
	}
	int status;
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_guard(void **state)
{
	(void)state;
	struct steer_stats s;
	struct harness_counts c;
	assert_int_equal(harness_run(NULL, guard_body, NULL, &c, &s), 0);
	assert_int_equal(s.calls, 3);
	assert_true(c.refused_mmap >= 2);
}

int main(int argc, char **argv)
{
	harness_main_setup(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	   cmocka_unit_test(test_cost),	   cmocka_unit_test(test_objects),
		cmocka_unit_test(test_fifo),	   cmocka_unit_test(test_fifo_ready), cmocka_unit_test(test_storm),
		cmocka_unit_test(test_stops),	   cmocka_unit_test(test_kills),   cmocka_unit_test(test_traced),
		cmocka_unit_test(test_overdue),	   cmocka_unit_test(test_guard),
	};
	if (getenv("STEER_TEST_FILTER"))
		cmocka_set_test_filter(getenv("STEER_TEST_FILTER"));
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	harness_cleanup();
	return r;
}
