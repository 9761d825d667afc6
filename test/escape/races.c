/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	races ATTACK TOP MILLISECONDS    prints "ATTEMPTS WINS GIVEN PROCESSORS"; if MILLISECONDS is negative it
 *	                                 ends at the first win, or then
 *	races flip-ATTACK TOP            outside, until killed: what another process does to names meanwhile
 *	races serve TOP                  outside, until killed: listens at the sockets
 *	races list                       the names of the attacks; "flip" behind those that need a process outside
 */
#include "races.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

/* On a slow machine: so many attempts, and one that was given, for which we wait so many milliseconds. */
#define LEAST 20
#define PATIENCE 30000

struct races at;
struct words words;
int descriptors[2], target;

static const struct attack *const families[] = {
	words_attacks, exec_attacks, socket_attacks, descriptor_attacks, place_attacks,
};

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void *shared_memory(size_t len)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		broken("mmap");
	return memory;
}

int open_or_break(const char *name, int flags)
{
	int fd = open(in_dir(at.top, name), flags, 0644);

	if (fd < 0)
		broken("cannot open %s: %s", name, strerror(errno));
	return fd;
}

void judge_chdir(const char *dir)
{
	if (chdir(dir) < 0)
		return;
	if (faccessat(AT_FDCWD, "here", F_OK, 0) < 0)
		at.wins++;
	else
		at.given++;
	if (chdir(at.top) < 0)
		broken("cannot go back");
}

void judge_content(int fd)
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

void judge_child(int child)
{
	int status = wait_for(child);

	at.wins += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	at.given += WIFEXITED(status) && WEXITSTATUS(status) == 3;
}

void *change_words(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		memcpy(words.name, words.prize, words.len);
		memcpy(words.name, words.harmless, words.len);
	}
	return NULL;
}

void *change_descriptor(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		dup2(descriptors[1], target);
		dup2(descriptors[0], target);
	}
	return NULL;
}

void set_words(char *path, char *name, const char *harmless, const char *prize)
{
	if (strlen(harmless) != strlen(prize))
		broken("%s and %s are not of one length", harmless, prize);
	words = (struct words){path, name, harmless, prize, strlen(harmless)};
	strcpy(words.name, harmless);
}

static const struct attack *find(const char *name)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (const struct attack *attack = families[i]; attack->name; attack++)
			if (strcmp(attack->name, name) == 0)
				return attack;
	broken("no such attack: %s", name);
}

static int list(void)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (const struct attack *attack = families[i]; attack->name; attack++)
			printf("%s %s\n", attack->name, attack->flip ? "flip" : "-");
	return 0;
}

static void move(const char *from, const char *to, unsigned flags)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
		broken("renameat2 %s %s: %s", from, to, strerror(errno));
}

static _Noreturn void flip(const struct attack *attack)
{
	const char *from = strdup(in_dir(at.top, attack->from)), *to = strdup(in_dir(at.top, attack->to));
	const char *aside = strdup(in_dir(at.top, "aside"));
	unsigned flags = attack->flip == FLIP_EXCHANGE ? RENAME_EXCHANGE : 0;

	for (;;) {
		if (attack->flip == FLIP_ROTATE) {
			move(from, aside, 0);
			move(to, from, 0);
			move(from, to, 0);
			move(aside, from, 0);
		} else {
			move(from, to, flags);
			move(to, from, flags);
		}
	}
}

static void stand(const struct attack *attack)
{
	/* Where the start is at this moment somebody outside decides, at any moment anew: with `from` moved to `to`. */
	const char *start = attack->start ? attack->start : ".";
	char *moved = NULL;

	if (attack->start && asprintf(&moved, "%s%s", attack->to, start + strlen(attack->from)) < 0)
		broken("asprintf");
	for (int try = 0; chdir(in_dir(at.top, moved && try % 2 ? moved : start)) < 0; try++)
		if (!moved || try > 100000)
			broken("chdir %s: %s", start, strerror(errno));
	free(moved);
}

/* So many processors were seen by attempts and rivals (which run for as long). */
static unsigned long seen_processors;

static void attempts(const struct attack *attack, long limit)
{
	long start = milliseconds(), now = start;
	bool natively = limit < 0;
	unsigned cpu = 0;

	for (; natively ? now < start - limit && !at.wins :
			  now < start + limit || at.attempts < LEAST || (!at.given && now < start + PATIENCE);
	     now = milliseconds(), at.attempts++) {
		attack->attempt();
		if (getcpu(&cpu, NULL) == 0)
			seen_processors |= 1UL << cpu % 64;
	}
}

int main(int argc, char **argv)
{
	void *(*rival)(void *);
	pthread_t thread;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	check_identity();
	if (argc < 3)
		broken("usage: races ATTACK TOP MILLISECONDS");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	at.top = argv[2];
	if (strcmp(argv[1], "serve") == 0)
		return serve();
	if (strncmp(argv[1], "flip-", 5) == 0)
		flip(find(argv[1] + 5));

	const struct attack *attack = find(argv[1]);
	stand(attack);
	rival = attack->rival;
	if (attack->harmless) {
		char *path = shared_memory(8192);

		set_words(path, path + sprintf(path, "%s/", at.top), attack->harmless, attack->prize);
		rival = change_words;
	}
	if (attack->prepare)
		attack->prepare();
	if (rival && pthread_create(&thread, NULL, rival, NULL) != 0)
		broken("pthread_create");
	attempts(attack, atol(argv[3]));
	at.stop = true;
	if (rival)
		pthread_join(thread, NULL);
	printf("%lu %lu %lu %d\n", at.attempts, at.wins, at.given, __builtin_popcountl(seen_processors));
	return 0;
}
