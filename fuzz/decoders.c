/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoders of every system call that is answered: the number, the arguments and the memory of the caller are the
 * fuzzer's. Nothing of the machine can be changed (guard.h: the policy must see to it, and must be seen to); what is
 * hidden is never told; no descriptor is lost; the answer is one that a call can have. Errands are not run.
 *
 * Input: number (2 bytes), switches (1), six arguments (4 each: a kind, 24 bits), then the caller's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard.h"
#include "guest.h"
#include "intercept/handlers.h"
#include "intercept/notify_caller.h"
#include "vfs/view.h"

#define ORDINARY_ID 65534
#define HEADER_BYTES 27
#define FILE_MIB 16 /* no file grows over that */
#define DESCRIPTORS 256
/* sendmmsg(2) may look at 1024 messages of 64 vectors each; nothing looks more often. */
#define LOOKS_MAX (1024 * 80)
#define TOKEN "xq7secret"

enum { GUEST_DIRECTORY = 1, GUEST_OPEN = 3, GUEST_PIPE = 4, GUEST_UNIX = 5, GUEST_WATCH = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char directory[256];
static struct view *view;
static struct policy *policy;
/* Some handlers take it for the caller of a notification and hand on what they find there, to the stubs below. */
static union {
	struct guest guest;
	struct notify_caller notified;
} the_caller = {.guest = {.caller.ops = &guest_ops, .cwd_fd = -EBADF, .token = TOKEN}};

void wards_changing(struct wards *wards, pid_t tid)
{
	(void)wards;
	(void)tid;
}

bool wards_by_ids(const struct wards *wards)
{
	(void)wards;
	return false;
}

bool wards_may_change_ids(const struct wards *wards, const struct creds *creds, int nr, const uint64_t args[6])
{
	(void)wards;
	(void)creds;
	(void)nr;
	(void)args;
	return true;
}

bool wards_may_set_securebits(const struct wards *wards, unsigned long bits)
{
	(void)wards;
	return bits % 2;
}

void threads_umask_changing(struct threads *threads, pid_t tid, pid_t tgid)
{
	(void)threads;
	(void)tid;
	(void)tgid;
}

void threads_umasks_are_shared(struct threads *threads)
{
	(void)threads;
}
static struct op op;
static int peer = -EBADF;
static unsigned base_count;

/* What must stay as it was; of `secret` ones not even the existence may show. */
static struct entry {
	const char *name;
	char type; /* f, d, l */
	const char *content;
	bool secret;
	struct stat stat;
} entries[] = {
	{"plain", 'f', "text\n", false, {0}},
	{"script", 'f', "#!/bin/sh -e\n", false, {0}},
	{"masked", 'f', "masked " TOKEN "\n", true, {0}},
	{"copied", 'f', "copied " TOKEN "\n", true, {0}},
	{"hidden-" TOKEN, 'f', TOKEN, true, {0}},
	{"denied", 'f', TOKEN, true, {0}},
	{"dir", 'd', NULL, false, {0}},
	{"dir/inner", 'f', "inner\n", false, {0}},
	{"way", 'd', NULL, false, {0}},
	{"way/shown", 'f', "shown\n", false, {0}},
	{"way/" TOKEN, 'f', TOKEN, true, {0}},
	{"link", 'l', "plain", false, {0}},
	{"loop", 'l', "loop", false, {0}},
	{"up", 'l', "dir/..", false, {0}},
	{".", 'd', NULL, false, {0}},
};
#ifdef SCRIM_SEEDED_BUG /* the control: a rule is not in force, and the first change must be noticed */
#define READONLY "readonly /nowhere"
#else
#define READONLY "readonly /"
#endif
static const char *const rules[] = {READONLY,		   "mask @/masked", "mask @/copied write=discard", "free @/copied",
				    "hide @/hidden-" TOKEN, "deny @/denied", "hide @/way", "show @/way/shown",
				    "append @/log"};

static void fail(int line)
{
	fprintf(stderr, "decoders.c:%d: not so\n", line);
	abort();
}

#define require(truth) ((truth) ? (void)0 : fail(__LINE__))

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static void remove_all(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void become_ordinary(void)
{
	if (geteuid() == 0)
		require(chown(directory, ORDINARY_ID, ORDINARY_ID) == 0 && setgroups(0, NULL) == 0 &&
			setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) == 0 &&
			setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) == 0);
	require(geteuid() != 0 && getuid() != 0);
	/* What this process has open is looked up in procfs, by itself. */
	require(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void make_file(const char *name, const char *content)
{
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	require(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
}

static void make_tree(void)
{
	snprintf(directory, sizeof(directory), "%s/scrim-fuzz-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	require(mkdtemp(directory) && atexit(remove_all) == 0);
	become_ordinary();
	require(chdir(directory) == 0);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		if (entries[i].type == 'f')
			make_file(entries[i].name, entries[i].content);
		else if (entries[i].type == 'l')
			require(symlink(entries[i].content, entries[i].name) == 0);
		else if (strcmp(entries[i].name, ".") != 0)
			require(mkdir(entries[i].name, 0755) == 0);
	}
	make_file("open.rw", "rw");
	make_file("log", "log\n");
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		require(lstat(entries[i].name, &entries[i].stat) == 0);
}

static void make_view(void)
{
	const struct policy_context context = {
		.home = directory, .cwd = directory, .trust_any_owner = true, .no_mseal = true};
	struct errmsg msg = {0};

	require(policy_new(&context, &policy) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const char *at = strchr(rules[i], '@');
		char text[512];

		snprintf(text, sizeof(text), "%.*s%s%s", at ? (int)(at - rules[i]) : (int)strlen(rules[i]), rules[i],
			 at ? directory : "", at ? at + 1 : "");
		require(policy_add_rule(policy, text, &msg) == 0);
	}
	require(policy_compile(policy, &msg) == 0 && view_new(&(struct view_config){.policy = policy}, &view, &msg) == 0);
	require(!view->root);
}

static unsigned count_all(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* All but what the registry of masked content keeps (its memfds, and the masked files by O_PATH), and what feeds inotify queues. */
static unsigned count_unmasked(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		int flags = fcntl(fd, F_GETFL);
		char name[64], text[64];
		struct stat stat;

		if (flags < 0)
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(name, text, sizeof(text) - 1);
		text[len < 0 ? 0 : len] = '\0';
		if (strstr(text, "memfd:scrim-mask") || strncmp(text, "anon_inode:", 11) == 0 || strncmp(text, "pipe:", 5) == 0)
			continue;
		if ((flags & O_PATH) && fstat(fd, &stat) == 0 &&
		    (stat.st_ino == entries[2].stat.st_ino || stat.st_ino == entries[3].stat.st_ino))
			continue;
		count++;
	}
	return count;
}

static void open_descriptors(void)
{
	struct stat stat;
	int pipes[2];

	require(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
	const int fds[] = {
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open("plain", O_RDONLY | O_CLOEXEC),
		open("open.rw", O_RDWR | O_CLOEXEC),
		pipes[0],
		-EBADF, /* GUEST_UNIX */
		socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		-EBADF, /* GUEST_WATCH */
		open("log", O_WRONLY | O_APPEND | O_CLOEXEC),
		open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC),
		open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open("way", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};

	_Static_assert(ARRAY_LEN(fds) == GUEST_FDS, "one for each");
	memcpy(the_caller.guest.fds, fds, sizeof(fds));
	for (int i = 0; i < GUEST_FDS; i++)
		require(the_caller.guest.fds[i] >= 0 || i == GUEST_UNIX || i == GUEST_WATCH);
	require(fstat(the_caller.guest.fds[8], &stat) == 0);
	guard_touchable = stat.st_ino;
	the_caller.guest.cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	require(the_caller.guest.cwd_fd >= 0);
}

/* Those whose state an input could leave behind are made anew for each. */
static void open_passing(void)
{
	int pair[2];

	require(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
	the_caller.guest.fds[GUEST_UNIX] = pair[0];
	peer = pair[1];
	/* There are not many of them for one user; without one it is a bad descriptor. */
	the_caller.guest.fds[GUEST_WATCH] = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

static void close_passing(void)
{
	static const int flags[GUEST_FDS] = {[GUEST_PIPE] = O_NONBLOCK, [8] = O_APPEND};

	the_caller.guest.fds[GUEST_UNIX] = safe_close(the_caller.guest.fds[GUEST_UNIX]);
	the_caller.guest.fds[GUEST_WATCH] = safe_close(the_caller.guest.fds[GUEST_WATCH]);
	peer = safe_close(peer);
	for (int i = 0; i < GUEST_FDS; i++) {
		if (the_caller.guest.fds[i] >= 0)
			fcntl(the_caller.guest.fds[i], F_SETFL, flags[i]);
	}
	lseek(the_caller.guest.fds[GUEST_DIRECTORY], 0, SEEK_SET);
	lseek(the_caller.guest.fds[10], 0, SEEK_SET);
}

static void check_tree(void)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		const struct stat *was = &entries[i].stat;
		struct stat is;

		require(lstat(entries[i].name, &is) == 0);
		require(is.st_ino == was->st_ino && is.st_mode == was->st_mode && is.st_size == was->st_size);
		require(is.st_uid == was->st_uid && is.st_gid == was->st_gid && is.st_nlink == was->st_nlink);
		require(memcmp(&is.st_mtim, &was->st_mtim, sizeof(is.st_mtim)) == 0);
		require(memcmp(&is.st_ctim, &was->st_ctim, sizeof(is.st_ctim)) == 0);
	}
}

/* The object of an answer: nothing secret, and writable only if that can change nothing. */
static void check_object(int fd, bool given)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat stat;

	require(flags >= 0 && fstat(fd, &stat) == 0);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		/* An exec or an O_PATH open may name what is masked: its content is not told by that. */
		bool named = (flags & O_PATH) && strcmp(entries[i].name, "denied") != 0 &&
			     !strstr(entries[i].name, TOKEN);
		require(!entries[i].secret || named || stat.st_dev != entries[i].stat.st_dev ||
			stat.st_ino != entries[i].stat.st_ino);
	}
	if (!given || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY || !S_ISREG(stat.st_mode))
		return;
	require(stat.st_nlink == 0 || (stat.st_ino == guard_touchable && (flags & O_APPEND)));
}

static void check_errand(const struct outcome *out)
{
	const struct errand *errand = &out->errand;

	require(syscall_find(errand->nr) != NULL);
	require(errand->object_arg >= 0 && errand->object_arg < 6 && errand->length_arg >= -1 && errand->length_arg < 6);
	require(errand->bytes.len <= sizeof(errand->bytes.data));
	require(out->fd >= 0 || errand->verbatim || errand->messages || (errand->sockaddr && errand->error < 0));
	for (unsigned i = 0; errand->messages && i < errand->messages->count; i++) {
		const struct message *message = &errand->messages->item[i];

		require(message->bytes.len <= sizeof(message->bytes.data));
		require(!message->names || message->fd >= 0 || message->error < 0);
		if (message->fd >= 0)
			check_object(message->fd, false);
	}
	require(!errand->exec || errand->nr == SYS_execve || errand->nr == SYS_execveat);
	if (errand->exec) {
		require(errand->exec->prefix_count <= EXEC_PLAN_PREFIX_MAX);
		for (unsigned i = 0; i < errand->exec->prefix_count; i++)
			require(strlen(errand->exec->prefix[i]) <= PATH_MAX);
	}
	if (out->fd >= 0)
		check_object(out->fd, false);
}

static void check_outcome(int error, const struct outcome *out)
{
	require(error <= 0 && error >= -4095);
	if (error)
		return;
	switch (out->kind) {
	case OUT_VALUE:
		require(out->value >= 0 && out->value <= UINT32_MAX);
		break;
	case OUT_FD:
		check_object(out->fd, true);
		break;
	case OUT_CONTINUE:
		require(out->fd < 0);
		break;
	case OUT_ERRAND:
		check_errand(out);
		break;
	default:
		fail(__LINE__);
	}
}

static uint64_t argument(const uint8_t *bytes)
{
	uint64_t value = bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16;

	switch (bytes[3] & 7) {
	case 0:
		return value;
	case 1: /* in the caller's memory, or just behind it */
		return GUEST_BASE + value % (the_caller.guest.size + 1);
	case 2:
		return -value;
	case 3: /* anywhere */
		return value * 0x9e3779b97f4a7c15u;
	case 4:
		return value % (GUEST_FDS + 1);
	case 5: /* an int in a register whose upper half is anything */
		return 0xdead000000000000u | value;
	case 6:
		return (uint64_t)AT_FDCWD;
	default:
		return (uint64_t)1 << value % 64;
	}
}

/* The call that NUMBER means: itself when it is answered, else one of those that are. */
static const struct syscall_row *choose(unsigned number)
{
	const struct syscall_row *row = syscall_find((int)(number % 512));

	for (size_t i = 0; !row || !row->name || !handler_table[row->handler]; i++)
		row = &syscall_table[(number + i) % syscall_table_len];
	return row;
}

static void call(const struct syscall_row *row, const uint64_t args[6])
{
	struct outcome out;

	outcome_init(&out);
	op_begin(&op, view, &the_caller.guest.caller, row->nr);
	guard_on = true;
	int error = handler_table[row->handler](&op, row->nr, args, &out);
	guard_on = false;
	check_outcome(error, &out);
	require(the_caller.guest.looks <= LOOKS_MAX);
	outcome_release(&out);
	walk_release(&op.walk[0]);
	walk_release(&op.walk[1]);
	umask(022);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct rlimit limit = {FILE_MIB << 20, FILE_MIB << 20};

	(void)argc, (void)argv;
	umask(022);
	require(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	make_tree();
	make_view();
	open_descriptors();
	the_caller.guest.caller.tid = gettid();
	op_init(&op);
	return 0;
}

/* What is opened once and kept is open from here on. */
static void warm_up(void)
{
	const uint64_t args[6] = {GUEST_BASE, PATH_MAX};

	the_caller.guest.size = 0;
	signal(SIGXFSZ, SIG_IGN); /* libFuzzer takes it for the end */
	call(syscall_by_name("getcwd"), args);
	base_count = count_unmasked();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned usual;
	uint64_t args[6];

	if (size < HEADER_BYTES)
		return -1;
	if (!base_count)
		warm_up();
	const struct syscall_row *row = choose(data[0] | (unsigned)data[1] << 8);
	/* Of its own size, so that a byte too far is seen; zeroes behind the input, for what is written to. */
	the_caller.guest.size = size - HEADER_BYTES + (size_t)(data[2] >> 3) * 64;
	the_caller.guest.memory = calloc(1, the_caller.guest.size + !the_caller.guest.size);
	memcpy(the_caller.guest.memory, data + HEADER_BYTES, size - HEADER_BYTES);
	the_caller.guest.restless = data[2] & 1;
	the_caller.guest.gone = data[2] & 2;
	the_caller.guest.mask = data[2] & 4 ? 0777 : 022;
	the_caller.guest.looks = 0;
	for (int i = 0; i < 6; i++)
		args[i] = argument(data + 3 + 4 * i);

	open_passing();
	call(row, args);
	close_passing();
	check_tree();
	free(the_caller.guest.memory);
	if (row->handler == HANDLER_FTRUNCATE || row->handler == HANDLER_FALLOCATE)
		require(ftruncate(the_caller.guest.fds[GUEST_OPEN], 2) == 0);
	unsigned count = count_all();
	require(count == usual || count_unmasked() == base_count);
	usual = count;
	return 0;
}
