/* SPDX-License-Identifier: Apache-2.0 */
/* Which swap areas count as a disk: a made-up /proc/swaps and /sys. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/swap.h"

static char top[] = "/tmp/scrim-swap-XXXXXX";
static char swaps[64], sys[64];

static void put(const char *text, const char *format, ...) _printf_(2, 3);

/* A file of TEXT at the place beneath the top, with the directories above it; TEXT NULL: a directory. */
static void put(const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	size_t n = (size_t)snprintf(path, sizeof(path), "%s/", top);
	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - n, format, args);
	va_end(args);
	for (char *slash = path + n; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	if (!text) {
		mkdir(path, 0700);
		return;
	}
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_link(const char *to, const char *from)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, from);
	assert_int_equal(symlink(to, path), 0);
}

static void wanted(const char *areas, const char *plain)
{
	const struct swap_places places = {swaps, sys};
	char name[PATH_MAX] = "", text[2 * PATH_MAX];

	snprintf(text, sizeof(text), "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s", areas);
	put(text, "swaps");
	int r = swap_find_plain(&places, name, sizeof(name));
	if (r != (plain != NULL) || (plain && strcmp(name, plain) != 0))
		fail_msg("%s: %d %s", areas, r, name);
}

static void test_partitions(void **state)
{
	(void)state;
	put(NULL, "sys/class/block/sda2");
	put("CRYPT-PLAIN-swap\n", "sys/class/block/dm-0/dm/uuid");
	put("LVM-abc\n", "sys/class/block/dm-1/dm/uuid");
	put(NULL, "sys/class/block/dm-1/slaves");
	put_link("../../dm-0", "sys/class/block/dm-1/slaves/dm-0");
	put("LVM-def\n", "sys/class/block/dm-2/dm/uuid");
	put(NULL, "sys/class/block/dm-2/slaves");
	put_link("../../dm-0", "sys/class/block/dm-2/slaves/dm-0");
	put_link("../../sda2", "sys/class/block/dm-2/slaves/sda2");
	put("LVM-ghi\n", "sys/class/block/dm-3/dm/uuid");
	put(NULL, "sys/class/block/dm-3/slaves");

	wanted("", NULL);
	wanted("/dev/sda2                               partition\t8388604\t\t0\t\t-2\n", "/dev/sda2");
	wanted("/dev/dm-0 partition 1 0 -2\n", NULL);
	wanted("/dev/dm-1 partition 1 0 -2\n", NULL);
	/* One of two below is plain; none below says nothing; what is not there is plain. */
	wanted("/dev/dm-2 partition 1 0 -2\n", "/dev/dm-2");
	wanted("/dev/dm-3 partition 1 0 -2\n", "/dev/dm-3");
	wanted("/dev/dm-9 partition 1 0 -2\n", "/dev/dm-9");
	wanted("/dev/dm-0 partition 1 0 -2\n/dev/sda2 partition 1 0 -3\n", "/dev/sda2");
}

static void test_zram(void **state)
{
	(void)state;
	put(NULL, "sys/class/block/zram0");
	put("none\n", "sys/class/block/zram1/backing_dev");
	put("/dev/sda3\n", "sys/class/block/zram2/backing_dev");

	wanted("/dev/zram0 partition 1 0 100\n", NULL);
	wanted("/dev/zram0 partition 1 0 100\n/dev/zram1 partition 1 0 100\n", NULL);
	wanted("/dev/zram2 partition 1 0 100\n", "/dev/zram2");
}

static void test_files(void **state)
{
	char path[128], line[256];
	struct stat stat_of;

	(void)state;
	put("", "swap file");
	snprintf(path, sizeof(path), "%s/swap file", top);
	snprintf(line, sizeof(line), "%s/swap\\040file file 1 0 -2\n", top);
	assert_int_equal(stat(path, &stat_of), 0);
	wanted(line, path);
	put("CRYPT-LUKS2-0123-home\n", "sys/dev/block/%u:%u/dm/uuid", major(stat_of.st_dev), minor(stat_of.st_dev));
	wanted(line, NULL);
	wanted("/nonexistent/swapfile file 1 0 -2\n", "/nonexistent/swapfile");
	/* Only a whole device is memory, not a file of such a name. */
	wanted("/nonexistent/zram0 file 1 0 -2\n", "/nonexistent/zram0");
}

static void test_no_list(void **state)
{
	const struct swap_places nowhere = {"/nonexistent/swaps", sys}, strange = {swaps, sys};
	char name[64];

	(void)state;
	assert_int_equal(swap_find_plain(&nowhere, name, sizeof(name)), 0);
	put("Filename\nnonsense\n", "swaps");
	assert_int_equal(swap_find_plain(&strange, name, sizeof(name)), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_zram),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_list),
	};
	char command[128];

	if (!mkdtemp(top))
		return 1;
	snprintf(swaps, sizeof(swaps), "%s/swaps", top);
	snprintf(sys, sizeof(sys), "%s/sys", top);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command) != 0 || failed;
}
