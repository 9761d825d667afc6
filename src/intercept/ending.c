/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/ending.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "intercept/launch.h"
#include "intercept/notify.h"
#include "vfs/vnode/vnode.h"

#define RETRIES	      12
#define RETRY_SECONDS 5

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

struct ending {
	struct ending_config config;
	int stop;     /* eventfd: the thread is to end */
	int signal_fd;
	bool ended;   /* the command has; this and `told` are the thread's own until that has ended */
	bool told;    /* front knows */
	pthread_t thread;
};

static void signal_set(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaddset(ret, signals[i]);
}

void ending_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* An ignored signal is never pending. */
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		signal(signals[i], SIG_DFL);
}

static void tell(struct ending *ending, enum front_event event, int error)
{
	ending->told = true;
	front_tell(ending->config.front_socket, event, error, NULL);
}

static void command_ended(struct ending *ending)
{
	int error = vnodes_flush(ending->config.vnodes);

	ending->ended = true;
	if (!notify_ended(ending->config.listener))
		tell(ending, FRONT_COMMITTED, error);
}

static void *ending_thread(void *userdata)
{
	struct ending *ending = userdata;

	for (;;) {
		struct pollfd polled[] = {{.fd = ending->stop, .events = POLLIN},
					  {.fd = ending->signal_fd, .events = POLLIN},
					  {.fd = ending->ended ? -1 : ending->config.exited, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(polled, ARRAY_LEN(polled), -1) < 0)
			continue;
		if (polled[0].revents)
			return NULL;
		if (polled[2].revents)
			command_ended(ending);
		else if (read(ending->signal_fd, &info, sizeof(info)) > 0)
			vnodes_flush(ending->config.vnodes);
	}
}

static void ending_free(struct ending *ending)
{
	if (ending) {
		safe_close(ending->stop);
		safe_close(ending->signal_fd);
		free(ending);
	}
}

static void cleanup_ending(struct ending **ending)
{
	ending_free(*ending);
}

int ending_start(const struct ending_config *config, struct ending **ret)
{
	_cleanup_(cleanup_ending) struct ending *ending = calloc(1, sizeof(*ending));
	sigset_t set;

	if (!ending)
		return -ENOMEM;
	ending->config = *config;
	ending->stop = ending->signal_fd = -EBADF;
	signal_set(&set);
	ending->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ending->signal_fd < 0)
		return -errno;
	ending->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ending->stop < 0)
		return -errno;
	int error = pthread_create(&ending->thread, NULL, ending_thread, ending);
	if (error)
		return -error;
	*ret = TAKE_PTR(ending);
	return 0;
}

static bool may_get_better(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EIO;
}

void ending_finish(struct ending *ending)
{
	const struct timespec pause = {.tv_sec = RETRY_SECONDS};

	if (!ending)
		return;
	eventfd_write(ending->stop, 1);
	pthread_join(ending->thread, NULL);
	int error = vnodes_flush(ending->config.vnodes);
	if (!ending->told)
		tell(ending, error ? FRONT_COMMITTED : FRONT_ENDS, error);
	for (unsigned i = 0; i < RETRIES && may_get_better(error); i++) {
		nanosleep(&pause, NULL);
		error = vnodes_flush(ending->config.vnodes);
	}
	ending_free(ending);
}
