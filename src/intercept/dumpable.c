/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/dumpable.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DUMPABLE_MAX 1024
/* Longer chains of parents than this are not followed. */
#define PARENTS_MAX 1000

/* From /proc/PID/stat, by the numbers of proc(5). */
struct process {
	pid_t parent;		  /* 4 */
	unsigned long long start; /* 22: in ticks since boot */
	unsigned long long stack; /* 28 */
};

struct asked {
	pid_t tgid;
	int value;
	struct process process;
	unsigned long order;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct asked table[DUMPABLE_MAX];
static size_t count;
static unsigned long orders;

static int look_at(int proc_fd, pid_t tgid, struct process *ret)
{
	char path[32], text[1024];

	snprintf(path, sizeof(path), "%d/stat", (int)tgid);
	_cleanup_close_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return len < 0 ? -errno : -ESRCH;
	text[len] = '\0';
	/* The name may hold anything. */
	const char *end = strrchr(text, ')');
	struct process found;
	int parent;
	if (!end || sscanf(end + 1,
			   " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %*s %*s %*s "
			   "%*s %*s %llu",
			   &parent, &found.start, &found.stack) != 3)
		return -EIO;
	found.parent = parent;
	*ret = found;
	return 0;
}

/* Under the lock. */
static struct asked *find(pid_t tgid, const struct process *process)
{
	for (size_t i = 0; i < count; i++) {
		struct asked *asked = &table[i];
		if (asked->tgid == tgid && asked->process.start == process->start &&
		    asked->process.stack == process->stack)
			return asked;
	}
	return NULL;
}

/* Under the lock. The one that was asked first gives way: it is the likeliest to have ended. */
static struct asked *take_place(void)
{
	struct asked *oldest = &table[0];

	if (count < DUMPABLE_MAX)
		return &table[count++];
	for (size_t i = 1; i < count; i++)
		if (table[i].order < oldest->order)
			oldest = &table[i];
	return oldest;
}

int dumpable_set(int proc_fd, pid_t tgid, int value)
{
	struct process process;

	int error = look_at(proc_fd, tgid, &process);
	if (error)
		return error;
	pthread_mutex_lock(&lock);
	struct asked *asked = find(tgid, &process);
	if (!asked && (!value || count > 0))
		asked = take_place();
	if (asked)
		*asked = (struct asked){.tgid = tgid, .value = value, .process = process, .order = ++orders};
	pthread_mutex_unlock(&lock);
	return 0;
}

int dumpable_get(int proc_fd, pid_t tgid)
{
	struct process process, child;
	int value = 1;

	if (look_at(proc_fd, tgid, &process) < 0)
		return value;
	pthread_mutex_lock(&lock);
	bool found = false;
	for (int i = 0; count > 0 && !found && i < PARENTS_MAX; i++) {
		const struct asked *asked = find(tgid, &process);
		if (asked) {
			value = asked->value;
			found = true;
		}
		/* A parent with another stack has executed something since, or the child has. */
		child = process;
		tgid = process.parent;
		if (tgid <= 1 || look_at(proc_fd, tgid, &process) < 0 || process.stack != child.stack)
			break;
	}
	pthread_mutex_unlock(&lock);
	return value;
}
