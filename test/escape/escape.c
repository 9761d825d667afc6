/* SPDX-License-Identifier: Apache-2.0 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_SECONDS 20

static struct result *shared;

void broken(const char *format, ...)
{
	va_list args;

	fputs("broken: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(99);
}

void say(const char *format, ...)
{
	size_t at = strlen(shared->text);
	va_list args;

	if (at && at + 1 < sizeof(shared->text))
		shared->text[at++] = ' ';
	va_start(args, format);
	vsnprintf(shared->text + at, sizeof(shared->text) - at, format, args);
	va_end(args);
	/* One line, whatever was read. */
	for (char *p = shared->text + at; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '|';
}

long say_value(long value)
{
	if (value < 0)
		say("%s", strerrorname_np(errno));
	else
		say("ok");
	return value;
}

long say_fd(long value)
{
	say_value(value);
	if (value >= 0)
		close((int)value);
	return value;
}

int wait_for(int child)
{
	int status;

	for (int i = 0; i < TRIAL_SECONDS * 1000; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(i < 20 ? 100 : 1000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return status;
}

const char *run_trial(void (*trial)(void *userdata), void *userdata)
{
	int status;

	if (!shared) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (shared == MAP_FAILED)
			broken("mmap");
	}
	shared->text[0] = '\0';
	fflush(NULL);
	int child = fork();
	if (child < 0)
		broken("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		trial(userdata);
		_exit(0);
	}
	status = wait_for(child);
	if (WIFSIGNALED(status))
		say("signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		say("exit %d", WEXITSTATUS(status));
	return shared->text;
}

void check_identity(void)
{
	const char *wanted = getenv("ESCAPE_EUID");

	if (!wanted || geteuid() != (uid_t)strtoul(wanted, NULL, 10))
		broken("runs as %u, wanted %s", geteuid(), wanted ? wanted : "(ESCAPE_EUID is not set)");
}

const char *in_dir(const char *dir, const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 16];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

void put_file(const char *path, const void *bytes, size_t len, unsigned mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fchmod(fd, mode) < 0)
		broken("cannot make %s: %s", path, strerror(errno));
	close(fd);
}
