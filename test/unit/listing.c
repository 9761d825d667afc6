/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings. "inside" is always a directory with hidden names seen through the view, "native" its twin which never had
 * them, seen by the kernel: the two must not differ.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_caller.h"
#include "vfs/ops.h"
#include "view_fixture.h"

struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
} __attribute__((packed));

struct text {
	char *data;
	size_t len, cap;
};

struct side {
	bool inside, legacy;
	struct op *op;
	char path[256];
};

static struct fixture view;
static struct fake_caller fake;
static struct op *the_op;
static _Thread_local struct fake_caller *who = &fake;

static const unsigned counts[] = {0, 8, 14, 24, 32, 40, 56, 64, 100, 256, 300, 1000, 4096, 32768, 65536, 200000};

static struct op *new_op(void)
{
	struct op *op = malloc(sizeof(*op));

	op_init(op);
	/* What it was used for before must not show. */
	memset(op->scratch, 'S', sizeof(op->scratch));
	return op;
}

static void begin(const char *base, const char *const *rules)
{
	fixture_view(&view, base, rules);
	assert_int_equal(fake_caller_init(&fake, "/", 022), 0);
	the_op = new_op();
}

static void end(void)
{
	free(the_op);
	fake_caller_release(&fake);
	fixture_free(&view);
}

static long inside_with(struct op *op, int fd, void *buffer, unsigned count, bool legacy)
{
	struct outcome out;
	int error;

	outcome_init(&out);
	op_begin(op, view.view, &who->caller, legacy ? SYS_getdents : SYS_getdents64);
	error = legacy ? vfs_getdents(op, fd, (uintptr_t)buffer, count, &out) :
			 vfs_getdents64(op, fd, (uintptr_t)buffer, count, &out);
	if (error < 0)
		return error;
	assert_int_equal(out.kind, OUT_VALUE);
	return (long)out.value;
}

static long list(const struct side *side, int fd, void *buffer, unsigned count)
{
	long len;

	if (side->inside)
		return inside_with(the_op, fd, buffer, count, side->legacy);
	len = syscall(side->legacy ? SYS_getdents : SYS_getdents64, fd, buffer, count);
	return len < 0 ? -errno : len;
}

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *text, const char *format, ...)
{
	va_list args;

	if (text->cap - text->len < 1024)
		text->data = realloc(text->data, text->cap = text->cap * 2 + 4096);
	va_start(args, format);
	text->len += (size_t)vsnprintf(text->data + text->len, text->cap - text->len, format, args);
	va_end(args);
}

static void same_text(const struct text *native, const struct text *inside)
{
	size_t at = 0, line = 0;

	while (at < native->len && at < inside->len && native->data[at] == inside->data[at]) {
		if (native->data[at++] == '\n')
			line = at;
	}
	if (at < native->len || at < inside->len)
		fail_msg("native: %.120s\ninside: %.120s", native->data + line, inside->data + line);
	free(native->data);
	free(inside->data);
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The stream of a listing by each count: names, types, offsets, lengths, bytes, position, errors. */
static void stream(const struct side *side, bool offsets, struct text *text)
{
	static char buffer[200000];

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int fd = open_directory(side->path);
		/* Longer counts than we read at a time may come in more parts. */
		bool parts = counts[i] <= 65536;
		long len;

		say(text, "count %u\n", counts[i]);
		while ((len = list(side, fd, buffer, counts[i])) > 0) {
			for (long at = 0; at < len;) {
				struct entry *entry = (struct entry *)(buffer + at);
				int type = side->legacy ? buffer[at + entry->length - 1] : entry->type;
				const char *name = entry->name - side->legacy;

				say(text, "%s type %d length %u", name, type, entry->length);
				say(text, offsets ? " next %lx\n" : "\n", (long)entry->next);
				at += entry->length;
			}
			if (parts)
				say(text, "  bytes %ld\n", len);
			if (parts && offsets)
				say(text, "  position %lx\n", (long)lseek(fd, 0, SEEK_CUR));
		}
		say(text, "end %ld\n", len);
		if (offsets)
			say(text, "end position %lx\n", (long)lseek(fd, 0, SEEK_CUR));
		close(fd);
	}
}

static void populate(const char *path, unsigned visible, bool hidden)
{
	char name[256];

	assert_int_equal(mkdir(path, 0755), 0);
	for (unsigned i = 0; i < visible; i++) {
		snprintf(name, sizeof(name), "v%u%s", i, i % 5 == 4 ? "_longer_than_the_others" : "");
		fixture_file(path, name, "");
		if (i % 3 || !hidden)
			continue;
		snprintf(name, sizeof(name), "h%u%s", i,
			 i % 2 ? "" : "_a_hidden_name_so_long_that_it_does_not_fit_the_smaller_of_the_buffers");
		fixture_file(path, name, "");
	}
	snprintf(name, sizeof(name), "%s/vdir", path);
	assert_int_equal(mkdir(name, 0755), 0);
	snprintf(name, sizeof(name), "%s/vlink", path);
	assert_int_equal(symlink("v0", name), 0);
	for (unsigned i = 0; hidden && i < 40; i++) {
		snprintf(name, sizeof(name), "h-tail-%u", i);
		fixture_file(path, name, "");
	}
}

static const char *const hide_h[] = {"hide @/inside/h*", NULL};

static void twins(const char *base, unsigned visible, bool legacy, struct side *native, struct side *inside)
{
	*native = (struct side){.legacy = legacy};
	*inside = (struct side){.inside = true, .legacy = legacy};
	snprintf(native->path, sizeof(native->path), "%s/native", base);
	snprintf(inside->path, sizeof(inside->path), "%s/inside", base);
	populate(native->path, visible, false);
	populate(inside->path, visible, true);
}

static void check_stream(bool ext4, unsigned visible, bool legacy)
{
	const char *base = fixture_directory(ext4);
	struct text by_native = {0}, by_inside = {0};
	struct side native, inside;

	if (!base)
		skip();
	twins(base, visible, legacy, &native, &inside);
	begin(base, hide_h);
	stream(&native, ext4, &by_native);
	stream(&inside, ext4, &by_inside);
	assert_non_null(strstr(by_native.data, "end -22"));
	assert_null(strstr(by_inside.data, "\nh"));
	same_text(&by_native, &by_inside);
	end();
	fixture_remove(base);
}

/*
 * Both twins in one block, or both in several: ext4 lists `.` and `..` first only in a directory of several blocks, so
 * that hidden names which make it one can be told from the order, as from its st_size.
 */
static void identical_on_ext4(void **state)
{
	(void)state;
	check_stream(true, 0, false);
	check_stream(true, 12, false);
	check_stream(true, 900, false);
	check_stream(true, 12, true);
	check_stream(true, 500, true);
}

/* On tmpfs the order is that of making: names must be right and come in order; offsets have gaps. */
static void in_order_on_tmpfs(void **state)
{
	(void)state;
	check_stream(false, 12, false);
	check_stream(false, 300, false);
	check_stream(false, 300, true);
}

/* Seeking to each offset that was told, in random order, gives the entry that followed it. */
static void check_seeking(bool ext4)
{
	enum { MOST = 2000 };
	static int64_t told[MOST];
	static char names[MOST][80];
	const char *base = fixture_directory(ext4);
	struct side native, inside;
	char buffer[512];
	unsigned count = 0, seed = 7;
	long len;
	int fd, twice;

	if (!base)
		skip();
	twins(base, 700, false, &native, &inside);
	begin(base, hide_h);
	fd = open_directory(inside.path);
	told[0] = 0;
	while ((len = list(&inside, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length) {
			struct entry *entry = (struct entry *)(buffer + at);

			snprintf(names[count], sizeof(names[0]), "%s", entry->name);
			told[++count] = entry->next;
		}
		assert_int_equal(lseek(fd, 0, SEEK_CUR), told[count]);
	}
	assert_int_equal(len, 0);
	assert_int_equal(count, 704);
	for (unsigned i = 0; i < 500; i++) {
		unsigned which;

		seed = seed * 1103515245 + 12345;
		which = (seed >> 8) % (count + 1);
		assert_int_equal(lseek(fd, told[which], SEEK_SET), told[which]);
		len = list(&inside, fd, buffer, i % 2 ? 120 : sizeof(buffer));
		assert_int_equal(len > 0, which < count);
		if (len > 0)
			assert_string_equal(((struct entry *)buffer)->name, names[which]);
	}
	/* rewinddir, and a duplicate that shares the position */
	lseek(fd, 0, SEEK_SET);
	twice = dup(fd);
	count = 0;
	while ((len = list(&inside, count % 2 ? fd : twice, buffer, 256)) > 0) {
		for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length)
			count++;
		assert_int_equal(lseek(fd, 0, SEEK_CUR), lseek(twice, 0, SEEK_CUR));
	}
	assert_int_equal(count, 704);
	close(twice);
	close(fd);
	end();
	fixture_remove(base);
}

static void seeking(void **state)
{
	(void)state;
	check_seeking(true);
	check_seeking(false);
}

/* A buffer that ends in memory that is not there: as many entries as fit, then EFAULT with nothing consumed. */
static void faults(void **state)
{
	const char *base = fixture_directory(true);
	struct text text[2] = {0};
	struct side side[2];
	char *pages;

	(void)state;
	if (!base)
		skip();
	twins(base, 50, false, &side[0], &side[1]);
	begin(base, hide_h);
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	for (unsigned room = 0; room < 600; room += 8) {
		for (int i = 0; i < 2; i++) {
			int fd = open_directory(side[i].path);
			long len;

			for (int calls = 0; calls < 3; calls++) {
				len = list(&side[i], fd, pages + 4096 - room, 600);
				say(&text[i], "room %u: %ld position %lx\n", room, len, (long)lseek(fd, 0, SEEK_CUR));
			}
			close(fd);
		}
	}
	assert_non_null(strstr(text[0].data, "-14"));
	same_text(&text[0], &text[1]);
	munmap(pages, 8192);
	end();
	fixture_remove(base);
}

/* Nothing of the buffers' earlier use gets into the padding, filtered or not. */
static void check_padding(const char *path, bool legacy)
{
	char buffer[4096];
	int fd = open_directory(path);
	long len;

	memset(the_op->scratch, 'S', sizeof(the_op->scratch));
	len = inside_with(the_op, fd, buffer, sizeof(buffer), legacy);
	assert_true(len > 0);
	for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length) {
		struct entry *entry = (struct entry *)(buffer + at);
		const char *name = entry->name - legacy;
		long used = name - (buffer + at) + (long)strlen(name) + 1;

		for (; used < entry->length - legacy; used++)
			assert_int_equal(buffer[at + used], 0);
	}
	close(fd);
}

static void padding_is_clear(void **state)
{
	const char *base = fixture_directory(false);
	struct side native, inside;

	(void)state;
	twins(base, 20, false, &native, &inside);
	begin(base, hide_h);
	for (int legacy = 0; legacy < 2; legacy++) {
		check_padding(native.path, legacy);
		check_padding(inside.path, legacy);
	}
	end();
	fixture_remove(base);
}

/* The sorted names of a directory, each with a space behind it; or the error. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_of(const char *path, char *ret, size_t size)
{
	static char buffer[65536];
	char *names[256];
	size_t count = 0, at = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long len;

	ret[0] = '\0';
	assert_true(fd >= 0);
	while ((len = inside_with(the_op, fd, buffer, sizeof(buffer), false)) > 0) {
		for (long i = 0; i < len; i += ((struct entry *)(buffer + i))->length) {
			const char *name = ((struct entry *)(buffer + i))->name;

			if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
				names[count++] = strdup(name);
		}
	}
	close(fd);
	if (len < 0) {
		snprintf(ret, size, "%ld", len);
		return;
	}
	qsort(names, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++) {
		at += (size_t)snprintf(ret + at, size - at, "%s ", names[i]);
		free(names[i]);
	}
}

static void verdicts(void **state)
{
	static const char *const rules[] = {
		"hide @/home", "show @/home/proj/x", "deny @/d/denied", "hide @/d/gone", "mask @/masked", "hide @/d/linked",
		"hide **/.env", NULL};
	static const struct {
		const char *directory, *names;
	} cases[] = {
		{"home", "proj "},	/* the way down alone */
		{"home/proj", "x "},
		{"home/proj/x", "a b "}, /* shown, but for .env */
		{"home/other", "-2"},
		{"d", "denied normal "}, /* denied is listed, hidden is not */
		{"d/denied", "-13"},
		{"d/gone", "-2"},
		{"masked", "one two "},
		{"links", "kept "}, /* another link of a hidden file */
	};
	static const char *const files[] = {"home/secret", "home/proj/y", "home/proj/x/a", "home/proj/x/b", "home/proj/x/.env",
					    "home/other/f", "d/normal", "d/linked", "d/denied/f", "d/gone/f", "masked/one",
					    "masked/two", "links/kept"};
	static const char *const directories[] = {"home", "home/proj", "home/proj/x", "home/other", "d", "d/denied", "d/gone",
						  "masked", "links"};
	const char *base = fixture_directory(true);
	char path[512], other[512], names[4096];

	(void)state;
	if (!base)
		base = fixture_directory(false);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, directories[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		fixture_file(base, files[i], "");
	snprintf(path, sizeof(path), "%s/d/linked", base);
	snprintf(other, sizeof(other), "%s/links/again", base);
	assert_int_equal(link(path, other), 0);
	begin(base, rules);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, cases[i].directory);
		names_of(path, names, sizeof(names));
		assert_string_equal(names, cases[i].names);
		/* A refusal by a rule is noted, with it. */
		assert_int_equal(the_op->refused.set, names[0] == '-');
		if (names[0] == '-')
			assert_true(the_op->refused.rule >= 0);
	}
	end();
	fixture_remove(base);
}

static void errors(void **state)
{
	const char *base = fixture_directory(false);
	char path[512], buffer[4096];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/inside", base);
	populate(path, 3, true);
	begin(base, hide_h);
	assert_int_equal(inside_with(the_op, 987654, buffer, sizeof(buffer), false), -EBADF);
	fd = open(path, O_PATH | O_CLOEXEC);
	assert_int_equal(inside_with(the_op, fd, buffer, sizeof(buffer), false), -EBADF);
	close(fd);
	fixture_file(base, "file", "");
	snprintf(path, sizeof(path), "%s/file", base);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(inside_with(the_op, fd, buffer, sizeof(buffer), false), -ENOTDIR);
	close(fd);
	/* a removed directory, and one that is really called so */
	snprintf(path, sizeof(path), "%s/removed", base);
	assert_int_equal(mkdir(path, 0755), 0);
	fd = open_directory(path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(inside_with(the_op, fd, buffer, sizeof(buffer), false), -ENOENT);
	assert_false(the_op->refused.set);
	close(fd);
	snprintf(path, sizeof(path), "%s/x (deleted)", base);
	assert_int_equal(mkdir(path, 0755), 0);
	names_of(path, buffer, sizeof(buffer));
	assert_string_equal(buffer, "");
	/* a count that is negative as the kernel takes it, and a caller that is gone */
	fd = open_directory(base);
	assert_int_equal(inside_with(the_op, fd, buffer, 0x80000000u, false), -EINVAL);
	fake.validate_error = -ESRCH;
	assert_int_equal(inside_with(the_op, fd, buffer, sizeof(buffer), false), -ESRCH);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	end();
	fixture_remove(base);
}

static bool proc_lists(pid_t pid)
{
	static char buffer[65536];
	char digits[16];
	int fd = open_directory("/proc");
	bool found = false;
	long len;

	snprintf(digits, sizeof(digits), "%d", pid);
	while ((len = inside_with(the_op, fd, buffer, 1000, false)) > 0) {
		for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length)
			found |= strcmp(((struct entry *)(buffer + at))->name, digits) == 0;
	}
	assert_int_equal(len, 0);
	close(fd);
	return found;
}

static void own_processes_are_absent(void **state)
{
	static const char *const none[] = {"mask @/nothing", NULL};
	const char *base = fixture_directory(false);

	(void)state;
	begin(base, none);
	assert_true(proc_lists(getpid()));
	view.view->own_pids[0] = 1;
	view.view->own_pids[1] = getpid();
	assert_false(proc_lists(getpid()));
	assert_true(proc_lists(getppid()) || getppid() == 0 || getppid() == 1);
	end();
	fixture_remove(base);
}

struct reader {
	pthread_t thread;
	int fd;
	unsigned seen[1000];
	unsigned bad;
};

static void *read_some(void *userdata)
{
	struct reader *reader = userdata;
	struct op *op = new_op();
	struct fake_caller mine;
	char buffer[300];
	long len;

	if (fake_caller_init(&mine, "/", 022) < 0)
		abort();
	who = &mine;
	while ((len = inside_with(op, reader->fd, buffer, sizeof(buffer), false)) > 0) {
		for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length) {
			const char *name = ((struct entry *)(buffer + at))->name;
			unsigned number;

			if (name[0] == 'h')
				reader->bad++;
			if (sscanf(name, "v%u", &number) == 1 && number < 1000)
				reader->seen[number]++;
		}
	}
	if (len)
		reader->bad++;
	fake_caller_release(&mine);
	free(op);
	return NULL;
}

/* Threads that share a description each get a part; together every name once. */
static void threads_share(void **state)
{
	static struct reader readers[4];
	const char *base = fixture_directory(false);
	struct side native, inside;
	int fd;

	(void)state;
	twins(base, 900, false, &native, &inside);
	begin(base, hide_h);
	fd = open_directory(inside.path);
	memset(readers, 0, sizeof(readers));
	for (int i = 0; i < 4; i++) {
		readers[i].fd = fd;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_some, &readers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(readers[i].thread, NULL);
	for (unsigned n = 0; n < 900; n++) {
		unsigned sum = 0;

		for (int i = 0; i < 4; i++)
			sum += readers[i].seen[n];
		assert_int_equal(sum, 1);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(readers[i].bad, 0);
	close(fd);
	end();
	fixture_remove(base);
}

static int tests(void)
{
	const struct CMUnitTest list_tests[] = {
		cmocka_unit_test(identical_on_ext4), cmocka_unit_test(in_order_on_tmpfs),
		cmocka_unit_test(seeking),	     cmocka_unit_test(faults),
		cmocka_unit_test(padding_is_clear),  cmocka_unit_test(verdicts),
		cmocka_unit_test(errors),	     cmocka_unit_test(own_processes_are_absent),
		cmocka_unit_test(threads_share),
	};

	return cmocka_run_group_tests(list_tests, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
