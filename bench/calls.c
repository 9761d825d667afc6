/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes calls, on demand: one program that runs natively, under the bare floors (floor.c), in views and under others.
 *
 * Usage: bench_calls DIRECTORY
 * Each line on standard input, "KIND TURNS DOERS threads|processes", is answered by one line: nanoseconds a turn, that
 * is the time from the start of the first doer to the end of the last over all their turns. So a driver can measure many
 * columns in alternation, each of them already warm. "ready" is said first. "?" as an answer: no such kind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LISTED 100
#define DOERS_MAX 8

/* What one doer works on; no two touch the same file, so that the file system's own locks are no part of it. */
struct place {
	char file[4096]; /* absolute */
	char relative[64], absent[64], link[64], name[64], other[64];
	int fd;
	int directory; /* of the file */
};

static struct place places[DOERS_MAX];

static void fail(const char *what)
{
	perror(what);
	_exit(2);
}

static void expect(int good, const char *what)
{
	if (!good)
		fail(what);
}

static void opened(int fd)
{
	expect(fd >= 0, "open");
	close(fd);
}

static void open_read(const struct place *place)
{
	opened(open(place->file, O_RDONLY | O_CLOEXEC));
}

static void open_write(const struct place *place)
{
	opened(open(place->file, O_RDWR | O_CLOEXEC));
}

static void open_relative(const struct place *place)
{
	opened(open(place->relative, O_RDONLY | O_CLOEXEC));
}

static void open_at(const struct place *place)
{
	opened(openat(place->directory, "file", O_RDONLY | O_CLOEXEC));
}

static void open_path(const struct place *place)
{
	opened(open(place->file, O_PATH | O_CLOEXEC));
}

static void open_absent(const struct place *place)
{
	expect(open(place->absent, O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT, "open of an absent file");
}

/* O_CREAT of a file that is there already. */
static void open_create(const struct place *place)
{
	opened(open(place->relative, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void stat_path(const struct place *place)
{
	struct stat stat_buffer;

	expect(stat(place->file, &stat_buffer) == 0, "stat");
}

static void stat_relative(const struct place *place)
{
	struct stat stat_buffer;

	expect(lstat(place->relative, &stat_buffer) == 0, "lstat");
}

static void stat_at(const struct place *place)
{
	struct stat stat_buffer;

	expect(fstatat(place->directory, "file", &stat_buffer, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
}

/* As glibc 2.36 says it, whatever the C library here: newfstatat with an empty path, which no filter can see. */
static void stat_descriptor(const struct place *place)
{
	struct stat stat_buffer;

	expect(syscall(SYS_newfstatat, place->fd, "", &stat_buffer, AT_EMPTY_PATH) == 0, "fstat");
}

static void stat_untrapped(const struct place *place)
{
	struct stat stat_buffer;

	expect(syscall(SYS_fstat, place->fd, &stat_buffer) == 0, "fstat");
}

static void access_path(const struct place *place)
{
	expect(access(place->file, R_OK) == 0, "access");
}

static void read_link(const struct place *place)
{
	char target[64];

	expect(readlink(place->link, target, sizeof(target)) > 0, "readlink");
}

static void create_unlink(const struct place *place)
{
	opened(open(place->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	expect(unlink(place->name) == 0, "unlink");
}

static void make_directory(const struct place *place)
{
	expect(mkdir(place->name, 0700) == 0 && rmdir(place->name) == 0, "mkdir");
}

static void rename_back(const struct place *place)
{
	expect(rename(place->relative, place->other) == 0 && rename(place->other, place->relative) == 0, "rename");
}

static void change_mode(const struct place *place)
{
	expect(chmod(place->relative, 0600) == 0, "chmod");
}

static void set_times(const struct place *place)
{
	expect(utimensat(AT_FDCWD, place->relative, NULL, 0) == 0, "utimensat");
}

/* As tar -x says it. */
static void set_times_descriptor(const struct place *place)
{
	expect(futimens(place->fd, NULL) == 0, "futimens");
}

static void read_directory(const struct place *place)
{
	int entries = 0;
	DIR *dir = opendir("many");

	(void)place;
	expect(dir != NULL, "opendir");
	while (readdir(dir))
		entries++;
	closedir(dir);
	expect(entries == LISTED + 2, "readdir");
}

static void change_directory(const struct place *place)
{
	(void)place;
	expect(chdir("../work") == 0, "chdir");
}

static void get_directory(const struct place *place)
{
	char path[4096];

	(void)place;
	expect(getcwd(path, sizeof(path)) != NULL, "getcwd");
}

static void execute(const struct place *place)
{
	char *argv[] = {(char *)"true", NULL};
	int status;
	pid_t pid = fork();

	(void)place;
	expect(pid >= 0, "fork");
	if (pid == 0) {
		execv("/bin/true", argv);
		_exit(127);
	}
	expect(waitpid(pid, &status, 0) == pid && status == 0, "/bin/true");
}

static void read_data(const struct place *place)
{
	char bytes[512];

	expect(pread(place->fd, bytes, sizeof(bytes), 0) > 0, "pread");
}

static const struct kind {
	const char *name;
	void (*once)(const struct place *place);
} kinds[] = {
	{"open_close", open_read},
	{"open_close_write", open_write},
	{"open_close_relative", open_relative},
	{"open_close_at", open_at},
	{"open_close_path", open_path},
	{"open_close_create", open_create},
	{"open_absent", open_absent},
	{"stat", stat_path},
	{"lstat_relative", stat_relative},
	{"lstat_at", stat_at},
	{"fstat_libc", stat_descriptor},
	{"fstat_raw", stat_untrapped},
	{"access", access_path},
	{"readlink", read_link},
	{"create_unlink", create_unlink},
	{"mkdir_rmdir", make_directory},
	{"rename_twice", rename_back},
	{"chmod", change_mode},
	{"utimens", set_times},
	{"futimens", set_times_descriptor},
	{"readdir_100", read_directory},
	{"chdir", change_directory},
	{"getcwd", get_directory},
	{"fork_exec", execute},
	{"read", read_data},
};

static void make_directory_if_absent(const char *name)
{
	expect(mkdir(name, 0700) == 0 || errno == EEXIST, name);
}

static void make_files(const char *directory)
{
	char name[64], here[3072];
	int fd;

	expect(chdir(directory) == 0, directory);
	make_directory_if_absent("work");
	expect(chdir("work") == 0, "work");
	make_directory_if_absent("many");
	expect(getcwd(here, sizeof(here)) != NULL, "getcwd");
	for (int i = 0; i < LISTED; i++) {
		snprintf(name, sizeof(name), "many/entry-%03d", i);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		expect(fd >= 0, name);
		close(fd);
	}
	for (int i = 0; i < DOERS_MAX; i++) {
		struct place *place = &places[i];

		snprintf(name, sizeof(name), "d%d", i);
		make_directory_if_absent(name);
		snprintf(name, sizeof(name), "d%d/e", i);
		make_directory_if_absent(name);
		snprintf(place->relative, sizeof(place->relative), "d%d/e/file", i);
		snprintf(place->absent, sizeof(place->absent), "d%d/e/absent", i);
		snprintf(place->link, sizeof(place->link), "d%d/e/link", i);
		snprintf(place->name, sizeof(place->name), "d%d/e/new", i);
		snprintf(place->other, sizeof(place->other), "d%d/e/other", i);
		snprintf(place->file, sizeof(place->file), "%s/%s", here, place->relative);
		expect(symlink("file", place->link) == 0 || errno == EEXIST, place->link);
		place->fd = open(place->relative, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		snprintf(name, sizeof(name), "d%d/e", i);
		place->directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		expect(place->directory >= 0, name);
		expect(place->fd >= 0 && write(place->fd, here, strlen(here)) > 0, place->relative);
	}
}

/* What a round is, for its doers; processes see it through shared memory, hence no pointers but to what is static. */
struct round {
	const struct kind *kind;
	int turns, doers;
	pthread_barrier_t start;
	double began[DOERS_MAX], ended[DOERS_MAX];
};

struct doer {
	struct round *round;
	int number;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *do_turns(void *userdata)
{
	struct doer *doer = userdata;
	struct round *round = doer->round;

	pthread_barrier_wait(&round->start);
	round->began[doer->number] = now();
	for (int i = 0; i < round->turns; i++)
		round->kind->once(&places[doer->number]);
	round->ended[doer->number] = now();
	return NULL;
}

/* Nanoseconds from the start of the first doer to the end of the last. */
static double run_doers(struct round *round, int processes)
{
	struct doer doers[DOERS_MAX];
	pthread_t threads[DOERS_MAX];
	pid_t pids[DOERS_MAX];
	pthread_barrierattr_t attr;
	double began = 0, ended = 0;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&round->start, &attr, (unsigned)round->doers);
	for (int i = 0; i < round->doers; i++) {
		doers[i] = (struct doer){round, i};
		if (!processes) {
			expect(pthread_create(&threads[i], NULL, do_turns, &doers[i]) == 0, "thread");
			continue;
		}
		pids[i] = fork();
		expect(pids[i] >= 0, "fork");
		if (pids[i] == 0) {
			do_turns(&doers[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < round->doers; i++) {
		if (processes)
			waitpid(pids[i], NULL, 0);
		else
			pthread_join(threads[i], NULL);
		began = i == 0 || round->began[i] < began ? round->began[i] : began;
		ended = i == 0 || round->ended[i] > ended ? round->ended[i] : ended;
	}
	pthread_barrier_destroy(&round->start);
	return ended - began;
}

static double run_round(struct round *round, int processes)
{
	double began;

	if (round->doers > 1)
		return run_doers(round, processes) / round->doers / round->turns;
	began = now();
	for (int i = 0; i < round->turns; i++)
		round->kind->once(&places[0]);
	return (now() - began) / round->turns;
}

int main(int argc, char **argv)
{
	struct round *round = mmap(NULL, sizeof(*round), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char line[128], name[64], kind_of_doer[16];

	if (argc != 2 || round == MAP_FAILED)
		return 2;
	make_files(argv[1]);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		round->kind = NULL;
		if (sscanf(line, "%63s %d %d %15s", name, &round->turns, &round->doers, kind_of_doer) != 4 ||
		    round->turns < 1 || round->doers < 1 || round->doers > DOERS_MAX)
			return 2;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			if (strcmp(kinds[i].name, name) == 0)
				round->kind = &kinds[i];
		}
		if (round->kind)
			printf("%.1f\n", run_round(round, strcmp(kind_of_doer, "processes") == 0));
		else
			puts("?");
		fflush(stdout);
	}
	return 0;
}
