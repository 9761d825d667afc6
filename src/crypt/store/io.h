/* SPDX-License-Identifier: Apache-2.0 */
/* What a store is written to: a file, or in the tests a disk that loses, tears and reorders. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct store_io {
	/* As pread(2) and pwrite(2), but a negative errno instead of -1; may be short and may be -EINTR. */
	ssize_t (*pread)(void *handle, void *bytes, size_t len, uint64_t offset);
	ssize_t (*pwrite)(void *handle, const void *bytes, size_t len, uint64_t offset);
	/* fdatasync(2). */
	int (*sync)(void *handle);
	/* Begin to write to the disk what has been written, and do not wait: a hint. May be NULL. */
	void (*begin)(void *handle);
	int (*size)(void *handle, uint64_t *ret_size);
	/* ftruncate(2). */
	int (*resize)(void *handle, uint64_t size);
	/* Give the blocks back, keeping the size; -EOPNOTSUPP where the file system cannot. */
	int (*punch)(void *handle, uint64_t offset, uint64_t len);
	/* Drop what the page cache holds of the first LEN bytes, or more, so that reads come from the disk. */
	int (*drop_cache)(void *handle, uint64_t len);
	/* Bytes of the disk that the file takes. May be NULL: not known. */
	int (*allocated)(void *handle, uint64_t *ret_bytes);
	/* From *OFFSET on to where there is data: as lseek(2) SEEK_DATA, -ENXIO when there is none; other errors leave *OFFSET.
	 * May be NULL. */
	int (*next_data)(void *handle, uint64_t *offset);
	/* Does somebody copy the file, who needs the pages of the version that stood when he began (store_hold())? May be NULL:
	 * nobody does. */
	bool (*held)(void *handle);
};

/* A file: HANDLE is a pointer to its descriptor, an int. */
extern const struct store_io store_io_file;

/* All LEN bytes. Short transfers and EINTR are gone on with. */
int store_write_all(const struct store_io *io, void *handle, const void *bytes, size_t len, uint64_t offset);

/* As much as there is of LEN bytes, the rest zeros. */
int store_read_zeroed(const struct store_io *io, void *handle, void *bytes, size_t len, uint64_t offset);
