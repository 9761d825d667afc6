/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps, and the files mapped in a range, against a mapping of our own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proc/maps.h"

#define PAGE 4096ul

static void test_lines(void **state)
{
	static const char line[] = "7f56e2324000-7f56e2325000 rw-s 00001000 fe:10 10289532                   /tmp/a b";
	static const char anonymous[] = "7ffc0d5d6000-7ffc0d5f7000 rw-p 00000000 00:00 0                          [stack]";
	static const char bare[] = "00400000-00401000 ---p 00000000 00:00 0 ";
	static const char *const others[] = {"", "Size: 4 kB", "VmFlags: rd wr", "7f56e2324000 default file=/x", "7f-8f"};
	struct maps_line at;

	(void)state;
	assert_true(maps_parse(line, strlen(line), &at));
	assert_int_equal(at.start, 0x7f56e2324000);
	assert_int_equal(at.end, 0x7f56e2325000);
	assert_int_equal(at.dev, makedev(0xfe, 0x10));
	assert_int_equal(at.ino, 10289532);
	assert_int_equal(strncmp(line + at.device_at, "fe:10 ", 6), 0);
	assert_string_equal(line + at.path_at, "/tmp/a b");
	assert_int_equal(line[at.device_end], ' ');
	assert_true(maps_parse(anonymous, strlen(anonymous), &at) && at.ino == 0);
	assert_string_equal(anonymous + at.path_at, "[stack]");
	assert_true(maps_parse(bare, strlen(bare), &at) && at.path_at == strlen(bare));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(maps_parse(others[i], strlen(others[i]), &at));
}

struct found {
	unsigned count;
	uint64_t dev, ino;
	int answer;
};

static int note(uint64_t dev, uint64_t ino, void *data)
{
	struct found *found = data;

	found->count++;
	found->dev = dev;
	found->ino = ino;
	return found->answer;
}

/* TEXT: the lines are read, since the kernel cannot be asked about a file that is none of procfs. */
static void in_range(uint64_t from, uint64_t to, bool text, struct found *found)
{
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	int answer = found->answer;

	assert_true(fd >= 0);
	if (text) {
		char bytes[65536];
		_cleanup_close_ int copy = memfd_create("maps", MFD_CLOEXEC);
		ssize_t n;

		while ((n = read(fd, bytes, sizeof(bytes))) > 0)
			assert_int_equal(write(copy, bytes, (size_t)n), n);
		assert_int_equal(lseek(copy, 0, SEEK_SET), 0);
		*found = (struct found){.answer = answer};
		assert_int_equal(maps_each_file(copy, from, to, note, found), answer);
		return;
	}
	*found = (struct found){.answer = answer};
	assert_int_equal(maps_each_file(fd, from, to, note, found), answer);
}

static void test_ranges(void **state)
{
	_cleanup_close_ int fd = memfd_create("mapped", MFD_CLOEXEC);
	struct found found = {0};
	struct stat stat;

	(void)state;
	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	assert_int_equal(fstat(fd, &stat), 0);
	/* anonymous, file, hole, anonymous */
	char *at = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_ptr_equal(mmap(at + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE), at + 4 * PAGE);
	assert_int_equal(munmap(at + 8 * PAGE, 4 * PAGE), 0);
	for (int text = 0; text < 2; text++) {
		const uint64_t base = (uint64_t)(uintptr_t)at;
		static const struct {
			unsigned from, to, count;
		} ranges[] = {{0, 4, 0}, {0, 5, 1}, {4, 8, 1}, {5, 6, 1}, {7, 16, 1}, {8, 16, 0}, {0, 16, 1}, {4, 4, 0}};

		for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
			in_range(base + ranges[i].from * PAGE, base + ranges[i].to * PAGE, text, &found);
			assert_int_equal(found.count, ranges[i].count);
			if (found.count) {
				assert_int_equal(found.dev, stat.st_dev);
				assert_int_equal(found.ino, stat.st_ino);
			}
		}
		found.answer = -EIO;
		in_range(base, base + 16 * PAGE, text, &found);
		assert_int_equal(found.count, 1);
		found.answer = 0;
		in_range(0, UINT64_MAX, text, &found);
		assert_true(found.count > 1);
	}
	munmap(at, 16 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
