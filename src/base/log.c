/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"

#define RING_SIZE 1024u
#define PATH_BYTES 512u
#define DEFAULT_MAX_BYTES (4ull << 20)
#define LINE_BYTES 16384u

/* An event with its strings, as it waits in the ring. */
struct entry {
	struct timespec time;
	pid_t pid;
	enum refusal refusal;
	int error;
	char syscall[32];
	char path[PATH_BYTES];
	size_t path_len;
	bool has_path, path_cut;
	char rule[256];
	char origin[192];
	char note[192];
};

struct log {
	struct log_config config;
	uint64_t written;
	uint64_t lost; /* under the mutex */
	bool failed;   /* nowhere to write any more; the thread's own */
	bool queueing; /* there is somewhere to write; constant */

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t thread;
	bool may_start; /* log_start() was called: no fork comes any more */
	bool started, stop;
	unsigned head, used;
	struct entry ring[RING_SIZE];
};

const char *refusal_name(enum refusal refusal)
{
	static const char *const names[REFUSAL_COUNT] = {
		[REFUSAL_HIDDEN] = "hide",	[REFUSAL_DENIED] = "deny",	  [REFUSAL_MASKED_WRITE] = "mask",
		[REFUSAL_APPEND] = "append",	[REFUSAL_READONLY] = "readonly", [REFUSAL_CRYPT] = "crypt",
		[REFUSAL_UNSERVED] = "unserved",
	};
	return (unsigned)refusal < REFUSAL_COUNT ? names[refusal] : "unserved";
}

int log_new(const struct log_config *config, struct log **ret)
{
	struct log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->config = *config;
	if (log->config.max_bytes == 0)
		log->config.max_bytes = DEFAULT_MAX_BYTES;
	log->queueing = config->fd >= 0 || config->open;
	pthread_mutex_init(&log->mutex, NULL);
	pthread_cond_init(&log->wake, NULL);
	*ret = log;
	return 0;
}

/* The mutex is held. */
static void count_lost(struct log *log)
{
	log->lost++;
	if (log->config.counters)
		log->config.counters->dropped++;
}

/* A whole line or nothing: a file that cannot take it is given up. */
static bool write_line(struct log *log, const struct buffer *line)
{
	for (size_t done = 0; done < line->len;) {
		ssize_t n = write(log->config.fd, line->data + done, line->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log->failed = true;
			return false;
		}
		done += (size_t)n;
	}
	log->written += line->len;
	return true;
}

static void append_member(struct buffer *b, const char *name, const char *value)
{
	if (!value[0])
		return;
	buffer_append_str(b, ",\"");
	buffer_append_str(b, name);
	buffer_append_str(b, "\":");
	json_append_string(b, value, strlen(value));
}

/* Best effort: the process may be gone, or be another by now. */
static void append_comm(struct buffer *b, pid_t pid)
{
	char path[64], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, comm, sizeof(comm) - 1);
	while (n > 0 && comm[n - 1] == '\n')
		n--;
	comm[n > 0 ? n : 0] = '\0';
	append_member(b, "comm", comm);
}

static void format_entry(const struct entry *entry, struct buffer *b)
{
	char text[96], stamp[32];
	struct tm tm;

	gmtime_r(&entry->time.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "{\"time\":\"%s.%03ldZ\",\"pid\":%d", stamp, entry->time.tv_nsec / 1000000,
		 (int)entry->pid);
	buffer_append_str(b, text);
	append_comm(b, entry->pid);
	append_member(b, "syscall", entry->syscall);
	if (entry->has_path) {
		buffer_append_str(b, ",\"path\":");
		json_append_string(b, entry->path, entry->path_len);
		if (!utf8_is_valid(entry->path, entry->path_len)) {
			buffer_append_str(b, ",\"path_bytes\":");
			json_append_hex(b, entry->path, entry->path_len);
		}
		if (entry->path_cut)
			buffer_append_str(b, ",\"path_cut\":true");
	}
	append_member(b, "verdict", refusal_name(entry->refusal));
	const char *name = strerrorname_np(entry->error);
	append_member(b, "errno", name ? name : "");
	append_member(b, "rule", entry->rule);
	append_member(b, "origin", entry->origin);
	append_member(b, "note", entry->note);
	buffer_append_str(b, "}\n");
}

/* In the thread, without the mutex. Returns false when the event was lost. */
static bool write_entry(struct log *log, const struct entry *entry)
{
	BUFFER_ON_STACK(line, LINE_BYTES);

	if (log->config.fd < 0 && !log->failed) {
		log->config.fd = log->config.open(log->config.userdata);
		log->failed = log->config.fd < 0;
	}
	if (log->failed)
		return false;
	format_entry(entry, &line);
	return log->written + line.len <= log->config.max_bytes && write_line(log, &line);
}

static void write_losses(struct log *log)
{
	BUFFER_ON_STACK(line, 64);

	if (log->lost == 0 || log->failed || log->config.fd < 0)
		return;
	snprintf(line.data, line.cap, "{\"dropped\":%" PRIu64 "}\n", log->lost);
	line.len = strlen(line.data);
	write_line(log, &line);
}

static void *log_thread(void *userdata)
{
	struct log *log = userdata;

	pthread_mutex_lock(&log->mutex);
	for (;;) {
		while (log->used == 0 && !log->stop)
			pthread_cond_wait(&log->wake, &log->mutex);
		if (log->used == 0)
			break;
		/* Writers fill other entries: this one stays ours until `used` goes down. */
		const struct entry *entry = &log->ring[log->head];
		pthread_mutex_unlock(&log->mutex);
		bool written = write_entry(log, entry);
		pthread_mutex_lock(&log->mutex);
		log->head = (log->head + 1) % RING_SIZE;
		log->used--;
		if (!written)
			count_lost(log);
	}
	write_losses(log);
	pthread_mutex_unlock(&log->mutex);
	return NULL;
}

/* The mutex is held. */
static int start_thread(struct log *log)
{
	sigset_t all, before;

	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&log->thread, NULL, log_thread, log);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	log->started = error == 0;
	return -error;
}

int log_start(struct log *log)
{
	int error = 0;

	pthread_mutex_lock(&log->mutex);
	log->may_start = true;
	if (log->used > 0)
		error = start_thread(log);
	pthread_mutex_unlock(&log->mutex);
	return error;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

void log_refusal(struct log *log, const struct log_event *event)
{
	struct timespec now;

	if (log->config.counters && (unsigned)event->refusal < REFUSAL_COUNT)
		log->config.counters->refusals[event->refusal]++;
	clock_gettime(CLOCK_REALTIME, &now);

	pthread_mutex_lock(&log->mutex);
	if (log->used == RING_SIZE) {
		count_lost(log);
	} else if (log->queueing) {
		struct entry *entry = &log->ring[(log->head + log->used) % RING_SIZE];
		*entry = (struct entry){
			.time = now, .pid = event->pid, .refusal = event->refusal, .error = event->error};
		copy(entry->syscall, sizeof(entry->syscall), event->syscall);
		copy(entry->rule, sizeof(entry->rule), event->rule);
		copy(entry->origin, sizeof(entry->origin), event->origin);
		copy(entry->note, sizeof(entry->note), event->note);
		entry->has_path = event->path != NULL;
		entry->path_cut = event->path && event->path_len > PATH_BYTES;
		entry->path_len = entry->path_cut ? PATH_BYTES : event->path ? event->path_len : 0;
		if (entry->path_len > 0)
			memcpy(entry->path, event->path, entry->path_len);
		log->used++;
		/* Should it fail, the next refusal tries again, and what does not fit meanwhile is counted as lost. */
		if (log->may_start && !log->started)
			start_thread(log);
		pthread_cond_signal(&log->wake);
	}
	pthread_mutex_unlock(&log->mutex);
}

struct log *log_free(struct log *log)
{
	if (!log)
		return NULL;
	if (log->started) {
		pthread_mutex_lock(&log->mutex);
		log->stop = true;
		pthread_cond_signal(&log->wake);
		pthread_mutex_unlock(&log->mutex);
		pthread_join(log->thread, NULL);
	}
	pthread_cond_destroy(&log->wake);
	pthread_mutex_destroy(&log->mutex);
	safe_close(log->config.fd);
	free(log);
	return NULL;
}
