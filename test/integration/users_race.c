/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A drop of rights against calls in flight: users_race DIR ROUNDS [fs], as root. DIR/secret is root's alone. fs: by the
 * file-system id alone, so that no thread has several real, effective and saved ids; and nobody forks.
 *
 * Threads that change between root and another user, each with its own credentials, while others keep root's and their
 * children come and go. Whoever is not root at the moment must be refused by every call that takes a path, whoever is must
 * not; at once after the change and for as long as it lasts.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHANGERS 3
#define OTHER 1001

static _Atomic unsigned refused, allowed, wrong;
static _Atomic bool stop;
static unsigned rounds;
static bool by_fs;

/* Each opens, changes or names something that only root may. Returns 0 or an errno. */
static int attempt(unsigned which)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	struct stat st;
	struct statfs fs;
	char byte;
	int fd = -1;
	long r;

	switch (which) {
	case 0:
		r = fd = open("secret", O_RDONLY | O_CLOEXEC);
		break;
	case 1:
		r = fd = open("secret", O_RDWR | O_APPEND | O_CLOEXEC);
		break;
	case 2:
		r = fd = open("closed/inner", O_PATH | O_CLOEXEC);
		break;
	case 3:
		r = stat("closed/inner", &st);
		break;
	case 4:
		r = syscall(SYS_faccessat2, AT_FDCWD, "secret", R_OK, AT_EACCESS);
		break;
	case 5:
		r = chmod("secret", 0600);
		break;
	case 6:
		r = chown("secret", 0, 0);
		break;
	case 7:
		r = truncate("secret", 6);
		break;
	case 8:
		r = utimensat(AT_FDCWD, "secret", (struct timespec[2]){{1, 0}, {1, 0}}, 0);
		break;
	case 9:
		r = getxattr("secret", "user.none", &byte, 1);
		r = r < 0 && errno == ENODATA ? 0 : r;
		break;
	case 10:
		r = readlink("closed/link", &byte, 1);
		break;
	case 11:
		r = statfs("closed/inner", &fs);
		break;
	case 12: {
		char name[64];
		snprintf(name, sizeof(name), "closed/new-%d", gettid());
		r = mkdir(name, 0700);
		if (r == 0)
			rmdir(name);
		break;
	}
	case 13:
		r = link("closed/inner", "closed/inner");
		r = r < 0 && errno == EEXIST ? 0 : r;
		break;
	case 14:
		r = rename("closed/inner", "closed/inner");
		break;
	case 15:
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
		break;
	default:
		r = fd = open("/proc/sys/kernel/hostname", O_WRONLY | O_CLOEXEC);
		break;
	}
	int error = r < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error;
}
/* The last one looks at effective ids. */
#define ATTEMPTS (by_fs ? 16u : 17u)

static void check(unsigned which, bool root, const char *who)
{
	int error = attempt(which);

	if (root ? error == 0 : error == EACCES || error == EPERM) {
		atomic_fetch_add(root ? &allowed : &refused, 1);
		return;
	}
	atomic_fetch_add(&wrong, 1);
	printf("%s: attempt %u as %s: errno %d\n", who, which, root ? "root" : "another", error);
}

static void *changer(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	for (unsigned i = 0; i < rounds; i++) {
		bool root = (i + seed) % 2;
		/* By the raw calls: this thread alone. With the effective id goes the file-system one. */
		if (by_fs)
			syscall(SYS_setfsuid, root ? 0 : OTHER);
		else if (syscall(SYS_setresuid, -1, root ? 0 : OTHER, -1) < 0)
			printf("setresuid: %s\n", strerror(errno));
		check((i / 2 * 7 + seed) % ATTEMPTS, root, "changer");
		check((i / 2 * 5 + seed) % ATTEMPTS, root, "changer");
	}
	return NULL;
}

/* Children that drop for good, and their children. */
static void *parent(void *argument)
{
	(void)argument;
	for (unsigned i = 0; !stop; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			check(i % ATTEMPTS, true, "child");
			/* The bounding set stays: real, effective and saved ids go. */
			if (syscall(SYS_setresuid, OTHER, OTHER, OTHER) < 0)
				_exit(2);
			unsigned before = wrong;
			check(i % ATTEMPTS, false, "dropped");
			if (syscall(SYS_setresuid, 0, 0, 0) == 0)
				_exit(3);
			pid = fork();
			if (pid == 0) {
				check((i + 1) % ATTEMPTS, false, "grandchild");
				fflush(stdout);
				_exit(wrong != before);
			}
			int status = 0;
			waitpid(pid, &status, 0);
			fflush(stdout);
			_exit(status != 0 || wrong != before);
		}
		int status = 0;
		waitpid(pid, &status, 0);
		if (status) {
			printf("child ended %x\n", status);
			atomic_fetch_add(&wrong, 1);
		}
		atomic_fetch_add(&refused, 2);
	}
	return NULL;
}

/* Keeps root's rights all the time. */
static void *keeper(void *argument)
{
	(void)argument;
	for (unsigned i = 0; !stop; i++)
		check(i % ATTEMPTS, true, "keeper");
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	pthread_t threads[CHANGERS], others[2];

	by_fs = argc == 4 && strcmp(argv[3], "fs") == 0;
	if ((argc != 3 && !by_fs) || chdir(argv[1]) < 0)
		return 2;
	rounds = (unsigned)atoi(argv[2]);
	setbuf(stdout, NULL);
	umask(077);
	int fd = open("secret", O_WRONLY | O_CREAT | O_EXCL, 0600);
	int bound = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || write(fd, "secret", 6) != 6 || mkdir("closed", 0700) < 0 || link("secret", "closed/inner") < 0 ||
	    symlink("x", "closed/link") < 0 || bind(bound, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 2;
	for (uintptr_t i = 0; i < CHANGERS; i++)
		pthread_create(&threads[i], NULL, changer, (void *)i);
	pthread_create(&others[0], NULL, keeper, NULL);
	pthread_create(&others[1], NULL, by_fs ? keeper : parent, NULL);
	for (unsigned i = 0; i < CHANGERS; i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(others[0], NULL);
	pthread_join(others[1], NULL);
	printf("refused %u allowed %u wrong %u\n", refused, allowed, wrong);
	return wrong != 0;
}
