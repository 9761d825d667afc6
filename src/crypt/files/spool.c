/* SPDX-License-Identifier: Apache-2.0 */
/* A store needs a file in which it can go back and forth: for pipes one without a name. Only encrypted bytes stand in
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/store/io.h"

#define PIECE (64 << 10)

int spool_open(int *ret_fd)
{
	const char *const places[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(places); i++)
		if (places[i] && *places[i])
			fd = open(places[i], O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("scrim-spool", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int spool_pipe(const struct files *files, int from, int *ret_fd)
{
	_cleanup_free_ char *piece = malloc(PIECE);
	_cleanup_close_ int fd = -EBADF;
	uint64_t at = 0;
	int r = piece ? spool_open(&fd) : -ENOMEM;

	while (r == 0) {
		ssize_t n = read(from, piece, PIECE);

		if (n == 0 || (n < 0 && errno != EINTR)) {
			r = n < 0 ? -errno : 0;
			break;
		}
		if (n > 0) {
			r = store_write_all(&store_io_file, &fd, piece, (size_t)n, at);
			at += (uint64_t)n;
		}
		if (r == 0)
			r = files_progress(files, at, 0);
	}
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}
