/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands share. */
#pragma once

#include <stdbool.h>

/* Exit statuses (man scrim, EXIT STATUS). */
enum {
	EXIT_SCRIM_FAILED = 125,
	EXIT_CANNOT_EXECUTE = 126,
	EXIT_NOT_FOUND = 127,
};

/* Those of the commands that deal with keys and encrypted files, which start no command. */
enum {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_WRONG_KEY = 12,
	EXIT_DAMAGE = 26,
};

/* A subcommand: argv[0] is its own name. Returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_encrypt(int argc, char **argv);
int cmd_decrypt(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_accept(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_salvage(int argc, char **argv);
int cmd_rekey(int argc, char **argv);
int cmd_compact(int argc, char **argv);
int cmd_cp(int argc, char **argv);
int cmd_scratch(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* Is FD a terminal on which colours are wanted (NO_COLOR, TERM)? */
bool cli_in_colour(int fd);

/* Does the terminal show UTF-8? As setlocale(3) would find it. */
bool cli_in_utf8(void);

/* Print "scrim: MESSAGE" on standard error (colour on a terminal, unless NO_COLOR). */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same without a judgement: what happened. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
