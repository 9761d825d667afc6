/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is executed changes while it is. The programs end with status 3 (harmless) or 7 (covered by a rule); scripts
 * write "3" or "7" first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "escape.h"
#include "races.h"

static char *const no_environment[] = {NULL};

static void execute(const char *path)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};
	int child = fork();

	if (child < 0)
		return;
	if (child == 0) {
		execve(path, argv, no_environment);
		_exit(1);
	}
	judge_child(child);
}

static void words_exec(void)
{
	execute(words.path);
}

static void words_execveat(void)
{
	char *argv[] = {words.path, NULL};
	int child = fork();

	if (child == 0) {
		syscall(SYS_execveat, AT_FDCWD, words.path, argv, no_environment, 0);
		_exit(1);
	}
	judge_child(child);
}

/* Neither can be executed: it is the error that tells. The name that changes is looked at again and again. */
static void words_exec_fails(void)
{
	char *argv[] = {words.path, NULL};

	execve(words.path, argv, no_environment);
	at.wins += errno == EACCES;
	at.given += errno == ENOENT;
}

/* By a process whose parent ends meanwhile: nobody who knew it is left. What ran is told through a pipe. */
static void words_exec_orphan(void)
{
	char *argv[] = {words.path, NULL}, said = 0;
	int ends[2], child;

	if (pipe(ends) < 0)
		broken("pipe");
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			dup2(ends[1], STDOUT_FILENO);
			close(ends[0]);
			close(ends[1]);
			execve(words.path, argv, no_environment);
		}
		_exit(0);
	}
	close(ends[1]);
	while (read(ends[0], &said, 1) == 1 && said != '3' && said != '7')
		;
	at.given += said == '3';
	at.wins += said == '7';
	close(ends[0]);
	wait_for(child);
}

/* vfork: the child shares our memory, and the thread that changes it. */
static void words_exec_vfork(void)
{
	char *argv[] = {words.path, NULL};
	int child = vfork();

	if (child == 0) {
		execve(words.path, argv, no_environment);
		_exit(1);
	}
	judge_child(child);
}

/* --- the name stays the same, what stands at it or on the way to it changes --- */

static void place_exec_last(void)
{
	execute(in_dir(at.top, "tool"));
}

static void place_exec_mid(void)
{
	execute(in_dir(at.top, "tm/run"));
}

/* "#!TOP/tm/run" */
static void place_exec_interpreter(void)
{
	execute(in_dir(at.top, "script"));
}

/* An ELF program whose PT_INTERP is "tm/run". */
static void place_exec_loader(void)
{
	execute("loaded");
}

#define MID .flip = FLIP_EXCHANGE, .from = "tm", .to = "tm-link"

const struct attack exec_attacks[] = {
	{"words-exec", words_exec, .harmless = "tools/good.x", .prize = "tools/evil.x"},
	{"words-exec-script", words_exec, .harmless = "tools/good.s", .prize = "tools/evil.s"},
	{"words-execveat", words_execveat, .harmless = "tools/good.x", .prize = "tools/evil.x"},
	{"words-exec-fails", words_exec_fails, .harmless = "vault/nothin", .prize = "vault/secret"},
	{"words-exec-orphan", words_exec_orphan, .harmless = "tools/good.s", .prize = "tools/evil.s"},
	{"words-exec-vfork", words_exec_vfork, .harmless = "tools/good.x", .prize = "tools/evil.x"},
	{"exec-last", place_exec_last, .flip = FLIP_EXCHANGE, .from = "tool", .to = "tool-link"},
	{"exec-mid", place_exec_mid, MID},
	{"exec-interpreter", place_exec_interpreter, MID},
	{"exec-loader", place_exec_loader, MID},
	{},
};
