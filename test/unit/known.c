/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that are made at once because the path is known to lead to a regular file: the table, what they show beside the
 * kernel's, and that a path that leads elsewhere by now is opened and judged as if nothing had been known.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "duel.h"
#include "vfs/known.h"

static const struct twin_call calls[] = {
	{SYS_open, handle_open},     {SYS_openat, handle_openat}, {SYS_openat2, handle_openat2}, {SYS_stat, handle_stat},
	{SYS_mknod, handle_mknod},   {SYS_link, handle_link},	  {SYS_rename, handle_rename},	 {SYS_renameat2, handle_renameat2},
	{SYS_mkdir, handle_mkdir},   {SYS_unlink, handle_unlink}, {0, NULL},
};

static const char *const rules[] = {"hide @/tree/secret*", "hide @/tree/hidden", "readonly @/tree/fixed",
				    "append @/tree/log", "mask @/tree/masked", NULL};

static struct duel d;

static void begin(bool ext4)
{
	duel_begin(&d, ext4, calls);
	duel_file(&d, "f", 0644, "content");
	duel_file(&d, "secret", 0644, "secret");
	duel_mkdir(&d, "hidden", 0755);
	duel_file(&d, "hidden/f", 0644, "secret");
	duel_mkdir(&d, "d", 0755);
	duel_file(&d, "d/f", 0644, "content");
	duel_file(&d, "fixed", 0644, "content");
	duel_file(&d, "log", 0644, "content");
	duel_file(&d, "masked", 0644, "content");
	duel_rules(&d, rules);
}

static const char *at(const char *name)
{
	static char paths[4][512];
	static unsigned which;

	which = (which + 1) % 4;
	snprintf(paths[which], sizeof(paths[which]), "%s/%s", d.tree, name);
	return paths[which];
}

static void know(const char *name)
{
	const char *path = at(name);

	known_note(d.fixture.view->known, known_moment(d.fixture.view->known), path, strlen(path));
}

static bool is_known(const char *name)
{
	const char *path = at(name);

	return known_regular(d.fixture.view->known, path, strlen(path));
}

static void test_table(void **state)
{
	struct known *known;

	(void)state;
	assert_int_equal(known_new(&known), 0);
	for (int attempt = 0;; attempt++) {
		uint64_t moment = known_moment(known), later;
		bool a, b, c;

		known_note(known, moment, "/a/b", 4);
		a = known_regular(known, "/a/b", 4);
		b = known_regular(known, "/a/c", 4) || known_regular(known, "/a/b/", 5) || known_regular(known, "/a/", 3);
		known_note(known, moment, "/a/d", 4);
		known_drop(known, "/a/d", 4);
		b |= known_regular(known, "/a/d", 4);
		known_drop(known, "/a/e", 4);
		a &= known_regular(known, "/a/b", 4);
		known_forget(known);
		c = known_regular(known, "/a/b", 4);
		/* Looked at before something was forgotten, noted after. */
		known_note(known, moment, "/a/b", 4);
		c |= known_regular(known, "/a/b", 4);
		later = known_moment(known);
		assert_true(later != moment);
		assert_false(b);
		assert_false(c);
		if (a)
			break;
		/* A second may have passed in between; not a hundred times. */
		assert_true(attempt < 100);
	}
	known_free(known);
}

/* The one flag by which an open at once can be told: it is natively so, and from /proc/self/fd it could not be. */
static bool was_at_once(void)
{
	return d.inside.has_fd && (d.inside.status & O_NOFOLLOW) && !d.inside.errand;
}

static const int flags[] = {
	O_RDONLY,	      O_RDWR,	    O_WRONLY | O_APPEND,  O_RDONLY | O_NONBLOCK, O_RDWR | O_APPEND | O_NONBLOCK,
	O_RDONLY | O_CLOEXEC, O_WRONLY | O_NOCTTY,
};

static void as_natively(bool ext4)
{
	static const char *const names[] = {"f", "d/f", "./f", "d//f"};

	begin(ext4);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (size_t k = 0; k < ARRAY_LEN(flags); k++) {
			for (int absolute = 0; absolute < 2; absolute++) {
				const char *text = absolute ? at(names[i]) : names[i];
				unsigned entered = d.fake.entered;
				int attempt = 0;

				/* Through `./` inside an absolute text goes the other road. */
				if (absolute && strstr(names[i], "./"))
					continue;
				do {
					know(strchr(names[i], 'd') ? "d/f" : "f");
					duel_same(&d, text, SYS_openat,
						  TWIN_ARGS((uint64_t)AT_FDCWD, P(text), (uint64_t)(flags[k] | O_NOFOLLOW), 0));
					assert_int_equal(d.inside.result, 0);
				} while (!was_at_once() && attempt++ < 100);
				assert_true(was_at_once());
				assert_int_equal(d.native.status, d.inside.status);
				assert_int_equal(d.fake.entered > entered, !absolute);
			}
		}
	}
	/* A directory is one by O_DIRECTORY. */
	duel_same(&d, "d", SYS_openat, TWIN_ARGS((uint64_t)AT_FDCWD, P("d/"), O_DIRECTORY | O_NOFOLLOW, 0));
	assert_true(was_at_once());
	duel_same(&d, "f", SYS_openat, TWIN_ARGS((uint64_t)AT_FDCWD, P("f"), O_DIRECTORY | O_NOFOLLOW, 0));
	assert_int_equal(d.inside.result, -ENOTDIR);
	/* A look makes it known. */
	for (int attempt = 0; attempt < 100 && !is_known("f"); attempt++) {
		known_forget(d.fixture.view->known);
		duel_same(&d, "stat", SYS_stat, TWIN_ARGS(P(at("f")), P(duel_buffer)));
	}
	assert_true(is_known("f"));
	duel_end(&d);
}

static void test_as_natively_ext4(void **state)
{
	(void)state;
	as_natively(true);
}

static void test_as_natively_tmpfs(void **state)
{
	(void)state;
	as_natively(false);
}

static long open_known(const char *name, int open_flags)
{
	know(name);
	return duel_inside(&d, SYS_openat, TWIN_ARGS((uint64_t)AT_FDCWD, P(name), (uint64_t)open_flags, 0));
}

/* What rules speak of is not opened at once, whatever is known. */
static void test_rules(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(open_known("secret", O_RDONLY | O_NOFOLLOW), -ENOENT);
	assert_int_equal(open_known("hidden/f", O_RDONLY | O_NOFOLLOW), -ENOENT);
	assert_int_equal(open_known("fixed", O_RDWR), -EROFS);
	assert_int_equal(open_known("log", O_RDWR), -EPERM);
	assert_int_equal(open_known("log", O_WRONLY), 0);
	assert_true(d.inside.status & O_APPEND);
	assert_int_equal(open_known("masked", O_RDWR), -EACCES);
	assert_int_equal(open_known("masked", O_RDONLY), 0);
	assert_int_equal(d.inside.stat.st_size, 0);
	assert_int_equal(open_known("f", O_RDWR | O_TRUNC | O_NOFOLLOW), 0);
	assert_false(was_at_once());
	duel_end(&d);
}

/* Somebody outside put something else there. */
static void test_changed(void **state)
{
	char hidden[512];
	int other;

	(void)state;
	begin(true);
	snprintf(hidden, sizeof(hidden), "%s", at("hidden"));
	assert_int_equal(unlink(at("f")), 0);
	assert_int_equal(open_known("f", O_RDONLY), -ENOENT);

	assert_int_equal(symlink("secret", at("f")), 0);
	assert_int_equal(open_known("f", O_RDONLY), -ENOENT);
	assert_int_equal(open_known("f", O_RDONLY | O_NOFOLLOW), -ELOOP);
	assert_int_equal(unlink(at("f")), 0);

	/* The very object of a literal rule by another of its names. */
	assert_int_equal(link(at("fixed"), at("f")), 0);
	assert_int_equal(open_known("f", O_RDWR), -EROFS);
	assert_int_equal(open_known("f", O_RDONLY | O_NOFOLLOW), 0);
	assert_false(was_at_once());
	assert_int_equal(unlink(at("f")), 0);

	/* Through a directory that became a link to a hidden one. */
	assert_int_equal(unlink(at("d/f")), 0);
	assert_int_equal(rmdir(at("d")), 0);
	assert_int_equal(symlink(hidden, at("d")), 0);
	assert_int_equal(open_known("d/f", O_RDONLY), -ENOENT);

	/* A FIFO is the caller's own to wait for. With another end open it does not have to. */
	assert_int_equal(mkfifo(at("f"), 0644), 0);
	other = open(at("f"), O_RDWR | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(open_known("f", O_RDONLY), 0);
	assert_true(d.inside.errand);
	assert_int_equal(open_known("f", O_WRONLY), 0);
	assert_true(d.inside.errand);
	close(other);
	assert_int_equal(open_known("f", O_WRONLY | O_NONBLOCK), -ENXIO);
	assert_int_equal(unlink(at("f")), 0);

	assert_int_equal(mkdir(at("f"), 0755), 0);
	assert_int_equal(open_known("f", O_RDWR), -EISDIR);
	assert_int_equal(open_known("f", O_RDONLY), 0);
	assert_true(S_ISDIR(d.inside.stat.st_mode));
	assert_int_equal(rmdir(at("f")), 0);
	if (mknod(at("f"), S_IFCHR | 0644, makedev(5, 2)) == 0) {
		assert_int_equal(open_known("f", O_RDONLY | O_NONBLOCK), open(at("f"), O_RDONLY | O_NONBLOCK) < 0 ? -errno : 0);
	} else {
		assert_false(fixture_is_root());
	}
	duel_end(&d);
}

/* What the view's own calls put there is forgotten before they are answered. */
static void test_forgotten(void **state)
{
	static const struct {
		const char *what;
		int nr;
		bool forgets;
		unsigned mode;
	} cases[] = {
		{"a FIFO", SYS_mknod, true, S_IFIFO | 0644},
		{"a link of a FIFO", SYS_link, true, S_IFIFO | 0644},
		{"a FIFO moved", SYS_rename, true, S_IFIFO | 0644},
		{"a directory moved", SYS_rename, true, S_IFDIR | 0755},
		{"a file moved", SYS_rename, false, S_IFREG | 0644},
		{"a link of a file", SYS_link, false, S_IFREG | 0644},
		{"an exchange", SYS_renameat2, true, S_IFIFO | 0644},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool directory = S_ISDIR(cases[i].mode), exchange = cases[i].nr == SYS_renameat2, kept = false;

		for (int attempt = 0; attempt < 100; attempt++) {
			begin(true);
			if (!exchange)
				assert_int_equal(unlink(at("f")), 0);
			if (cases[i].nr != SYS_mknod)
				assert_int_equal(directory ? mkdir(at("new"), 0755) : mknod(at("new"), cases[i].mode, 0), 0);
			know("f");
			if (cases[i].nr == SYS_mknod)
				assert_int_equal(duel_inside(&d, SYS_mknod, TWIN_ARGS(P("f"), cases[i].mode, 0)), 0);
			else if (exchange)
				assert_int_equal(duel_inside(&d, SYS_renameat2,
							     TWIN_ARGS((uint64_t)AT_FDCWD, P("f"), (uint64_t)AT_FDCWD, P("new"), 2)), 0);
			else
				assert_int_equal(duel_inside(&d, cases[i].nr, TWIN_ARGS(P("new"), P("f"))), 0);
			kept = is_known("f");
			duel_end(&d);
			/* Where it is to be kept, a second may have passed. */
			if (kept || cases[i].forgets)
				break;
		}
		if (kept == cases[i].forgets)
			fail_msg("%s: %s", cases[i].what, kept ? "still known" : "forgotten");
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_as_natively_ext4),
		cmocka_unit_test(test_as_natively_tmpfs), cmocka_unit_test(test_rules),
		cmocka_unit_test(test_changed),	  cmocka_unit_test(test_forgotten),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
