/* SPDX-License-Identifier: Apache-2.0 */
/* scrim doctor: what scrim uses of the machine, whether it is there, and what to do about it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/doctor_probes.h"
#include "cli/json_value.h"
#include "cli/safe_text.h"

static const char usage[] =
	"usage: scrim doctor [--json]\n\n"
	"Say what scrim uses of this kernel, for this user, in this container; and of what is not there, what is lost\n"
	"without it and what would help. Exit status: 0 all that is needed is there, 1 something that is needed is not.\n"
	"      --json  say it as JSON\n";

/* In the order of what they are for. `since`: the first Linux that has it; empty: not a matter of versions. */
static const struct feature {
	const char *subject, *name, *since;
	doctor_probe probe;
	bool needed;
	const char *lost, *remedy;
} features[] = {
	{"views", "views", "5.19", probe_view, true, "no view can be held: run, learn, scratch and explain --last do nothing",
	 ""},
	{"views", "process_vm_readv", "3.2", probe_process_vm, false, "each mediated call takes some 20 us more",
	 "CONFIG_CROSS_MEMORY_ATTACH; in a container allow it"},
	{"views", "openat2", "5.6", probe_openat2, false, "paths are walked name by name",
	 "a container's filter that is younger than 2020"},
	{"views", "pidfd_getfd", "5.6", probe_pidfd_getfd, false,
	 "listings and calls on sockets take some 140 us more, since the caller lends its descriptor",
	 "in a container --cap-add SYS_PTRACE"},
	{"views", "pidfds of threads", "6.9", probe_pidfd_thread, false,
	 "threads with descriptor tables of their own lend their descriptors", "a newer kernel"},
	{"views", "PIDFD_GET_INFO", "6.13", probe_pidfd_info, false, "getppid takes some 20 us more", "a newer kernel"},
	{"views", "kcmp", "3.5", probe_kcmp, false, "every thread counts as one with a descriptor table of its own",
	 "CONFIG_KCMP; in a container allow it"},
	{"views", "unshare(CLONE_FS)", "2.6.16", probe_unshare_fs, false,
	 "calls that create names are done one after the other", "in a container --cap-add SYS_ADMIN"},
	{"views", "mseal", "6.10", probe_mseal, false, "the policy's memory is read-only, but not sealed", "a newer kernel"},
	{"views", "PROCMAP_QUERY", "6.11", probe_procmap_query, false, "each exec takes some 20 us more", "a newer kernel"},
	{"views", "SYNC_WAKE_UP", "6.6", probe_sync_wake_up, false, "mediated calls take longer on an idle machine",
	 "a newer kernel"},
	{"views", "AT_EXECVE_CHECK", "6.14", probe_execve_check, false, "executables are judged by scrim alone",
	 "a newer kernel"},
	{"views", "statx", "4.11", probe_statx, false, "mounts are told apart by /proc/self/fdinfo",
	 "a container's filter that is younger than 2018"},
	{"keys", "memfd_secret", "5.14", probe_memfd_secret, false,
	 "keys stand in locked memory that root and the kernel can read",
	 "before Linux 6.5 boot with secretmem.enable=1"},
	{"keys", "locked memory", "", probe_locked_memory, true, "no key can be used: encrypted files cannot be opened",
	 "a limit of 64 KiB or more (ulimit -l; LimitMEMLOCK= of a service)"},
	{"keys", "no unencrypted swap", "", probe_no_plain_swap, false,
	 "plaintext, and what Argon2id works in, may be written to the disk", "swap on dm-crypt or zram"},
	{"keys", "provider openssl", "", probe_openssl, true, "nothing can be encrypted", "OpenSSL 3 with AES-256-GCM"},
	{"keys", "provider sodium", "", probe_sodium, false, "no second opinion (--provider sodium)",
	 "a processor with AES instructions"},
	{"keys", "provider afalg", "2.6.38", probe_afalg, false, "the kernel does not encrypt; OpenSSL does (--provider afalg)",
	 "CONFIG_CRYPTO_USER_API_AEAD; modprobe algif_aead"},
	{"keys", "keyrings", "2.6.10", probe_keyring, false, "no keys in the kernel (scrim key new --kernel)",
	 "CONFIG_KEYS; in a container allow keyctl, add_key and request_key"},
	{"keys", "xts(aes) by AF_ALG", "2.6.38", probe_kernel_xts, false,
	 "no kernel keys that stay in the kernel; those of type user are read",
	 "CONFIG_CRYPTO_USER_API_SKCIPHER; modprobe algif_skcipher"},
	{"keys", "AF_ALG keys by serial", "6.2", probe_key_serial, false,
	 "no kernel keys of type logon, which never leave the kernel", "a newer kernel"},
};

static const char *state_text(int state)
{
	return state > 0 ? "yes" : state == 0 ? "no" : "unknown";
}

static json_t *feature_json(const struct feature *f, int state, const struct errmsg *detail)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:b}", "subject", f->subject, "feature", f->name, "there",
				   state_text(state), "needed", f->needed);

	if (*f->since)
		json_object_set_new(object, "since", json_string(f->since));
	if (detail->text[0])
		json_object_set_new(object, "detail", json_bytes(detail->text));
	if (state <= 0) {
		json_object_set_new(object, "lost", json_string(f->lost));
		json_object_set_new(object, "remedy", json_string(f->remedy));
	}
	return object;
}

static void print_feature(const struct feature *f, int state, const struct errmsg *detail)
{
	char text[ERRMSG_MAX];

	printf("%-7s  %s", state_text(state), f->name);
	if (state <= 0 && *f->since)
		printf(" (Linux %s)", f->since);
	if (detail->text[0]) {
		safe_text(detail->text, text, sizeof(text));
		printf(": %s", text);
	}
	putchar('\n');
	if (state > 0)
		return;
	printf("         without it: %s\n", f->lost);
	if (*f->remedy)
		printf("         remedy: %s\n", f->remedy);
}

static int diagnose(bool as_json)
{
	json_t *list = as_json ? json_array() : NULL;
	const char *subject = "";
	struct utsname name;
	int status = 0;

	if (uname(&name) < 0)
		memset(&name, 0, sizeof(name));
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		const struct feature *f = &features[i];
		struct errmsg detail = {0};
		int state = f->probe(&detail);

		if (state <= 0 && f->needed)
			status = EXIT_FAILED;
		if (list) {
			json_array_append_new(list, feature_json(f, state, &detail));
			continue;
		}
		if (strcmp(subject, f->subject) != 0)
			printf("%s%s, on Linux %s:\n", *subject ? "\n" : "", f->subject, name.release);
		subject = f->subject;
		print_feature(f, state, &detail);
		fflush(stdout);
	}
	if (!list)
		return fflush(stdout) == 0 ? status : EXIT_FAILED;
	list = json_pack("{s:s, s:b, s:o}", "kernel", name.release, "good", status == 0, "features", list);
	if (!json_print(list))
		return EXIT_FAILED;
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool as_json = false;
	int opt;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt != 'j') {
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
		as_json = true;
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return diagnose(as_json);
}
