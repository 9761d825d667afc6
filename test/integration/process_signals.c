/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are interrupted. Run natively and in a view the output must be the same.
 *   process_signals block DIR          calls that block, with alarms
 *   process_signals storm DIR N HOW    N rounds of calls that would show a second execution, under storms of signals;
 *                                      HOW: restart (SA_RESTART) or plain
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static unsigned long interrupted;
static int failed;

static void handler(int number)
{
	(void)number;
	handled++;
}

static void catch(int number, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	sigaction(number, &action, NULL);
}

static void say(const char *what, long result)
{
	int error = errno;

	printf("%s: %s\n", what, result < 0 ? strerrorname_np(error) : "done");
	fflush(stdout);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void alarm_after(long ms, long again_ms)
{
	struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000},
				  .it_interval = {again_ms / 1000, again_ms % 1000 * 1000}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* It did block. That it does not for ever the time limit of the test asserts. */
static void took(double begin, double least)
{
	double seconds = now() - begin;

	if (seconds < least) {
		printf("took %.3f s, not %.3f\n", seconds, least);
		failed = 1;
	}
}

/* ---- calls that block ---- */

static void fifo_plain(int flags, const char *what)
{
	double begin = now();

	handled = 0;
	catch(SIGALRM, 0);
	alarm_after(100, 0);
	int fd = open("fifo", flags);
	say(what, fd);
	printf("handled %d\n", (int)handled);
	took(begin, 0.09);
}

static void fifo_restart(int flags, int peer_flags, const char *what)
{
	double begin = now();

	handled = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		usleep(400000);
		int peer = open("fifo", peer_flags);
		usleep(50000);
		_exit(peer < 0);
	}
	catch(SIGALRM, SA_RESTART);
	alarm_after(30, 30);
	int fd = open("fifo", flags);
	alarm_after(0, 0);
	say(what, fd);
	printf("handled several %d\n", handled >= 3);
	took(begin, 0.35);
	close(fd);
	waitpid(child, NULL, 0);
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un made = {.sun_family = AF_UNIX};

	strcpy(made.sun_path, name);
	return made;
}

static int stream(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void connect_full(void)
{
	struct sockaddr_un where = address("full");
	int listener = stream(), filled = 0;

	say("bind", bind(listener, (struct sockaddr *)&where, sizeof(where)));
	listen(listener, 0);
	for (;; filled++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
			say("one too many", -1);
			break;
		}
	}
	printf("filled by %d\n", filled);

	double begin = now();
	int fd = stream();
	handled = 0;
	catch(SIGALRM, 0);
	alarm_after(100, 0);
	say("connect plain", connect(fd, (struct sockaddr *)&where, sizeof(where)));
	printf("handled %d\n", (int)handled);
	took(begin, 0.09);

	struct timeval limit = {0, 150000};
	begin = now();
	fd = stream();
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	say("connect with a limit", connect(fd, (struct sockaddr *)&where, sizeof(where)));
	took(begin, 0.14);

	begin = now();
	handled = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		usleep(400000);
		_exit(accept(listener, NULL, NULL) < 0);
	}
	fd = stream();
	catch(SIGALRM, SA_RESTART);
	alarm_after(30, 30);
	say("connect restarted", connect(fd, (struct sockaddr *)&where, sizeof(where)));
	alarm_after(0, 0);
	printf("handled several %d\n", handled >= 3);
	took(begin, 0.35);
	waitpid(child, NULL, 0);
	/* Listener gone: the one that waits is refused. */
	close(listener);
	say("connect afterwards", connect(stream(), (struct sockaddr *)&where, sizeof(where)));
}

static void killed_while_blocked(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		open("fifo", O_RDONLY);
		_exit(0);
	}
	usleep(100000);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	printf("killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	child = fork();
	if (child == 0) {
		open("fifo", O_RDONLY);
		_exit(7);
	}
	usleep(100000);
	kill(child, SIGSTOP);
	waitpid(child, &status, WUNTRACED);
	printf("stopped by %d\n", WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
	kill(child, SIGCONT);
	int fd = open("fifo", O_WRONLY);
	waitpid(child, &status, 0);
	printf("went on %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	close(fd);
}

static int block(void)
{
	mkfifo("fifo", 0600);
	fifo_plain(O_RDONLY, "reader plain");
	fifo_plain(O_WRONLY, "writer plain");
	fifo_restart(O_RDONLY, O_WRONLY, "reader restarted");
	fifo_restart(O_WRONLY, O_RDONLY, "writer restarted");
	say("writer that does not wait", open("fifo", O_WRONLY | O_NONBLOCK));
	killed_while_blocked();
	connect_full();
	return failed;
}

/* ---- storms ---- */

static void start_storm(int number, int flags)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
	struct itimerspec every = {.it_value = {0, 50000}, .it_interval = {0, 50000}};
	timer_t timer;

	catch(number, flags);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 || timer_settime(timer, 0, &every, NULL) < 0)
		failed = 1;
}

static bool again(long result)
{
	if (result < 0 && errno == EINTR) {
		interrupted++;
		return true;
	}
	return false;
}

/* A call that was executed must not be executed anew: its second execution fails, or does it twice. */
#define ONCE(call)                                                                                                     \
	do {                                                                                                           \
		long result_;                                                                                          \
		do                                                                                                     \
			result_ = (call);                                                                              \
		while (again(result_));                                                                                \
		if (result_ < 0) {                                                                                     \
			printf("round %ld: %s: %s\n", round, #call, strerrorname_np(errno));                           \
			failed = 1;                                                                                    \
		}                                                                                                      \
	} while (0)

static int open_new(const char *name, int flags)
{
	int fd = open(name, flags, 0644);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void one_round(long round)
{
	struct stat stat_buffer;

	ONCE(mkdir("d", 0755));
	ONCE(rmdir("d"));
	ONCE(open_new("f", O_CREAT | O_EXCL | O_WRONLY));
	ONCE(unlink("f"));
	ONCE(rename("a", "b"));
	ONCE(rename("b", "a"));
	ONCE(link("a", "l"));
	ONCE(unlink("l"));
	ONCE(symlink("a", "s"));
	ONCE(unlink("s"));
	ONCE(mknod("p", S_IFIFO | 0600, 0));
	ONCE(unlink("p"));
	ONCE(stat("a", &stat_buffer));
	ONCE(mkdir("c", 0755));
	ONCE(chdir("c"));
	ONCE(chdir(".."));
	ONCE(rmdir("c"));
}

static int storm(long rounds, const char *how)
{
	bool restart = !strcmp(how, "restart");
	int flags = restart ? SA_RESTART : 0;
	struct stat end;

	close(open("a", O_CREAT | O_WRONLY, 0644));
	start_storm(SIGALRM, flags);
	start_storm(SIGUSR1, flags);
	for (long round = 0; round < rounds && !failed; round++) {
		int fd;

		one_round(round);
		/* An injected descriptor is the only one of its call, and what is appended comes once. */
		do
			fd = open("log", O_CREAT | O_APPEND | O_WRONLY, 0644);
		while (again(fd));
		if (fd != 3) {
			printf("descriptor %d: a descriptor was left behind\n", fd);
			failed = 1;
		}
		if (write(fd, "12345678", 8) != 8)
			failed = 1;
		close(fd);
	}
	signal(SIGALRM, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	stat("log", &end);
	if (end.st_size != rounds * 8) {
		printf("the log has %ld bytes\n", (long)end.st_size);
		failed = 1;
	}
	if (!handled || (restart && interrupted)) {
		printf("%d signals, %lu interruptions\n", (int)handled, interrupted);
		failed = 1;
	}
	fprintf(stderr, "%s: %d signals, %lu EINTR in %ld rounds\n", how, (int)handled, interrupted, rounds);
	printf("storm %s done\n", how);
	return failed;
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[2]) < 0)
		return 2;
	if (!strcmp(argv[1], "block"))
		return block();
	return storm(atol(argv[3]), argv[4]);
}
