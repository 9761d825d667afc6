/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Those that end or stop a process at a terminal; those up to FROM_OUTSIDE may come at any time, the others from our own
 * calls alone. */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};
#define FROM_OUTSIDE 7
static volatile sig_atomic_t caught;

static void note_signal(int number)
{
	caught = number;
}

static void put(int fd, const char *text)
{
	ssize_t n = write(fd, text, strlen(text));

	(void)n;
}

/* One line into ANSWER: straight from the terminal, so that no other buffer has held it. Signals come while it waits, with
 * MASK, and at no other time: none is missed. */
static int read_line(int fd, const sigset_t *mask, struct buffer *answer)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	bool too_long = false;
	char extra;

	for (;;) {
		bool full = answer->len == answer->cap;
		char *place = full ? &extra : answer->data + answer->len;
		ssize_t n = ppoll(&readable, 1, NULL, mask);

		if (n >= 0)
			n = read(fd, place, 1);

		if (n < 0 && errno == EINTR && !caught)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && answer->len == 0)
			return -ECANCELED;
		if (n == 0 || *place == '\n') {
			answer->data[answer->len] = '\0';
			return too_long ? -EFBIG : 0;
		}
		too_long |= full;
		answer->len += !full;
	}
}

/* Ask once. With `caught` set on return the process is to get that signal, and perhaps be asked again. */
static int ask(int fd, const char *question, bool echo, struct buffer *answer)
{
	struct sigaction before[ARRAY_LEN(signals)], noting = {.sa_handler = note_signal};
	struct termios usual, quiet;
	sigset_t held, mask;
	size_t start = answer->len;
	int r = 0;

	if (tcgetattr(fd, &usual) < 0)
		return -ENOTTY;
	quiet = usual;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	caught = 0;
	sigemptyset(&held);
	for (size_t i = 0; i < FROM_OUTSIDE; i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &mask);
	/* What the process ignores goes on being ignored. */
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (sigaction(signals[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &noting, NULL);
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		r = -errno;
	bool changed = r == 0;
	/* In the background that has stopped the process; if it may not be stopped nothing will ever be typed for it. */
	if (changed && tcgetpgrp(fd) != getpgrp())
		r = -EIO;
	if (r == 0) {
		put(fd, question);
		r = read_line(fd, &mask, answer);
		if (!echo)
			put(fd, "\n");
	}
	while (changed && tcsetattr(fd, TCSAFLUSH, &usual) < 0 && errno == EINTR && caught != SIGTTOU)
		;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught || r < 0) {
		explicit_bzero(answer->data + start, answer->len - start);
		buffer_truncate(answer, start);
	}
	return caught ? -EINTR : r;
}

int prompt_line(const char *question, bool echo, struct buffer *answer)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -ENOTTY;
	for (;;) {
		int r = ask(fd, question, echo, answer);

		if (r != -EINTR || !caught)
			return r;
		kill(getpid(), caught);
		/* Here again after a stop: the question stands anew. */
		if (caught != SIGTSTP && caught != SIGTTIN && caught != SIGTTOU)
			return r;
	}
}

int prompt_yes(const char *question)
{
	BUFFER_ON_STACK(answer, 64);
	int r = prompt_line(question, true, &answer);

	if (r < 0)
		return r;
	return strcasecmp(answer.data, "y") == 0 || strcasecmp(answer.data, "yes") == 0;
}
