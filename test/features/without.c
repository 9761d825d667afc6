/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run a command as on a kernel, or in a container, that lacks something:
 *
 *	without FEATURE[,FEATURE...] -- COMMAND [ARGUMENT...]
 *	without --list
 *
 * SCRIM_WITHOUT tells the command what was asked for, SCRIM_WITHOUT_CALLS the calls that always
 * fail (NUMBER=NAME), or with some arguments (NUMBER?=NAME).
 *
 * A seccomp filter answers the calls of that feature with the errno that such a machine gives. An errno outranks a
 * notification of an inner filter (seccomp(2)), so programs in a view see it as natively under the same filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "intercept/filter/syscalls.h"
#include "without.h"

#define ALWAYS (-1)
#define SET_FLAGS SECCOMP_IOW(4, __u64)
#define FLAG_WAIT_KILLABLE_RECV (1u << 5)
#define EXECVE_CHECK 0x10000u
#define NOEXEC_SEAL 0x0008u
/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define CLONE_NAMESPACES 0x7E020000u

/* Calls FIRST to LAST; with ARGUMENT only where its low 32 bits and MASK are VALUE (0: any bit of the mask). */
struct rule {
	int first, last;
	int argument;
	uint32_t mask, value;
	int error;
};

#define CALL(nr, err) {.first = (nr), .last = (nr), .argument = ALWAYS, .error = (err)}
#define CALLS(from, to, err) {.first = (from), .last = (to), .argument = ALWAYS, .error = (err)}
#define FLAG(nr, arg, bits, err) {.first = (nr), .last = (nr), .argument = (arg), .mask = (bits), .error = (err)}
#define VALUE(nr, arg, val, err) \
	{.first = (nr), .last = (nr), .argument = (arg), .mask = ~0u, .value = (val), .error = (err)}

#define RULES_MAX 64

struct feature {
	const char *name;
	const char *meaning;
	struct rule rules[RULES_MAX]; /* up to the first without an errno */
};

#define MSEAL CALL(462, ENOSYS)
#define PIDFD_THREADS FLAG(434, 1, O_EXCL, EINVAL)
#define SYNC_WAKE_UP VALUE(SYS_ioctl, 1, (uint32_t)SET_FLAGS, EINVAL)

static const struct feature features[] = {
	{"openat2", "before 5.6, or a container's filter from before 2020", {CALL(437, ENOSYS)}},
	{"process_vm", "no CONFIG_CROSS_MEMORY_ATTACH, or a container's filter", {CALLS(310, 311, EPERM)}},
	{"pidfd_getfd", "Docker's default filter without CAP_SYS_PTRACE", {CALL(438, EPERM), CALL(312, EPERM)}},
	{"kcmp", "no CONFIG_KCMP", {CALL(312, ENOSYS)}},
	{"landlock", "no CONFIG_SECURITY_LANDLOCK", {CALLS(444, 446, ENOSYS)}},
	{"mseal", "before 6.10", {MSEAL}},
	{"sync_wake_up", "before 6.6", {SYNC_WAKE_UP}},
	{"pidfd_thread", "before 6.9", {PIDFD_THREADS}},
	{"fchmodat2", "before 6.6", {CALL(452, ENOSYS)}},
	{"statx", "a container's filter from before 2018", {CALL(SYS_statx, ENOSYS)}},
	{"execve_check", "before 6.14", {FLAG(SYS_execveat, 4, EXECVE_CHECK, EINVAL)}},
	{"unshare", "Docker's default filter without CAP_SYS_ADMIN", {CALL(SYS_unshare, EPERM)}},
	{"linux-6.1",
	 "Debian 12's own kernel",
	 {SYNC_WAKE_UP, PIDFD_THREADS, FLAG(SYS_execveat, 4, EXECVE_CHECK, EINVAL),
	  FLAG(SYS_memfd_create, 1, NOEXEC_SEAL, EINVAL), CALLS(451, 479, ENOSYS)}},
	/* What it leaves out of its list for a container that has no more capabilities than usual. */
	{"docker",
	 "Docker's default filter",
	 {CALL(438, EPERM), CALL(312, EPERM), CALL(SYS_unshare, EPERM), CALL(435, ENOSYS),
	  FLAG(SYS_clone, 0, CLONE_NAMESPACES, EPERM), VALUE(SYS_socket, 0, 38, EPERM), VALUE(SYS_socket, 0, 40, EPERM),
	  CALL(103, EPERM), CALL(134, EPERM), CALL(136, EPERM), CALL(139, EPERM), CALL(153, EPERM), CALLS(155, 156, EPERM),
	  CALLS(163, 176, EPERM), CALLS(177, 185, EPERM), CALL(212, EPERM), CALL(227, EPERM), CALLS(236, 239, EPERM),
	  CALL(246, EPERM), CALLS(248, 250, EPERM), CALL(256, EPERM), CALL(279, EPERM), CALL(298, EPERM),
	  CALL(300, EPERM), CALL(304, EPERM), CALL(308, EPERM), CALL(313, EPERM), CALLS(320, 321, EPERM),
	  CALL(323, EPERM), CALLS(425, 433, EPERM), CALL(440, EPERM), CALLS(442, 443, EPERM), CALL(450, EPERM),
	  CALLS(459, 461, EPERM), CALLS(467, 471, EPERM)}},
	/* Without these there is no view: refused at the start. */
	{"wait_killable", "before 5.19", {FLAG(SYS_seccomp, 1, FLAG_WAIT_KILLABLE_RECV, EINVAL)}},
	{"seccomp", "no CONFIG_SECCOMP_FILTER, or a sandbox", {CALL(SYS_seccomp, ENOSYS)}},
	{"ptrace", "a container's filter", {CALL(SYS_ptrace, EPERM)}},
	{"pidfd_open", "a container's filter from before 2020", {CALL(434, EPERM)}},
};

#define PROGRAM_MAX 2048

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short len;
};

static void emit(struct program *program, struct sock_filter instruction)
{
	if (program->len < PROGRAM_MAX)
		program->code[program->len++] = instruction;
}

#define LOAD(field) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field)))
#define TEST(op, k, yes, no) ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (uint32_t)(k), (yes), (no)))
#define RETURN(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (what)))

static void emit_rule(struct program *program, const struct rule *rule)
{
	bool always = rule->argument == ALWAYS;

	emit(program, LOAD(nr));
	emit(program, TEST(BPF_JGE, rule->first, 0, always ? 2 : 5));
	emit(program, TEST(BPF_JGT, rule->last, always ? 1 : 4, 0));
	if (!always) {
		struct sock_filter load = LOAD(args[0]);

		load.k += 8u * (uint32_t)rule->argument;
		emit(program, load);
		emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule->mask));
		if (rule->value)
			emit(program, TEST(BPF_JEQ, rule->value, 0, 1));
		else
			emit(program, TEST(BPF_JEQ, 0, 1, 0));
	}
	emit(program, RETURN(SECCOMP_RET_ERRNO | (uint32_t)rule->error));
}

static const struct feature *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		if (strlen(features[i].name) == len && memcmp(features[i].name, name, len) == 0)
			return &features[i];
	return NULL;
}

static int install(const struct program *program)
{
	const struct sock_fprog bpf = {.len = program->len, .filter = (struct sock_filter *)program->code};

	/* With CAP_SYS_ADMIN set-id programs keep their meaning. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bpf) == 0)
		return 0;
	if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bpf) < 0 ? -errno : 0;
}

/* Tests that make a call that nobody can make here have to know. */
static void tell(char *told, size_t size, const struct rule *rule)
{
	for (int nr = rule->first; nr <= rule->last; nr++) {
		const struct syscall_row *row = syscall_find(nr);
		size_t len = strlen(told);

		snprintf(told + len, size - len, "%d%s=%s ", nr, rule->argument == ALWAYS ? "" : "?",
			 row && row->name ? row->name : "");
	}
}

static int add_features(struct program *program, const char *names)
{
	char told[4096] = " ";
	const char *before = getenv(WITHOUT_CALLS);

	setenv("SCRIM_WITHOUT", names, 1);
	if (before)
		snprintf(told, sizeof(told), "%s", before);
	while (*names) {
		size_t len = strcspn(names, ",");
		const struct feature *feature = find(names, len);

		if (!feature) {
			fprintf(stderr, "without: no feature \"%.*s\"\n", (int)len, names);
			return -EINVAL;
		}
		for (size_t i = 0; i < RULES_MAX && feature->rules[i].error; i++) {
			emit_rule(program, &feature->rules[i]);
			tell(told, sizeof(told), &feature->rules[i]);
		}
		names += len;
		names += *names == ',';
	}
	return setenv(WITHOUT_CALLS, told, 1) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static struct program program;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < ARRAY_LEN(features); i++)
			printf("%-14s %s\n", features[i].name, features[i].meaning);
		return 0;
	}
	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: without FEATURE[,FEATURE...] -- COMMAND [ARGUMENT...]\n");
		return 2;
	}
	emit(&program, LOAD(arch));
	emit(&program, TEST(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0));
	emit(&program, RETURN(SECCOMP_RET_ALLOW));
	if (add_features(&program, argv[1]) < 0)
		return 2;
	emit(&program, RETURN(SECCOMP_RET_ALLOW));
	int error = install(&program);
	if (error < 0) {
		fprintf(stderr, "without: %s\n", strerror(-error));
		return 2;
	}
	execvp(argv[3], argv + 3);
	fprintf(stderr, "without: %s: %s\n", argv[3], strerror(errno));
	return 127;
}
