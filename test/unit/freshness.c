/* SPDX-License-Identifier: Apache-2.0 */
/* The record of which version of an encrypted file was last written here. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/freshness.h"

static char base[] = "/tmp/scrim-fresh-XXXXXX";
static char directory[48];

static struct freshness_version version(uint8_t id, uint64_t sequence, uint8_t tag)
{
	struct freshness_version v = {.sequence = sequence};

	memset(v.file_id, id, sizeof(v.file_id));
	memset(v.tag, tag, sizeof(v.tag));
	return v;
}

static void wrote(const char *path, uint8_t id, uint64_t sequence, uint8_t tag)
{
	struct freshness_version v = version(id, sequence, tag);

	assert_int_equal(freshness_record(directory, path, &v, false), 0);
}

static enum freshness is(const char *path, uint8_t id, uint64_t sequence, uint8_t tag)
{
	struct freshness_version v = version(id, sequence, tag);
	enum freshness found = FRESH_UNKNOWN;

	assert_int_equal(freshness_check(directory, path, &v, &found, NULL), 0);
	return found;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void older_is_noticed(void **state)
{
	struct freshness_version v = version(1, 3, 3);
	enum freshness found;
	uint64_t recorded = 0;
	struct stat st;

	(void)state;
	assert_int_equal(is("/a", 1, 5, 5), FRESH_UNKNOWN); /* not even a directory */
	wrote("/a", 1, 5, 5);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(is("/a", 1, 5, 5), FRESH_GOOD);
	assert_int_equal(is("/a", 1, 6, 6), FRESH_GOOD);
	assert_int_equal(is("/a", 1, 4, 4), FRESH_OLDER);
	assert_int_equal(is("/a", 1, 5, 9), FRESH_OTHER);
	assert_int_equal(is("/b", 1, 4, 4), FRESH_UNKNOWN);
	assert_int_equal(is("/a", 2, 4, 4), FRESH_UNKNOWN);
	/* Writing to the older one does not make it the newest; accepting does. */
	wrote("/a", 1, 4, 4);
	assert_int_equal(is("/a", 1, 4, 4), FRESH_OLDER);
	assert_int_equal(freshness_check(directory, "/a", &v, &found, &recorded), 0);
	assert_int_equal(recorded, 5);
	assert_int_equal(freshness_record(directory, "/a", &v, true), 0);
	assert_int_equal(is("/a", 1, 3, 3), FRESH_GOOD);
	assert_int_equal(is("/a", 1, 2, 2), FRESH_OLDER);
}

static void an_earlier_file_is_noticed(void **state)
{
	struct freshness_version v = version(1, 9, 9);

	(void)state;
	wrote("/a", 1, 9, 9);
	wrote("/a", 2, 1, 1);
	assert_int_equal(is("/a", 2, 1, 1), FRESH_GOOD);
	assert_int_equal(is("/a", 1, 9, 9), FRESH_EARLIER);
	assert_int_equal(freshness_record(directory, "/a", &v, true), 0);
	assert_int_equal(is("/a", 1, 9, 9), FRESH_GOOD);
	assert_int_equal(is("/a", 2, 1, 1), FRESH_UNKNOWN);
}

/* However much is written, the record stays small, and the newest is known. */
static void bounded(void **state)
{
	uint64_t bytes = 0;
	char path[64];

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		wrote("/one", (uint8_t)(i + 1), 1, 1);
	assert_int_equal(is("/one", 40, 1, 1), FRESH_GOOD);
	assert_int_equal(is("/one", 39, 1, 1), FRESH_EARLIER);
	assert_int_equal(is("/one", 3, 1, 1), FRESH_UNKNOWN);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/many/%u", i);
		wrote(path, 1, UINT64_MAX, 255);
	}
	assert_int_equal(is("/many/2999", 1, 1, 255), FRESH_OLDER);
	for (unsigned i = 0; i < 256; i++) {
		struct stat st;

		snprintf(path, sizeof(path), "%s/%02x", directory, i);
		if (stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
	}
	assert_true(bytes > 3000 * 100 && bytes < 256 * 40000);
}

/* What a power loss or somebody's editor left is no error. */
static void spoiled(void **state)
{
	char path[64];

	(void)state;
	wrote("/a", 1, 5, 5);
	for (unsigned i = 0; i < 256; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%02x", directory, i);
		fd = open(path, O_WRONLY);
		if (fd < 0)
			continue;
		assert_int_equal(pwrite(fd, "zz\n\n\0\0", 6, 20), 6);
		close(fd);
	}
	assert_int_equal(is("/a", 1, 4, 4), FRESH_UNKNOWN);
	wrote("/a", 1, 5, 5);
	assert_int_equal(is("/a", 1, 4, 4), FRESH_OLDER);
}

/* Of processes that write at a time none is lost: these all meet in one file of the record. */
static void together(void **state)
{
	char path[64];

	(void)state;
	for (int child = 0; child < 8; child++)
		if (fork() == 0) {
			for (unsigned i = 0; i < 25; i++) {
				struct freshness_version v = version((uint8_t)(child + 1), i + 1, 1);

				snprintf(path, sizeof(path), "/child/%d", child);
				if (freshness_record(directory, path, &v, false) < 0 ||
				    freshness_record(directory, "/shared", &v, false) < 0)
					_exit(1);
			}
			_exit(0);
		}
	for (int child = 0; child < 8; child++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	for (int child = 0; child < 8; child++) {
		enum freshness shared = is("/shared", (uint8_t)(child + 1), 24, 1);

		snprintf(path, sizeof(path), "/child/%d", child);
		assert_int_equal(is(path, (uint8_t)(child + 1), 24, 1), FRESH_OLDER);
		assert_true(shared == FRESH_OLDER || shared == FRESH_EARLIER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(older_is_noticed, setup), cmocka_unit_test_setup(an_earlier_file_is_noticed, setup),
		cmocka_unit_test_setup(bounded, setup),          cmocka_unit_test_setup(spoiled, setup),
		cmocka_unit_test_setup(together, setup),
	};
	int r;

	if (!mkdtemp(base))
		return 1;
	snprintf(directory, sizeof(directory), "%s/state/scrim/freshness", base);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return r;
}
