/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/self, /proc/thread-self, /dev/fd and their kin mean the caller's in every spelling. It judges itself: natively
 * and in a view every check must pass, and the same number of them.
 *   process_proc self DIR
 *   process_proc links DIR       what fd links, cwd and exe read
 *   process_proc absent PID...   nothing of these processes is to be had
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum base { AT_CWD, AT_ROOT, AT_PROC, AT_PROC_PATH, AT_SELF, AT_DIR, AT_DEV };

struct spelling {
	enum base base;
	const char *text; /* %p: our pid, %t: our tid, %f: a descriptor of /proc */
	bool thread; /* the thread's directory, not the process's */
};

static const struct spelling spellings[] = {
	{AT_CWD, "/proc/self", false},
	{AT_CWD, "/proc/./self", false},
	{AT_CWD, "/proc//self", false},
	{AT_CWD, "//proc/self", false},
	{AT_CWD, "/./proc/self", false},
	{AT_CWD, "/proc/self/.", false},
	{AT_CWD, "/proc/self/", false},
	{AT_CWD, "/proc/self//.//.", false},
	{AT_CWD, "/proc/self/../self", false},
	{AT_CWD, "/proc/self/../../proc/self", false},
	{AT_CWD, "/proc/../proc/self", false},
	{AT_CWD, "/../../proc/self", false},
	{AT_CWD, "/dev/../proc/self", false},
	{AT_CWD, "/proc/sys/../self", false},
	{AT_CWD, "/proc/sys/kernel/../../self", false},
	{AT_CWD, "/proc/self/task/..", false},
	{AT_CWD, "/proc/self/fd/..", false},
	{AT_CWD, "/proc/self/fd/../../self", false},
	{AT_CWD, "/proc/self/root/proc/self", false},
	{AT_CWD, "/proc/self/root/proc/../proc/self", false},
	{AT_CWD, "/proc/thread-self/../..", false},
	{AT_CWD, "/proc/thread-self/../../../self", false},
	{AT_CWD, "/proc/%p", false},
	{AT_CWD, "/proc/%p/../self", false},
	{AT_CWD, "/proc/%p/root/proc/self", false},
	{AT_CWD, "/proc/self/task/%t/root/proc/self", false},
	{AT_CWD, "/proc/1/../self", false},
	{AT_CWD, "/proc/self/fd/%f/self", false},
	{AT_CWD, "/proc/%p/fd/%f/self", false},
	{AT_CWD, "/proc/thread-self/fd/%f/self", false},
	{AT_CWD, "/dev/fd/..", false},
	{AT_CWD, "/dev/fd/../../self", false},
	{AT_CWD, "/dev/fd/%f/self", false},
	{AT_CWD, "/proc/mounts/../self", false}, /* not a directory: fails everywhere */
	{AT_DIR, "to-self", false},
	{AT_DIR, "to-self/../self", false},
	{AT_DIR, "to-proc/self", false},
	{AT_DIR, "to-proc/./self", false},
	{AT_DIR, "to-to-self", false},
	{AT_DIR, "relative-self", false},
	{AT_DIR, "to-fd/..", false},
	{AT_DIR, "../../../../../../proc/self", false},
	{AT_ROOT, "proc/self", false},
	{AT_ROOT, "./proc/./self", false},
	{AT_PROC, "self", false},
	{AT_PROC, "./self", false},
	{AT_PROC, "../proc/self", false},
	{AT_PROC, "self/../self", false},
	{AT_PROC, "self/task/../../self", false},
	{AT_PROC_PATH, "self", false},
	{AT_PROC_PATH, "self/.", false},
	{AT_DEV, "fd/..", false},
	{AT_DEV, "../proc/self", false},
	{AT_SELF, "../self", false},
	{AT_SELF, "../../proc/self", false},
	{AT_SELF, "fd/../../self", false},
	{AT_CWD, "/proc/thread-self", true},
	{AT_CWD, "/proc/./thread-self", true},
	{AT_CWD, "/proc/self/../thread-self", true},
	{AT_CWD, "/proc/self/task/%t", true},
	{AT_CWD, "/proc/%p/task/%t/.", true},
	{AT_CWD, "/proc/thread-self/../%t", true},
	{AT_CWD, "/proc/self/root/proc/thread-self", true},
	{AT_DIR, "to-thread-self", true},
	{AT_DIR, "to-proc/thread-self", true},
	{AT_PROC, "thread-self", true},
	{AT_PROC_PATH, "thread-self/.", true},
	{AT_SELF, "../thread-self", true},
	{AT_CWD, "/proc/%t/task/%t", true},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int bases[AT_DEV + 1];
static char directory[PATH_MAX], program[PATH_MAX];
static int checks, failures;

static bool check(bool good, const char *who, const char *text, const char *what)
{
	checks++;
	if (!good) {
		failures++;
		printf("FAILED %s: %s: %s (%s)\n", who, text, what, strerror(errno));
	}
	return good;
}

static void spell(const char *text, char *to, size_t size, const char *tail)
{
	size_t at = 0;

	for (; *text && at < size - 16; text++) {
		if (*text != '%') {
			to[at++] = *text;
			continue;
		}
		text++;
		at += (size_t)sprintf(to + at, "%d", *text == 'p' ? (int)getpid() : *text == 't' ? (int)gettid() : bases[AT_PROC]);
	}
	snprintf(to + at, size - at, "%s", tail);
}

static int number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? atoi(at + strlen(key)) : -1;
}

static bool is_status_of(int fd, pid_t tgid, pid_t pid)
{
	char text[2048];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	return number_after(text, "\nTgid:\t") == tgid && number_after(text, "\nPid:\t") == pid;
}

static bool lists(int fd, int wanted)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir));)
		found |= atoi(entry->d_name) == wanted && entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

static bool link_is(int dirfd, const char *path, const char *wanted)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = 0;
	return !strcmp(text, wanted);
}

static void one_spelling(const struct spelling *spelling, const char *who)
{
	pid_t tgid = getpid(), pid = spelling->thread ? gettid() : tgid;
	int dirfd = bases[spelling->base];
	char path[PATH_MAX];
	struct stat one, other = {0};

	spell(spelling->text, path, sizeof(path), "/status");
	if (!strncmp(spelling->text, "/proc/mounts", 12)) {
		check(openat(dirfd, path, O_RDONLY) < 0 && errno == ENOTDIR, who, path, "ENOTDIR");
		return;
	}
	check(is_status_of(openat(dirfd, path, O_RDONLY), tgid, pid), who, path, "open");
	spell(spelling->text, path, sizeof(path), "/fdinfo");
	bool stats = fstatat(dirfd, path, &one, 0) == 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo", (int)tgid, (int)pid);
	if (!spelling->thread)
		snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)tgid);
	/* A thread by its number in /proc is another inode than in its process's task/. */
	stats = stats && stat(path, &other) == 0;
	if (strncmp(spelling->text, "/proc/%t", 8))
		stats = stats && one.st_ino == other.st_ino;
	check(stats, who, spelling->text, "stat");
	spell(spelling->text, path, sizeof(path), "/cwd");
	check(link_is(dirfd, path, directory), who, path, "readlink cwd");
	spell(spelling->text, path, sizeof(path), "/exe");
	check(link_is(dirfd, path, program), who, path, "readlink exe");
	spell(spelling->text, path, sizeof(path), "/fd");
	check(lists(openat(dirfd, path, O_RDONLY | O_DIRECTORY), bases[AT_DIR]), who, path, "opendir");
	spell(spelling->text, path, sizeof(path), "/comm");
	check(faccessat(dirfd, path, R_OK, 0) == 0, who, path, "access");
	spell(spelling->text, path, sizeof(path), "");
	int fd = openat(dirfd, path, O_PATH);
	check(is_status_of(openat(fd, "status", O_RDONLY), tgid, pid), who, path, "O_PATH");
	check(fchdir(fd) == 0 && is_status_of(open("status", O_RDONLY), tgid, pid), who, path, "fchdir");
	close(fd);
	if (chdir(directory) < 0)
		exit(2);
	if (dirfd != AT_FDCWD && fchdir(dirfd) < 0)
		exit(2);
	check(chdir(path) == 0 && is_status_of(open("status", O_RDONLY), tgid, pid), who, path, "chdir");
	if (chdir(directory) < 0)
		exit(2);
}

static void spelled(const char *who)
{
	for (size_t i = 0; i < COUNT(spellings); i++)
		one_spelling(&spellings[i], who);
}

static const char *const descriptor_spellings[] = {
	"/dev/fd/", "/dev//fd/./", "/proc/self/fd/", "/proc/./self/fd/", "/proc/thread-self/fd/",
	"/proc/self/../self/fd/", "/dev/../dev/fd/", "/proc/self/task/../fd/", "/proc/self/root/dev/fd/", "to-fd/",
	"to-proc/self/fd/", "/proc/self/cwd/to-fd/", "/dev/fd/../fd/",
};

/* FD, by all its spellings and NAME. */
static void one_descriptor(int fd, const char *name, const char *who)
{
	struct stat one, other;

	fstat(fd, &one);
	for (size_t i = 0; i <= COUNT(descriptor_spellings); i++) {
		char path[PATH_MAX];

		if (i == COUNT(descriptor_spellings)) {
			if (!name)
				break;
			strcpy(path, name);
		} else {
			sprintf(path, "%s%d", descriptor_spellings[i], fd);
		}
		check(stat(path, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev, who, path, "stat");
		int again = open(path, O_RDONLY);
		check(again >= 0 && fstat(again, &other) == 0 && one.st_ino == other.st_ino, who, path, "open");
		close(again);
		again = open(path, O_PATH);
		check(again >= 0 && fstat(again, &other) == 0 && one.st_ino == other.st_ino, who, path, "O_PATH");
		close(again);
		check(lstat(path, &other) == 0 && S_ISLNK(other.st_mode), who, path, "lstat");
	}
}

static void descriptors(const char *who)
{
	static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	int saved[3], file = open("file", O_RDWR | O_CREAT, 0644), pipes[2];

	if (pipe(pipes) < 0)
		exit(2);
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = dup(fd);
		dup2(file, fd);
	}
	for (int fd = 0; fd < 3; fd++)
		one_descriptor(fd, names[fd], who);
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	one_descriptor(file, NULL, who);
	one_descriptor(bases[AT_DIR], NULL, who);
	one_descriptor(pipes[0], NULL, who);
	char byte;
	char path[64];
	sprintf(path, "/dev/fd/%d", pipes[1]);
	int end = open(path, O_WRONLY);
	check(write(end, "x", 1) == 1 && read(pipes[0], &byte, 1) == 1 && byte == 'x', who, path, "a pipe's other end");
	close(end);
	close(pipes[0]);
	close(pipes[1]);
	/* Closed ones are nobody's: not the supervisor's either. */
	for (int fd = 60; fd < 64; fd++) {
		sprintf(path, "/proc/self/fd/%d", fd);
		check(open(path, O_RDONLY) < 0 && errno == ENOENT, who, path, "ENOENT");
	}
	close(file);
}

static void *in_thread(void *unused)
{
	spelled("thread");
	descriptors("thread");
	return unused;
}

/* The parent's directory, inherited as a descriptor, stays the parent's. */
static void in_child(pid_t parent)
{
	char path[64];

	check(is_status_of(openat(bases[AT_SELF], "status", O_RDONLY), parent, parent), "child", "inherited", "the parent's");
	check(is_status_of(openat(bases[AT_SELF], "../self/status", O_RDONLY), getpid(), getpid()), "child", "inherited", "..");
	sprintf(path, "/proc/%d/status", (int)parent);
	check(is_status_of(open(path, O_RDONLY), parent, parent), "child", path, "open");
	sprintf(path, "/proc/%d/fd/%d", (int)parent, bases[AT_DIR]);
	check(link_is(AT_FDCWD, path, directory), "child", path, "readlink");
	spelled("child");
	descriptors("child");
}

static int self(void)
{
	pthread_t thread;
	int status;

	if (symlink("/proc/self", "to-self") < 0 || symlink("/proc", "to-proc") < 0 || symlink("to-self", "to-to-self") < 0 ||
	    symlink("../../../../../../../../proc/self", "relative-self") < 0 || symlink("/dev/fd", "to-fd") < 0 ||
	    symlink("/proc/thread-self", "to-thread-self") < 0)
		return 2;
	bases[AT_CWD] = AT_FDCWD;
	bases[AT_ROOT] = open("/", O_RDONLY | O_DIRECTORY);
	bases[AT_PROC] = open("/proc", O_RDONLY | O_DIRECTORY);
	bases[AT_PROC_PATH] = open("/proc", O_PATH);
	bases[AT_SELF] = open("/proc/self", O_RDONLY | O_DIRECTORY);
	bases[AT_DIR] = open(".", O_RDONLY | O_DIRECTORY);
	bases[AT_DEV] = open("/dev", O_PATH | O_DIRECTORY);
	spelled("leader");
	descriptors("leader");
	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
	fflush(stdout);
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		in_child(parent);
		printf("child: %d checks, %d failed\n", checks, failures);
		fflush(stdout);
		_exit(failures != 0);
	}
	waitpid(child, &status, 0);
	printf("%zu spellings, %d checks, %d failed\n", COUNT(spellings), checks, failures);
	return failures || status;
}

/* ---- what links read ---- */

static void show_link(const char *what, const char *path)
{
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n < 0) {
		printf("%s: %s\n", what, strerrorname_np(errno));
		return;
	}
	text[n] = 0;
	/* Numbers of inodes differ. */
	char *bracket = strstr(text, ":[");
	if (bracket)
		strcpy(bracket, ":[]");
	printf("%s: %s\n", what, text);
}

static void show_fd(const char *what, int fd)
{
	char path[64];

	sprintf(path, "/proc/self/fd/%d", fd);
	show_link(what, path);
	if (fd >= 0)
		close(fd);
}

static int links(void)
{
	int pair[2];

	mkdir("sub", 0755);
	mkfifo("fifo", 0600);
	close(open("plain", O_CREAT | O_WRONLY, 0644));
	if (symlink("plain", "link") < 0)
		return 2;
	show_fd("file", open("plain", O_RDONLY));
	show_fd("file for writing", open("plain", O_WRONLY));
	show_fd("created", open("created", O_CREAT | O_EXCL | O_RDWR, 0600));
	show_fd("through a link", open("link", O_RDONLY));
	show_fd("a link", open("link", O_PATH | O_NOFOLLOW));
	show_fd("O_PATH", open("sub/../plain", O_PATH));
	show_fd("directory", open("sub", O_RDONLY | O_DIRECTORY));
	show_fd("masked", open("masked-file", O_RDONLY));
	show_fd("a FIFO", open("fifo", O_RDONLY | O_NONBLOCK));
	show_fd("a FIFO both ways", open("fifo", O_RDWR));
	show_fd("null", open("/dev/null", O_RDWR));
	show_fd("proc", open("/proc/version", O_RDONLY));
	show_fd("nothing", open("nothing", O_RDONLY));
	if (pipe(pair) == 0)
		show_fd("pipe", pair[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
		show_fd("socket", pair[0]);
	show_fd("memfd", memfd_create("mine", 0));
	int fd = open("gone", O_CREAT | O_RDWR, 0600);
	unlink("gone");
	show_fd("deleted", fd);
	fd = open("before", O_CREAT | O_RDWR, 0600);
	rename("before", "after");
	show_fd("renamed", fd);
	show_link("cwd", "/proc/self/cwd");
	show_link("exe", "/proc/self/exe");
	show_link("root", "/proc/self/root");
	show_link("thread's cwd", "/proc/thread-self/cwd");
	if (chdir("sub") < 0)
		return 2;
	show_link("cwd beneath", "/proc/self/cwd");
	rmdir("../sub");
	show_link("cwd gone", "/proc/self/cwd");
	char text[PATH_MAX];
	printf("getcwd: %s\n", getcwd(text, sizeof(text)) ? text : strerrorname_np(errno));
	return 0;
}

/* ---- processes that are not there ---- */

static const char *const beneath[] = {"",	"/",	   "/.",     "/status", "/stat", "/maps", "/mem",  "/environ", "/cmdline",
				      "/cwd",	"/cwd/",   "/root",  "/root/",	"/exe",	 "/fd",	  "/fd/0", "/fdinfo",  "/task",
				      "/comm",	"/ns",	   "/ns/mnt", "/auxv",	"/io",	 "/stack", "/fd/3"};
static const char *const before[] = {"/proc/", "/proc/./", "/proc/self/../", "/proc/self/root/proc/", "/proc/sys/../"};

static void absent_one(const char *path)
{
	struct stat stat_buffer;
	char text[64];

#define ABSENT(call) check((call) < 0 && errno == ENOENT, "absent", path, #call)
	ABSENT(open(path, O_RDONLY));
	ABSENT(open(path, O_PATH));
	ABSENT(stat(path, &stat_buffer));
	ABSENT(lstat(path, &stat_buffer));
	ABSENT(readlink(path, text, sizeof(text)));
	ABSENT(access(path, F_OK));
	ABSENT(chdir(path));
}

static int absent(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		char path[128];

		for (size_t j = 0; j < COUNT(before); j++) {
			for (size_t k = 0; k < COUNT(beneath); k++) {
				snprintf(path, sizeof(path), "%s%s%s", before[j], argv[i], beneath[k]);
				absent_one(path);
			}
		}
		int pid = atoi(argv[i]);
		check(!lists(open("/proc", O_RDONLY | O_DIRECTORY), pid), "absent", argv[i], "listed");
		int proc = open("/proc", O_PATH);
		check(openat(proc, argv[i], O_RDONLY) < 0 && errno == ENOENT, "absent", argv[i], "openat");
		close(proc);
	}
	check(lists(open("/proc", O_RDONLY | O_DIRECTORY), getpid()), "absent", "own", "listed");
	printf("%d checks, %d failed\n", checks, failures);
	return failures != 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "absent"))
		return absent(argc, argv);
	if (chdir(argv[2]) < 0 || !getcwd(directory, sizeof(directory)) || !realpath(argv[0], program))
		return 2;
	return !strcmp(argv[1], "links") ? links() : self();
}
