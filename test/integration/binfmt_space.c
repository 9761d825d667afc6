/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command where binary formats are registered that the machine does not see: binfmt_misc of an own user namespace
 * (Linux 6.7).
 *   binfmt_space UID [stay] FORMAT... -- COMMAND...
 * UID: who the command is, with "stay" only who it may become; FORMAT: a line for "register".
 * Exits with 77 where that cannot be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT 77

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (n < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* Ids of the child: our own, and with privileges UID. */
static int map_ids(pid_t child, unsigned uid)
{
	char path[64], text[128];

	if (geteuid() == 0 && uid)
		snprintf(text, sizeof(text), "0 0 1\n%u %u 1\n", uid, uid);
	else
		snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
	snprintf(path, sizeof(path), "/proc/%d/setgroups", child);
	if (geteuid() != 0 && put(path, "deny") < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
	if (put(path, text) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/gid_map", child);
	return put(path, text);
}

static int prepare(char **formats, char **end)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc", 0, NULL) < 0) {
		perror("binfmt_misc");
		return -1;
	}
	for (; formats < end; formats++) {
		if (put("/proc/sys/fs/binfmt_misc/register", *formats) < 0)
			return -1;
	}
	return 0;
}

/* In the new namespaces: become UID, run COMMAND. */
static int run(unsigned uid, bool change, char **formats, char **end, int mapped)
{
	char byte;

	/* Nothing is said by one whose ids could not be mapped. */
	if (read(mapped, &byte, 1) != 1 || prepare(formats, end) < 0)
		return CANNOT;
	if (change && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)) {
		perror("ids");
		return 2;
	}
	execvp(end[1], end + 1);
	perror(end[1]);
	return 2;
}

int main(int argc, char **argv)
{
	char **end = argv + 2;
	int made[2], mapped[2], status;
	char byte = 0;

	while (end < argv + argc && strcmp(*end, "--") != 0)
		end++;
	if (argc < 3 || end + 1 >= argv + argc || pipe2(made, O_CLOEXEC) < 0 || pipe2(mapped, O_CLOEXEC) < 0)
		return 2;
	unsigned uid = (unsigned)strtoul(argv[1], NULL, 10);
	bool stay = strcmp(argv[2], "stay") == 0;
	bool change = geteuid() == 0 && uid && !stay;
	pid_t child = fork();
	if (child == 0) {
		close(mapped[1]);
		if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0 || write(made[1], &byte, 1) != 1)
			_exit(CANNOT);
		_exit(run(uid, change, argv + (stay ? 3 : 2), end, mapped[0]));
	}
	close(made[1]);
	if (read(made[0], &byte, 1) == 1 && map_ids(child, uid) == 0 && write(mapped[1], &byte, 1) != 1)
		return 2;
	close(mapped[1]);
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
