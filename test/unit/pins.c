/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of literal rules by identity. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vfs/overlay/pins.h"
#include "view_fixture.h"

static const char *base;
static struct fixture view;

static int set_up(void **state)
{
	(void)state;
	/* Where a freed inode number goes to the next file at once, if there is such a place. */
	base = fixture_directory(true);
	if (!base)
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
	static char paths[2][512];
	static int which;

	which = !which;
	snprintf(paths[which], sizeof(paths[which]), "%s/%s", base, name);
	return paths[which];
}

static struct verdict judged(const char *name)
{
	const char *path = path_of(name);
	struct verdict verdict;
	struct stat stat;

	assert_int_equal(lstat(path, &stat), 0);
	policy_verdict(view.policy, path, strlen(path), &verdict);
	pins_apply(view.view->pins, view.policy, stat.st_dev, stat.st_ino, &verdict);
	return verdict;
}

static dev_t device_of(const char *path)
{
	struct stat stat;

	assert_int_equal(lstat(path, &stat), 0);
	return stat.st_dev;
}

static void another(const char *name, const char *link_name)
{
	assert_int_equal(link(path_of(name), path_of(link_name)), 0);
}

static void none(void **state)
{
	static const char *const rules[] = {"hide @/absent", "hide **/.env", NULL};

	(void)state;
	fixture_file(base, "f", "");
	fixture_view(&view, base, rules);
	assert_false(pins_any(view.view->pins));
	assert_false(pins_any_hidden(view.view->pins, device_of(base)));
	assert_int_equal(judged("f").visibility, VIS_SHOW);
}

/* What is not there is remembered, and only that: neighbours in name, and what lies beside and above, are found. */
static void beside_the_absent(void **state)
{
	static const char *const rules[] = {"hide @/no/a",   "hide @/no/deep/er/b", "hide @/nobody",  "hide @/no/c",
					    "hide @/is/no/d", "hide @/is/there",     "hide @/is/gone", "hide @/is/no/e",
					    "hide @/is/too",  "hide @/nobody/under", "hide @/beside",  NULL};
	static const char *const found[] = {"nobody", "is/there", "is/too", "beside"};

	(void)state;
	assert_int_equal(mkdir(path_of("is"), 0700), 0);
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		char link_name[32];

		fixture_file(base, found[i], "");
		snprintf(link_name, sizeof(link_name), "link-%zu", i);
		another(found[i], link_name);
	}
	fixture_view(&view, base, rules);
	for (unsigned i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
		char link_name[32];

		snprintf(link_name, sizeof(link_name), "link-%u", i);
		assert_int_equal(judged(link_name).visibility, VIS_HIDE);
	}
}

static void every_part_by_another_link(void **state)
{
	static const char *const rules[] = {"hide @/h", "deny @/d", "mask @/m", "append @/a", "readonly @/r", "mask @/two",
					    "readonly @/two", "hide @/glob*", NULL};

	(void)state;
	for (const char *const *name = (const char *const[]){"h", "d", "m", "a", "r", "two", "glob", "plain", NULL}; *name;
	     name++) {
		char link_name[32];

		fixture_file(base, *name, "");
		snprintf(link_name, sizeof(link_name), "link-%s", *name);
		another(*name, link_name);
	}
	fixture_view(&view, base, rules);
	assert_true(pins_any_hidden(view.view->pins, device_of(base)));
	assert_false(pins_any_hidden(view.view->pins, device_of("/proc")));
	assert_int_equal(judged("link-h").visibility, VIS_HIDE);
	assert_int_equal(judged("link-h").visibility_rule, 0);
	assert_int_equal(judged("link-d").visibility, VIS_DENY);
	assert_int_equal(judged("link-m").content, CONTENT_MASK);
	assert_int_equal(judged("link-m").visibility, VIS_SHOW);
	assert_int_equal(judged("link-a").write, WRITE_APPEND);
	assert_int_equal(judged("link-r").write, WRITE_READONLY);
	assert_int_equal(judged("link-two").content, CONTENT_MASK);
	assert_int_equal(judged("link-two").write, WRITE_READONLY);
	assert_int_equal(judged("link-glob").visibility, VIS_SHOW); /* globs follow names alone */
	assert_int_equal(judged("link-plain").write, WRITE_FREE);
	/* A link made later too. */
	another("h", "later");
	assert_int_equal(judged("later").visibility, VIS_HIDE);
}

static void the_later_rule_wins(void **state)
{
	static const char *const rules[] = {"hide @/early", "show @/shown/*", "hide @/late", "mask @/m", "plain @/m",
					    "hide @/again", "show @/ag*", "hide @/other/*", "hide @/first", "deny @/second", NULL};

	(void)state;
	assert_int_equal(mkdir(path_of("shown"), 0755), 0);
	assert_int_equal(mkdir(path_of("other"), 0755), 0);
	fixture_file(base, "early", "");
	fixture_file(base, "late", "");
	fixture_file(base, "m", "");
	fixture_file(base, "again", "");
	fixture_file(base, "first", "");
	another("early", "shown/early");
	another("late", "shown/late");
	another("m", "m2");
	another("again", "x");
	another("again", "other/again");
	another("first", "second");
	another("first", "third");
	fixture_view(&view, base, rules);
	assert_int_equal(judged("shown/early").visibility, VIS_SHOW);
	assert_int_equal(judged("shown/late").visibility, VIS_HIDE);
	assert_int_equal(judged("m2").content, CONTENT_PLAIN);
	assert_int_equal(judged("x").visibility, VIS_SHOW); /* as at its own path */
	assert_int_equal(judged("other/again").visibility, VIS_HIDE);
	assert_int_equal(judged("third").visibility, VIS_DENY); /* of two rules for one object */
	assert_int_equal(judged("first").visibility, VIS_DENY);
}

static void directories_and_the_way_down(void **state)
{
	static const char *const rules[] = {"hide @/home", "show @/home/proj", NULL};
	struct verdict verdict = {.visibility_rule = RULE_NONE, .content_rule = RULE_NONE, .write_rule = RULE_NONE};
	struct stat object;

	(void)state;
	assert_int_equal(mkdir(path_of("home"), 0755), 0);
	assert_int_equal(mkdir(path_of("home/proj"), 0755), 0);
	fixture_view(&view, base, rules);
	assert_int_equal(judged("home").visibility, VIS_WAY);
	assert_int_equal(judged("home/proj").visibility, VIS_SHOW);
	/* by another mount */
	assert_int_equal(stat(path_of("home"), &object), 0);
	pins_apply(view.view->pins, view.policy, object.st_dev, object.st_ino, &verdict);
	assert_int_equal(verdict.visibility, VIS_HIDE);
}

static void symlinks_are_objects(void **state)
{
	static const char *const rules[] = {"hide @/link", NULL};

	(void)state;
	fixture_file(base, "target", "");
	assert_int_equal(symlink("target", path_of("link")), 0);
	assert_int_equal(linkat(AT_FDCWD, path_of("link"), AT_FDCWD, path_of("link2"), 0), 0);
	fixture_view(&view, base, rules);
	assert_true(judged("link2").visibility == VIS_HIDE || judged("target").visibility == VIS_HIDE);
}

/* The number of a file that a rule holds does not go to another file when its last name is gone. */
static void numbers_are_not_given_away(void **state)
{
	static const char *const rules[] = {"hide @/f", NULL};
	struct stat old, new;
	char name[32];

	(void)state;
	fixture_file(base, "f", "");
	fixture_view(&view, base, rules);
	assert_int_equal(stat(path_of("f"), &old), 0);
	fixture_file(base, "f.new", "");
	assert_int_equal(rename(path_of("f.new"), path_of("f")), 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fixture_file(base, name, "");
		assert_int_equal(stat(path_of(name), &new), 0);
		assert_true(new.st_ino != old.st_ino);
		assert_int_equal(judged(name).visibility, VIS_SHOW);
	}
}

/* Beyond the bound a match is confirmed at the rule's own path. */
static void beyond_the_bound(void **state)
{
	enum { COUNT = PINS_MAX + 60 };
	static char texts[COUNT][64];
	const char *rules[COUNT + 1] = {0};
	char name[32], link_name[32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "hide @/f%d", i);
		rules[i] = texts[i];
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(link_name, sizeof(link_name), "link%d", i);
		fixture_file(base, name, "");
		another(name, link_name);
	}
	fixture_view(&view, base, rules);
	for (int i = 0; i < COUNT; i++) {
		snprintf(link_name, sizeof(link_name), "link%d", i);
		assert_int_equal(judged(link_name).visibility, VIS_HIDE);
		assert_int_equal(judged(link_name).visibility_rule, i);
	}
	/* Replaced: what was held stays covered, the others' old objects are not. */
	for (int i = 0; i < COUNT; i += COUNT - 1) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(link_name, sizeof(link_name), "link%d", i);
		fixture_file(base, "new", "");
		assert_int_equal(rename(path_of("new"), path_of(name)), 0);
		assert_int_equal(judged(link_name).visibility, i ? VIS_SHOW : VIS_HIDE);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int tests(void)
{
	const struct CMUnitTest list[] = {
		TEST(none),
		TEST(beside_the_absent), TEST(every_part_by_another_link),
		TEST(the_later_rule_wins),
		TEST(directories_and_the_way_down),
		TEST(symlinks_are_objects),
		TEST(numbers_are_not_given_away),
		TEST(beyond_the_bound),
	};

	return cmocka_run_group_tests(list, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
