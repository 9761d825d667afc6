/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/prompt.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/secret_text.h"

#define TRIES	 3 /* at a terminal */
#define QUESTION 512

static const char *credentials_directory(void)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	return directory && directory[0] == '/' ? directory : NULL;
}

int credential_open(const char *kind, const char *name)
{
	const char *directory = credentials_directory();
	char path[PATH_MAX];
	int fd;

	if (!directory)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/scrim.%s.%s", directory, kind, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT && strcmp(kind, "key") == 0) {
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	}
	return fd < 0 ? -errno : fd;
}

int private_file_load(const char *path, struct buffer *text, struct errmsg *msg)
{
	const char *directory = credentials_directory();
	size_t len = directory ? strlen(directory) : 0;
	bool is_credential = directory && strncmp(path, directory, len) == 0 && path[len] == '/';
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return errmsg_set(msg, -errno, "%s: %s", path, strerror(errno));
	return key_text_load(fd, path, is_credential ? KEY_TRUST_CREDENTIAL : KEY_TRUST_OWN, text, msg);
}

static int from_file(const char *path, struct buffer *answer, struct errmsg *msg)
{
	int r = private_file_load(path, answer, msg);

	secret_text_first_line(answer);
	return r;
}

static int from_credential(int fd, const char *name, struct buffer *answer, struct errmsg *msg)
{
	_cleanup_close_ int owned = fd;
	char where[QUESTION];

	snprintf(where, sizeof(where), "the credential scrim.passphrase.%s", name);
	int r = key_text_load(owned, where, KEY_TRUST_CREDENTIAL, answer, msg);
	secret_text_first_line(answer);
	return r;
}

static _Noreturn void run_command(const char *command, const char *question, int fd)
{
	if (setenv("SCRIM_PROMPT", question, 1) == 0 && dup2(fd, STDOUT_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", command, "sh", question, NULL);
	_exit(127);
}

static int from_command(const char *command, const char *question, struct buffer *answer, struct errmsg *msg)
{
	int pipes[2], status;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return errmsg_set(msg, -errno, "--askpass: %s", strerror(errno));
	_cleanup_close_ int from = pipes[0];
	pid_t pid = fork();
	if (pid == 0)
		run_command(command, question, pipes[1]);
	close(pipes[1]);
	if (pid < 0)
		return errmsg_set(msg, -EAGAIN, "--askpass: cannot start a process");
	int r = secret_text_read(from, answer);
	from = safe_close(from);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	secret_text_first_line(answer);
	if (r < 0)
		return errmsg_set(msg, r, "--askpass: %s", r == -EFBIG ? "it says too much for a passphrase" : strerror(-r));
	if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
		return errmsg_set(msg, -ECANCELED, "--askpass: '%s' ended with status %d", command,
				  WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}

/* The command may say its question as it likes; the terminal says "wrong" itself. */
static int from_terminal(const char *question, struct buffer *answer, struct errmsg *msg)
{
	char line[QUESTION + 64];

	snprintf(line, sizeof(line), "%s: ", question);
	int r = prompt_line(line, false, answer);
	if (r == -ENOTTY)
		return errmsg_set(msg, r, "nobody to ask for the %s: no terminal, and neither --passfile nor --askpass is given",
				  question);
	if (r == -EFBIG)
		return errmsg_set(msg, r, "a passphrase has at most %d bytes", PASSPHRASE_MAX);
	return r < 0 ? errmsg_set(msg, r, "no %s", question) : 0;
}

static int ask(void *data, const struct key_question *q, struct buffer *answer, struct errmsg *msg)
{
	const struct key_options *options = data;
	char question[QUESTION], id[KEK_ID_TEXT];

	kek_id_text(q->id, id);
	snprintf(question, sizeof(question), "%spassphrase for key %.200s (id %s)",
		 q->attempt && !options->passfile && !options->askpass ? "that was wrong; " : "", q->name, id);
	int fd = options->passfile || options->askpass ? -ENOENT : credential_open("passphrase", q->name);
	if (fd >= 0)
		return q->attempt ? (safe_close(fd), -ENOKEY) : from_credential(fd, q->name, answer, msg);
	if (options->passfile)
		return q->attempt ? -ENOKEY : from_file(options->passfile, answer, msg);
	if (options->askpass)
		return q->attempt ? -ENOKEY : from_command(options->askpass, question, answer, msg);
	return q->attempt >= TRIES ? -ENOKEY : from_terminal(question, answer, msg);
}

struct key_asker passphrase_asker(const struct key_options *options)
{
	return (struct key_asker){.ask = ask, .data = (void *)(uintptr_t)options};
}

static int typed_twice(const char *question, struct buffer *answer, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *again = secret_text_new(PASSPHRASE_MAX);
	char repeat[QUESTION + 16];

	if (!again)
		return -ENOMEM;
	snprintf(repeat, sizeof(repeat), "%s, again", question);
	int r = from_terminal(question, answer, msg);
	if (r == 0)
		r = from_terminal(repeat, again, msg);
	if (r == 0 && (again->len != answer->len || sodium_memcmp(again->data, answer->data, answer->len) != 0))
		r = errmsg_set(msg, -EINVAL, "the two passphrases differ: nothing was done");
	return r;
}

int passphrase_new(const struct key_options *options, const char *file, const char *name, const uint8_t *id,
		   struct buffer *answer, struct errmsg *msg)
{
	char question[QUESTION], hex[KEK_ID_TEXT];
	int r;

	kek_id_text(id, hex);
	snprintf(question, sizeof(question), "new passphrase for key %.200s (id %s)", name, hex);
	if (file)
		r = from_file(file, answer, msg);
	else if (options->askpass)
		r = from_command(options->askpass, question, answer, msg);
	else
		r = typed_twice(question, answer, msg);
	if (r == 0 && answer->len == 0)
		r = errmsg_set(msg, -EINVAL, "an empty passphrase protects nothing (--raw: a key without one)");
	return r;
}
