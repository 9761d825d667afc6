/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that need a process of their own. */
#include "differential.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTING_CALLS 300

static char output[16 << 10];

const char *run_program_output(void)
{
	return output;
}

/* Shares the working directory and the umask with its parent. */
static long sharing_child(long nr, uint64_t arg)
{
	int status;
	long child, result;

	fflush(scene.trace);
	child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	if (child < 0)
		return -errno;
	if (child == 0) {
		result = syscall(nr, arg);
		_exit(result < 0 ? errno : 0);
	}
	while (waitpid((pid_t)child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* In the child: standard output is the pipe; never returns. Failures of the call itself are told by the exit status. */
static void execute(const struct op *op, const uint64_t a[KIND_ARGS], int to, int status_to)
{
	int error;

	dup2(to, 1);
	close(to);
	syscall(op->kind->nr, a[0], a[1], a[2], a[3], a[4]);
	error = errno;
	if (write(status_to, &error, sizeof(error)) != sizeof(error))
		abort();
	_exit(99);
}

static long execute_in_child(const struct op *op, const uint64_t args[KIND_ARGS])
{
	int data[2], failure[2], error = 0, status;
	size_t length = 0;
	ssize_t got;
	pid_t child;

	fflush(scene.trace);
	output[0] = '\0';
	if (pipe2(data, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0)
		return -errno;
	child = (pid_t)syscall(SYS_fork);
	if (child == 0)
		execute(op, args, data[1], failure[1]);
	close(data[1]);
	close(failure[1]);
	while (length < sizeof(output) - 100 && (got = read(data[0], output + length, sizeof(output) - 100 - length)) > 0)
		length += (size_t)got;
	got = read(failure[0], &error, sizeof(error));
	close(data[0]);
	close(failure[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	snprintf(output + length, sizeof(output) - length, " status %#x", status);
	return got == sizeof(error) ? -error : 0;
}

/*
 * A whole listing, from the beginning: what a program sees of names that are made or removed while it lists is left open
 * by POSIX, and other things on the way (a read ahead) decide it. SEEKING: by way of the offsets that are told. Of
 * directories outside of the tree only that they can be listed: names in /proc are numbers, and more or less long.
 */
static long list(const struct op *op, const uint64_t a[KIND_ARGS], bool seeking)
{
	int fd = (int)a[0];
	bool old = op->kind->nr == SYS_getdents, ours = describe_of_tree(fd);
	size_t size;
	const unsigned char *buffer = run_buffer(1, &size);
	long result, calls = 0;

	lseek(fd, 0, SEEK_SET);
	for (; calls < LISTING_CALLS; calls++) {
		int64_t last;

		result = syscall(op->kind->nr, a[0], a[1], a[2]);
		if (result <= 0)
			break;
		if (!ours)
			continue;
		fprintf(scene.trace, "%ld", result);
		last = (size_t)result <= size ? describe_entries(buffer, (size_t)result, old) : -1;
		fputs(", ", scene.trace);
		if (seeking && last >= 0)
			lseek(fd, last, SEEK_SET);
	}
	if (result < 0 && calls == 0)
		return -errno;
	if (!ours) {
		fputs("elsewhere ", scene.trace);
		return 0;
	}
	fprintf(scene.trace, "%s at %lx ", result < 0 ? strerrorname_np(errno) : "end", (long)lseek(fd, 0, SEEK_CUR));
	return 0;
}

long run_composite(const struct op *op, const uint64_t args[KIND_ARGS])
{
	switch (op->kind->composite) {
	case COMPOSITE_EXECVE:
	case COMPOSITE_EXECVEAT:
		return execute_in_child(op, args);
	case COMPOSITE_CHILD_CHDIR:
		return sharing_child(SYS_chdir, args[0]);
	case COMPOSITE_CHILD_UMASK:
		return sharing_child(SYS_umask, args[0]);
	case COMPOSITE_LIST:
	case COMPOSITE_LIST_SEEKING:
		return list(op, args, op->kind->composite == COMPOSITE_LIST_SEEKING);
	case COMPOSITE_NONE:
		break;
	default:
		return run_composite_data(op, args);
	}
	return -ENOSYS;
}
