/* SPDX-License-Identifier: Apache-2.0 */
/* Trees: made from lines, written down, removed. Always natively. */
#include "differential.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OLD_SECONDS 987654321

/*
 * What every sequence starts with. Names are `@`-free texts; numbers are a mode, or an owner. A tree without some of
 * these lines is a tree as well: that is how sequences are shrunk.
 */
static const char *const standard[] = {
	"dir 0755 \"d\"",
	"dir 0755 \"d/e\"",
	"dir 0750 \"d/e/g\"",
	"dir 0755 \"h\"",
	"dir 0700 \"h/empty\"",
	"dir 0755 \"void\"",
	"dir 0711 \"void2\"",
	"dir 0755 \"sp ace\"",
	"dir 01777 \"sticky\"",
	"dir 02775 \"setgid\"",
	"dir 0755 \"closed\"",
	"dir 0755 \"blind\"",
	"dir 0755 \"fixed\"",
	"file 0644 \"f\" \"content of f\"",
	"file 0600 \"g\" \"secret\"",
	"file 0444 \"r\" \"only to be read\"",
	"file 0000 \"none\" \"nothing may be done\"",
	"file 0666 \"d/f\" \"another\"",
	"file 0644 \"d/e/x\" \"x\"",
	"file 0640 \"d/e/g/deep\" \"deep\"",
	"file 0644 \"h/f (deleted)\" \"not deleted\"",
	"file 0644 \"h/new\\x0aline\" \"lines\"",
	"file 0644 \"h/back\\\\slash\" \"\"",
	"file 0644 \"sp ace/\\xff\\xfe\" \"bytes\"",
	"file 0644 \"closed/x\" \"x\"",
	"file 0644 \"blind/x\" \"x\"",
	"file 0644 \"fixed/x\" \"x\"",
	"file 0666 \"sticky/theirs\" \"theirs\"",
	"file 0644 \"sticky/ours\" \"ours\"",
	"program 0755 \"run\"",
	"program 0755 \"d/run\"",
	"program 0711 \"h/run\"",
	"file 0755 \"script\" \"#!@/run one two\\x0a\"",
	"file 0755 \"d/script\" \"#! run\\x0a\"",
	"file 0755 \"h/script\" \"#!@/script deep\\x0a\"",
	"file 0755 \"h/lost\" \"#!/no/such/interpreter\\x0a\"",
	"file 0755 \"h/noise\" \"neither program nor script\"",
	"hard \"f\" \"d/hard\"",
	"hard \"d/f\" \"h/hard\"",
	"symlink \"f\" \"to-f\"",
	"symlink \"d\" \"to-d\"",
	"symlink \"d/e/\" \"to-e\"",
	"symlink \"@/d/e\" \"abs-e\"",
	"symlink \"@/f\" \"d/abs-f\"",
	"symlink \"../f\" \"d/up-f\"",
	"symlink \"..\" \"d/e/up\"",
	"symlink \".\" \"here\"",
	"symlink \"absent\" \"dangling\"",
	"symlink \"@/h/made-by-link\" \"to-new\"",
	"symlink \"loop\" \"loop\"",
	"symlink \"loop2\" \"loop1\"",
	"symlink \"loop1\" \"loop2\"",
	"symlink \"/dev/null\" \"null\"",
	"symlink \"/proc/self/cwd\" \"to-cwd\"",
	"symlink \"to-d/../to-d/e/x\" \"winding\"",
	"symlink \"run\" \"to-run\"",
	"fifo 0644 \"fifo\"",
	"fifo 0666 \"d/fifo\"",
	"socket 0755 \"socket\"",
	"listener 0755 \"d/stream\"",
	"listener 0777 \"h/stream\"",
	"receiver 0777 \"d/datagram\"",
	"receiver 0777 \"h/datagram\"",
	"listener 0777 \"void/stream\"",
	"receiver 0777 \"void/datagram\"",
	"device 0666 1 3 \"d/null\"",
	"device 0666 1 5 \"h/zero\"",
	"attr \"f\" \"user.a\" \"value\"",
	"attr \"f\" \"user.b\" \"\"",
	"attr \"g\" \"user.a\" \"of g\"",
	"attr \"r\" \"user.a\" \"of r\"",
	"attr \"d\" \"user.a\" \"of a directory\"",
	"attr \"d/f\" \"user.a\" \"0123456789012345678901234567890123456789\"",
	"attr \"d/e\" \"user.a\" \"e\"",
	"attr \"d/e/x\" \"user.a\" \"x\"",
	"attr \"h\" \"user.a\" \"h\"",
	"attr \"h/empty\" \"user.a\" \"empty\"",
	"attr \"run\" \"user.a\" \"run\"",
	"attr \"d/run\" \"user.a\" \"run\"",
	"attr \"sticky/ours\" \"user.a\" \"ours\"",
	"attr \"setgid\" \"user.a\" \"setgid\"",
	"attr \"void\" \"user.a\" \"void\"",
	"owner 4711 4711 \"sticky/theirs\"",
	"owner 4711 4711 \"setgid\"",
	"owner 0 0 \"fixed\"",
	"owner 0 0 \"fixed/x\"",
	"mode 0000 \"closed\"",
	"mode 0444 \"blind\"",
	"mode 0555 \"fixed\"",
};

void tree_print(FILE *out)
{
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		fprintf(out, "+ %s\n", standard[i]);
}

struct line {
	char word[16];
	long numbers[3];
	char texts[3][TEXT_MAX + 200];
	size_t lengths[3];
};

static int parse(const char *at, struct line *line)
{
	size_t word = strcspn(at, " "), numbers = 0, texts = 0;
	char text[TEXT_MAX], *end;
	ssize_t length;

	memset(line, 0, sizeof(*line));
	if (word >= sizeof(line->word))
		return -EINVAL;
	memcpy(line->word, at, word);
	at += word;
	while (*at == ' ') {
		at++;
		if (*at != '"') {
			if (numbers == 3)
				return -EINVAL;
			line->numbers[numbers++] = strtol(at, &end, 0);
			at = end;
			continue;
		}
		length = parse_quoted(&at, text, sizeof(text));
		if (length < 0 || texts == 3)
			return -EINVAL;
		line->lengths[texts] = expand(text, (size_t)length, line->texts[texts], sizeof(line->texts[0]) - 1);
		texts++;
	}
	return *at ? -EINVAL : 0;
}

static int write_file(const char *name, const char *content, size_t length)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t written = fd < 0 ? -1 : write(fd, content, length);

	if (fd >= 0)
		close(fd);
	return written == (ssize_t)length ? 0 : -1;
}

static int copy_program(const char *name)
{
	char from[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", from, sizeof(from) - 16);
	int in, out, result = -1;

	if (length < 0)
		return -1;
	/* It lies beside us and is called by our name and `_tiny`. */
	memcpy(from + length, "_tiny", 6);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (in >= 0 && out >= 0)
		result = sendfile(out, in, NULL, 1 << 20) > 0 ? 0 : -1;
	close(in);
	close(out);
	return result;
}

/* Listeners and receivers stay with this process, which outlives the sequence. */
static int make_socket(const char *name, int type, bool keep)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || (keep && type == SOCK_STREAM && listen(fd, 64) < 0))
		return -1;
	return keep ? 0 : close(fd);
}

/* 0, 1 if it is not for us to do, or -1. */
static int make(const struct line *l, uid_t uid)
{
	const char *word = l->word, *name = l->texts[0], *second = l->texts[1];
	mode_t mode = (mode_t)l->numbers[0];
	bool root = geteuid() == 0, has_mode = true;
	int result = -1;

	if (strcmp(word, "owner") == 0)
		return root ? lchown(name, (uid_t)l->numbers[0], (gid_t)l->numbers[1]) : 1;
	if (strcmp(word, "mode") == 0)
		return chmod(name, mode);
	if (strcmp(word, "attr") == 0)
		return lsetxattr(name, second, l->texts[2], l->lengths[2], 0) < 0 && errno != ENOTSUP && (root || errno != EACCES) ? -1 : 0;
	if (strcmp(word, "dir") == 0) {
		result = mkdir(name, 0700);
	} else if (strcmp(word, "file") == 0) {
		result = write_file(name, second, l->lengths[1]);
	} else if (strcmp(word, "program") == 0) {
		result = copy_program(name);
	} else if (strcmp(word, "fifo") == 0) {
		result = mkfifo(name, 0600);
	} else if (strcmp(word, "device") == 0) {
		if (!root)
			return 1;
		result = mknod(name, S_IFCHR | 0600, makedev((unsigned)l->numbers[1], (unsigned)l->numbers[2]));
	} else if (strcmp(word, "socket") == 0) {
		result = make_socket(name, SOCK_STREAM, false);
	} else if (strcmp(word, "listener") == 0) {
		result = make_socket(name, SOCK_STREAM, true);
	} else if (strcmp(word, "receiver") == 0) {
		result = make_socket(name, SOCK_DGRAM, true);
	} else if (strcmp(word, "symlink") == 0 || strcmp(word, "hard") == 0) {
		has_mode = false;
		result = word[0] == 's' ? symlink(name, second) : link(name, second);
		name = second;
	}
	if (result == 0 && root && strcmp(word, "hard") != 0)
		result = lchown(name, uid, uid);
	if (result == 0 && has_mode)
		result = chmod(name, mode);
	return result;
}

struct entries {
	char **names;
	size_t count;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, in order; none where it may not be read. */
static struct entries list(const char *path)
{
	struct entries entries = {0};
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		entries.names = realloc(entries.names, (entries.count + 1) * sizeof(char *));
		if (!entries.names || asprintf(&entries.names[entries.count], "%s/%s", path, entry->d_name) < 0)
			abort();
		entries.count++;
	}
	if (dir)
		closedir(dir);
	if (entries.count)
		qsort(entries.names, entries.count, sizeof(char *), compare);
	return entries;
}

static void entries_free(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->names[i]);
	free(entries->names);
}

static int is_directory(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void make_old(const char *path)
{
	const struct timespec old[2] = {{OLD_SECONDS, 1}, {OLD_SECONDS, 2}};
	struct entries entries = {0};

	if (is_directory(path))
		entries = list(path);
	for (size_t i = 0; i < entries.count; i++)
		make_old(entries.names[i]);
	entries_free(&entries);
	utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW);
}

int tree_remove(const char *path)
{
	struct entries entries = {0};
	bool directory = is_directory(path);

	if (directory) {
		if (geteuid() != 0)
			chmod(path, 0700);
		entries = list(path);
	}
	for (size_t i = 0; i < entries.count; i++)
		tree_remove(entries.names[i]);
	entries_free(&entries);
	return directory ? rmdir(path) : unlink(path);
}

/* The directories above the tree that are only there to keep paths from climbing out: called n, anew each time. */
static int make_depth(void)
{
	char path[PATH_MAX];
	size_t end = strlen(scene.tree) - strlen("/t"), outer = end;

	snprintf(path, sizeof(path), "%s", scene.tree);
	while (outer > 2 && memcmp(path + outer - 2, "/n", 2) == 0)
		outer -= 2;
	path[outer + 2] = '\0';
	tree_remove(path);
	for (size_t at = outer + 2; at <= end; at += 2) {
		snprintf(path, at + 1, "%s", scene.tree);
		if (mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

int tree_make(const char *path, uid_t uid)
{
	FILE *in = fopen(path, "re");
	char text[2048];
	struct line line;

	if (!in)
		return -1;
	umask(0);
	if (make_depth() < 0 || mkdir(scene.tree, 0755) < 0 || chmod(scene.tree, 0755) < 0 || chdir(scene.tree) < 0 ||
	    (geteuid() == 0 && chown(scene.tree, uid, uid) < 0)) {
		perror(scene.tree);
		fclose(in);
		return -1;
	}
	while (fgets(text, sizeof(text), in)) {
		if (strncmp(text, "+ ", 2) != 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		/* A line whose directory was taken out with another one makes nothing. */
		if (parse(text + 2, &line) < 0 || (make(&line, uid) < 0 && errno != ENOENT)) {
			fprintf(stderr, "%s: %m\n", text);
			fclose(in);
			return -1;
		}
	}
	fclose(in);
	make_old(scene.tree);
	return chdir("/");
}

static void dump_content(const char *path, const struct stat *st)
{
	unsigned char buffer[4096];
	uint64_t hash = 0xcbf29ce484222325;
	ssize_t got;
	int fd;

	if (S_ISLNK(st->st_mode)) {
		got = readlink(path, (char *)buffer, sizeof(buffer));
		describe_text(stdout, (char *)buffer, got < 0 ? 0 : (size_t)got);
	}
	if (!S_ISREG(st->st_mode))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Some are made very long, as holes. */
	for (int pages = 0; fd >= 0 && pages < 64 && (got = read(fd, buffer, sizeof(buffer))) > 0; pages++)
		for (ssize_t i = 0; i < got; i++)
			hash = (hash ^ buffer[i]) * 0x100000001b3;
	if (fd >= 0)
		close(fd);
	printf("content %016llx", (unsigned long long)hash);
}

static void dump_attributes(const char *path)
{
	char names[4096], value[4096];
	ssize_t length = llistxattr(path, names, sizeof(names)), got;

	for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
		got = lgetxattr(path, name, value, sizeof(value));
		printf(" %s=", name);
		describe_text(stdout, value, got < 0 ? 0 : (size_t)got);
	}
}

static void dump(const char *path)
{
	struct entries entries = {0};
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	fputs("tree ", stdout);
	describe_text(stdout, path, strlen(path));
	printf(" %o %u:%u #%u nlink %lu size %ld rdev %lx", st.st_mode, st.st_uid, st.st_gid, object_number(st.st_dev, st.st_ino),
	       (unsigned long)st.st_nlink, (long)st.st_size, (unsigned long)st.st_rdev);
	describe_time(stdout, st.st_atim.tv_sec, st.st_atim.tv_nsec);
	describe_time(stdout, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	describe_time(stdout, st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	putchar(' ');
	dump_content(path, &st);
	dump_attributes(path);
	putchar('\n');
	if (S_ISDIR(st.st_mode))
		entries = list(path);
	for (size_t i = 0; i < entries.count; i++)
		dump(entries.names[i]);
	entries_free(&entries);
}

int tree_dump(void)
{
	dump(scene.tree);
	return fflush(stdout);
}
