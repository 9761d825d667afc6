/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk beside the kernel: RESOLVE_ flags, procfs and its magic links, places without a path, places too deep for
 * one, and some thousand paths made at random.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
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

#include "base/cleanup.h"
#include "duel.h"

static const struct twin_call calls[] = {
	{SYS_open, handle_open},	     {SYS_openat, handle_openat},	  {SYS_openat2, handle_openat2},
	{SYS_stat, handle_stat},	     {SYS_lstat, handle_lstat},		  {SYS_newfstatat, handle_newfstatat},
	{SYS_access, handle_access},	     {SYS_readlink, handle_readlink},	  {SYS_readlinkat, handle_readlinkat},
	{SYS_getcwd, handle_getcwd},	     {SYS_chdir, handle_chdir},		  {SYS_faccessat2, handle_faccessat2},
	{SYS_fstat, handle_fstat},	     {SYS_statx, handle_statx},		  {SYS_getdents64, handle_getdents64},
	{0, NULL},
};

static struct duel d;

#define OUT_BUFFER P(duel_buffer)
#define inside(nr, ...) duel_inside(&d, nr, TWIN_ARGS(__VA_ARGS__))
#define same(what, nr, ...) duel_same(&d, what, nr, TWIN_ARGS(__VA_ARGS__))

static void begin(bool ext4, const char *const *rules)
{
	duel_begin(&d, ext4, calls);
	duel_populate(&d);
	duel_rules(&d, rules);
}

static int open_in(const char *name, int flags)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d.tree, name);
	fd = open(path, flags | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	return fd;
}

static const uint64_t resolves[] = {
	0,
	RESOLVE_BENEATH,
	RESOLVE_IN_ROOT,
	RESOLVE_NO_XDEV,
	RESOLVE_NO_SYMLINKS,
	RESOLVE_NO_MAGICLINKS,
	RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	RESOLVE_BENEATH | RESOLVE_IN_ROOT,
	RESOLVE_CACHED | 0x40,
	1ull << 40,
};

/* What matters to resolving most, and links of procfs. */
static const char *const special[] = {
	"/proc/self/cwd",	 "/proc/self/cwd/f",	    "/proc/self/root/dev/null", "/proc/self/exe",  "/proc/self/exe/",
	"/proc/self/fd/@",	 "/proc/self/fd/@/up-f",   "/proc/self/fd/@/..",	"/proc/self/fd/999", "/dev/fd/@/full",
	"/proc/thread-self/cwd/d", "/proc/self/task/../cwd/f", "/proc/./self/cwd/to-f", "to-proc/cwd/f",	  "to-proc/cwd/../tree/f",
	"to-proc/fd/@/full/x",	 "to-proc/exe",		    "to-root/proc/self/cwd",	"../tree/f",	   "../../..",
	"d/../../tree/f",	 "/..",			    "/../dev/null",		"up/tree",	   "/proc/self/fd/@/full/out/f",
	"../../../../../../../dev/null", "/dev/pts", "/dev/pts/..", "/dev/pts/../null", "to-root/dev/pts", "/proc/self/ns/mnt",
	"/proc/self/fdinfo/@",	 "/proc/self/mounts",	    "/proc/self/limits",	"/proc/self/mem",  "/proc/self/absent/x",
	"/proc/self/attr/../cwd",
};

/* `@` in SPECIAL stands for the descriptor. */
static const char *special_text(size_t i, int fd, char text[256])
{
	const char *at = strchr(special[i], '@');

	if (at)
		snprintf(text, 256, "%.*s%d%s", (int)(at - special[i]), special[i], fd, at + 1);
	else
		snprintf(text, 256, "%s", special[i]);
	return text;
}

static void resolve_one(int dirfd, const char *text, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0600 : 0, .resolve = resolve};
	char message[300];

	snprintf(message, sizeof(message), "openat2(%d, %.100s, %#llo, %#llx)", dirfd, text, (unsigned long long)flags,
		 (unsigned long long)resolve);
	duel_same(&d, message, SYS_openat2, TWIN_ARGS((uint64_t)dirfd, P(text), P(&how), sizeof(how)));
}

static void compare_resolve(bool ext4, size_t rules)
{
	/* O_NONBLOCK: there is a FIFO. */
	static const uint64_t flags[] = {O_RDONLY | O_NONBLOCK, O_PATH | O_NOFOLLOW, O_PATH, O_RDWR | O_CREAT | O_NONBLOCK};
	char text[256];

	begin(ext4, duel_rule_sets[rules]);
	d.at_home = true;
	const int dirfds[] = {AT_FDCWD, open_in(".", O_PATH), open_in("d/full", O_RDONLY | O_DIRECTORY)};

	for (size_t r = 0; r < ARRAY_LEN(resolves); r++) {
		for (size_t f = 0; f < ARRAY_LEN(flags); f++) {
			for (size_t k = 0; k < ARRAY_LEN(dirfds); k++) {
				for (size_t i = 0; i < ARRAY_LEN(special); i++) {
					/* Writing memory is never allowed inside; the program itself nobody may write. */
					if (f == 3 && (strstr(special[i], "/mem") || strstr(special[i], "/exe")))
						continue;
					resolve_one(dirfds[k], special_text(i, dirfds[2], text), flags[f], resolves[r]);
				}
				for (size_t i = 0; i < duel_name_count() - 8 && resolves[r]; i++)
					resolve_one(dirfds[k], duel_names[i], flags[f], resolves[r]);
			}
		}
	}
	close(dirfds[1]);
	close(dirfds[2]);
	duel_end(&d);
}

static void test_resolve(void **state)
{
	(void)state;
	compare_resolve(true, 2);
	compare_resolve(false, 0);
}

/* The struct of openat2(2): sizes, tails, flags that it does not know. */
static void test_open_how(void **state)
{
	static const uint64_t sizes[] = {0, 8, 23, 24, 25, 32, 4095, 4096, 4097, 1ull << 33};
	static const struct open_how hows[] = {
		{.flags = O_RDONLY, .mode = 0600},
		{.flags = O_CREAT | O_RDWR, .mode = 010000},
		{.flags = O_TMPFILE | O_RDWR, .mode = 0600},
		{.flags = 0x80000000ull},
		{.flags = 1ull << 40},
		{.flags = O_PATH | O_RDWR},
		{.flags = O_PATH | O_CREAT, .mode = 0600},
		{.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC},
		{.flags = O_DIRECTORY | O_CREAT, .mode = 0600},
		{.flags = O_TMPFILE & ~(uint64_t)O_DIRECTORY, .mode = 0600},
		{.flags = O_TRUNC | O_RDWR, .resolve = RESOLVE_CACHED},
		{.flags = O_CREAT | O_RDWR, .mode = 0600, .resolve = RESOLVE_CACHED},
		{.flags = O_RDWR, .resolve = 0x40},
	};
	static struct {
		struct open_how how;
		char tail[4096];
	} big;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(page != MAP_FAILED);
	assert_int_equal(munmap(page + 4096, 4096), 0);
	begin(true, duel_rule_sets[0]);
	for (int tail = 0; tail < 2; tail++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			big.tail[0] = (char)tail;
			same("size", SYS_openat2, JUNK(AT_FDCWD), P("f"), P(&big), sizes[i]);
			same("size and bad path", SYS_openat2, JUNK(AT_FDCWD), 8, P(&big), sizes[i]);
			same("size and bad struct", SYS_openat2, JUNK(AT_FDCWD), P("f"), 8, sizes[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		same("how", SYS_openat2, JUNK(AT_FDCWD), P("f"), P(&hows[i]), 24);
		same("how of a directory", SYS_openat2, JUNK(AT_FDCWD), P("d"), P(&hows[i]), 24);
		same("how of an absent name", SYS_openat2, JUNK(AT_FDCWD), P("absent"), P(&hows[i]), 24);
		same("how before the path", SYS_openat2, JUNK(AT_FDCWD), 8, P(&hows[i]), 24);
	}
	same("at the end of a page", SYS_openat2, JUNK(AT_FDCWD), P("f"), P(page + 4096 - 24), 24);
	same("over the end of a page", SYS_openat2, JUNK(AT_FDCWD), P("f"), P(page + 4096 - 16), 24);
	same("tail over the end of a page", SYS_openat2, JUNK(AT_FDCWD), P("f"), P(page + 4096 - 24), 32);
	munmap(page, 4096);
	duel_end(&d);
}

/* Calls on procfs and through its magic links. */
static void test_proc(void **state)
{
	char text[256];
	int dir;

	(void)state;
	for (size_t rules = 0; rules < 3; rules += 2) {
		begin(true, duel_rule_sets[rules]);
		d.at_home = true;
		dir = open_in("d", O_RDONLY | O_DIRECTORY);
		for (size_t i = 0; i < ARRAY_LEN(special); i++) {
			special_text(i, dir, text);
			if (!strstr(text, "/dev/pts"))
				same(text, SYS_lstat, P(text), OUT_BUFFER);
			same(text, SYS_access, P(text), R_OK);
			same(text, SYS_readlink, P(text), OUT_BUFFER, 4096);
			same(text, SYS_readlink, P(text), OUT_BUFFER, 3);
			same(text, SYS_chdir, P(text));
		}
		close(dir);
		duel_end(&d);
	}
}

/* Objects that no path leads to: what was walked before must not be what they are judged by. */
static void test_detached(void **state)
{
	static const char *const rules[] = {"hide @/tree/d", "deny @/tree/fixed", "readonly @/tree/sticky",
					    "mask @/tree/run", NULL};
	static const char *const before[] = {"d", "fixed", "sticky", "run", "f"};
	char gone[256], file[256], text[256];
	int fd, pipes[2], object;

	(void)state;
	begin(true, rules);
	d.at_home = true;
	duel_mkdir(&d, "gone", 0755);
	duel_file(&d, "unlinked", 0644, "content");
	fd = open_in("gone", O_RDONLY | O_DIRECTORY);
	object = open_in("unlinked", O_RDWR);
	snprintf(gone, sizeof(gone), "%s/gone", d.tree);
	assert_int_equal(rmdir(gone), 0);
	snprintf(text, sizeof(text), "%s/unlinked", d.tree);
	assert_int_equal(unlink(text), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	snprintf(gone, sizeof(gone), "/proc/self/fd/%d", fd);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", object);
	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		inside(SYS_stat, P(before[i]), OUT_BUFFER);
		same(before[i], SYS_newfstatat, (uint64_t)fd, P("."), OUT_BUFFER, 0);
		inside(SYS_stat, P(before[i]), OUT_BUFFER);
		same(before[i], SYS_newfstatat, (uint64_t)fd, P("x"), OUT_BUFFER, 0);
		inside(SYS_openat, (uint64_t)AT_FDCWD, P(before[i]), O_RDWR);
		same(before[i], SYS_openat, (uint64_t)fd, P("x"), O_RDWR | O_CREAT, 0600);
		inside(SYS_openat, (uint64_t)AT_FDCWD, P(before[i]), O_RDWR);
		same(before[i], SYS_openat, (uint64_t)fd, P("."), O_RDONLY);
		inside(SYS_openat, (uint64_t)AT_FDCWD, P(before[i]), O_RDWR);
		same(before[i], SYS_stat, P(gone), OUT_BUFFER);
		inside(SYS_openat, (uint64_t)AT_FDCWD, P(before[i]), O_RDWR);
		same(before[i], SYS_openat, (uint64_t)AT_FDCWD, P(file), O_RDWR);
		same(before[i], SYS_access, P(file), W_OK);
		same(before[i], SYS_newfstatat, (uint64_t)fd, P("../f"), OUT_BUFFER, 0);
		snprintf(text, sizeof(text), "/proc/self/fd/%d", pipes[1]);
		same(before[i], SYS_openat, (uint64_t)AT_FDCWD, P(text), O_WRONLY | O_NONBLOCK);
	}
	resolve_one(fd, "..", O_RDONLY, RESOLVE_BENEATH);
	resolve_one(fd, "../f", O_RDONLY, RESOLVE_IN_ROOT);
	close(fd);
	close(object);
	close(pipes[0]);
	close(pipes[1]);
	duel_end(&d);
}

static void test_getcwd(void **state)
{
	static const uint64_t sizes[] = {0, 1, 10, 4096, 1ull << 40};
	char path[512];
	size_t len;

	(void)state;
	begin(true, duel_rule_sets[2]);
	len = strlen(d.tree);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		same("getcwd", SYS_getcwd, OUT_BUFFER, sizes[i]);
		same("getcwd at a bad address", SYS_getcwd, 8, sizes[i]);
	}
	same("one too short", SYS_getcwd, OUT_BUFFER, len);
	same("just enough", SYS_getcwd, OUT_BUFFER, len + 1);
	duel_mkdir(&d, "gone", 0755);
	snprintf(path, sizeof(path), "%s/gone", d.tree);
	assert_int_equal(fake_caller_chdir(&d.fake, path), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(inside(SYS_getcwd, OUT_BUFFER, 4096), -ENOENT);
	assert_int_equal(inside(SYS_stat, P("x"), OUT_BUFFER), -ENOENT);
	assert_int_equal(inside(SYS_stat, P("."), OUT_BUFFER), 0);
	assert_int_equal(inside(SYS_chdir, P("..")), 0);
	assert_string_equal(d.inside.path, d.tree);
	duel_end(&d);
}

/* Directories whose path no call tells: a caller stands there and goes on by relative names. */
static void test_deep(void **state)
{
	static const char *const rules[] = {"hide **/.env", "readonly @/tree/deep/**/ro", "hide @/tree/deep/**/last", NULL};
	static char component[201];
	char path[512];
	int dir, fd;

	(void)state;
	begin(true, rules);
	memset(component, 'c', 200);
	snprintf(path, sizeof(path), "%s/deep", d.tree);
	assert_int_equal(mkdir(path, 0755), 0);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 45; i++) {
		int next;

		assert_int_equal(mkdirat(dir, component, 0755), 0);
		next = openat(dir, component, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	assert_int_equal(mkdirat(dir, "ro", 0755), 0);
	assert_int_equal(mkdirat(dir, "last", 0755), 0);
	assert_int_equal(symlinkat("ro", dir, "link"), 0);
	fd = openat(dir, ".env", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	fd = openat(dir, "ro/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	same("stat of the place", SYS_newfstatat, (uint64_t)dir, P("."), OUT_BUFFER, 0);
	same("up", SYS_newfstatat, (uint64_t)dir, P(".."), OUT_BUFFER, 0);
	same("up and down", SYS_newfstatat, (uint64_t)dir, P("../.."), OUT_BUFFER, 0);
	same("absent", SYS_newfstatat, (uint64_t)dir, P("absent"), OUT_BUFFER, 0);
	same("a link", SYS_newfstatat, (uint64_t)dir, P("link"), OUT_BUFFER, 0);
	same("a file by a link", SYS_newfstatat, (uint64_t)dir, P("link/f"), OUT_BUFFER, 0);
	same("the descriptor", SYS_newfstatat, (uint64_t)dir, P(""), OUT_BUFFER, AT_EMPTY_PATH);
	assert_int_equal(inside(SYS_newfstatat, (uint64_t)dir, P(".env"), OUT_BUFFER, 0), -ENOENT);
	assert_int_equal(inside(SYS_newfstatat, (uint64_t)dir, P("last"), OUT_BUFFER, 0), -ENOENT);
	assert_int_equal(inside(SYS_newfstatat, (uint64_t)dir, P("last/.."), OUT_BUFFER, 0), -ENOENT);
	assert_true(lseek(dir, 0, SEEK_SET) == 0 && inside(SYS_getdents64, (uint64_t)dir, OUT_BUFFER, 8192) > 0);
	assert_non_null(memmem(d.inside.bytes, (size_t)d.inside.result, "link", 4));
	assert_null(memmem(d.inside.bytes, (size_t)d.inside.result, ".env", 4));
	assert_null(memmem(d.inside.bytes, (size_t)d.inside.result, "last", 4));
	assert_int_equal(inside(SYS_openat, (uint64_t)dir, P("ro/f"), O_RDONLY), 0);
	assert_int_equal(inside(SYS_faccessat2, (uint64_t)dir, P("ro/f"), W_OK, 0), -EROFS);
	assert_int_equal(inside(SYS_faccessat2, (uint64_t)dir, P("link/f"), W_OK, 0), -EROFS);
	fd = openat(dir, "last", O_PATH | O_CLOEXEC);
	assert_int_equal(inside(SYS_newfstatat, (uint64_t)fd, P("x"), OUT_BUFFER, 0), -ENOENT);
	assert_int_equal(inside(SYS_newfstatat, (uint64_t)fd, P(".."), OUT_BUFFER, 0), -ENOENT);
	close(fd);
	/* Where the levels cannot be read, nobody can say what they are called. */
	if (!fixture_is_root()) {
		assert_int_equal(fchmodat(dir, "..", 0311, 0), 0);
		assert_int_equal(inside(SYS_newfstatat, (uint64_t)dir, P("ro"), OUT_BUFFER, 0), -ENAMETOOLONG);
		assert_int_equal(fchmodat(dir, "..", 0755, 0), 0);
		duel_rules(&d, duel_rule_sets[1]);
		assert_int_equal(fchmodat(dir, "..", 0311, 0), 0);
		same("no rule can match", SYS_newfstatat, (uint64_t)dir, P("ro"), OUT_BUFFER, 0);
		assert_int_equal(fchmodat(dir, "..", 0755, 0), 0);
	}
	close(dir);
	duel_end(&d);
}

/* Random paths: the generator is its own, so that a seed means the same everywhere. */
static uint64_t seed;

static unsigned roll(unsigned n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % n;
}

static void random_path(char *text, size_t size)
{
	static const char *const parts[] = {"d",	"full",	 "x",	  "f",	    "..",     ".",	 "to-d",   "to-f",
					    "up",	"here",	 "out",	  "up-f",   "abs-d",  "absent",	 "loop",   "dangling",
					    "chain20",	"tree",	 "empty", "closed", "blind",  "through", "null", "to-d-slash",
					    "to-f-slash", "no-entry2", "run",	  "abs-f",  "dangling-slash", "fixed"};
	static const char *const separators[] = {"/", "/", "/", "//", "/./", "/../"};
	unsigned count = roll(6);
	size_t len = 0;

	text[0] = '\0';
	if (roll(8) == 0)
		len = (size_t)snprintf(text, size, "%s/", roll(4) ? d.tree : d.base);
	for (unsigned i = 0; i <= count; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", parts[roll(ARRAY_LEN(parts))],
					i < count || roll(6) == 0 ? separators[roll(ARRAY_LEN(separators))] : "");
}

static void random_call(unsigned i)
{
	static const int flags[] = {O_RDONLY, O_RDWR, O_DIRECTORY, O_NOFOLLOW, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY,
				    O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL, O_CREAT | O_NOFOLLOW, O_WRONLY | O_TRUNC,
				    O_TMPFILE | O_RDWR};
	char text[600], message[900];
	struct open_how how = {0};

	random_path(text, sizeof(text));
	snprintf(message, sizeof(message), "case %u of seed: \"%s\" rest %#llx", i, text, (unsigned long long)seed);
	switch (roll(9)) {
	case 0:
		same(message, SYS_stat, P(text), OUT_BUFFER);
		break;
	case 1:
		same(message, SYS_lstat, P(text), OUT_BUFFER);
		break;
	case 2:
		same(message, SYS_access, P(text), roll(8));
		break;
	case 3:
		same(message, SYS_readlink, P(text), OUT_BUFFER, 1 + roll(200));
		break;
	case 4:
		same(message, SYS_chdir, P(text));
		break;
	case 5:
	case 6:
		same(message, SYS_openat, (uint64_t)AT_FDCWD, P(text), (uint64_t)flags[roll(ARRAY_LEN(flags))], 0640);
		break;
	default:
		how.flags = (uint64_t)flags[roll(ARRAY_LEN(flags))];
		how.resolve = resolves[roll(9)];
		snprintf(message + strlen(message), 60, ", openat2 %#llo, %#llx", (unsigned long long)how.flags,
			 (unsigned long long)how.resolve);
		how.mode = how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? 0640 : 0;
		same(message, SYS_openat2, (uint64_t)AT_FDCWD, P(text), P(&how), sizeof(how));
		break;
	}
}

static void test_random(void **state)
{
	const char *given = getenv("SCRIM_TEST_SEED");

	(void)state;
	for (size_t rules = 0; rules < 3; rules += 2) {
		begin(rules == 0, duel_rule_sets[rules]);
		seed = given ? strtoull(given, NULL, 0) : 20240607 + rules;
		print_message("seed %llu\n", (unsigned long long)seed);
		for (unsigned i = 0; i < 6000; i++)
			random_call(i);
		duel_end(&d);
	}
}

/* ---- Symlinks met before ---- */

static const char *in_tree(const char *name, char text[512])
{
	snprintf(text, 512, "%s/%s", d.tree, name);
	return text;
}

static void links_as_natively(unsigned round)
{
	static const char *const names[] = {
		"to-d",	      "to-d/",	 "to-d/full/x", "to-d/full/absent", "to-d/full/out/f", "to-f",	   "to-f/",	"d/up-f",
		"abs-f",      "abs-d/full/x", "through", "up/tree/f",	    "to-root/dev/null", "to-root/etc", "dangling",
		"sticky/mine", "sticky/other", "chain9", "chain40",	    "chain41",	       "loop",	   "here/here/to-d/full/x",
		"to-d/../f",  "./to-f",	 "to-d//full/x", "deep/back/f",
	};
	char text[512], message[600];
	struct open_how path = {.flags = O_PATH | O_NOFOLLOW};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		in_tree(names[i], text);
		snprintf(message, sizeof(message), "%s, round %u", names[i], round);
		same(message, SYS_stat, P(text), OUT_BUFFER);
		same(message, SYS_lstat, P(text), OUT_BUFFER);
		same(message, SYS_open, P(text), O_RDONLY | O_NONBLOCK, 0);
		same(message, SYS_openat2, (uint64_t)AT_FDCWD, P(text), P(&path), sizeof(path));
		same(message, SYS_readlink, P(text), OUT_BUFFER, 4096);
		same(message, SYS_access, P(text), R_OK);
	}
}

static void exchange(const char *name, const char *target)
{
	char text[512];

	assert_int_equal(unlink(in_tree(name, text)), 0);
	if (target)
		duel_symlink(&d, target, name);
	else
		duel_mkdir(&d, name, 0755);
}

/* The second time a link is read at once. What it is then is what counts. */
static void test_links_met_before(void **state)
{
	(void)state;
	for (size_t rules = 0; rules < 3; rules += 2) {
		begin(rules == 0, duel_rule_sets[rules]);
		duel_symlink(&d, "../f", "sticky/mine");
		duel_symlink(&d, "../f", "sticky/other");
		char text[512];
		if (geteuid() == 0)
			assert_int_equal(lchown(in_tree("sticky/other", text), 12345, 12345), 0);
		duel_mkdir(&d, "deep", 0755);
		duel_symlink(&d, "../here", "deep/back");
		for (unsigned round = 0; round < 3; round++)
			links_as_natively(round);
		exchange("to-d", "closed");
		exchange("to-f", "d");
		exchange("deep/back", "..");
		links_as_natively(3);
		links_as_natively(4);
		exchange("to-d", NULL);
		exchange("here", "d/full");
		links_as_natively(5);
		links_as_natively(6);
		duel_end(&d);
	}
}

/* A hidden link is not read, and a shown one does not lead to what is hidden. */
static void test_links_and_rules(void **state)
{
	static const struct {
		const char *verb, *name;
		long wanted;
	} rules[] = {{"hide", "d", -ENOENT}, {"deny", "d", -EACCES}, {"hide", "to-d", -ENOENT}, {"deny", "to-d", -EACCES},
		     {"hide", "d/full", -ENOENT}, {"readonly", "to-d", 0}};
	char rule[600], text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		begin(true, duel_rule_sets[0]);
		snprintf(rule, sizeof(rule), "%s %s", rules[i].verb, in_tree(rules[i].name, text));
		const char *const set[] = {rule, NULL};
		duel_rules(&d, set);
		for (unsigned round = 0; round < 3; round++) {
			in_tree("to-d/full/x", text);
			assert_int_equal(inside(SYS_stat, P(text), OUT_BUFFER), rules[i].wanted);
			in_tree("to-f", text);
			assert_int_equal(inside(SYS_stat, P(text), OUT_BUFFER), 0);
		}
		duel_end(&d);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_resolve),	 cmocka_unit_test(test_open_how), cmocka_unit_test(test_proc),
		cmocka_unit_test(test_detached), cmocka_unit_test(test_getcwd),	  cmocka_unit_test(test_random),
		cmocka_unit_test(test_deep),	 cmocka_unit_test(test_links_met_before), cmocka_unit_test(test_links_and_rules),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
