/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that name something, in all the ways there are. */
#include "generate.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROAD_MAX 250
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

uint64_t gen_random(struct gen *gen)
{
	uint64_t z = gen->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void scan(struct gen *gen, const char *path)
{
	char full[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
	dir = opendir(full);
	while (dir && (entry = readdir(dir)) && gen->count < GEN_OBJECTS) {
		struct gen_object *object = &gen->objects[gen->count];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(object->path, GEN_PATH, "%s%s%s", path, *path ? "/" : "", entry->d_name) >= GEN_PATH)
			continue;
		object->type = entry->d_type;
		gen->count++;
		if (entry->d_type == DT_DIR)
			scan(gen, object->path);
	}
	if (dir)
		closedir(dir);
}

void gen_scan(struct gen *gen)
{
	gen->objects[0] = (struct gen_object){.path = "", .type = DT_DIR};
	gen->count = 1;
	scan(gen, "");
}

static bool is_empty(const char *path)
{
	char full[PATH_MAX];
	unsigned entries = 0;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
	dir = opendir(full);
	while (dir && entries < 3 && readdir(dir))
		entries++;
	if (dir)
		closedir(dir);
	return dir && entries == 2;
}

/* RUNS: the kernel can start it. */
static bool is_program(const char *path, bool runs)
{
	char full[PATH_MAX], magic[4] = "";
	struct stat st;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
	if (stat(full, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0100) || access(full, R_OK | X_OK) < 0)
		return false;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NOATIME);
	if (fd >= 0 && read(fd, magic, sizeof(magic)) < 0)
		magic[0] = '\0';
	if (fd >= 0)
		close(fd);
	return !runs || memcmp(magic, "\x7f" "ELF", 4) == 0;
}

static bool has_attribute(const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
	return lgetxattr(full, "user.a", NULL, 0) > 0;
}

static bool fits(const struct gen_object *object, enum want want)
{
	switch (want) {
	case WANT_ANY:
		return true;
	case WANT_DIRECTORY:
		return object->type == DT_DIR;
	case WANT_EMPTY:
		return object->type == DT_DIR && object->path[0] && is_empty(object->path);
	case WANT_NOT_DIRECTORY:
		return object->type != DT_DIR;
	case WANT_MOVABLE:
		return object->path[0];
	case WANT_FILE:
		return object->type == DT_REG;
	case WANT_ATTRIBUTED:
		return object->type == DT_REG || object->type == DT_DIR;
	case WANT_SYMLINK:
		return object->type == DT_LNK;
	case WANT_FIFO:
		return object->type == DT_FIFO;
	case WANT_SOCKET:
		return object->type == DT_SOCK;
	case WANT_DEVICE:
		return object->type == DT_CHR;
	case WANT_PROGRAM:
	case WANT_RUNNING:
		return (object->type == DT_REG || object->type == DT_LNK) && is_program(object->path, want == WANT_RUNNING);
	case WANT_WITH_ATTRIBUTE:
		return has_attribute(object->path);
	case WANT_NEW:
		break;
	}
	return false;
}

const char *gen_object(struct gen *gen, enum want want)
{
	unsigned start = gen_below(gen, gen->count);

	for (unsigned i = 0; i < gen->count; i++) {
		const struct gen_object *object = &gen->objects[(start + i) % gen->count];

		if (fits(object, want))
			return object->path;
	}
	return NULL;
}

void gen_text(struct arg *arg, const char *text)
{
	arg->form = FORM_TEXT;
	arg->count = 0;
	arg->length = strnlen(text, TEXT_MAX - 1);
	memcpy(arg->text, text, arg->length);
}

/* A name that is not there yet. */
static bool new_path(struct gen *gen, char path[GEN_PATH])
{
	static const char *const names[] = {"a",  "b",	 "c",	   "n1",      "n2",	  "n3",	 "n4",	 ".dot", "..double", "a b",
					      "t\xc3\xbcr", "x (deleted)", "li\nne", "ba\\ck", "\"quote", "...", "~", "*", "-f"};
	char full[PATH_MAX];
	struct stat st;

	for (int i = 0; i < 20; i++) {
		const char *parent = gen_object(gen, WANT_DIRECTORY), *name = names[gen_below(gen, LEN(names))];

		if (snprintf(path, GEN_PATH, "%s%s%s", parent, *parent ? "/" : "", name) >= GEN_PATH - 40)
			continue;
		snprintf(full, sizeof(full), "%s/%s", scene.tree, parent);
		if (access(full, W_OK | X_OK) < 0 && i < 19)
			continue;
		snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
		if (lstat(full, &st) < 0)
			return true;
	}
	return false;
}

/* Where a descriptor (or AT_FDCWD) is, relative to the tree. */
static bool place_of(int dirfd, char path[PATH_MAX])
{
	char name[64], full[PATH_MAX];
	size_t tree = strlen(scene.tree);
	ssize_t length;

	if (dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "/proc/self/cwd");
	else
		snprintf(name, sizeof(name), "/proc/self/fd/%d", dirfd);
	length = readlink(name, full, sizeof(full) - 1);
	if (length < (ssize_t)tree)
		return false;
	full[length] = '\0';
	if (memcmp(full, scene.tree, tree) != 0 || (full[tree] && full[tree] != '/') || access(full, F_OK) < 0)
		return false;
	snprintf(path, PATH_MAX, "%s", full + tree + (full[tree] == '/'));
	return true;
}

/* TO as seen from the directory FROM, both relative to the tree. */
static void relative(const char *from, const char *to, char text[ROAD_MAX])
{
	size_t common = 0, at = 0;

	for (size_t i = 0; from[i] == to[i] || !from[i] || !to[i]; i++) {
		if ((!from[i] || from[i] == '/') && (!to[i] || to[i] == '/'))
			common = i;
		if (!from[i] || !to[i])
			break;
	}
	text[0] = '\0';
	for (const char *rest = from + common; *rest;) {
		rest += *rest == '/';
		if (!*rest)
			break;
		at += (size_t)snprintf(text + at, ROAD_MAX - at, "../");
		rest += strcspn(rest, "/");
		if (at > GEN_PATH)
			break;
	}
	to += common;
	to += *to == '/';
	snprintf(text + at, ROAD_MAX - at, "%s", to);
	if (!text[0])
		strcpy(text, ".");
}

static void insert(char *text, size_t at, const char *what)
{
	size_t length = strlen(text), more = strlen(what);

	if (length + more >= TEXT_MAX - 1)
		return;
	memmove(text + at + more, text + at, length - at + 1);
	memcpy(text + at, what, more);
}

/* The same in other words. */
static void decorate(struct gen *gen, char text[TEXT_MAX], bool directory)
{
	static const char *const fillers[] = {"/", "//", "./", ".//./", "././././"};
	static const char *const ends[] = {"/", "/.", "//", "/./"};
	char *slash = strchr(text, '/');

	if (gen_percent(gen, 40) && text[0] != '/' && text[0] != '@')
		insert(text, 0, "./");
	if (gen_percent(gen, 60) && slash && slash[1])
		insert(text, (size_t)(slash - text) + 1, fillers[gen_below(gen, LEN(fillers))]);
	if (directory && gen_percent(gen, 60))
		insert(text, strlen(text), ends[gen_below(gen, LEN(ends))]);
	else if (gen_percent(gen, 10))
		insert(text, strlen(text), ends[gen_below(gen, LEN(ends))]);
}

/* PATH by another road: links of procfs, or a symlink of the tree that leads to a directory above it. */
static void detour(struct gen *gen, const char *path, char text[TEXT_MAX])
{
	char full[PATH_MAX], real[PATH_MAX], seen[PATH_MAX], road[ROAD_MAX];
	size_t tree = strlen(scene.tree), length;
	unsigned slot = gen_below(gen, SLOTS);

	switch (gen_below(gen, 6)) {
	case 0:
		snprintf(text, TEXT_MAX, "/proc/self/root@/%s", path);
		return;
	case 1:
		if (place_of(AT_FDCWD, seen)) {
			relative(seen, path, road);
			snprintf(text, TEXT_MAX, "/proc/%s/cwd/%s", gen_percent(gen, 50) ? "self" : "thread-self", road);
			return;
		}
		break;
	case 2:
	case 3:
		if (place_of(SLOT_FD(slot), seen)) {
			relative(seen, path, road);
			snprintf(text, TEXT_MAX, "/%s/fd/%d/%s", gen_percent(gen, 50) ? "proc/self" : "dev", SLOT_FD(slot), road);
			if (strcmp(road, ".") == 0)
				text[strlen(text) - 2] = '\0';
			return;
		}
		break;
	default:
		for (int i = 0; i < 8; i++) {
			const char *link = gen_object(gen, WANT_SYMLINK);

			if (!link)
				break;
			snprintf(full, sizeof(full), "%s/%s", scene.tree, link);
			if (!realpath(full, real) || strncmp(real, scene.tree, tree) != 0)
				continue;
			length = strlen(real);
			snprintf(full, sizeof(full), "%s/%s", scene.tree, path);
			if (strncmp(full, real, length) != 0 || (full[length] && full[length] != '/'))
				continue;
			snprintf(text, TEXT_MAX, "@/%s%s", link, full + length);
			return;
		}
		break;
	}
	snprintf(text, TEXT_MAX, "@/%s", path);
}

/* What no program should say. */
static void hostile(struct gen *gen, struct arg *arg)
{
	static const char *const texts[] = {
		"", ".", "..", "/", "//", "@", "@/", "no/such", "absent", "absent/", "f/", "f/x", "f/.", "f/..", "d/", "d/..", "d/../f", "loop", "loop/",
		"loop/x", "loop1", "dangling", "dangling/", "dangling/x", "to-new", "to-new/", "to-f/", "to-d/", "to-d/.", "closed/x", "closed/none", "blind/x",
		"blind/none", "fixed/new", "fixed/x", "@/../t/f", "../t/d", "..//../x", "/proc/self/fd/99", "/proc/self/fd/100", "/proc/self/fd/101",
		"/proc/self/fd/102/", "/proc/self/fd/103/.", "/dev/fd/104", "/dev/fd/105/..", "/proc/self/fd", "/proc/self/cwd", "/proc/self/cwd/", "/proc/self/exe",
		"/proc/self/root", "/proc/self/root/", "/proc/self", "/proc/self/task", "/proc/self/none", "/proc/self/fd/x", "/proc/self/fd/-1", "/proc/self/fd/0100",
		"/proc/thread-self/cwd/f", "/proc/999999999", "/dev/null", "/dev/null/", "/dev/null/x", "/dev/zero", "/dev/full", "/dev/stdin", "/dev",
		"null", "null/", "d/null", "h/zero", "fifo/", "socket/", "to-cwd/f", "to-cwd", "sticky/theirs", "here/here/here/here/f", "winding", "winding/",
	};
	/* And a name or path of all lengths around the limits. */
	static const struct {
		long length;
		const char *unit;
	} fills[] = {{255, "n"}, {256, "n"}, {4095, "./"}, {4096, "./"}, {4095, "/"}, {4094, "d/../"}, {4090, "here/"}, {5000, "n"}, {300, "n/"}, {8191, "/"}};
	static const uint64_t pointers[] = {0, 8, 0xfff, 0xffff888000000000, 0x8000000000000000, 0x7fffffffffff, ~0ull};

	switch (gen_below(gen, 8)) {
	case 0:
		arg->form = FORM_NUMBER;
		arg->n[0] = (int64_t)pointers[gen_below(gen, LEN(pointers))];
		break;
	case 1: {
		unsigned fill = gen_below(gen, LEN(fills));

		gen_text(arg, fills[fill].unit);
		arg->form = FORM_FILL;
		arg->count = 1;
		arg->n[0] = fills[fill].length;
		break;
	}
	case 2:
		gen_text(arg, texts[gen_below(gen, LEN(texts))]);
		arg->form = FORM_CUT;
		break;
	default:
		gen_text(arg, texts[gen_below(gen, LEN(texts))]);
		break;
	}
}

void gen_path(struct gen *gen, enum want want, int dirfd, struct arg *arg)
{
	char made[GEN_PATH], text[TEXT_MAX], from[PATH_MAX];
	const char *path = want == WANT_NEW ? (new_path(gen, made) ? made : NULL) : gen_object(gen, want);
	bool directory = want == WANT_DIRECTORY || want == WANT_EMPTY;

	if (!path || (gen->hostile && gen_percent(gen, 70))) {
		hostile(gen, arg);
		return;
	}
	if (gen_percent(gen, 15))
		detour(gen, path, text);
	else if (gen_percent(gen, 20) || !place_of(dirfd, from) || strlen(from) >= GEN_PATH)
		snprintf(text, sizeof(text), "@/%s", path);
	else
		relative(from, path, text);
	if (gen_percent(gen, 30) && strcmp(text, ".") != 0)
		decorate(gen, text, directory);
	gen_text(arg, text);
	if (gen_percent(gen, 5))
		arg->form = FORM_EDGE;
}

void gen_target(struct gen *gen, struct arg *arg)
{
	static const char *const texts[] = {"f", "d", "d/", "../f", "..", ".", "absent", "@/d", "@/f", "@/h/new", "/dev/null", "n1", "n2", "a/b", "/proc/self/cwd", "@", "/",
					      "d/e/", "../../d", "f/", "loop", "n3", "../n4"};
	const char *path;

	if (gen->hostile && gen_percent(gen, 50)) {
		hostile(gen, arg);
		return;
	}
	path = gen_object(gen, WANT_ANY);
	if (gen_percent(gen, 60) || !path) {
		gen_text(arg, texts[gen_below(gen, LEN(texts))]);
	} else {
		char text[TEXT_MAX];

		snprintf(text, sizeof(text), "@/%s", path);
		gen_text(arg, text);
	}
}
