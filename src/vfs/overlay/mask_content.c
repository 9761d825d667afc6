/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/mask_content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"

/* Younger changes may share a time stamp with a later one (a tick of the kernel is at most 10 ms). */
#define SETTLED_AFTER_NS 50000000

/* A with= file: rules that name the same one share it. */
struct with_file {
	struct with_file *next;
	const char *name;
	char *data;
	size_t len;
};

struct mask_sources {
	struct with_file *files;
	uint32_t count;
	struct mask_source **by_rule;
};

/* All of FD, at most MAX bytes, else -EFBIG. */
static int read_whole(int fd, size_t expected, size_t max, char **ret, size_t *ret_len)
{
	size_t cap = (expected < max ? expected : max) + 1, len = 0;
	_cleanup_free_ char *data = malloc(cap);

	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t got;

		if (len == cap) {
			char *grown;

			if (len > max)
				return -EFBIG;
			cap = cap * 2 < max + 1 ? cap * 2 : max + 1;
			grown = realloc(data, cap);
			if (!grown)
				return -ENOMEM;
			data = grown;
		}
		got = read(fd, data + len, cap - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	if (len > max)
		return -EFBIG;
	*ret = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

static int rule_error(struct errmsg *msg, int error, const struct rule *rule, const char *option, const char *value,
		      const char *why)
{
	char line[16] = "";

	if (rule->line)
		snprintf(line, sizeof(line), ":%u", rule->line);
	return errmsg_set(msg, error, "%s%s: %s %s: %s%s%s%s", rule->origin, line, rule->verb, rule->pattern,
			  option, value, *value ? ": " : "", why);
}

static int load_file(const char *name, char **ret, size_t *ret_len)
{
	/* Not to hang on a FIFO that nobody writes. */
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return S_ISDIR(stat.st_mode) ? -EISDIR : -EINVAL;
	if (stat.st_size > (off_t)MASK_WITH_MAX)
		return -EFBIG;
	return read_whole(fd, (size_t)stat.st_size, MASK_WITH_MAX, ret, ret_len);
}

static int source_with(struct mask_sources *sources, const struct rule *rule, struct mask_source *source,
		       struct errmsg *msg)
{
	struct with_file *file = sources->files;
	int error;

	while (file && strcmp(file->name, rule->mask.with) != 0)
		file = file->next;
	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file)
			return rule_error(msg, -ENOMEM, rule, "with=", rule->mask.with, "out of memory");
		file->name = rule->mask.with;
		error = load_file(file->name, &file->data, &file->len);
		if (error < 0) {
			free(file);
			return rule_error(msg, error, rule, "with=", rule->mask.with,
					  error == -EFBIG  ? "longer than 64 MiB: mask with a shorter file" :
					  error == -EINVAL ? "not a regular file: name one" :
							     strerror(-error));
		}
		file->next = sources->files;
		sources->files = file;
	}
	source->data = file->data;
	source->len = file->len;
	return 0;
}

static int source_redact(const struct rule *rule, struct mask_source *source, struct errmsg *msg)
{
	const struct mask_options *mask = &rule->mask;
	char reason[512];
	int error = redact_new(mask->redactions, mask->redaction_count, &source->redact, reason, sizeof(reason));

	return error < 0 ? rule_error(msg, error, rule, "redact=", "", reason) : 0;
}

static int add_source(struct mask_sources *sources, const struct rule *rule, struct errmsg *msg)
{
	struct mask_source *source = calloc(1, sizeof(*source));

	if (!source)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	sources->by_rule[rule->index] = source;
	source->kind = rule->mask.kind;
	source->discard = rule->mask.discard;
	source->nomatch = rule->mask.nomatch;
	switch (rule->mask.kind) {
	case MASK_EMPTY:
		break;
	case MASK_WITH:
		return source_with(sources, rule, source, msg);
	case MASK_REDACT:
		return source_redact(rule, source, msg);
	}
	return 0;
}

static void cleanup_sources(struct mask_sources **sources)
{
	mask_sources_free(*sources);
}

int mask_sources_new(const struct policy *policy, struct mask_sources **ret, struct errmsg *msg)
{
	_cleanup_(cleanup_sources) struct mask_sources *sources = NULL;
	struct policy_needs needs;

	policy_needs(policy, &needs);
	if (!needs.mask) {
		*ret = NULL;
		return 0;
	}
	sources = calloc(1, sizeof(*sources));
	if (!sources)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	sources->count = policy_rule_count(policy);
	sources->by_rule = calloc(sources->count, sizeof(struct mask_source *));
	if (!sources->by_rule)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < sources->count; i++) {
		const struct rule *rule = policy_rule(policy, i);
		int error;

		if (strcmp(rule->verb, "mask") != 0)
			continue;
		error = add_source(sources, rule, msg);
		if (error < 0)
			return error;
	}
	*ret = TAKE_PTR(sources);
	return 0;
}

struct mask_sources *mask_sources_free(struct mask_sources *sources)
{
	struct with_file *next;

	if (!sources)
		return NULL;
	for (uint32_t i = 0; sources->by_rule && i < sources->count; i++) {
		if (sources->by_rule[i])
			redact_free(sources->by_rule[i]->redact);
		free(sources->by_rule[i]);
	}
	for (struct with_file *file = sources->files; file; file = next) {
		next = file->next;
		free(file->data);
		free(file);
	}
	free(sources->by_rule);
	free(sources);
	return NULL;
}

const struct mask_source *mask_sources_get(const struct mask_sources *sources, int32_t rule)
{
	return sources && rule >= 0 && (uint32_t)rule < sources->count ? sources->by_rule[rule] : NULL;
}

static bool long_ago(const struct timespec *time, const struct timespec *now)
{
	int64_t seconds = now->tv_sec - time->tv_sec;

	/* Time stamps of the future say nothing. */
	return seconds > 1 || (seconds >= 0 && seconds * 1000000000 + now->tv_nsec - time->tv_nsec > SETTLED_AFTER_NS);
}

static int make_redacted(const struct mask_source *source, int object, struct mask_content *ret)
{
	char name[FD_NAME_MAX];
	_cleanup_close_ int fd = open(fd_name(object, name), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *data = NULL;
	struct timespec now;
	struct stat stat;
	size_t len;
	int error;

	/* The stamp is older than what is read: a change in between shows as one. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	error = stat.st_size > (off_t)REDACT_MAX ? -EFBIG
						  : read_whole(fd, (size_t)stat.st_size, REDACT_MAX, &data, &len);
	if (!error)
		error = redact_apply(source->redact, data, len, source->nomatch == NOMATCH_SHOW, &ret->owned, &ret->len);
	if (error == -EFBIG || error == -ENODATA)
		error = source->nomatch == NOMATCH_EMPTY			    ? 0
			: source->nomatch == NOMATCH_SHOW && error == -EFBIG ? -EFBIG
									     : -ENODATA;
	if (error < 0)
		return error;
	ret->data = ret->owned;
	ret->stamp.size = stat.st_size;
	ret->stamp.mtime = stat.st_mtim;
	ret->stamp.ctime = stat.st_ctim;
	ret->stamp.settled = long_ago(&stat.st_mtim, &now) && long_ago(&stat.st_ctim, &now);
	return 0;
}

int mask_content_make(const struct mask_source *source, int object, struct mask_content *ret)
{
	*ret = (struct mask_content){.data = source->data, .len = source->len};
	return source->kind == MASK_REDACT ? make_redacted(source, object, ret) : 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool mask_content_fresh(const struct mask_source *source, const struct mask_stamp *stamp, const struct stat *stat)
{
	if (source->kind != MASK_REDACT)
		return true;
	return stamp->settled && stamp->size == stat->st_size && same_time(&stamp->mtime, &stat->st_mtim) &&
	       same_time(&stamp->ctime, &stat->st_ctim);
}
