/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on sockets that carry an address (net/socket.c, net/unix/af_unix.c). The address is read once. Names in the
 * file system are resolved here; the caller itself then makes its call, on the object or on our copy of the address,
 * so that peers see its credentials and it blocks and is interrupted natively.
 *
 * A name is only looked up by some sockets. For the others the copy that the kernel gets has the first byte of the
 * name cleared: same family and length, so the same answer, and no path should a sibling thread exchange the
 * descriptor meanwhile.
 *
 * The kernel finds other faults before it looks a name up, and gives the sender a name. So where the look-up fails here
 * the caller makes its call all the same (but for most connects), on a name that leads to nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfs/address.h"
#include "vfs/judge.h"
#include "vfs/private.h"
#include "vfs/still.h"

/* Such a socket is given a name of its own before that of the other is looked up. */
static bool passes_credentials(const struct endpoint *endpoint)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(endpoint->fd, SOL_SOCKET, SO_PASSCRED, &on, &len) == 0 && on;
}

int vfs_connect(struct op *op, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	struct address address;

	int error = address_read(op, args[1], (int)args[2], &address);
	if (!error && !address.path)
		return errand_on_address(SYS_connect, args, 1, &address, out);
	int found = endpoint_find(op, args[0], &endpoint);
	if (found == -EBADF)
		return found;
	if (error || found)
		return error ? error : found;
	if (endpoint.domain != AF_UNIX)
		return errand_on_address(SYS_connect, args, 1, &address, out);
	error = address_find_socket(op, &address);
	if (error && !passes_credentials(&endpoint))
		return error;
	return errand_on_object(op, SYS_connect, args, 1, 2, error, out);
}

/* ---- bind ---- */

/* May the name be made? As filename_create() says it, with the rules in between. */
static int check_name(struct op *op, const struct walk *walk)
{
	bool shown = walk->verdict.visibility == VIS_SHOW || walk->verdict.visibility == VIS_WAY;

	if (walk->last != LAST_NAME)
		return -EADDRINUSE;
	if (shown && walk->exists)
		return -EADDRINUSE;
	if (walk->slash)
		return -ENOENT;
	return walk->private ? private_refuse_kind(op, walk) : judge(op, walk, INTENT_CREATE);
}

/* Where openat2(2) is not to be had: DIR if no link at all leads there. It is written to. */
static int open_without_links(int base, char *dir)
{
	_cleanup_close_ int at = openat(dir[0] == '/' ? AT_FDCWD : base, dir[0] == '/' ? "/" : ".", O_PATH | O_CLOEXEC);
	char *rest;

	for (char *name = strtok_r(dir, "/", &rest); name && at >= 0; name = strtok_r(NULL, "/", &rest)) {
		int next = openat(at, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);

		safe_close(at);
		at = next;
	}
	return steal_fd(&at);
}

/* Whether TEXT's directory, looked up from BASE, is the one that was judged. Magic links could change meanwhile. */
static bool leads_to(int base, const char *text, int parent_fd)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	const char *slash = strrchr(text, '/');
	struct stat found, wanted;

	memcpy(dir, text, (size_t)(slash - text) + 1);
	dir[slash - text + 1] = '\0';
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, base, dir, &how, sizeof(how));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open_without_links(base, dir);
	return fd >= 0 && fstat(fd, &found) == 0 && fstat(parent_fd, &wanted) == 0 && found.st_dev == wanted.st_dev &&
	       found.st_ino == wanted.st_ino;
}

/*
 * The socket keeps the text it is bound by: getsockname says it, and peers send their answers to it. A text with
 * slashes is used as it is where it leads to the judged directory while names stand still; else only the last name
 * remains, bound from its directory. The worker's working directory and umask are its own.
 */
static int bind_at(int socket, const struct walk *walk, int base, const char *text)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	bool whole = strchr(text, '/') && leads_to(base, text, walk->parent_fd);
	const char *bytes = whole ? text : walk->name;
	size_t len = strlen(bytes);

	memcpy(name.sun_path, bytes, len);
	if (fchdir(whole ? base : walk->parent_fd) < 0)
		return -errno;
	/* All 108 bytes may be name. */
	len += len < sizeof(name.sun_path);
	return bind(socket, (struct sockaddr *)&name, (socklen_t)(PATH_AT + len)) < 0 ? -errno : 0;
}

static int bind_in_parent(struct op *op, int socket, const struct walk *walk)
{
	_cleanup_close_ int cwd = -EBADF;

	int error = op_take_umask(op);
	if (!error && op->text[0][0] != '/')
		error = op->caller->ops->open_cwd(op->caller, &cwd);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	still_begin();
	error = bind_at(socket, walk, cwd >= 0 ? cwd : op->view->root_fd, op->text[0]);
	still_end();
	/* Where a worker stands matters to nobody, but it must not keep the directory busy. */
	op->caller->ops->leave(op->caller);
	return error;
}

static int bind_path(struct op *op, int socket, const struct address *address)
{
	struct walk *walk = &op->walk[0];

	address_take_path(op, address);
	int error = walk_resolve(op, walk, AT_FDCWD, op->text[0], op->text_len[0], WALK_PARENT | WALK_LAST_UNJUDGED, 0);
	if (error)
		return error;
	error = check_name(op, walk);
	if (!error)
		error = bind_in_parent(op, socket, walk);
	walk_release(walk);
	return error;
}

int vfs_bind(struct op *op, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	struct address address;

	int error = endpoint_find(op, args[0], &endpoint);
	if (!error)
		error = address_read(op, args[1], (int)args[2], &address);
	if (error)
		return error;
	/* Netlink takes the port number from whoever binds; of others nothing is known. */
	bool impersonal = endpoint.domain == AF_UNIX || endpoint.domain == AF_INET || endpoint.domain == AF_INET6;
	if (!impersonal)
		return errand_on_address(SYS_bind, args, 1, &address, out);
	if (endpoint.domain == AF_UNIX && address.path) {
		error = bind_path(op, endpoint.fd, &address);
	} else {
		error = op->caller->ops->validate(op->caller);
		if (!error && bind(endpoint.fd, &address.any, address.len) < 0)
			error = -errno;
	}
	return error ? error : outcome_value(out, 0);
}
