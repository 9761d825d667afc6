/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small and large files as a program uses them, wherever its directory lies: crypt.py runs it natively, in a view with a crypt rule
 * and on mounts of others. Reads lines `ROW DIRECTORY FROM COUNT`, writes nanoseconds a turn after each. Rows: create, read, stat
 * (of files FROM to FROM + COUNT, of 4 KB), sync (create with fsync), stream (COUNT MiB and fsync), make (file FROM of COUNT KiB),
 * append (100 bytes to file FROM, opened and closed each time, COUNT times), edit (likewise 4 KB in its middle, with fsync).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SMALL 4000

static unsigned char buffer[1 << 20];

static long must(long result, const char *what)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "bench_crypt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void create(const char *path, int sync)
{
	int fd = (int)must(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), path);

	if (must(write(fd, buffer, SMALL), path) != SMALL)
		exit(1);
	if (sync)
		must(fsync(fd), path);
	must(close(fd), path);
}

static void read_file(const char *path)
{
	int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), path);

	if (must(read(fd, buffer, sizeof(buffer)), path) != SMALL)
		exit(1);
	must(close(fd), path);
}

static void stream(const char *path, long pieces, size_t size, int sync)
{
	int fd = (int)must(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), path);

	for (long i = 0; i < pieces; i++)
		if (must(write(fd, buffer, size), path) != (long)size)
			exit(1);
	if (sync)
		must(fsync(fd), path);
	must(close(fd), path);
}

static void append(const char *path)
{
	int fd = (int)must(open(path, O_WRONLY | O_APPEND | O_CLOEXEC), path);

	must(write(fd, buffer, 100), path);
	must(close(fd), path);
}

static void edit(const char *path)
{
	int fd = (int)must(open(path, O_RDWR | O_CLOEXEC), path);
	struct stat st;

	must(fstat(fd, &st), path);
	must(pwrite(fd, buffer, SMALL, st.st_size / 2), path);
	must(fsync(fd), path);
	must(close(fd), path);
}

static void one(const char *row, const char *path)
{
	struct stat st;

	if (strcmp(row, "create") == 0 || strcmp(row, "sync") == 0)
		create(path, row[0] == 's');
	else if (strcmp(row, "read") == 0)
		read_file(path);
	else if (strcmp(row, "stat") == 0)
		must(stat(path, &st), path);
	else if (strcmp(row, "append") == 0)
		append(path);
	else
		edit(path);
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

/* Nanoseconds a turn. */
static double run(const char *row, const char *directory, long from, long count)
{
	int same = strcmp(row, "append") == 0 || strcmp(row, "edit") == 0;
	double began = now();
	char path[4096];

	snprintf(path, sizeof(path), "%s/file-%ld", directory, from);
	if (strcmp(row, "stream") == 0) {
		stream(path, count, sizeof(buffer), 1);
		return now() - began;
	}
	if (strcmp(row, "make") == 0) {
		stream(path, count, 1024, 0);
		return now() - began;
	}
	for (long i = from; i < from + count; i++) {
		if (!same)
			snprintf(path, sizeof(path), "%s/file-%ld", directory, i);
		one(row, path);
	}
	return (now() - began) / (double)count;
}

int main(void)
{
	char line[4096], row[32], directory[3000];
	long from, count;

	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (unsigned char)(i * 2654435761u >> 13);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %2999s %ld %ld", row, directory, &from, &count) != 4)
			return 2;
		printf("%.1f\n", run(row, directory, from, count));
	}
	return 0;
}
