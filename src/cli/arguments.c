/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* All of FD with a NUL behind it. */
static int read_all(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(ARGUMENTS_BYTES_MAX + 1);
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, text + len, ARGUMENTS_BYTES_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > ARGUMENTS_BYTES_MAX)
			return -E2BIG;
	}
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int count_words(const char *text, size_t len)
{
	int count = 0;

	for (size_t i = 0; i < len; i += strlen(text + i) + 1)
		count++;
	return count;
}

int arguments_insert(struct arguments *arguments, const char *text, int at, int *argc, char ***argv, struct errmsg *msg)
{
	char *end, *words = NULL;
	size_t len = 0;
	long fd;
	int r, count, total = 0;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || fd > 1 << 30)
		return errmsg_set(msg, -EINVAL, "--args: '%s' is not a descriptor's number", text);
	if (arguments->count == (int)ARRAY_LEN(arguments->texts))
		return errmsg_set(msg, -E2BIG, "--args: given more than %d times", arguments->count);
	r = read_all((int)fd, &words, &len);
	if (r == -E2BIG)
		return errmsg_set(msg, r, "--args %ld: more than 1 MiB", fd);
	if (r < 0)
		return errmsg_set(msg, r, "--args %ld: %s", fd, strerror(-r));
	arguments->texts[arguments->count++] = words;
	count = count_words(words, len);
	if (count > ARGUMENTS_MAX - arguments->words)
		return errmsg_set(msg, -E2BIG, "--args: more than %d words", ARGUMENTS_MAX);
	arguments->words += count;

	char **made = calloc((size_t)(1 + count + *argc - at) + 1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made[total++] = (*argv)[0];
	for (size_t i = 0; i < len; i += strlen(words + i) + 1)
		made[total++] = words + i;
	for (int i = at; i < *argc; i++)
		made[total++] = (*argv)[i];
	/* getopt may still look at the one before this call. */
	free(arguments->earlier);
	arguments->earlier = arguments->argv;
	arguments->argv = made;
	*argv = made;
	*argc = total;
	return 0;
}

void arguments_done(struct arguments *arguments)
{
	for (int i = 0; i < arguments->count; i++)
		free(arguments->texts[i]);
	free(arguments->argv);
	free(arguments->earlier);
}
