/* SPDX-License-Identifier: Apache-2.0 */
#include "twin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "../features/without.h"
#include "vfs/fdpath.h"

static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

void twin_begin(struct twin *t, const char *base, const char *const *rules, const struct twin_call *calls)
{
	char name[FD_NAME_MAX];
	int dir;

	memset(t, 0, sizeof(*t));
	t->base = base;
	t->calls = calls;
	/* A descriptor that is opened once and kept is no leak. */
	fd_name_at(0, name, &dir);
	t->open_before = count_open();
	snprintf(t->native, sizeof(t->native), "%s/native", base);
	snprintf(t->inside, sizeof(t->inside), "%s/inside", base);
	/* A test may have made them, for rules that hold their objects from the start. */
	assert_true(mkdir(t->native, 0755) == 0 || errno == EEXIST);
	assert_true(mkdir(t->inside, 0755) == 0 || errno == EEXIST);
	for (int i = 0; i < TWIN_FDS; i++)
		t->fds[0][i] = t->fds[1][i] = -EBADF;
	fixture_view(&t->fixture, base, rules);
	assert_int_equal(fake_caller_init(&t->fake, t->inside, 022), 0);
	t->op = malloc(sizeof(*t->op));
	assert_non_null(t->op);
	/* What the memory held before must not matter. */
	memset(t->op, 0xa5, sizeof(*t->op));
	op_init(t->op);
}

void twin_end(struct twin *t)
{
	for (int i = 0; i < TWIN_FDS; i++) {
		safe_close(t->fds[0][i]);
		safe_close(t->fds[1][i]);
	}
	assert_int_equal(chdir("/"), 0);
	fixture_free(&t->fixture);
	fake_caller_release(&t->fake);
	free(t->op);
	assert_int_equal(count_open(), t->open_before);
}

static const char *side_path(const struct twin *t, int side, const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s", side ? t->inside : t->native, name);
	return path;
}

void twin_mkdir(struct twin *t, const char *name, mode_t mode)
{
	char path[512];

	for (int side = 0; side < 2; side++) {
		assert_int_equal(mkdir(side_path(t, side, name, path), mode), 0);
		assert_int_equal(chmod(path, mode), 0);
	}
}

void twin_file(struct twin *t, const char *name, const char *content)
{
	fixture_file(t->native, name, content);
	fixture_file(t->inside, name, content);
}

void twin_symlink(struct twin *t, const char *target, const char *name)
{
	char path[512];

	for (int side = 0; side < 2; side++)
		assert_int_equal(symlink(target, side_path(t, side, name, path)), 0);
}

void twin_link(struct twin *t, const char *from, const char *name)
{
	char a[512], b[512];

	for (int side = 0; side < 2; side++)
		assert_int_equal(link(side_path(t, side, from, a), side_path(t, side, name, b)), 0);
}

void twin_mode(struct twin *t, const char *name, mode_t mode)
{
	char path[512];

	for (int side = 0; side < 2; side++)
		assert_int_equal(chmod(side_path(t, side, name, path), mode), 0);
}

void twin_open(struct twin *t, int slot, const char *name, int flags)
{
	char path[512];

	for (int side = 0; side < 2; side++) {
		safe_close(t->fds[side][slot]);
		t->fds[side][slot] = open(side_path(t, side, name, path), flags | O_CLOEXEC, 0644);
		assert_true(t->fds[side][slot] >= 0);
	}
}

static void resolve_args(const struct twin *t, int side, const uint64_t args[6], uint64_t ret[6])
{
	for (int i = 0; i < 6; i++) {
		ret[i] = args[i];
		if (args[i] >> 8 == TWIN_FD(0) >> 8)
			ret[i] = JUNK(t->fds[side][args[i] & 0xff]);
	}
}

long twin_native_(struct twin *t, int nr, const uint64_t args[6])
{
	mode_t mask = umask(t->fake.mask);
	uint64_t a[6];
	long result;

	resolve_args(t, 0, args, a);
	assert_int_equal(chdir(t->native), 0);
	result = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	result = result < 0 ? -errno : result;
	umask(mask);
	return result;
}

long twin_inside_(struct twin *t, int nr, const uint64_t args[6])
{
	const struct twin_call *call = t->calls;
	mode_t mask = umask(077);
	struct outcome out;
	uint64_t a[6];
	long result;

	while (call->handler && call->nr != nr)
		call++;
	assert_non_null(call->handler);
	resolve_args(t, 1, args, a);
	assert_int_equal(chdir("/"), 0);
	op_begin(t->op, t->fixture.view, &t->fake.caller, nr);
	outcome_init(&out);
	result = call->handler(t->op, nr, a, &out);
	assert_true(result <= 0);
	if (result == 0) {
		assert_int_equal(out.kind, OUT_VALUE);
		result = out.value;
	}
	outcome_release(&out);
	walk_release(&t->op->walk[0]);
	walk_release(&t->op->walk[1]);
	umask(mask);
	t->mediated++;
	return result;
}

struct snapshot {
	char *text;
	size_t len, cap;
};

static void _printf_(2, 3) add(struct snapshot *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	s->len += (size_t)vsnprintf(s->text + s->len, s->cap - s->len, format, args);
	va_end(args);
	assert_true(s->len < s->cap);
}

static void list_tree(struct snapshot *s, int dir, unsigned depth)
{
	struct dirent **names;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;

	if (fd < 0) {
		add(s, "%*s(%d)\n", (int)depth, "", errno);
		return;
	}
	n = scandirat(fd, ".", &names, NULL, alphasort);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		struct stat st;
		char target[256];
		ssize_t len;

		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0) {
			if (fstatat(fd, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
				add(s, "%*s%s (%d)\n", (int)depth, "", names[i]->d_name, errno);
				goto next;
			}
			len = readlinkat(fd, names[i]->d_name, target, sizeof(target));
			add(s, "%*s%.60s %o %u %u:%u %lld %llx %.*s\n", (int)depth, "", names[i]->d_name, st.st_mode,
			    (unsigned)st.st_nlink, st.st_uid, st.st_gid, S_ISREG(st.st_mode) ? (long long)st.st_size : 0LL,
			    (unsigned long long)st.st_rdev, len < 0 ? 0 : (int)len, target);
			if (S_ISDIR(st.st_mode)) {
				int child = openat(fd, names[i]->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);

				if (child >= 0)
					list_tree(s, child, depth + 1);
				safe_close(child);
			}
		}
next:
		free(names[i]);
	}
	free(names);
	close(fd);
}

static char *tree_of(const char *path)
{
	struct snapshot s = {.text = malloc(1 << 18), .cap = 1 << 18};
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	s.text[0] = '\0';
	list_tree(&s, fd, 0);
	close(fd);
	return s.text;
}

void twin_compare(struct twin *t, const char *what)
{
	_cleanup_free_ char *native = tree_of(t->native);
	_cleanup_free_ char *inside = tree_of(t->inside);

	if (strcmp(native, inside) != 0)
		fail_msg("%s left different trees\nnative:\n%s\ninside:\n%s", what, native, inside);
}

long twin_same_(struct twin *t, const char *what, int nr, const uint64_t args[6])
{
	long native = twin_native_(t, nr, args), inside;

	/* No view ever sees it. */
	if (native == -ENOSYS && without_call(nr))
		return native;
	inside = twin_inside_(t, nr, args);
	if (native != inside)
		fail_msg("%s: natively %ld (%s), inside %ld (%s)", what, native, native < 0 ? strerror((int)-native) : "",
			 inside, inside < 0 ? strerror((int)-inside) : "");
	twin_compare(t, what);
	return native;
}
