/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PR_SET_DUMPABLE: what PR_GET_DUMPABLE says afterwards, in threads, children and executed programs; and paths go on
 * being served. Natively and in a view the output must be the same.
 *   process_dumpable [get NAME]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *what)
{
	struct stat stat_buffer;

	printf("%s: dumpable %d", what, prctl(PR_GET_DUMPABLE));
	printf(", stat %d, open %d, hidden %d\n", stat("/etc/passwd", &stat_buffer), open("/etc/passwd", O_RDONLY) >= 0,
	       access("hidden-file", F_OK) < 0 && errno == ENOENT);
	fflush(stdout);
}

static void *thread_main(void *what)
{
	show(what);
	return NULL;
}

static void in_thread(const char *what)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, (void *)what);
	pthread_join(thread, NULL);
}

static void in_child(const char *what, const char *program)
{
	pid_t child = fork();

	if (child == 0) {
		show(what);
		if (program)
			execl("/proc/self/exe", program, "get", "executed", NULL);
		prctl(PR_SET_DUMPABLE, !prctl(PR_GET_DUMPABLE));
		show("the other way");
		if (fork() == 0) {
			show("grandchild");
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		show(argv[2]);
		in_child("its child", NULL);
		return 0;
	}
	show("at first");
	in_child("child before", NULL);
	printf("set %d\n", prctl(PR_SET_DUMPABLE, 0));
	show("set to 0");
	in_thread("thread");
	in_child("child", NULL);
	in_child("child that executes", argv[0]);
	pid_t child = vfork();
	if (child == 0) {
		execl("/proc/self/exe", argv[0], "get", "executed by vfork", NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	show("still");
	printf("failing exec %d\n", execl("/nothing", "x", NULL));
	show("still");
	int error = prctl(PR_SET_DUMPABLE, 2) < 0 ? errno : 0;
	printf("set 2: %d\n", error);
	printf("set %d\n", prctl(PR_SET_DUMPABLE, 1));
	show("set to 1");
	in_child("child", NULL);
	prctl(PR_SET_DUMPABLE, 0);
	fflush(stdout);
	execl("/proc/self/exe", argv[0], "get", "executed at the end", NULL);
	return 1;
}
