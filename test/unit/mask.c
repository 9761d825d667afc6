/* SPDX-License-Identifier: Apache-2.0 */
/* Masked content: what is shown, of which size, to whom, and for how long; and the state that programs may read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vfs/overlay/mask.h"
#include "vfs/state.h"
#include "view_fixture.h"

static const char *base;
static struct fixture view;

static int set_up(void **state)
{
	(void)state;
	base = fixture_directory(false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_free(&view);
	fixture_remove(base);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

/* What the walk finds: the object, its stat and the rule that masks it. */
static int object_of(const char *name, struct stat *stat, int32_t *ret_rule)
{
	const char *path = path_of(name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct verdict verdict;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, stat), 0);
	policy_verdict(view.policy, path, strlen(path), &verdict);
	assert_int_equal(verdict.content, CONTENT_MASK);
	*ret_rule = verdict.content_rule;
	return fd;
}

static int mask_open(const char *name, int flags)
{
	struct stat stat;
	int32_t rule;
	int object = object_of(name, &stat, &rule);
	int fd = -1;
	int error = masks_open(view.view->masks, rule, object, &stat, path_of(name), strlen(path_of(name)), flags, &fd);

	close(object);
	return error < 0 ? error : fd;
}

static off_t size_of(const char *name)
{
	struct stat stat;
	int32_t rule;
	int object = object_of(name, &stat, &rule);
	off_t size = -1;

	assert_int_equal(masks_size(view.view->masks, rule, object, &stat, &size), 0);
	close(object);
	return size;
}

static void holds(int fd, const char *content)
{
	static char buffer[65536];
	ssize_t len = pread(fd, buffer, sizeof(buffer) - 1, 0);

	assert_true(len >= 0);
	buffer[len] = '\0';
	assert_string_equal(buffer, content);
}

static void shows(const char *name, const char *content)
{
	int fd = mask_open(name, O_RDONLY);
	struct stat stat;

	assert_true(fd >= 0);
	holds(fd, content);
	assert_int_equal(fstat(fd, &stat), 0);
	assert_int_equal(stat.st_size, strlen(content));
	assert_int_equal(size_of(name), strlen(content));
	close(fd);
}

/* Time stamps of files are settled when they are not of this very moment. */
static void let_settle(void)
{
	struct timespec wait = {.tv_nsec = 80000000};

	nanosleep(&wait, NULL);
}

static void kinds(void **state)
{
	static const char *const rules[] = {"mask @/empty",
					    "mask @/with with=@/substitute",
					    "mask @/redact redact=secret[0-9]+ token=[redacted]",
					    "mask @/group redact=^password=(.*)$",
					    "mask @/optional redact=a(b)|c",
					    "mask @/behind redact=(?<=(k))v",
					    "mask @/several redact=^a=(.*) token=<A> redact=^b=(.*) redact=b=..",
					    "mask @/kinds redact==({[^}]*}|.*)$",
					    "mask @/nothing redact=x",
					    NULL};
	char long_with[2000];

	(void)state;
	memset(long_with, 'w', sizeof(long_with));
	long_with[sizeof(long_with) - 1] = '\0';
	fixture_file(base, "substitute", long_with);
	fixture_file(base, "empty", "real");
	fixture_file(base, "with", "real");
	fixture_file(base, "redact", "a secret1 b secret22c secret");
	fixture_file(base, "group", "user=x\npassword=abc\n# password=no\npassword=\nend");
	fixture_file(base, "optional", "ab c ab");
	fixture_file(base, "behind", "kv v kv");
	fixture_file(base, "several", "b=b=secret\na=one\na=two\nc=three");
	fixture_file(base, "kinds", "a=-12.50e+3\nb='it''s'\nc=\"\"\nd={\n  two\n\tlines }\ne=12a\nf=\xc3\xa4\ng=\nh=-\ni=1.\nj=2e");
	fixture_file(base, "nothing", "");
	fixture_view(&view, base, rules);
	/* What happens to the with= file afterwards does not count. */
	fixture_file(base, "substitute", "other");
	for (int twice = 0; twice < 2; twice++) {
		shows("empty", "");
		shows("with", long_with);
		shows("redact", "a [redacted] b [redacted]c secret");
		shows("group", "user=x\npassword=xxx\n# password=no\npassword=\nend");
		shows("optional", "ax x ax");
		shows("behind", "xv v xv");
		shows("several", "xxxxxxxxxx\na=<A>\na=<A>\nc=three");
		shows("kinds", "a=-11.11e+1\nb='xxxxx'\nc=\"\"\nd=x\n  xxx\n\txxxxxxx\ne=xxx\nf=xx\ng=\nh=x\ni=xx\nj=xx");
		shows("nothing", "");
		let_settle();
	}
}

static void fresh_after_change(void **state)
{
	static const char *const rules[] = {"mask @/f redact=x+ token=[redacted]", NULL};
	int fd;

	(void)state;
	fixture_file(base, "f", "axb");
	fixture_view(&view, base, rules);
	let_settle();
	fd = mask_open("f", O_RDONLY);
	holds(fd, "a[redacted]b");
	for (int i = 0; i < 20; i++) { /* at once after another, of the same length */
		char content[8], expected[32];

		snprintf(content, sizeof(content), "0x%c", 'a' + i);
		snprintf(expected, sizeof(expected), "0[redacted]%c", 'a' + i);
		fixture_file(base, "f", content);
		shows("f", expected);
	}
	holds(fd, "a[redacted]b"); /* who has it open keeps what he opened */
	close(fd);
}

static void nothing_can_be_written(void **state)
{
	static const char *const rules[] = {"mask @/f with=@/s", NULL};
	static const int writing[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND};
	char link[64];
	int fd, again;

	(void)state;
	fixture_file(base, "f", "real");
	fixture_file(base, "s", "shown");
	fixture_view(&view, base, rules);
	for (size_t i = 0; i < sizeof(writing) / sizeof(writing[0]); i++)
		assert_int_equal(mask_open("f", writing[i]), -EACCES);
	assert_int_equal(mask_open("f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
	fd = mask_open("f", O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_NOFOLLOW), O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		assert_int_equal(write(again, "x", 1), -1);
		assert_int_equal(ftruncate(again, 0), -1);
		assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
		close(again);
	}
	/* Each open has its own offset. */
	again = mask_open("f", O_RDONLY);
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(lseek(again, 0, SEEK_CUR), 0);
	close(again);
	holds(fd, "shown");
	close(fd);
}

static void found_again(void **state)
{
	static const char *const rules[] = {"mask @/f", "mask @/g", NULL};
	char path[4096];
	size_t len = sizeof(path);
	struct stat stat, real, found;
	int32_t rule, expected;
	int object, fd;

	(void)state;
	fixture_file(base, "f", "real");
	fixture_file(base, "g", "real");
	fixture_view(&view, base, rules);
	fd = mask_open("g", O_RDONLY);
	assert_int_equal(fstat(fd, &stat), 0);
	assert_int_equal(masks_find(view.view->masks, stat.st_dev, stat.st_ino, &object, &rule, path, &len), 0);
	assert_string_equal(path, path_of("g"));
	assert_int_equal(len, strlen(path));
	assert_int_equal(fstat(object, &found), 0);
	close(object);
	close(object_of("g", &real, &expected));
	assert_int_equal(found.st_ino, real.st_ino);
	assert_int_equal(rule, expected);
	assert_int_equal(masks_find(view.view->masks, stat.st_dev, stat.st_ino, &object, &rule, NULL, NULL), 0);
	close(object);
	len = 3;
	assert_int_equal(masks_find(view.view->masks, stat.st_dev, stat.st_ino, &object, &rule, path, &len), -ENAMETOOLONG);
	assert_int_equal(masks_find(view.view->masks, real.st_dev, real.st_ino, &object, &rule, NULL, NULL), -ENOENT);
	assert_int_equal(masks_find(NULL, stat.st_dev, stat.st_ino, &object, &rule, NULL, NULL), -ENOENT);
	masks_present(&real, 5000, &stat);
	assert_int_equal(stat.st_ino, real.st_ino);
	assert_int_equal(stat.st_size, 5000);
	assert_int_equal(stat.st_blocks, 16);
	close(fd);
}

static void private_copies(void **state)
{
	static const char *const rules[] = {"mask @/f with=@/s write=discard", NULL};
	int one, two, again;
	struct stat stat;
	int32_t rule;
	char link[64];
	int object;

	(void)state;
	fixture_file(base, "f", "real");
	fixture_file(base, "s", "shown");
	fixture_view(&view, base, rules);
	one = mask_open("f", O_RDWR);
	two = mask_open("f", O_WRONLY | O_APPEND);
	assert_int_equal(fcntl(one, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fcntl(two, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
	holds(one, "shown");
	assert_int_equal(pwrite(one, "SH", 2, 0), 2);
	assert_int_equal(write(two, "!", 1), 1);
	assert_int_equal(ftruncate(one, 4), 0);
	holds(one, "SHow");
	assert_int_equal(fstat(two, &stat), 0);
	assert_int_equal(stat.st_size, 6);
	shows("f", "shown");
	/* By a link to the descriptor it is the same copy. */
	object = open((snprintf(link, sizeof(link), "/proc/self/fd/%d", one), link), O_PATH | O_CLOEXEC);
	close(object_of("f", &stat, &rule));
	assert_int_equal(masks_open(view.view->masks, rule, object, &stat, "/x", 2, O_RDONLY, &again), 0);
	holds(again, "SHow");
	close(again);
	close(object);
	close(two);
	two = mask_open("f", O_RDWR | O_TRUNC);
	holds(two, "");
	close(two);
	close(one);
	two = open(path_of("f"), O_RDONLY | O_CLOEXEC);
	holds(two, "real");
	close(two);
}

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Private copies and outdated contents go when nobody has them open any more. */
static void gone_with_the_last(void **state)
{
	static const char *const rules[] = {"mask @/f write=discard", "mask @/g redact=x", NULL};
	unsigned before;
	int held[40], object;
	struct stat stat;
	int32_t rule;

	(void)state;
	fixture_file(base, "f", "real");
	fixture_file(base, "g", "x");
	fixture_view(&view, base, rules);
	before = descriptors();
	for (int i = 0; i < 500; i++) {
		int fd = mask_open("f", O_RDWR);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, "data", 4), 4);
		close(fd);
		fixture_file(base, "g", "x");
		close(mask_open("g", O_RDONLY));
	}
	assert_true(descriptors() < before + 150);
	/* Those in use stay, mapped ones too. */
	for (int i = 0; i < 40; i++)
		held[i] = mask_open("f", O_RDWR);
	for (int i = 0; i < 200; i++)
		close(mask_open("f", O_RDWR));
	for (int i = 0; i < 40; i++) {
		assert_int_equal(fstat(held[i], &stat), 0);
		assert_int_equal(masks_find(view.view->masks, stat.st_dev, stat.st_ino, &object, &rule, NULL, NULL), 0);
		close(object);
		close(held[i]);
	}
}

static void bounded(void **state)
{
	static const char *const rules[] = {"mask @/d", NULL};
	struct rlimit limit, low;
	char name[64];
	int held[80], got = 0, error = 0;

	(void)state;
	assert_int_equal(mkdir(path_of("d"), 0755), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		fixture_file(base, name, "real");
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low.rlim_cur = low.rlim_max = 256; /* room for 64 masked files */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fixture_view(&view, base, rules);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		shows(name, "");
	}
	for (int i = 0; i < 80; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		error = mask_open(name, O_RDONLY);
		if (error < 0)
			break;
		held[got++] = error;
	}
	assert_int_equal(error, -ENFILE);
	assert_int_equal(got, 64);
	/* One that is open already can be opened again, and a closed one makes room. */
	assert_true((error = mask_open("d/3", O_RDONLY)) >= 0);
	close(error);
	close(held[--got]);
	assert_true((error = mask_open("d/150", O_RDONLY)) >= 0);
	close(error);
	while (got)
		close(held[--got]);
	/* An ordinary user has to live with it: this is the last test. */
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void permissions_of_the_real_file(void **state)
{
	static const char *const rules[] = {"mask @/*", "mask @/w write=discard", NULL};
	struct stat stat;
	int object, fd;

	(void)state;
	fixture_file(base, "f", "real");
	fixture_file(base, "w", "real");
	chmod(path_of("f"), 0);
	chmod(path_of("w"), 0444);
	fixture_view(&view, base, rules);
	if (fixture_is_root()) {
		shows("f", "");
		fd = mask_open("w", O_RDWR);
		assert_true(fd >= 0);
		close(fd);
		return;
	}
	assert_int_equal(mask_open("f", O_RDONLY), -EACCES);
	assert_int_equal(size_of("f"), 0);
	shows("w", "");
	assert_int_equal(mask_open("w", O_RDWR), -EACCES);
	assert_int_equal(mask_open("w", O_RDONLY | O_TRUNC), -EACCES);
	/* O_NOATIME is for owners. */
	fd = mask_open("w", O_RDONLY | O_NOATIME);
	assert_true(fd >= 0);
	close(fd);
	object = open("/etc/passwd", O_PATH | O_CLOEXEC);
	assert_int_equal(fstat(object, &stat), 0);
	assert_int_equal(masks_open(view.view->masks, 0, object, &stat, "/x", 2, O_RDONLY | O_NOATIME, &fd), -EPERM);
	close(object);
}

static void runaway_expressions(void **state)
{
	static const char *const rules[] = {"mask @/evil redact=(a+)+$ nomatch=empty", "mask @/utf redact=(*UTF).x nomatch=empty",
					    "mask @/big* redact=x", "mask @/grown redact=x token=[redacted]",
					    "mask @/many redact=x+ token=[redacted]",
					    "mask @/bigempty redact=x nomatch=empty",
					    "mask @/bigshown redact=x nomatch=show", NULL};
	char *text = malloc((1 << 20) + 1);
	struct timespec begin, end;
	int fd;

	(void)state;
	for (int i = 0; i < 1 << 20; i++)
		text[i] = i % 64 == 63 ? 'b' : 'a';
	text[1 << 20] = '\0';
	fixture_file(base, "evil", text);
	fixture_file(base, "utf", "\xff\xfex secret");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const big[] = {"big", "bigempty", "bigshown"};

		fixture_file(base, big[i], "x");
		assert_int_equal(truncate(path_of(big[i]), ((off_t)64 << 20) + 1), 0);
	}
	memset(text, 'x', 1 << 20);
	fixture_file(base, "many", text);
	fd = open(path_of("grown"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < 10; i++)
		assert_int_equal(write(fd, text, 1 << 20), 1 << 20);
	close(fd);
	fixture_view(&view, base, rules);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	shows("evil", ""); /* a search that fails shows nothing */
	shows("utf", "");
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 60);
	assert_int_equal(mask_open("big", O_RDONLY), -ENODATA);
	assert_int_equal(size_of("big"), 0);
	shows("bigempty", "");
	fd = mask_open("bigshown", O_RDONLY);
	assert_int_equal(lseek(fd, 0, SEEK_END), ((off_t)64 << 20) + 1);
	assert_int_equal(size_of("bigshown"), ((off_t)64 << 20) + 1);
	close(fd);
	assert_int_equal(mask_open("grown", O_RDONLY), -ENODATA);
	shows("many", "[redacted]");
	free(text);
}

/* Where an expression finds nothing the rule says what is shown; where all do, it does not matter. */
static void without_a_match(void **state)
{
	static const char *const rules[] = {"mask @/*d redact=x",
					    "mask @/*e redact=x nomatch=empty",
					    "mask @/*s redact=x nomatch=show",
					    "mask @/*two redact=x redact=y",
					    "mask @/*w redact=x write=discard",
					    "mask @/*p redact=x redact=y nomatch=show",
					    NULL};
	static const char *const found[] = {"1d", "1e", "1s", "1two", "1w", "1p"};
	static const char *const lacking[] = {"2d", "2e", "2s", "2two", "2w", "2p"};
	int fd;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		fixture_file(base, found[i], "--xy");
		fixture_file(base, lacking[i], "--y-");
	}
	fixture_view(&view, base, rules);
	for (unsigned i = 0; i < 6; i++)
		shows(found[i], i == 3 || i == 5 ? "--xx" : "--xy");
	assert_int_equal(mask_open("2d", O_RDONLY), -ENODATA);
	assert_int_equal(size_of("2d"), 0);
	shows("2e", "");
	shows("2s", "--y-");
	shows("2p", "--x-");
	assert_int_equal(mask_open("2two", O_RDONLY), -ENODATA);
	assert_int_equal(mask_open("2w", O_RDWR), -ENODATA);
	fd = mask_open("2w", O_RDWR | O_TRUNC);
	assert_true(fd >= 0);
	close(fd);
	/* It is the content that counts, not what was there before. */
	fixture_file(base, "2d", "--x-");
	shows("2d", "--x-");
}

static void refused_at_start(void **state)
{
	static const char *const absent[] = {"mask @/f with=@/absent", NULL};
	static const char *const directory[] = {"mask @/f with=@", NULL};
	static const char *const fifo[] = {"mask @/f with=@/fifo", NULL};
	static const char *const expression[] = {"mask @/f redact=(a", NULL};
	static const char *const big[] = {"mask @/f with=@/big", NULL};
	char text[ERRMSG_MAX];

	(void)state;
	assert_int_equal(fixture_refused(base, absent, text, sizeof(text)), -ENOENT);
	assert_non_null(strstr(text, "/absent"));
	assert_non_null(strstr(text, "mask"));
	assert_int_equal(fixture_refused(base, directory, text, sizeof(text)), -EISDIR);
	assert_int_equal(mkfifo(path_of("fifo"), 0644), 0);
	assert_int_equal(fixture_refused(base, fifo, text, sizeof(text)), -EINVAL);
	assert_true(fixture_refused(base, expression, text, sizeof(text)) < 0);
	assert_non_null(strstr(text, "(a"));
	fixture_file(base, "big", "");
	assert_int_equal(truncate(path_of("big"), ((off_t)64 << 20) + 1), 0);
	assert_int_equal(fixture_refused(base, big, text, sizeof(text)), -EFBIG);
}

static void *open_many(void *userdata)
{
	unsigned seed = (unsigned)(uintptr_t)userdata;
	intptr_t bad = 0;

	for (int i = 0; i < 300; i++) {
		char path[512], buffer[16] = "";
		struct verdict verdict;
		struct stat stat;
		int fd = -1, object, writing;

		seed = seed * 1103515245 + 12345;
		snprintf(path, sizeof(path), "%s/d/%u", base, (seed >> 10) % 20);
		writing = seed >> 20 & 1;
		object = open(path, O_PATH | O_CLOEXEC);
		policy_verdict(view.policy, path, strlen(path), &verdict);
		if (object < 0 || fstat(object, &stat) < 0 ||
		    masks_open(view.view->masks, verdict.content_rule, object, &stat, path, strlen(path),
			       writing ? O_RDWR : O_RDONLY, &fd) < 0 ||
		    pread(fd, buffer, sizeof(buffer), 0) != 11 || memcmp(buffer, "[redacted]y", 11) != 0)
			bad++;
		else if (writing && pwrite(fd, "mine", 4, 0) != 4)
			bad++;
		if (fd >= 0)
			close(fd);
		if (object >= 0)
			close(object);
	}
	return (void *)bad;
}

static void threads(void **state)
{
	static const char *const rules[] = {"mask @/d redact=x token=[redacted] write=discard", NULL};
	pthread_t thread[6];
	char name[32];
	void *bad;

	(void)state;
	assert_int_equal(mkdir(path_of("d"), 0755), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		fixture_file(base, name, "xy");
	}
	fixture_view(&view, base, rules);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_many, (void *)i), 0);
	for (size_t i = 0; i < 6; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
}

static void state_of_the_view(void **state)
{
	static const char *const rules[] = {"hide @/\xff\xfename", "mask @/f", "readonly @/caf\xc3\xa9", NULL};
	char buffer[65536];
	json_t *json, *rule;
	ssize_t len;
	int fd;

	(void)state;
	fixture_view(&view, base, rules);
	assert_int_equal(view.view->root, fixture_is_root());
	view_count_rule(view.view, 1);
	view_count_rule(view.view, 1);
	view_count_rule(view.view, RULE_NONE);
	view_count_rule(view.view, 1000);
	assert_int_equal(view_state_open(view.view, &fd), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE);
	len = read(fd, buffer, sizeof(buffer) - 1);
	assert_true(len > 0);
	buffer[len] = '\0';
	assert_int_equal(buffer[len - 1], '\n');
	json = json_loads(buffer, 0, NULL);
	assert_non_null(json);
	assert_non_null(json_string_value(json_object_get(json, "version")));
	assert_string_equal(json_string_value(json_object_get(json, "mode")), "enforce");
	assert_int_equal(json_array_size(json_object_get(json, "rules")), 3);
	rule = json_array_get(json_object_get(json, "rules"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(rule, "rule")), "\\xff\\xfename"));
	rule = json_array_get(json_object_get(json, "rules"), 1);
	assert_int_equal(json_integer_value(json_object_get(rule, "refused")), 2);
	assert_string_equal(json_string_value(json_object_get(rule, "origin")), "command line");
	rule = json_array_get(json_object_get(json, "rules"), 2);
	assert_non_null(strstr(json_string_value(json_object_get(rule, "rule")), "caf\xc3\xa9"));
	json_decref(json);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int tests(void)
{
	const struct CMUnitTest list[] = {
		TEST(kinds),
		TEST(fresh_after_change),
		TEST(nothing_can_be_written),
		TEST(found_again),
		TEST(private_copies),
		TEST(gone_with_the_last),
		TEST(permissions_of_the_real_file),
		TEST(runaway_expressions),
		TEST(without_a_match),
		TEST(refused_at_start),
		TEST(threads),
		TEST(state_of_the_view),
		TEST(bounded),
	};

	return cmocka_run_group_tests(list, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
