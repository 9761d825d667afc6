/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/store/format.h"
#include "crypt/store/lock.h"

#define LARGEST_FOLIO (2 << 20) /* with pages of 4 KiB: PMD_SIZE */

static ssize_t file_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	ssize_t n = pread(*(int *)handle, bytes, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t file_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	ssize_t n = pwrite(*(int *)handle, bytes, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int file_sync(void *handle)
{
	return fdatasync(*(int *)handle) < 0 ? -errno : 0;
}

static void file_begin(void *handle)
{
	(void)sync_file_range(*(int *)handle, 0, 0, SYNC_FILE_RANGE_WRITE); /* what fails fails again, told, at the sync */
}

static int file_size(void *handle, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(*(int *)handle, &st) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int file_resize(void *handle, uint64_t size)
{
	return ftruncate(*(int *)handle, (off_t)size) < 0 ? -errno : 0;
}

static int file_punch(void *handle, uint64_t offset, uint64_t len)
{
	return fallocate(*(int *)handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) < 0 ?
		       -errno :
		       0;
}

/* Only folios that lie within the range are dropped (mm/truncate.c, mapping_try_invalidate()): so it is the largest one's. */
static int file_drop_cache(void *handle, uint64_t len)
{
	bool all = len > LARGEST_FOLIO || sysconf(_SC_PAGESIZE) > FORMAT_PAGE;

	return -posix_fadvise(*(int *)handle, 0, all ? 0 : LARGEST_FOLIO, POSIX_FADV_DONTNEED);
}

static int file_allocated(void *handle, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(*(int *)handle, &st) < 0)
		return -errno;
	*ret_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int file_next_data(void *handle, uint64_t *offset)
{
	off_t at = lseek(*(int *)handle, (off_t)*offset, SEEK_DATA);

	if (at < 0)
		return -errno;
	*offset = (uint64_t)at;
	return 0;
}

static bool file_held(void *handle)
{
	return store_is_held(*(int *)handle);
}

const struct store_io store_io_file = {
	.held = file_held,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.sync = file_sync,
	.begin = file_begin,
	.size = file_size,
	.resize = file_resize,
	.punch = file_punch,
	.drop_cache = file_drop_cache,
	.allocated = file_allocated,
	.next_data = file_next_data,
};

int store_read_zeroed(const struct store_io *io, void *handle, void *bytes, size_t len, uint64_t offset)
{
	uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = io->pread(handle, p, len, offset);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	if (len > 0)
		memset(p, 0, len);
	return 0;
}

int store_write_all(const struct store_io *io, void *handle, const void *bytes, size_t len, uint64_t offset)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = io->pwrite(handle, p, len, offset);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}
