/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential tree                             the lines of the standard tree
 * differential once UID TREE LINES COMMAND...   make the tree, run COMMAND in it as that user, write down the tree
 * differential generate SEED COUNT [data]       (a COMMAND of once) calls that the tree suggests; data: of content, too
 * differential run LINES                        (a COMMAND of once, perhaps inside) make the calls
 * differential print LINES                      as a C program
 * differential arena DIR... -- COMMAND...       (root) run COMMAND where nothing but these directories can be written
 */
#include "differential.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEGIN "DIFFERENTIAL_BEGIN"
#define TREE "DIFFERENTIAL_TREE"
#define LIE "DIFFERENTIAL_LIE"
#define GUARD "DIFFERENTIAL_GUARD"
#define LIMIT "DIFFERENTIAL_SECONDS"

static void die(const char *what)
{
	perror(what);
	exit(3);
}

static void become(uid_t uid)
{
	if (geteuid() == 0 && uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
		die("setresuid");
	/* As inside: without it set-id programs would be other ones. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
}

/* Until the kernel's coarse clock, by which files are stamped, is past the present: all of the tree is older then. */
static void begin(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	do
		clock_gettime(CLOCK_REALTIME_COARSE, &scene.begin);
	while (scene.begin.tv_sec < now.tv_sec || (scene.begin.tv_sec == now.tv_sec && scene.begin.tv_nsec <= now.tv_nsec));
	snprintf(text, sizeof(text), "%lld.%ld", (long long)scene.begin.tv_sec, scene.begin.tv_nsec);
	if (setenv(BEGIN, text, 1) < 0 || setenv(TREE, scene.tree, 1) < 0)
		die("setenv");
}

static pid_t child;

static void too_long(int signal)
{
	(void)signal;
	kill(child, SIGKILL);
}

/* A sequence may have closed the directory above the tree, where it is the user's: what is left would not be found. */
static void open_above(void)
{
	char above[4096];

	snprintf(above, sizeof(above), "%.*s", (int)(strrchr(scene.tree, '/') - scene.tree), scene.tree);
	if (geteuid() != 0 && chmod(above, 0755) < 0)
		die(above);
}

static int once(char **argv)
{
	uid_t uid = (uid_t)strtoul(argv[0], NULL, 10);
	const char *seconds = getenv(LIMIT);
	int status;

	scene.tree = argv[1];
	if (tree_make(argv[2], uid) < 0)
		return 3;
	begin();
	child = fork();
	if (child == 0) {
		become(uid);
		execv(argv[3], argv + 3);
		die(argv[3]);
	}
	signal(SIGALRM, too_long);
	alarm(seconds ? (unsigned)strtoul(seconds, NULL, 10) : 60);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	alarm(0);
	printf("ended %#x\n", status);
	open_above();
	tree_dump();
	return tree_remove(scene.tree) < 0 ? 3 : 0;
}

/* Facts for the driver, which asserts them. */
static void say_who(void)
{
	FILE *in = fopen("/proc/self/status", "re");
	struct statfs fs;
	char line[256];

	if (!in || statfs(scene.tree, &fs) < 0)
		die("/proc/self/status");
	printf("# uid %d fs %lx", (int)geteuid(), (unsigned long)fs.f_type);
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "Seccomp:", 8) == 0)
			printf(" %.*s %s", (int)strcspn(line, ":"), line, line + strcspn(line, "\t") + 1);
	}
	fclose(in);
	putchar('\n');
	fflush(stdout);
}

static void enter(void)
{
	const char *at = getenv(BEGIN);
	char *end;

	scene.tree = getenv(TREE);
	if (!at || !scene.tree)
		die("not run by once");
	scene.begin.tv_sec = strtoll(at, &end, 10);
	scene.begin.tv_nsec = strtol(end + 1, NULL, 10);
	scene.guard = getenv(GUARD) != NULL;
	scene.lie = getenv(LIE);
	scene.trace = stdout;
	umask(022);
	if (close_range(3, ~0u, 0) < 0 || chdir(scene.tree) < 0)
		die(scene.tree);
	signal(SIGPIPE, SIG_IGN);
	say_who();
	run_init();
}

static int run(const char *path)
{
	struct op *ops = NULL;
	size_t count = 0;
	char text[4096];
	FILE *in = fopen(path, "re");

	if (!in)
		die(path);
	while (fgets(text, sizeof(text), in)) {
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '+')
			continue;
		ops = realloc(ops, (count + 1) * sizeof(*ops));
		if (!ops || op_parse(text, &ops[count]) < 0) {
			fprintf(stderr, "not understood: %s\n", text);
			return 3;
		}
		count++;
	}
	fclose(in);
	enter();
	for (size_t i = 0; i < count; i++)
		run_op(&ops[i], (unsigned)i);
	free(ops);
	return 0;
}

static void set_read_only(const char *path, bool read_only)
{
	/* struct mount_attr: set, clear, propagation, userns_fd. */
	uint64_t attributes[4] = {read_only ? 1 : 0, read_only ? 0 : 1, 0, 0};

	if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, attributes, sizeof(attributes)) < 0)
		die(path);
}

static int arena(char **argv)
{
	char **command = argv;

	while (*command && strcmp(*command, "--") != 0)
		command++;
	if (!*command || !command[1] || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("arena");
	for (char **dir = argv; dir < command; dir++)
		if (mount(*dir, *dir, NULL, MS_BIND, NULL) < 0)
			die(*dir);
	set_read_only("/", true);
	for (char **dir = argv; dir < command; dir++)
		set_read_only(*dir, false);
	execvp(command[1], command + 1);
	die(command[1]);
	return 3;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "tree") == 0 && argc == 2) {
		tree_print(stdout);
		return 0;
	}
	if (strcmp(what, "once") == 0 && argc > 5)
		return once(argv + 2);
	if (strcmp(what, "run") == 0 && argc == 3)
		return run(argv[2]);
	if (strcmp(what, "print") == 0 && argc == 3)
		return print_c(argv[2]);
	if (strcmp(what, "arena") == 0 && argc > 4)
		return arena(argv + 2);
	if (strcmp(what, "generate") == 0 && (argc == 4 || argc == 5)) {
		enter();
		return generate(strtoull(argv[2], NULL, 0), (unsigned)strtoul(argv[3], NULL, 10), argc == 5);
	}
	/* Sequences execute /proc/self/exe, too: nothing is said. */
	return 2;
}
