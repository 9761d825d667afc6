/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob_run() against fnmatch(3) on every pair of a pattern and a name, each alone.
 * usage: bench_glob PATTERNS NAMES [MILLISECONDS]
 * Their answers are compared first: exit 1 where they differ. fnmatch runs in the C locale, where it is fastest. Both run in turn,
 * round after round; the table has the fastest round of each and the ratio of the two.
 */
#include <fnmatch.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vfs/policy/glob_program.h"

#define LINES_MAX 1024

struct text {
	char *bytes;
	size_t len;
	struct glob_program *program; /* of a pattern: made once, as the compiled policy has it */
};

struct lines {
	struct text line[LINES_MAX];
	size_t count;
};

static int read_lines(const char *path, struct lines *ret)
{
	FILE *file = fopen(path, "r");
	size_t size;

	if (!file) {
		perror(path);
		return -1;
	}
	while (ret->count < LINES_MAX) {
		struct text *line = &ret->line[ret->count];
		ssize_t len;

		size = 0;
		line->bytes = NULL;
		len = getline(&line->bytes, &size, file);
		if (len <= 0)
			break;
		line->len = (size_t)len - 1;
		line->bytes[line->len] = '\0';
		line->program = malloc(glob_program_size(line->bytes, line->len));
		if (!line->program)
			return -1;
		glob_compile(line->bytes, line->len, line->program);
		ret->count++;
	}
	fclose(file);
	return ret->count ? 0 : -1;
}

static bool by_glob(const struct text *pattern, const struct text *name)
{
	return glob_run(pattern->program, name->bytes, name->len);
}

static bool by_fnmatch(const struct text *pattern, const struct text *name)
{
	return fnmatch(pattern->bytes, name->bytes, 0) == 0;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nanoseconds a pair, over all pairs once. */
#define ROUND(match, patterns, names, found)                                                                           \
	({                                                                                                             \
		double begin_ = seconds();                                                                             \
		for (size_t p_ = 0; p_ < (patterns)->count; p_++)                                                      \
			for (size_t n_ = 0; n_ < (names)->count; n_++)                                                 \
				(found) += match(&(patterns)->line[p_], &(names)->line[n_]);                            \
		(seconds() - begin_) * 1e9 / (double)((patterns)->count * (names)->count);                             \
	})

static int compare(const struct lines *patterns, const struct lines *names, size_t *ret_matches)
{
	size_t matches = 0;
	int wrong = 0;

	for (size_t p = 0; p < patterns->count; p++)
		for (size_t n = 0; n < names->count; n++) {
			bool ours = by_glob(&patterns->line[p], &names->line[n]);

			matches += ours;
			if (ours == by_fnmatch(&patterns->line[p], &names->line[n]))
				continue;
			fprintf(stderr, "%s %s: glob_run says %d\n", patterns->line[p].bytes, names->line[n].bytes, ours);
			wrong = 1;
		}
	*ret_matches = matches;
	return wrong;
}

int main(int argc, char **argv)
{
	static struct lines patterns, names;
	double ours = 1e9, libc = 1e9, until;
	volatile size_t found = 0;
	size_t matches;

	if (argc < 3 || read_lines(argv[1], &patterns) < 0 || read_lines(argv[2], &names) < 0)
		return 2;
	if (compare(&patterns, &names, &matches))
		return 1;
	until = seconds() + (argc > 3 ? atof(argv[3]) : 1000) / 1000;
	do {
		double one = ROUND(by_glob, &patterns, &names, found);
		double other = ROUND(by_fnmatch, &patterns, &names, found);

		ours = one < ours ? one : ours;
		libc = other < libc ? other : libc;
	} while (seconds() < until);
	printf("{\"pairs\": %zu, \"matches\": %zu, \"scrim_ns\": %.1f, \"fnmatch_ns\": %.1f, \"times_as_fast\": %.2f}\n",
	       patterns.count * names.count, matches, ours, libc, libc / ours);
	return 0;
}
