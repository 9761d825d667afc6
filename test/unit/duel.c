/* SPDX-License-Identifier: Apache-2.0 */
#include "duel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../features/without.h"
#include "base/cleanup.h"

#define NATIVE_LOOPS 10

#define CONTENT "content"

static unsigned char buffer[sizeof(((struct duel_answer *)0)->bytes)] __attribute__((aligned(64)));
unsigned char *const duel_buffer = buffer;

void duel_rules(struct duel *d, const char *const *rules)
{
	fixture_free(&d->fixture);
	fixture_view(&d->fixture, d->base, rules);
}

void duel_begin(struct duel *d, bool ext4, const struct twin_call *calls)
{
	static const char *const none[] = {NULL};
	const char *made = fixture_directory(ext4);

	if (!made)
		skip();
	memset(d, 0, sizeof(*d));
	d->calls = calls;
	snprintf(d->top, sizeof(d->top), "%s", made);
	assert_int_equal(chmod(d->top, 0755), 0);
	/* Deep enough that no path of the tests climbs out of it. */
	strcpy(d->base, d->top);
	for (int i = 0; i < 20; i++) {
		strcat(d->base, "/n");
		assert_int_equal(mkdir(d->base, 0755), 0);
	}
	snprintf(d->tree, sizeof(d->tree), "%s/tree", d->base);
	assert_int_equal(mkdir(d->tree, 0755), 0);
	duel_rules(d, none);
	assert_int_equal(fake_caller_init(&d->fake, d->tree, 027), 0);
	d->op = malloc(sizeof(*d->op));
	assert_non_null(d->op);
	/* What the memory held before must not matter. */
	memset(d->op, 0xa5, sizeof(*d->op));
	op_init(d->op);
}

void duel_end(struct duel *d)
{
	char path[400];

	assert_true(d->mediated > 0);
	assert_int_equal(chdir("/"), 0);
	fake_caller_release(&d->fake);
	fixture_free(&d->fixture);
	free(d->op);
	snprintf(path, sizeof(path), "chmod -R u+rwx %s; rm -rf %s", d->top, d->top);
	assert_int_equal(system(path), 0);
}

static const char *in_tree(const struct duel *d, const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s", d->tree, name);
	return path;
}

void duel_mkdir(struct duel *d, const char *name, mode_t mode)
{
	char path[512];

	assert_int_equal(mkdir(in_tree(d, name, path), 0755), 0);
	assert_int_equal(chmod(path, mode), 0);
}

void duel_file(struct duel *d, const char *name, mode_t mode, const char *content)
{
	char path[512];

	fixture_file(d->tree, name, content);
	assert_int_equal(chmod(in_tree(d, name, path), mode), 0);
}

void duel_symlink(struct duel *d, const char *target, const char *name)
{
	char path[512];

	assert_int_equal(symlink(target, in_tree(d, name, path)), 0);
}

static void make_socket(struct duel *d, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", d->tree, name) <
		    (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void populate_sticky(struct duel *d);

void duel_populate(struct duel *d)
{
	static const struct {
		const char *name;
		mode_t mode;
	} directories[] = {{"d", 0755}, {"d/full", 0755}, {"d/empty", 0700}, {"closed", 0755}, {"blind", 0755}, {"fixed", 0755},
			   {"sticky", 01777}};
	static const struct {
		const char *name, *target;
	} links[] = {{"to-f", "f"},	    {"to-d", "d"},	  {"to-d-slash", "d/"},	 {"to-f-slash", "f/"},
		     {"dangling", "absent"}, {"dangling-slash", "absent/"}, {"loop", "loop"},	 {"up", ".."},
		     {"here", "."},	    {"d/up-f", "../f"},	  {"d/full/out", "../.."}, {"through", "to-d/full/../up-f"},
		     {"null", "/dev/null"}, {"to-proc", "/proc/self"}, {"to-root", "/"}, {"to-absent-dir", "no/x"}};
	char path[512], name[300], target[300];

	for (size_t i = 0; i < ARRAY_LEN(directories); i++)
		duel_mkdir(d, directories[i].name, directories[i].mode);
	duel_file(d, "f", 0644, CONTENT);
	duel_file(d, "secret", 0000, CONTENT);
	duel_file(d, "run", 0755, CONTENT);
	duel_file(d, "d/full/x", 0600, CONTENT);
	duel_file(d, "closed/x", 0644, CONTENT);
	duel_file(d, "blind/x", 0644, CONTENT);
	duel_file(d, "fixed/x", 0644, CONTENT);
	duel_file(d, "x (deleted)", 0644, CONTENT);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		duel_symlink(d, links[i].target, links[i].name);
	duel_symlink(d, in_tree(d, "f", path), "abs-f");
	duel_symlink(d, in_tree(d, "d", path), "abs-d");
	/* 39, 40 and 41 links in a row. */
	duel_symlink(d, "f", "chain1");
	for (int i = 2; i <= 41; i++) {
		snprintf(name, sizeof(name), "chain%d", i);
		snprintf(target, sizeof(target), "chain%d", i - 1);
		duel_symlink(d, target, name);
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	duel_file(d, name, 0644, CONTENT);
	assert_int_equal(mkfifo(in_tree(d, "fifo", path), 0644), 0);
	make_socket(d, "socket");
	populate_sticky(d);
	assert_int_equal(chmod(in_tree(d, "closed", path), 0000), 0);
	assert_int_equal(chmod(in_tree(d, "blind", path), 0444), 0);
	assert_int_equal(chmod(in_tree(d, "fixed", path), 0555), 0);
}

#define N255                                                                                                           \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnnnnnnnnnn"

const char *const duel_names[] = {
	"f", "f/", "f//", "f/x", "f/.", "f/..", "d", "d/", "d/.", "d/./", "d/..", "d/../", ".", "./", "..", "/", "//", "", "secret",
	"run", "d/full/x", "d/full/x/", "d/none", "d/none/", "d/none/x", "absent", "absent/", "absent/x", "absent/.", "absent/..",
	"new1", "d/new2", "to-d/new3", ".//d//full", "./f", "./././f", "d/full/../../f", "to-f", "to-f/", "to-f/x", "to-d",
	"to-d/", "to-d/.", "to-d/..", "to-d/full/x", "to-d/../f", "to-d-slash", "to-f-slash", "dangling", "dangling/",
	"dangling/x", "dangling-slash", "loop", "loop/", "loop/x", "up", "up/tree/f", "here", "here/here/here/f", "d/up-f",
	"d/full/out", "d/full/out/f", "through", "through/", "abs-f", "abs-d/full/x", "null", "to-root", "to-root/dev/null",
	"to-absent-dir", "chain39", "chain40", "chain41", "chain20/", "here/chain39", "here/chain40", "closed", "closed/",
	"closed/.", "closed/x", "closed/absent", "closed/..", "blind", "blind/", "blind/.", "blind/x", "blind/absent", "blind/..",
	"fixed", "fixed/x", "fixed/new4", "sticky/new5", "sticky/theirs", "sticky/link", "sticky/link/", "sticky/fifo", "sticky/socket", "sticky/dir", "fifo", "fifo/", "socket", "socket/", "x (deleted)", N255, N255 "/",
	N255 "n", N255 "n/", N255 "n/x", "f/" N255 "n", "closed/" N255 "n", "absent/" N255 "n", "/dev/null", "/dev/zero", "/dev",
	"/proc/uptime", "/proc/../proc/uptime", "/proc/uptime/", "/absent/x", "/proc/version", "/proc/self", "/proc/self/",
	"/proc/mounts", "/proc/1/cwd/absent", "/proc/999999999",
};

#define NAME_COUNT ARRAY_LEN(duel_names)

enum { NAME_4095 = NAME_COUNT, NAME_4096, NAME_SLASHES, NAME_AT_END, NAME_UNENDED, NAME_LOW, NAME_NULL, NAME_KERNEL, NAME_ALL };

size_t duel_name_count(void)
{
	return NAME_ALL;
}

/* Two pages, the second of which is not there. */
static char *edge(void)
{
	static char *page;

	if (!page) {
		page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(page != MAP_FAILED);
		assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	}
	memset(page, '/', 4096);
	return page + 4096;
}

uint64_t duel_name(size_t i, bool slow, char text[5000])
{
	char *end;

	switch (i) {
	case NAME_4095:
	case NAME_4096:
		memset(text, '/', 5000);
		memcpy(text, slow ? "././" : "d", slow ? 4 : 1);
		text[i == NAME_4095 ? 4095 : 4096] = '\0';
		return P(text);
	case NAME_SLASHES:
		snprintf(text, 5000, "%s%4000s%s", slow ? "/./" : "/", "", "dev");
		for (char *c = text; *c; c++)
			*c = *c == ' ' ? '/' : *c;
		return P(text);
	case NAME_AT_END:
		end = edge();
		memcpy(end - 7, slow ? "././/f\0" : "d/up-f\0", 7);
		return P(end - 7);
	case NAME_UNENDED:
		end = edge();
		memcpy(end - 6, "./././", 6);
		return P(end - 6);
	case NAME_LOW:
		return 8;
	case NAME_NULL:
		return 0;
	case NAME_KERNEL:
		return 0xffff888000000000ull;
	default:
		break;
	}
	if (!slow || !duel_names[i][0])
		return P(duel_names[i]);
	snprintf(text, 5000, "%s%s", duel_names[i][0] == '/' ? "/." : "././", duel_names[i]);
	return P(text);
}

const char *duel_show(uint64_t name, char text[100])
{
	if (name < 4096 || name >> 47)
		snprintf(text, 100, "%#llx", (unsigned long long)name);
	else
		/* Never across a page that need not be there. */
		snprintf(text, 100, "%.*s", (int)(4096 - name % 4096 < 80 ? 4096 - name % 4096 : 80),
			 (const char *)(uintptr_t)name);
	return text;
}

static const char *const no_rules[] = {NULL};
static const char *const rules_elsewhere[] = {"hide @/else/hidden", "mask @/else/*.key", "append @/else/log",
					      "readonly @/else/ro", NULL};
static const char *const rules_here[] = {"hide @/tree/zz-*", "hide @/tree/d/zz", "hide **/.env", "deny @/tree/*/no-entry",
					 "mask @/tree/**/*.key", "append **/zlog", "readonly @/tree/d/zro",
					 "hide @/tree/zway", "show @/tree/zway/down", NULL};
const char *const *const duel_rule_sets[3] = {no_rules, rules_elsewhere, rules_here};

/* What the sysctls fs.protected_* are about: others' things in a sticky directory (as root; a user has but its own). */
static void populate_sticky(struct duel *d)
{
	static const char *const names[] = {"sticky/theirs", "sticky/link", "sticky/fifo", "sticky/socket", "sticky/dir"};
	char path[512];

	duel_file(d, names[0], 0666, CONTENT);
	duel_symlink(d, "../f", names[1]);
	assert_int_equal(mkfifo(in_tree(d, names[2], path), 0666), 0);
	make_socket(d, names[3]);
	duel_mkdir(d, names[4], 0755);
	for (size_t i = 0; i < ARRAY_LEN(names) && fixture_is_root(); i++)
		assert_int_equal(lchown(in_tree(d, names[i], path), 4711, 4711), 0);
}

static void describe(struct duel_answer *a, int fd)
{
	char name[64];
	ssize_t len;

	a->has_fd = true;
	a->status = fcntl(fd, F_GETFL);
	a->cloexec = fcntl(fd, F_GETFD);
	assert_int_equal(fstat(fd, &a->stat), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	len = readlink(name, a->path, sizeof(a->path) - 1);
	a->path[len < 0 ? 0 : len] = '\0';
}

/* Put back what an open changed: empty files of the tree are new, or were emptied. */
static void undo(const struct duel *d, const struct duel_answer *a)
{
	static const char *const originals[] = {"/f",	     "/secret",	 "/run",	 "/d/full/x", "/closed/x",
						  "/blind/x", "/fixed/x", "/x (deleted)", "/" N255,	 "/sticky/theirs"};
	bool original = false;

	if (!a->has_fd || (a->status & O_PATH) || !S_ISREG(a->stat.st_mode) || a->stat.st_size != 0 || a->stat.st_nlink == 0)
		return;
	if (strncmp(a->path, d->top, strlen(d->top)) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(originals); i++)
		original = original || (strncmp(a->path, d->tree, strlen(d->tree)) == 0 &&
					strcmp(a->path + strlen(d->tree), originals[i]) == 0);
	/* So are, in the trees of the verdicts, names with an f at the end. */
	if (d->verdicts)
		original = a->path[strlen(a->path) - 1] == 'f';
	if (!original) {
		assert_int_equal(unlink(a->path), 0);
	} else {
		struct stat st;
		int fd;

		assert_int_equal(stat(a->path, &st), 0);
		assert_true(chmod(a->path, 0600) == 0);
		fd = open(a->path, O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, CONTENT, strlen(CONTENT)), strlen(CONTENT));
		assert_int_equal(fchmod(fd, st.st_mode & 07777), 0);
		close(fd);
	}
}

static void go(const struct duel *d, const char *where)
{
	assert_int_equal(chdir(where ? where : d->tree), 0);
}

static bool returns_fd(int nr)
{
	return nr == SYS_open || nr == SYS_openat || nr == SYS_openat2 || nr == SYS_creat;
}

static bool is_ours(const struct duel *d, int fd)
{
	char name[64], path[4200];
	size_t top = strlen(d->top);
	ssize_t len;
	struct stat st;

	/* What is not a file of a disk cannot be harmed by opening it. */
	if (fstat(fd, &st) < 0)
		return false;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		return true;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	len = readlink(name, path, sizeof(path) - 1);
	if (len <= 0)
		return false;
	path[len] = '\0';
	/* No place at all, or procfs. */
	return path[0] != '/' || strncmp(path, "/proc/", 6) == 0 || strcmp(path, "/proc") == 0 ||
	       (strncmp(path, d->top, top) == 0 && (path[top] == '/' || !path[top]));
}

/*
 * These calls are really made, perhaps by root: one that could write, empty or make a file outside the test's own
 * directory must never be. Run where the call will run.
 */
static void check_harmless(const struct duel *d, int nr, const uint64_t args[6])
{
	uint64_t flags = nr == SYS_creat ? O_CREAT | O_WRONLY : nr == SYS_open ? args[1] : args[2];
	uint64_t text = nr == SYS_openat || nr == SYS_openat2 ? args[1] : args[0];
	int dirfd = nr == SYS_openat || nr == SYS_openat2 ? (int)args[0] : AT_FDCWD;
	char path[PATH_MAX + 1], *end;
	ssize_t len;
	int fd;

	if (nr != SYS_open && nr != SYS_openat && nr != SYS_openat2 && nr != SYS_creat)
		return;
	len = d->fake.caller.ops->read_string((struct caller *)&d->fake.caller, text, path, sizeof(path));
	if (len <= 0)
		return;
	if (nr == SYS_openat2) {
		struct open_how how = {.flags = O_CREAT};

		/* One that cannot be read is as good as any. */
		d->fake.caller.ops->read((struct caller *)&d->fake.caller, args[2], &how, 24);
		flags = how.flags;
	}
	if (!(flags & (O_ACCMODE | O_CREAT | O_TRUNC)) || (flags & O_PATH))
		return;
	fd = openat(dirfd, path, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		struct stat st;

		/* Directories are not written to by opening them. */
		if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode) && !is_ours(d, fd))
			fail_msg("a test would open %s outside its directory for writing", path);
		close(fd);
	}
	if (!(flags & O_CREAT))
		return;
	/* Where its name, or that of the symlink that it is, would be made. */
	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	end = strrchr(path, '/');
	if (end)
		end[end == path] = '\0';
	fd = openat(dirfd, end ? path : ".", O_PATH | O_CLOEXEC);
	if (fd >= 0 && !is_ours(d, fd)) {
		struct stat st;

		/* "/dev/null" may be opened with O_CREAT, but nothing be made beside it. */
		len = d->fake.caller.ops->read_string((struct caller *)&d->fake.caller, text, path, sizeof(path));
		if (fstatat(dirfd, path, &st, 0) < 0 && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			fail_msg("a test would make %s outside its directory", path);
	}
	if (fd >= 0)
		close(fd);
}

static void finish(const struct duel *d, int nr, struct duel_answer *a, long result)
{
	a->result = result;
	if (result >= 0 && returns_fd(nr)) {
		describe(a, (int)result);
		close((int)result);
		a->result = 0;
	}
	if (result >= 0 && nr == SYS_chdir)
		assert_non_null(getcwd(a->path, sizeof(a->path)));
	memcpy(a->bytes, buffer, sizeof(buffer));
	undo(d, a);
}

long duel_native(struct duel *d, int nr, const uint64_t args[6])
{
	mode_t mask = umask(d->fake.mask);
	long result = 0;

	memset(&d->native, 0, sizeof(d->native));
	memset(buffer, 0x5a, sizeof(buffer));
	go(d, NULL);
	check_harmless(d, nr, args);
	/*
	 * A scoped lookup of `..` is told to try again when anything in the system was moved meanwhile (openat2(2)); a
	 * lookup begun anew for that reason goes on counting links (total_link_count of fs/namei.c).
	 */
	for (int i = 0; i < 1000; i++) {
		result = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		result = result < 0 ? -errno : result;
		if ((result != -EAGAIN || nr != SYS_openat2) && (result != -ELOOP || i >= 3))
			break;
	}
	umask(mask);
	finish(d, nr, &d->native, result);
	return d->native.result;
}

/* What the caller's own thread is asked to do. */
static long run_errand(struct outcome *out)
{
	uint64_t a[6];
	char name[64];
	long result;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", out->fd);
	memcpy(a, out->errand.args, sizeof(a));
	a[out->errand.object_arg] = (uint64_t)(uintptr_t)name;
	result = syscall(out->errand.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return result < 0 ? -errno : result;
}

long duel_inside(struct duel *d, int nr, const uint64_t args[6])
{
	const struct twin_call *call = d->calls;
	struct duel_answer *a = &d->inside;
	mode_t mask = umask(077);
	struct outcome out;
	long result;

	memset(a, 0, sizeof(*a));
	memset(buffer, 0x5a, sizeof(buffer));
	while (call->handler && call->nr != nr)
		call++;
	assert_non_null(call->handler);
	go(d, NULL);
	check_harmless(d, nr, args);
	go(d, d->at_home ? NULL : "/");
	op_begin(d->op, d->fixture.view, &d->fake.caller, nr);
	outcome_init(&out);
	result = call->handler(d->op, nr, args, &out);
	assert_true(result <= 0);
	if (result == 0 && out.kind == OUT_ERRAND) {
		a->errand = true;
		result = run_errand(&out);
	} else if (result == 0 && out.kind == OUT_FD) {
		result = fcntl(out.fd, out.cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
		assert_true(result >= 0);
	} else if (result == 0) {
		assert_int_equal(out.kind, OUT_VALUE);
		result = out.value;
	}
	outcome_release(&out);
	walk_release(&d->op->walk[0]);
	walk_release(&d->op->walk[1]);
	umask(mask);
	finish(d, nr, a, result);
	d->mediated++;
	return a->result;
}

void duel_same(struct duel *d, const char *what, int nr, const uint64_t args[6])
{
	const struct duel_answer *n = &d->native, *i = &d->inside;
	/* The one flag that a descriptor from the supervisor cannot show for anything but a directory that can be searched (PARITY). */
	int unshown = 0;

	/*
	 * The kernel counts the links of a lookup that it gives up and begins again (something nearby was renamed): a
	 * chain of 39 may then be ELOOP natively.
	 */
	for (int attempt = 0; attempt < NATIVE_LOOPS; attempt++) {
		duel_native(d, nr, args);
		/* No view ever sees it. */
		if (n->result == -ENOSYS && without_call(nr))
			return;
		duel_inside(d, nr, args);
		if (n->result != -ELOOP || i->result < 0)
			break;
	}
	if (n->result != i->result)
		fail_msg("%s: natively %ld (%s), inside %ld (%s)", what, n->result,
			 n->result < 0 ? strerror((int)-n->result) : "", i->result,
			 i->result < 0 ? strerror((int)-i->result) : "");
	if (memcmp(n->bytes, i->bytes, sizeof(n->bytes)) != 0)
		fail_msg("%s: other bytes were written", what);
	if (strcmp(n->path, i->path) != 0 && !(n->has_fd && n->stat.st_nlink == 0))
		fail_msg("%s: natively at %s, inside at %s", what, n->path, i->path);
	if (!n->has_fd)
		return;
	if (!S_ISDIR(n->stat.st_mode) || n->status & O_PATH || access(n->path, X_OK) < 0)
		unshown = O_NOFOLLOW;
	if ((n->status & ~unshown) != (i->status & ~unshown) || n->cloexec != i->cloexec)
		fail_msg("%s: natively flags %#o and %d, inside %#o and %d", what, n->status, n->cloexec, i->status, i->cloexec);
	if (n->stat.st_mode != i->stat.st_mode || n->stat.st_size != i->stat.st_size || n->stat.st_uid != i->stat.st_uid ||
	    n->stat.st_gid != i->stat.st_gid || n->stat.st_nlink != i->stat.st_nlink || n->stat.st_dev != i->stat.st_dev)
		fail_msg("%s: natively mode %o size %lld links %u, inside mode %o size %lld links %u", what, n->stat.st_mode,
			 (long long)n->stat.st_size, (unsigned)n->stat.st_nlink, i->stat.st_mode,
			 (long long)i->stat.st_size, (unsigned)i->stat.st_nlink);
}
