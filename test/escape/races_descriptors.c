/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor is replaced by another one (dup2), or the working directory by a sibling, while a call is made. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "escape.h"
#include "races.h"

static void prepare_directories(void)
{
	descriptors[0] = open_or_break("openly", O_RDONLY | O_DIRECTORY);
	descriptors[1] = open_or_break("vault", O_RDONLY | O_DIRECTORY);
	target = dup(descriptors[0]);
}

static void descriptor_openat(void)
{
	judge_content(openat(target, "secret", O_RDONLY));
}

static void descriptor_fchdir(void)
{
	if (fchdir(target) == 0)
		judge_content(open("secret", O_RDONLY));
}

static void descriptor_magic(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d/secret", target);
	judge_content(open(name, O_RDONLY));
}

static void descriptor_unlinkat(void)
{
	int fd = openat(descriptors[0], "secret", O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	at.given += unlinkat(target, "secret", 0) == 0;
}

static void descriptor_renameat(void)
{
	int fd = openat(descriptors[0], "secret", O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	at.given += renameat(target, "secret", descriptors[0], "away") == 0;
}

static void prepare_programs(void)
{
	descriptors[0] = open_or_break("tm", O_RDONLY | O_DIRECTORY);
	descriptors[1] = open_or_break("tools", O_RDONLY | O_DIRECTORY);
	target = dup(descriptors[0]);
}

/* In a child that shares the table, which is exchanged meanwhile. */
static void descriptor_execveat(void)
{
	char name[] = "run", *argv[] = {name, NULL}, *envp[] = {NULL};
	int child = (int)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0) {
		syscall(SYS_execveat, target, "run", argv, envp, 0);
		_exit(1);
	}
	judge_child(child);
}

/* Only the vault holds a name that is hidden. */
static void prepare_listings(void)
{
	descriptors[0] = open_or_break("list", O_RDONLY | O_DIRECTORY);
	descriptors[1] = open_or_break("vault", O_RDONLY | O_DIRECTORY);
	target = dup(descriptors[0]);
}

static void descriptor_getdents(void)
{
	char raw[4096];

	for (long got, turn = 0; turn < 2; turn++) {
		lseek(target, 0, SEEK_SET);
		got = syscall(SYS_getdents64, target, raw, sizeof(raw));
		for (long i = 0; i < got;) {
			struct dirent64 *entry = (void *)(raw + i);

			at.wins += strcmp(entry->d_name, "secret") == 0;
			at.given += strcmp(entry->d_name, "plain") == 0;
			i += entry->d_reclen;
		}
	}
}

/* --- files that a rule keeps from being changed: the other descriptor is a file of ours --- */

static void prepare_readonly(void)
{
	descriptors[0] = open_or_break("mine", O_RDONLY | O_CREAT);
	descriptors[1] = open_or_break("ro", O_RDONLY);
	target = dup(descriptors[0]);
}

static void descriptor_reopen(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", target);
	fd = open(name, O_WRONLY);
	if (fd < 0)
		return;
	at.given += write(fd, "xxx", 3) == 3;
	close(fd);
}

static void descriptor_chmod(void)
{
	at.given += fchmod(target, 0640) == 0;
}

static void prepare_log(void)
{
	descriptors[0] = open_or_break("mine", O_WRONLY | O_CREAT | O_APPEND);
	descriptors[1] = open_or_break("log", O_WRONLY | O_APPEND);
	target = dup(descriptors[0]);
}

static void descriptor_setfl(void)
{
	at.given += fcntl(target, F_SETFL, 0) == 0;
	/* It goes to the end, unless O_APPEND is gone. */
	if (at.attempts % 64 == 0)
		(void)!pwrite(descriptors[1], "x", 1, 0);
}

static void descriptor_ftruncate(void)
{
	at.given += ftruncate(target, 1) == 0;
}

static void descriptor_fallocate(void)
{
	at.given += fallocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}

/* Inside nobody gets the log for reading and writing, so that there is nothing to exchange it for. */
static void prepare_mapping(void)
{
	descriptors[0] = open_or_break("mine", O_RDWR | O_CREAT | O_APPEND);
	if (ftruncate(descriptors[0], 4096) < 0)
		broken("ftruncate");
	descriptors[1] = open(in_dir(at.top, "log"), O_RDWR | O_APPEND);
	if (descriptors[1] < 0)
		descriptors[1] = open_or_break("log", O_WRONLY | O_APPEND);
	target = dup(descriptors[0]);
}

static void descriptor_mmap(void)
{
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, target, 0);

	if (map == MAP_FAILED)
		return;
	/* "OLD": the log begins with it. */
	if (memcmp(map, "OLD", 3) == 0) {
		map[4] = 'x';
		at.wins++;
	} else {
		at.given++;
	}
	munmap(map, 4096);
}

/* --- the working directory --- */

static char *directories[2];

static void prepare_cwd(void)
{
	directories[0] = strdup(in_dir(at.top, "openly"));
	directories[1] = strdup(in_dir(at.top, "vault"));
}

static void prepare_cwd_exec(void)
{
	directories[0] = strdup(in_dir(at.top, "tm"));
	directories[1] = strdup(in_dir(at.top, "tools"));
}

static void *change_cwd(void *userdata)
{
	(void)userdata;
	for (unsigned i = 0; !at.stop; i++)
		if (chdir(directories[i % 2]) < 0)
			broken("chdir: %s", strerror(errno));
	return NULL;
}

static void cwd_open(void)
{
	judge_content(open("secret", O_RDONLY));
}

static void cwd_magic(void)
{
	judge_content(open("/proc/self/cwd/secret", O_RDONLY));
}

static void cwd_thread_magic(void)
{
	judge_content(open("/proc/thread-self/cwd/secret", O_RDONLY));
}

static void cwd_exec(void)
{
	char run[] = "./run", *argv[] = {run, NULL}, *envp[] = {NULL};
	/* Shares the directory, unlike a child of fork(2). */
	int child = (int)syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);

	if (child == 0) {
		execve("./run", argv, envp);
		_exit(1);
	}
	judge_child(child);
}

/* Another process that shares nothing but the directory. */
static int sibling;

static void end_sibling(void)
{
	kill(sibling, SIGKILL);
}

static void prepare_sibling(void)
{
	prepare_cwd();
	sibling = (int)syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (sibling < 0)
		broken("clone");
	if (sibling == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		change_cwd(NULL);
	}
	atexit(end_sibling);
}

const struct attack descriptor_attacks[] = {
	{"descriptor-openat", descriptor_openat, prepare_directories, change_descriptor},
	{"descriptor-fchdir", descriptor_fchdir, prepare_directories, change_descriptor},
	{"descriptor-magic", descriptor_magic, prepare_directories, change_descriptor},
	{"descriptor-unlinkat", descriptor_unlinkat, prepare_directories, change_descriptor},
	{"descriptor-renameat", descriptor_renameat, prepare_directories, change_descriptor},
	{"descriptor-execveat", descriptor_execveat, prepare_programs, change_descriptor},
	{"descriptor-getdents", descriptor_getdents, prepare_listings, change_descriptor},
	{"descriptor-reopen", descriptor_reopen, prepare_readonly, change_descriptor},
	{"descriptor-fchmod", descriptor_chmod, prepare_readonly, change_descriptor},
	{"descriptor-setfl", descriptor_setfl, prepare_log, change_descriptor},
	{"descriptor-ftruncate", descriptor_ftruncate, prepare_log, change_descriptor},
	{"descriptor-fallocate", descriptor_fallocate, prepare_log, change_descriptor},
	{"descriptor-mmap", descriptor_mmap, prepare_mapping, change_descriptor},
	{"cwd-open", cwd_open, prepare_cwd, change_cwd},
	{"cwd-magic", cwd_magic, prepare_cwd, change_cwd},
	{"cwd-thread-magic", cwd_thread_magic, prepare_cwd, change_cwd},
	{"cwd-exec", cwd_exec, prepare_cwd_exec, change_cwd},
	{"cwd-sibling", cwd_open, prepare_sibling},
	{},
};
