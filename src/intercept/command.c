/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command's process from its birth to its first exec. It is still scrim's own code and memory, but from
 * filter_install() on its path calls go to the supervisor like anybody's in the view. Its standard error is the
 * user's, so what goes wrong from then on it says itself, with the statuses of env(1).
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/signals.h"
#include "intercept/filter/filter.h"
#include "intercept/launch_parts.h"
#include "intercept/steer/guard.h"

enum {
	STATUS_FAILED = 125,
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
};

static _Noreturn void fail(const struct launch_parts *parts, int error, const char *what)
{
	launch_tell_supervisor(parts, error, -1, what);
	_exit(STATUS_FAILED);
}

static int close_between(unsigned first, unsigned last, unsigned flags)
{
	return syscall(SYS_close_range, first, last, flags) < 0 ? -errno : 0;
}

static bool is_kept(const struct launch_parts *parts, int fd)
{
	if (fd == parts->go || fd == parts->report)
		return true;
	for (size_t i = 0; i < parts->config->pass_fd_count; i++)
		if (parts->config->pass_fds[i] == fd)
			return true;
	return false;
}

/* The lowest descriptor to keep that is not below FROM; -1: none. */
static int next_kept(const struct launch_parts *parts, int from)
{
	int lowest = -1;

	for (size_t i = 0; i < parts->config->pass_fd_count; i++) {
		int fd = parts->config->pass_fds[i];
		if (fd >= from && (lowest < 0 || fd < lowest))
			lowest = fd;
	}
	for (int i = 0; i < 2; i++) {
		int fd = i ? parts->go : parts->report;
		if (fd >= from && (lowest < 0 || fd < lowest))
			lowest = fd;
	}
	return lowest;
}

/* Leave the shared table, with the user's standard streams and nothing else that was not asked for. */
static int take_own_table(const struct launch_parts *parts)
{
	/* unshare(2) itself is refused in the view; a close_range above everything unshares and closes nothing. */
	int r = close_between(~0u, ~0u, CLOSE_RANGE_UNSHARE);
	if (r < 0)
		return r;
	for (int fd = 0; fd < 3; fd++) {
		if (is_kept(parts, fd))
			continue;
		if (parts->stdio[fd] < 0)
			close(fd);
		else if (dup2(parts->stdio[fd], fd) < 0)
			return -errno;
	}
	int from = 3;
	for (int kept; (kept = next_kept(parts, from)) >= 0; from = kept + 1) {
		if (kept > from && (r = close_between((unsigned)from, (unsigned)kept - 1, 0)) < 0)
			return r;
		if (kept != parts->go && kept != parts->report)
			fcntl(kept, F_SETFD, 0);
	}
	return close_between((unsigned)from, ~0u, 0);
}

/*
 * keyrings(7): what the user's session and, by way of it, the user keyring have is no longer found by calls that look for keys in
 * the command's name. Where keyctl(2) is taken away nobody can.
 */
static int take_fresh_keyring(void)
{
	long r = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);

	return r < 0 && errno != ENOSYS && errno != EPERM ? -errno : 0;
}

/* Held until the workers serve. The end of the pipe means that the launch was given up. */
static void wait_for_go(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(STATUS_FAILED);
	close(fd);
}

static _Noreturn void execute(const struct launch_config *config)
{
	if (config->chdir && chdir(config->chdir) < 0) {
		dprintf(STDERR_FILENO, "scrim: cannot change to directory %s: %s\n", config->chdir, strerror(errno));
		_exit(STATUS_FAILED);
	}
	environ = (char **)config->envp;
	execvp(config->argv[0], config->argv);

	int error = errno;
	dprintf(STDERR_FILENO, "scrim: cannot execute %s: %s\n", config->argv[0], strerror(error));
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE);
}

_Noreturn void command_run(const struct launch_parts *parts)
{
	const struct launch_config *config = parts->config;
	struct signal_state defaults;

	if (config->process_group > 0 && setpgid(0, config->process_group) < 0)
		fail(parts, -errno, "cannot join the process group of the front process");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_NAME, "scrim", 0, 0, 0); /* not the reaper's, in a log that reads it before the exec */

	int r = config->guard ? guard_map_self(config->guard) : 0;
	if (r < 0)
		fail(parts, r, "cannot map the guard page");
	sigemptyset(&defaults.mask);
	sigemptyset(&defaults.ignored);
	signal_state_restore(config->original_signals ? config->original_signals : &defaults);
	if (config->subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	r = config->fresh_keyring ? take_fresh_keyring() : 0;
	if (r < 0)
		fail(parts, r, "cannot give the command a session keyring of its own");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(parts, -errno, "cannot set no_new_privs");

	/* The table is still shared: the listener appears in the supervisor's. */
	int listener = filter_install(config->filter);
	if (listener < 0)
		fail(parts, listener, "cannot install the filter");
	r = take_own_table(parts);
	if (r < 0)
		fail(parts, r, "cannot separate the descriptors of the command");
	launch_tell_supervisor(parts, 0, listener, "");
	r = config->proven ? filter_probe() : 0;
	if (r < 0)
		_exit(STATUS_FAILED);
	*parts->stands = 1;
	close(parts->report);
	wait_for_go(parts->go);
	execute(config);
}
