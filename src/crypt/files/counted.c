/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on within a store, seen from below: by the bytes that it reads or writes. */
#include <errno.h>
#include <stddef.h>

#include "crypt/files/internal.h"

static struct files_store *store_of(void *handle)
{
	return (struct files_store *)((char *)handle - offsetof(struct files_store, fd));
}

static ssize_t count(struct files_store *s, ssize_t n)
{
	if (n <= 0)
		return n;
	s->done += (uint64_t)n;
	uint64_t done = s->done < s->expected ? s->done : s->expected;
	return files_progress(s->files, done, s->expected) < 0 ? -ECANCELED : n;
}

static ssize_t counted_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	return count(store_of(handle), store_io_file.pread(handle, bytes, len, offset));
}

static ssize_t counted_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	return count(store_of(handle), store_io_file.pwrite(handle, bytes, len, offset));
}

struct files files_counted(const struct files *files, enum counted what, struct store_io *io)
{
	struct files counted = *files;

	*io = store_io_file;
	if (what == COUNTED_READS)
		io->pread = counted_pread;
	else
		io->pwrite = counted_pwrite;
	counted.io = io;
	counted.crew = NULL;
	return counted;
}
