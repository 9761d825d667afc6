/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races: what a path means changes between the look at it and its use, for some time and at least so many attempts.
 * Each attack asks for something harmless while somebody makes the same words mean the secret.
 *
 *	races ATTACK TOP MILLISECONDS    prints "ATTEMPTS WINS", and how often what was asked for was given
 *	races flip-ATTACK TOP            outside, at full speed, until killed: what another process does meanwhile
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

#define SECRET "the secret content\n"
#define PUBLIC "public"

static struct {
	const char *top;
	unsigned long attempts, wins, given;
	_Atomic bool stop;
} at;

/* A path in memory that a thread changes all the time: the last name alternates between two of the same length. */
static struct {
	char *path, *name;
	const char *harmless, *prize;
	size_t len;
} words;

static int descriptors[2], target;

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Is it the secret that FD reads? Closes it. */
static void judge_content(int fd)
{
	char content[64] = "";

	if (fd < 0)
		return;
	if (read(fd, content, sizeof(content) - 1) > 0) {
		at.wins += strcmp(content, SECRET) == 0;
		at.given += strncmp(content, PUBLIC, strlen(PUBLIC)) == 0;
	}
	close(fd);
}

static void *change_words(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		memcpy(words.name, words.prize, words.len);
		memcpy(words.name, words.harmless, words.len);
	}
	return NULL;
}

static void *change_descriptor(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		dup2(descriptors[1], target);
		dup2(descriptors[0], target);
	}
	return NULL;
}

/* Shared, so that children that execute it see the change too. */
static void set_words(const char *harmless, const char *prize)
{
	words.path = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	words.name = words.path + sprintf(words.path, "%s/", at.top);
	strcpy(words.name, harmless);
	words.harmless = harmless;
	words.prize = prize;
	words.len = strlen(harmless);
}

static void words_open(void)
{
	judge_content(open(words.path, O_RDONLY));
}

static void words_opath(void)
{
	char name[64];
	int fd = open(words.path, O_PATH);

	if (fd < 0)
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	judge_content(open(name, O_RDONLY));
	close(fd);
}

static void words_openat2(void)
{
	static struct {
		uint64_t flags, mode, resolve;
	} how;

	judge_content((int)syscall(SYS_openat2, AT_FDCWD, words.path, &how, sizeof(how)));
}

/* The prize is never given away, but may be overwritten: whoever runs this looks at it. */
static void words_creat(void)
{
	int fd = open(words.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	at.given += write(fd, PUBLIC, strlen(PUBLIC)) > 0;
	close(fd);
}

static void words_unlink(void)
{
	int fd = open(in_dir(at.top, "public"), O_WRONLY | O_CREAT, 0644);

	close(fd);
	at.given += unlink(words.path) == 0;
}

static void words_chdir(void)
{
	if (chdir(words.path) < 0)
		return;
	/* Only the harmless one holds this name. */
	if (faccessat(AT_FDCWD, "here", F_OK, 0) < 0)
		at.wins++;
	else
		at.given++;
	if (chdir(at.top) < 0)
		broken("cannot go back");
}

static void words_exec(void)
{
	char *argv[] = {words.path, NULL}, *envp[] = {NULL};
	int child = fork(), status;

	if (child == 0) {
		execve(words.path, argv, envp);
		_exit(1);
	}
	status = wait_for(child);
	at.wins += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	at.given += WIFEXITED(status) && WEXITSTATUS(status) == 3;
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

static void place_mid(void)
{
	judge_content(open(in_dir(at.top, "mid/secret"), O_RDONLY));
}

static void place_last(void)
{
	judge_content(open(in_dir(at.top, "last"), O_RDONLY));
}

static void place_root(void)
{
	static char path[8192];

	if (!path[0])
		snprintf(path, sizeof(path), "%s/r%s/vault/secret", at.top, at.top);
	judge_content(open(path, O_RDONLY));
}

/* In a directory that is moved up and down: what lies two above it changes. */
static void place_dotdot(void)
{
	judge_content(open("../../vault/secret", O_RDONLY));
}

static const struct attack {
	const char *name;
	void (*attempt)(void);
	const char *harmless, *prize; /* changed words */
	const char *from, *to;	      /* exchanged or moved by a process outside */
	bool descriptor, move;
	const char *start; /* directory to stand in */
} attacks[] = {
	{.name = "words-open", .attempt = words_open, .harmless = "vault/public", .prize = "vault/secret"},
	{.name = "words-opath", .attempt = words_opath, .harmless = "vault/public", .prize = "vault/secret"},
	{.name = "words-openat2", .attempt = words_openat2, .harmless = "vault/public", .prize = "vault/secret"},
	{.name = "words-creat", .attempt = words_creat, .harmless = "vault/public", .prize = "vault/secret"},
	{.name = "words-unlink", .attempt = words_unlink, .harmless = "public", .prize = "secreT"},
	{.name = "words-chdir", .attempt = words_chdir, .harmless = "openly", .prize = "closed"},
	{.name = "words-exec", .attempt = words_exec, .harmless = "tools/good", .prize = "tools/evil"},
	{.name = "descriptor-openat", .attempt = descriptor_openat, .descriptor = true},
	{.name = "descriptor-fchdir", .attempt = descriptor_fchdir, .descriptor = true},
	{.name = "descriptor-magic", .attempt = descriptor_magic, .descriptor = true},
	{.name = "mid", .attempt = place_mid, .from = "mid", .to = "mid-link"},
	{.name = "last", .attempt = place_last, .from = "last", .to = "last-link"},
	{.name = "root", .attempt = place_root, .from = "r", .to = "r-link"},
	{.name = "dotdot", .attempt = place_dotdot, .from = "p/q/cwd", .to = "q/cwd", .move = true, .start = "p/q/cwd"},
};

static const struct attack *find(const char *name)
{
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (strcmp(attacks[i].name, name) == 0)
			return &attacks[i];
	broken("no such attack: %s", name);
}

static int flip(const struct attack *attack)
{
	const char *from = strdup(in_dir(at.top, attack->from)), *to = strdup(in_dir(at.top, attack->to));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (renameat2(AT_FDCWD, from, AT_FDCWD, to, attack->move ? 0 : RENAME_EXCHANGE) < 0)
			broken("renameat2: %s", strerror(errno));
		if (renameat2(AT_FDCWD, to, AT_FDCWD, from, attack->move ? 0 : RENAME_EXCHANGE) < 0)
			broken("renameat2: %s", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	bool threaded;

	check_identity();
	if (argc < 3)
		broken("usage: races ATTACK TOP MILLISECONDS");
	at.top = argv[2];
	if (strncmp(argv[1], "flip-", 5) == 0)
		return flip(find(argv[1] + 5));

	const struct attack *attack = find(argv[1]);
	/* Where the start is at this moment somebody outside decides, at any moment anew. */
	for (int try = 0; chdir(in_dir(at.top, attack->start && try % 2 ? attack->to : attack->start ? attack->start : ".")) < 0;
	     try++)
		if (!attack->start || try > 100000)
			broken("chdir: %s", strerror(errno));
	if (attack->harmless)
		set_words(attack->harmless, attack->prize);
	if (attack->descriptor) {
		descriptors[0] = open(in_dir(at.top, "openly"), O_RDONLY | O_DIRECTORY);
		descriptors[1] = open(in_dir(at.top, "vault"), O_RDONLY | O_DIRECTORY);
		target = dup(descriptors[0]);
		if (descriptors[0] < 0 || descriptors[1] < 0)
			broken("cannot open the directories");
	}
	threaded = attack->harmless || attack->descriptor;
	if (threaded && pthread_create(&thread, NULL, attack->harmless ? change_words : change_descriptor, NULL) != 0)
		broken("pthread_create");
	for (long end = milliseconds() + atol(argv[3]); milliseconds() < end; at.attempts++)
		attack->attempt();
	at.stop = true;
	if (threaded)
		pthread_join(thread, NULL);
	printf("%lu %lu %lu\n", at.attempts, at.wins, at.given);
	return 0;
}
