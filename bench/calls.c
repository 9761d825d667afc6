/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call costs a program: the median of repetitions of a loop, for each kind of call, as JSON in nanoseconds.
 * The same program runs natively, under the bare floor (floor.c) and in a view.
 *
 * Usage: bench_calls DIRECTORY SCALE [KIND...]   (SCALE: percent of the usual numbers of turns)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPETITIONS 9
#define LISTED 100

static int data_fd;

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void expect(int good, const char *what)
{
	if (!good)
		fail(what);
}

static void open_close(void)
{
	int fd = open("d/e/file", O_RDONLY | O_CLOEXEC);

	expect(fd >= 0, "open");
	close(fd);
}

static char absolute[4096];

static void open_absolute(void)
{
	int fd = open(absolute, O_RDONLY | O_CLOEXEC);

	expect(fd >= 0, "open of an absolute path");
	close(fd);
}

static void open_absent(void)
{
	expect(open("d/e/absent", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT, "open of an absent file");
}

static void stat_path(void)
{
	struct stat stat_buffer;

	expect(stat(absolute, &stat_buffer) == 0, "stat");
}

static void stat_descriptor(void)
{
	struct stat stat_buffer;

	expect(fstat(data_fd, &stat_buffer) == 0, "fstat");
}

static void read_link(void)
{
	char target[64];

	expect(readlink("d/link", target, sizeof(target)) > 0, "readlink");
}

static void access_path(void)
{
	expect(access("d/e/file", R_OK) == 0, "access");
}

static void create_unlink(void)
{
	int fd = open("new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	expect(fd >= 0, "creation");
	close(fd);
	expect(unlink("new") == 0, "unlink");
}

static void read_directory(void)
{
	int entries = 0;
	DIR *dir = opendir("many");

	expect(dir != NULL, "opendir");
	while (readdir(dir))
		entries++;
	closedir(dir);
	expect(entries == LISTED + 2, "readdir");
}

static void change_directory(void)
{
	expect(chdir("../work") == 0, "chdir");
}

static void execute(void)
{
	char *argv[] = {(char *)"true", NULL};
	int status;
	pid_t pid = fork();

	expect(pid >= 0, "fork");
	if (pid == 0) {
		execv("/bin/true", argv);
		_exit(127);
	}
	expect(waitpid(pid, &status, 0) == pid && status == 0, "/bin/true");
}

static void read_data(void)
{
	char bytes[512];

	expect(pread(data_fd, bytes, sizeof(bytes), 0) > 0, "pread");
}

static const struct kind {
	const char *name;
	void (*once)(void);
	int turns;
} kinds[] = {
	{"open_close", open_absolute, 2000},   {"open_close_relative", open_close, 2000}, {"open_absent", open_absent, 2000},
	{"stat", stat_path, 2000},	       {"fstat", stat_descriptor, 2000},	  {"access", access_path, 2000},
	{"readlink", read_link, 2000},	       {"create_unlink", create_unlink, 1000},	  {"readdir_100", read_directory, 200},
	{"chdir", change_directory, 500},      {"exec", execute, 60},			  {"read", read_data, 20000},
};

static void make_files(const char *directory)
{
	int fd;

	expect(chdir(directory) == 0, directory);
	expect((mkdir("work", 0700) == 0 || errno == EEXIST) && chdir("work") == 0, "work");
	expect(mkdir("d", 0700) == 0 || errno == EEXIST, "d");
	expect(mkdir("d/e", 0700) == 0 || errno == EEXIST, "d/e");
	expect(mkdir("many", 0700) == 0 || errno == EEXIST, "many");
	expect(symlink("e/file", "d/link") == 0 || errno == EEXIST, "link");
	fd = open("d/e/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	expect(fd >= 0 && write(fd, directory, strlen(directory)) > 0, "file");
	close(fd);
	for (int i = 0; i < LISTED; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/entry-%03d", i);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		expect(fd >= 0, name);
		close(fd);
	}
	expect(getcwd(absolute, sizeof(absolute) - 16) != NULL, "getcwd");
	strcat(absolute, "/d/e/file");
	data_fd = open("d/e/file", O_RDONLY | O_CLOEXEC);
	expect(data_fd >= 0, "file");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(const struct kind *kind, int turns)
{
	double took[REPETITIONS];

	for (int i = 0; i < turns / 10 + 1; i++)
		kind->once();
	for (int r = 0; r < REPETITIONS; r++) {
		double start = now();

		for (int i = 0; i < turns; i++)
			kind->once();
		took[r] = (now() - start) / turns;
	}
	qsort(took, REPETITIONS, sizeof(took[0]), compare);
	return took[REPETITIONS / 2];
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return 1;
	}
	return argc <= 3;
}

int main(int argc, char **argv)
{
	const char *comma = "";
	int scale;

	if (argc < 3)
		return 2;
	scale = atoi(argv[2]);
	make_files(argv[1]);
	printf("{");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int turns = kinds[i].turns * scale / 100;

		if (!wanted(kinds[i].name, argc, argv))
			continue;
		printf("%s\"%s\": %.0f", comma, kinds[i].name, measure(&kinds[i], turns < 2 ? 2 : turns));
		comma = ", ";
	}
	printf("}\n");
	return 0;
}
