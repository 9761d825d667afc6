/* SPDX-License-Identifier: Apache-2.0 */
/* The whole program at a glance: its subcommands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "intercept/wards/vaults.h"

static const struct {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *description;
} subcommands[] = {
	{"run", cmd_run, "run a command inside an edited view of the file system"},
	{"scratch", cmd_scratch, "run a command with an encrypted directory for temporary files"},
	{"check", cmd_check, "say what is wrong with a policy"},
	{"explain", cmd_explain, "say which rules decide about a path; --last: what was refused"},
	{"learn", cmd_learn, "run a command, see what it uses, propose a policy"},
	{"tree", cmd_tree, "show a directory as a view would have it"},
	{"doctor", cmd_doctor, "say what this machine has of what scrim uses, and what would help"},
	{"encrypt", cmd_encrypt, "encrypt files, in place or to another file"},
	{"decrypt", cmd_decrypt, "the reverse"},
	{"cat", cmd_cat, "print what is in encrypted files"},
	{"key", cmd_key, "make, list, change and bring back keys for encrypted files"},
	{"accept", cmd_accept, "take encrypted files as they are, though they are older"},
	{"info", cmd_info, "say what encrypted files are; no key is needed"},
	{"verify", cmd_verify, "read encrypted files and say what is damaged"},
	{"salvage", cmd_salvage, "save what of a damaged encrypted file is whole"},
	{"rekey", cmd_rekey, "give encrypted files another key"},
	{"compact", cmd_compact, "give back what encrypted files do not use of their space"},
	{"cp", cmd_cp, "copy an encrypted file that is in use, as it is"},
};

static void usage(FILE *to)
{
	fprintf(to, "usage: scrim SUBCOMMAND [ARGUMENT]...\n"
		    "       scrim -- COMMAND [ARGUMENT]...    (the same as: scrim run -- COMMAND...)\n\n");
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
		fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].description);
	fprintf(to, "\nSUBCOMMAND --help says more; so do man scrim and man scrim.conf.\n");
}

/*
 * Descriptors that we open must never land on 0, 1 or 2. What was closed gets a stopgap, marked close-on-exec, by
 * which the launch knows that the command is to find it closed.
 */
static int fill_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			return -EBADF;
	return 0;
}

int main(int argc, char **argv)
{
	if (fill_standard_descriptors() < 0)
		return EXIT_SCRIM_FAILED;
	if (argc < 2) {
		usage(stderr);
		return EXIT_SCRIM_FAILED;
	}
	const char *word = argv[1];
	if (strcmp(word, "--") == 0)
		return cmd_run(argc, argv);
	/* Not for people: a helper process of a view (intercept/wards/vaults.h). */
	if (strcmp(word, VAULT_COMMAND) == 0)
		return vault_main(argc - 1, argv + 1);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("scrim %s\n", SCRIM_VERSION);
		return 0;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
		if (strcmp(word, subcommands[i].name) == 0)
			return subcommands[i].function(argc - 1, argv + 1);
	cli_error("no such subcommand: %s (scrim --help lists them)", word);
	return EXIT_SCRIM_FAILED;
}
