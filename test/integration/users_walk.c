/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random walk over credentials, to be compared natively and inside a view: users_walk DIR SEED WALKS, as root.
 *
 * Each walk is a process of three threads. At each step one of them changes something of its own by the raw system call
 * (glibc would change all threads), then it says what it may do with files of several owners, and now and then so do its
 * children and the programs they execute. Every line is a result; nothing in them depends on time or numbers of processes.
 *
 *   users_walk ids      says what an executed program has
 *   users_walk DIR SEED WALKS whole   real, effective and saved ids are always changed together: what can be changed in a view
 *                       without CAP_SYS_PTRACE
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define THREADS 3
#define STEPS 9
#define SHARED 2000 /* the group that some files belong to */

static const unsigned ids[] = {0, 0, 1001, 1002, 65534};
static const unsigned gids[] = {0, 1001, SHARED, 65534};
static uint64_t state;
static char self[4096];
static bool whole;

static unsigned roll(unsigned below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % below;
}

static void say(const char *what, const char *on, long result)
{
	printf("%s %s %ld %s\n", what, on, result < 0 ? -1 : result, result < 0 ? strerrorname_np(errno) : "");
}

static void say_ids(const char *who)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	unsigned r, e, s, rg, eg, sg;

	syscall(SYS_getresuid, &r, &e, &s);
	syscall(SYS_getresgid, &rg, &eg, &sg);
	syscall(SYS_capget, &header, data);
	printf("%s %u %u %u %u  %u %u %u %u  %x %x %x %x  %ld groups\n", who, r, e, s, (unsigned)syscall(SYS_setfsuid, -1), rg, eg,
	       sg, (unsigned)syscall(SYS_setfsgid, -1), data[0].effective, data[1].effective, data[0].permitted,
	       data[0].inheritable, syscall(SYS_getgroups, 0, NULL));
}

static unsigned an_id(void)
{
	return roll(6) == 0 ? (unsigned)-1 : ids[roll(LEN(ids))];
}

static unsigned a_gid(void)
{
	return roll(6) == 0 ? (unsigned)-1 : gids[roll(LEN(gids))];
}

/* Some capabilities away, or into the effective set, or all of what is permitted. */
static long change_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	static const unsigned known[] = {0, 1 << CAP_DAC_OVERRIDE, 1 << CAP_DAC_READ_SEARCH | 1 << CAP_FOWNER,
					 1 << CAP_CHOWN | 1 << CAP_SETUID | 1 << CAP_SETGID,
					 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_PTRACE | 1 << CAP_SETPCAP | 1 << CAP_SETUID};
	unsigned some = known[roll(LEN(known))], how = roll(4);

	syscall(SYS_capget, &header, data);
	if (how == 0)
		data[0].effective = data[0].permitted;
	else
		data[0].effective = some;
	if (how == 1)
		data[1].effective = 0;
	if (how == 2)
		data[0].inheritable = some;
	if (how == 3) {
		data[0].permitted = some;
		data[1].permitted = data[1].effective = 0;
	}
	return syscall(SYS_capset, &header, data);
}

/* Of `setreuid`, `setresuid` and their like: with `whole` the one id for all. */
static long set_ids(long nr, unsigned (*choose)(void))
{
	unsigned a = choose(), b = choose(), c = choose();

	return whole ? syscall(nr, a, a, a) : syscall(nr, a, b, c);
}

static long change_groups(void)
{
	unsigned list[64];
	unsigned count = roll(3) == 0 ? 0 : roll(LEN(list));

	for (unsigned i = 0; i < count; i++)
		list[i] = 3000 + i;
	if (count && roll(2))
		list[roll(count)] = SHARED;
	return syscall(SYS_setgroups, count, list);
}

static void change(void)
{
	static const char *const names[] = {"setuid", "setreuid", "setresuid", "setgid",      "setresgid", "setfsuid",
					    "setfsgid", "setgroups", "capset",	 "keepcaps",    "securebits", "bounding", "ambient"};
	unsigned which = roll(LEN(names));
	long result;

	errno = 0;
	switch (which) {
	case 0:
		result = syscall(SYS_setuid, ids[roll(LEN(ids))]);
		break;
	case 1:
		result = set_ids(SYS_setreuid, an_id);
		break;
	case 2:
		result = set_ids(SYS_setresuid, an_id);
		break;
	case 3:
		result = syscall(SYS_setgid, gids[roll(LEN(gids))]);
		break;
	case 4:
		result = set_ids(SYS_setresgid, a_gid);
		break;
	case 5:
		result = syscall(SYS_setfsuid, an_id());
		break;
	case 6:
		result = syscall(SYS_setfsgid, a_gid());
		break;
	case 7:
		result = change_groups();
		break;
	case 8:
		result = change_capabilities();
		break;
	case 9:
		result = prctl(PR_SET_KEEPCAPS, roll(2), 0, 0, 0);
		break;
	case 10:
		result = prctl(PR_SET_SECUREBITS, roll(2) ? SECBIT_NOROOT : SECBIT_KEEP_CAPS, 0, 0, 0);
		break;
	case 11:
		result = prctl(PR_CAPBSET_DROP, roll(2) ? CAP_DAC_OVERRIDE : CAP_SETUID, 0, 0, 0);
		break;
	default:
		result = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0);
		break;
	}
	say("change", names[which], result);
	say_ids("now");
}

static const char *const files[] = {"root600", "user600", "group640", "all666", "closed/all666", "users/all666",
				    "groups/all666", "sticky/root666", "sticky/user666", "unreadable"};
static const char *const directories[] = {"closed", "users", "groups", "sticky", "inherits", "."};

static void try_file(const char *name)
{
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NOATIME, O_PATH, O_WRONLY | O_CREAT};
	int mode = modes[roll(LEN(modes))], flags[] = {0, AT_EACCESS};
	struct stat st;
	int fd = open(name, mode | O_CLOEXEC, 0600);

	say("open", name, fd < 0 ? -1 : 0);
	if (fd >= 0) {
		char byte;
		if (fstat(fd, &st) == 0)
			printf("is %u %u %o\n", st.st_uid, st.st_gid, st.st_mode);
		if (mode == O_RDONLY)
			say("read", name, read(fd, &byte, 1));
		close(fd);
	}
	for (unsigned i = 0; i < 2; i++) {
		int wanted = (int)roll(7) + 1;
		say(i ? "eaccess" : "access", name, syscall(SYS_faccessat2, AT_FDCWD, name, wanted, flags[i]));
		say("access", name, access(name, wanted));
	}
	switch (roll(8)) {
	case 0:
		say("chmod", name, chmod(name, stat(name, &st) == 0 ? st.st_mode & 07777 : 0600));
		break;
	case 1:
		say("chown", name, lchown(name, (uid_t)-1, stat(name, &st) == 0 ? st.st_gid : 0));
		break;
	case 2:
		say("truncate", name, truncate(name, 3));
		break;
	case 3:
		say("utimens", name, utimensat(AT_FDCWD, name, (struct timespec[2]){{1, 0}, {1, 0}}, 0));
		break;
	case 4:
		say("touch", name, utimensat(AT_FDCWD, name, NULL, 0));
		break;
	case 5:
		say("setxattr", name, setxattr(name, "user.x", "1", 1, 0));
		break;
	case 6:
		say("trusted", name, setxattr(name, "trusted.x", "1", 1, 0));
		say("listxattr", name, listxattr(name, NULL, 0));
		removexattr(name, "trusted.x");
		break;
	default:
		say("stat", name, stat(name, &st));
		break;
	}
}

static void try_directory(const char *dir)
{
	char name[256], other[256];
	struct stat st;

	snprintf(name, sizeof(name), "%s/new", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	switch (roll(6)) {
	case 0:
		say("mkdir", name, mkdir(name, 02775));
		break;
	case 1:
		say("symlink", name, symlink("root600", name));
		say("follow", name, access(name, R_OK));
		break;
	case 2:
		say("mknod", name, mknod(name, S_IFIFO | 0644, 0));
		break;
	case 3:
		say("device", name, mknod(name, S_IFCHR | 0600, 0x103));
		break;
	case 4:
		say("link", name, link("all666", name));
		break;
	default: {
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		say("creat", name, fd < 0 ? -1 : 0);
		close(fd);
		break;
	}
	}
	if (lstat(name, &st) == 0)
		printf("new %u %u %o\n", st.st_uid, st.st_gid, st.st_mode);
	say("rename", name, rename(name, other));
	say("unlink", other, unlink(other) < 0 && errno == EISDIR ? rmdir(other) : errno ? -1 : 0);
	unlink(name);
	rmdir(name);
	snprintf(name, sizeof(name), "%s/%s", dir, roll(2) ? "root666" : "user666");
	snprintf(other, sizeof(other), "%s/moved", dir);
	say("move", name, rename(name, other));
	rename(other, name);
	int at = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	say("chdir", dir, chdir(dir));
	say("back", dir, fchdir(at));
	close(at);
}

static void try_others(void)
{
	static const char *const sockets[] = {"socket600", "socket666"};
	const char *name = sockets[roll(2)];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64];

	strcpy(address.sun_path, name);
	say("connect", name, connect(fd, (struct sockaddr *)&address, sizeof(address)));
	strcpy(address.sun_path, "inherits/bound");
	say("bind", "inherits/bound", bind(fd, (struct sockaddr *)&address, sizeof(address)));
	unlink(address.sun_path);
	close(fd);
	/* What looks at effective ids, and at the capabilities a file was opened with. */
	fd = open("/proc/sys/kernel/hostname", O_WRONLY | O_CLOEXEC);
	say("sysctl", "hostname", fd < 0 ? -1 : 0);
	close(fd);
	fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 16);
	printf("kallsyms %s\n", n == 16 && memcmp(text, "0000000000000000", 16) == 0 ? "zeros" : n == 16 ? "told" : "none");
	close(fd);
	/* Without CAP_SYS_PTRACE a thread cannot look at its process where that has other ids. */
	if (whole && gettid() != getpid())
		return;
	for (unsigned i = 0; i < 4; i++) {
		static const char *const own[] = {"/proc/self/exe", "/proc/self/cwd", "/proc/self/fd/1", "/proc/1/exe"};
		say("readlink", own[i], readlink(own[i], text, sizeof(text)) < 0 ? -1 : 0);
	}
	static const char *const own_files[] = {"/proc/self/environ", "/proc/self/maps", "/proc/self/fd", "/proc/self/status",
						"/proc/1/environ", "/proc/self/auxv", "/proc/self/fd/1"};
	/* Who has changed ids is not dumpable natively, and may not read these of its own. */
	for (unsigned i = whole ? 2 : 0; i < LEN(own_files); i++) {
		if (whole && strcmp(own_files[i], "/proc/self/auxv") == 0)
			continue;
		fd = open(own_files[i], O_RDONLY | O_CLOEXEC);
		say("own", own_files[i], fd < 0 ? -1 : 0);
		close(fd);
	}
}

static void try_exec(void)
{
	static const char *const programs[] = {"exe755", "exe700", "exe711", "script", "closed/exe755"};
	const char *program = programs[roll(LEN(programs))];
	/* One that the supervisor may not read it cannot execute without CAP_SYS_PTRACE. */
	if (whole && program == programs[2])
		program = programs[0];
	int status = 0;

	/* Nor one with other file-system ids than its effective ones. */
	if (whole && ((uid_t)syscall(SYS_setfsuid, -1) != geteuid() || (gid_t)syscall(SYS_setfsgid, -1) != getegid()))
		return;
	fflush(stdout);
	pid_t pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		execl(program, "users_walk", "ids", NULL);
		say("exec", program, -1);
		fflush(stdout);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	printf("executed %s %x\n", program, status);
}

static void try_all(void)
{
	for (unsigned i = 0; i < 4; i++)
		try_file(files[roll(LEN(files))]);
	for (unsigned i = 0; i < 2; i++)
		try_directory(directories[roll(LEN(directories))]);
	if (roll(2))
		try_others();
	if (roll(4) == 0)
		try_exec();
}

/* What a thread has its children have. */
static void try_in_child(void)
{
	int status;

	fflush(stdout);
	pid_t pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		say_ids("child");
		try_all();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	/* It rolled in a memory of its own. */
	roll(2);
}

static sem_t turn[THREADS], done;

static void *thread_main(void *argument)
{
	unsigned self_number = (unsigned)(uintptr_t)argument;

	for (;;) {
		sem_wait(&turn[self_number]);
		printf("-- thread %u\n", self_number);
		if (roll(8))
			change();
		if (roll(5) == 0)
			try_in_child();
		else
			try_all();
		sem_post(&done);
	}
	return NULL;
}

static void walk(void)
{
	pthread_t thread;

	sem_init(&done, 0, 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		sem_init(&turn[i], 0, 0);
		pthread_create(&thread, NULL, thread_main, (void *)i);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		sem_post(&turn[roll(THREADS)]);
		sem_wait(&done);
	}
	fflush(stdout);
	_exit(0);
}

static void file(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "text\n", 5) != 5 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		perror(name);
	close(fd);
}

static void directory(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	char inner[256];

	if (mkdir(name, 0700) < 0 || chown(name, uid, gid) < 0 || chmod(name, mode) < 0)
		perror(name);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(inner, sizeof(inner), "%s/%s", name, (const char *[]){"all666", "root666", "user666"}[i]);
		file(inner, 0666, i == 2 ? 1001 : 0, 0);
	}
}

static void copy_self(const char *name, mode_t mode)
{
	char command[9000];

	snprintf(command, sizeof(command), "cp '%s' '%s'", self, name);
	if (system(command) != 0 || chmod(name, mode) < 0)
		perror(name);
}

static void make_tree(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	umask(0);
	file("root600", 0600, 0, 0);
	file("user600", 0600, 1001, 1001);
	file("group640", 0640, 0, SHARED);
	file("all666", 0666, 0, 0);
	file("root666", 0666, 0, 0);
	file("user666", 0666, 1001, 0);
	file("unreadable", 0222, 1002, 0);
	directory("closed", 0700, 0, 0);
	directory("users", 0700, 1001, 1001);
	directory("groups", 0770, 0, SHARED);
	directory("sticky", 01777, 0, 0);
	directory("inherits", 02777, 1001, SHARED);
	copy_self("exe755", 0755);
	copy_self("exe700", 0700);
	copy_self("exe711", 0711);
	copy_self("closed/exe755", 0755);
	FILE *script = fopen("script", "w");
	fprintf(script, "#!%s/exe755\n", get_current_dir_name());
	fclose(script);
	chmod("script", 0755);
	for (unsigned i = 0; i < 2; i++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		strcpy(address.sun_path, i ? "socket666" : "socket600");
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(address.sun_path, i ? 0666 : 0600) < 0)
			perror("bind");
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "ids") == 0) {
		say_ids("program");
		return 0;
	}
	/* Run as a script's interpreter. */
	if (argc == 3 && strcmp(argv[2], "ids") == 0) {
		say_ids("script");
		return 0;
	}
	whole = argc == 5 && strcmp(argv[4], "whole") == 0;
	if ((argc != 4 && !whole) || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || chdir(argv[1]) < 0)
		return 2;
	/* As everybody in a view has it: an exec gives no rights. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	make_tree();
	unsigned first = (unsigned)atoi(argv[2]), count = (unsigned)atoi(argv[3]);
	for (unsigned i = first; i < first + count; i++) {
		int status;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			state = i * 1000003u + 17;
			printf("=== walk %u\n", i);
			say_ids("start");
			walk();
		}
		waitpid(pid, &status, 0);
		printf("=== ended %x\n", status);
	}
	return 0;
}
