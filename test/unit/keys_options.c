/* SPDX-License-Identifier: Apache-2.0 */
/* The options by which commands are given keys: each place that a key may come from, and what the process is then. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_options.h"
#include "crypt/keys/key_dir.h"
#include "crypt/keys/slot.h"

#define GOLDEN_ID "10b14ec8107d922d1ca4fbe4161e6454"

static char place[64];

/* What is said of a kernel key that is read: keys.py looks at it. */
void cli_warn(const char *format, ...)
{
	(void)format;
}

static void write_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fchmod(fd, mode) == 0);
	close(fd);
}

static void copy_golden(const char *golden, const char *name, mode_t mode)
{
	char bytes[4096];
	int fd = open(golden, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, bytes, sizeof(bytes));

	assert_true(len > 0);
	close(fd);
	write_file(name, bytes, (size_t)len, mode);
}

/* A key of its own, NAME, by a passphrase; its id. */
static void make_key(const char *name, const char *passphrase, uint8_t *ret_id)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	const struct key_cost cost = {8, 1};
	struct key_slot slot;
	struct kek *kek;
	char dir[256];
	int fd;

	assert_int_equal(kek_new_random(&kek), 0);
	assert_int_equal(key_file_start(kek->id, 0, text), 0);
	assert_int_equal(slot_from_passphrase(kek, passphrase, strlen(passphrase), &cost, &slot), 0);
	assert_int_equal(key_file_add(kek->id, &slot, text), 0);
	assert_int_equal(keys_directory(true, dir, sizeof(dir), &fd, NULL), 0);
	assert_int_equal(key_dir_create(fd, name, text), 0);
	close(fd);
	memcpy(ret_id, kek->id, KEK_ID);
	kek_free(kek);
}

static int set_up(void **state)
{
	char path[128];

	(void)state;
	snprintf(place, sizeof(place), "/tmp/scrim-keys-XXXXXX");
	if (!mkdtemp(place) || chdir(place) < 0 || mkdir("credentials", 0700) < 0)
		return -1;
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("CREDENTIALS_DIRECTORY");
	setenv("HOME", place, 1);
	snprintf(path, sizeof(path), "%s/credentials", place);
	copy_golden(SCRIM_TEST_DATA "/passphrase.key", "golden.key", 0600);
	copy_golden(SCRIM_TEST_DATA "/raw.key", "raw.key", 0600);
	copy_golden(SCRIM_TEST_DATA "/bare.bin", "bare.bin", 0600);
	write_file("pass", "correct horse\n", 14, 0600);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "cd / && rm -rf '%s'", place);
	return system(command);
}

static struct key_options given(int opt, const char *argument)
{
	struct key_options options = {0};

	assert_true(key_options_take(&options, opt, argument));
	return options;
}

static void opens_golden(const struct key_options *options)
{
	struct errmsg msg = {0};
	struct keys keys = {0};

	assert_int_equal(keys_open_given(options, &keys, &msg), 0);
	assert_int_equal(keys.count, 1);
	for (int i = 0; i < KEK_SIZE; i++)
		assert_int_equal(keys.store[0].kek[i], i);
	keys_close(&keys);
	assert_int_equal(keys.count, 0);
}

static void fails(const struct key_options *options, int error, const char *says)
{
	struct errmsg msg = {0};
	struct keys keys = {0};

	assert_int_equal(keys_open_given(options, &keys, &msg), error);
	assert_int_equal(keys.count, 0);
	if (!strstr(msg.text, says))
		fail_msg("'%s' does not say '%s'", msg.text, says);
}

static void files(void **state)
{
	struct key_options options = given(OPT_KEY_FILE, "raw.key");

	(void)state;
	opens_golden(&options);
	options = given(OPT_KEY_FILE, "bare.bin");
	opens_golden(&options);
	options = given(OPT_KEY_FILE, "golden.key");
	assert_true(key_options_take(&options, OPT_PASSFILE, "pass"));
	opens_golden(&options);
	options.passfile = NULL;
	options.askpass = "echo correct horse";
	opens_golden(&options);
	options.askpass = "echo wrong";
	fails(&options, -ENOKEY, "wrong passphrase for key golden.key (id " GOLDEN_ID ")");
	options = given(OPT_KEY_FILE, "none");
	fails(&options, -ENOKEY, "none: ");
	options = given(OPT_KEY_FILE, ".");
	fails(&options, -EISDIR, ".: ");
	assert_int_equal(chmod("raw.key", 0644), 0);
	options = given(OPT_KEY_FILE, "raw.key");
	fails(&options, -EPERM, "chmod 600 raw.key");
	assert_int_equal(chmod("raw.key", 0600), 0);
	write_file("damaged.key", "scrim-key 1\nid x\n", 17, 0600);
	options = given(OPT_KEY_FILE, "damaged.key");
	fails(&options, -EBADMSG, "damaged.key: line 2");
}

static int pipe_of(const void *bytes, size_t len)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0); /* as a shell leaves it: not close-on-exec */
	assert_int_equal(write(pipes[1], bytes, len), len);
	close(pipes[1]);
	return pipes[0];
}

static void descriptors(void **state)
{
	static const char *const wrong[] = {"", "-1", "x", "3x", "99999999999"};
	static char large[KEY_TEXT_MAX + 1];
	uint8_t bare[KEK_SIZE];
	char number[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bare); i++)
		bare[i] = (uint8_t)i;
	/* Whole, whatever its pieces, once, and closed. */
	int fd = pipe_of(bare, sizeof(bare));
	snprintf(number, sizeof(number), "%d", fd);
	struct key_options options = given(OPT_KEY_FD, number);
	opens_golden(&options);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fails(&options, -EBADF, "descriptor");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		options = given(OPT_KEY_FD, wrong[i]);
		fails(&options, -EINVAL, "--key-fd");
	}
	fd = pipe_of("", 0);
	snprintf(number, sizeof(number), "%d", fd);
	options = given(OPT_KEY_FD, number);
	fails(&options, -EINVAL, "empty");
	/* Bounded. */
	fd = pipe_of(large, sizeof(large));
	snprintf(number, sizeof(number), "%d", fd);
	options = given(OPT_KEY_FD, number);
	fails(&options, -EFBIG, "too much");
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* A command that is asked does not find the descriptors of other keys. */
static void descriptors_are_kept(void **state)
{
	static const uint8_t bare[KEK_SIZE] = {1};
	struct key_options options = given(OPT_KEY_FILE, "golden.key");
	struct keys keys = {0};
	char number[16];

	(void)state;
	int fd = pipe_of(bare, sizeof(bare));
	snprintf(number, sizeof(number), "%d", fd);
	assert_true(key_options_take(&options, OPT_KEY_FD, number));
	char command[128];
	snprintf(command, sizeof(command), "[ ! -e /proc/self/fd/%d ] && echo correct horse", fd);
	options.askpass = command;
	assert_int_equal(keys_open_given(&options, &keys, NULL), 0);
	assert_int_equal(keys.count, 2);
	keys_close(&keys);
}

static void names(void **state)
{
	struct key_options none = {0}, options = given(OPT_KEY, "mine");
	struct keys keys = {0};
	uint8_t id[KEK_ID], other[KEK_ID];

	(void)state;
	fails(&none, -ENOKEY, "there is no key default");
	fails(&options, -ENOKEY, "scrim key new mine");
	make_key("mine", "m", id);
	options.askpass = "echo m";
	assert_int_equal(keys_open_given(&options, &keys, NULL), 0);
	assert_memory_equal(keys.store[0].id, id, KEK_ID);
	keys_close(&keys);
	make_key("default", "d", other);
	none.askpass = "echo d";
	assert_int_equal(keys_open_given(&none, &keys, NULL), 0);
	assert_memory_equal(keys.store[0].id, other, KEK_ID);
	keys_close(&keys);
	options = given(OPT_KEY, "../mine");
	fails(&options, -EINVAL, "no name for a key");
	/* Several, in the order given; all or none. */
	options = given(OPT_KEY, "mine");
	assert_true(key_options_take(&options, OPT_KEY, "default"));
	assert_true(key_options_take(&options, OPT_KEY_FILE, "raw.key"));
	options.askpass = "case $1 in *mine*) echo m;; *) echo d;; esac";
	assert_int_equal(keys_open_given(&options, &keys, NULL), 0);
	assert_int_equal(keys.count, 3);
	assert_memory_equal(keys.store[0].id, id, KEK_ID);
	assert_memory_equal(keys.store[1].id, other, KEK_ID);
	keys_close(&keys);
	options.askpass = "echo m";
	fails(&options, -ENOKEY, "wrong passphrase for key default");
	for (int i = 0; i < KEYS_MAX; i++)
		assert_true(key_options_take(&options, OPT_KEY, "mine"));
	fails(&options, -E2BIG, "at most 16");
	assert_false(key_options_take(&options, 'x', "mine"));
}

static void credentials(void **state)
{
	struct key_options options = given(OPT_KEY, "service");
	char path[128];
	uint8_t id[KEK_ID];

	(void)state;
	snprintf(path, sizeof(path), "%s/credentials", place);
	setenv("CREDENTIALS_DIRECTORY", path, 1);
	fails(&options, -ENOKEY, "there is no key service");
	/* The name itself, or the one that says what it is; a group may read, as the service manager has it; others may not. */
	copy_golden(SCRIM_TEST_DATA "/raw.key", "credentials/service", 0440);
	opens_golden(&options);
	assert_int_equal(unlink("credentials/service"), 0);
	copy_golden(SCRIM_TEST_DATA "/passphrase.key", "credentials/scrim.key.service", 0400);
	write_file("credentials/scrim.passphrase.service", "correct horse", 13, 0440);
	opens_golden(&options);
	write_file("credentials/scrim.passphrase.service", "wrong", 5, 0440);
	fails(&options, -ENOKEY, "wrong passphrase for key service");
	options.passfile = "pass";
	opens_golden(&options);
	assert_int_equal(chmod("credentials/scrim.key.service", 0444), 0);
	fails(&options, -EPERM, "others may read");
	/* A key file comes first. */
	options = given(OPT_KEY, "first");
	copy_golden(SCRIM_TEST_DATA "/raw.key", "credentials/first", 0400);
	opens_golden(&options);
	make_key("first", "x", id);
	options.askpass = "echo y";
	fails(&options, -ENOKEY, "wrong passphrase for key first");
	/* Of a passphrase in a file there. */
	snprintf(path, sizeof(path), "%s/credentials/p", place);
	write_file("credentials/p", "correct horse", 13, 0440);
	options = given(OPT_KEY_FILE, "golden.key");
	options.passfile = path;
	opens_golden(&options);
	setenv("CREDENTIALS_DIRECTORY", "credentials", 1);
	fails(&options, -EPERM, "others may read");
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* The key of a file that has to be opened, by its id. */
static void by_id(void **state)
{
	uint8_t ids[2][KEK_ID] = {{1}, {2}}, id[KEK_ID];
	struct key_options options = {.askpass = "echo w"};
	struct errmsg msg = {0};
	struct keys keys = {0};
	char text[KEK_ID_TEXT];

	(void)state;
	assert_int_equal(keys_open_for(&options, &keys, (const uint8_t(*)[KEK_ID])ids, 2, &msg), -ENOKEY);
	assert_non_null(strstr(msg.text, "01000000000000000000000000000000 or 02000000"));
	make_key("wanted", "w", id);
	memcpy(ids[1], id, KEK_ID);
	assert_int_equal(keys_open_for(&options, &keys, (const uint8_t(*)[KEK_ID])ids, 2, NULL), 0);
	assert_int_equal(keys.count, 1);
	assert_memory_equal(keys.store[0].id, id, KEK_ID);
	/* It is there: nothing is asked. */
	options.askpass = "exit 1";
	assert_int_equal(keys_open_for(&options, &keys, (const uint8_t(*)[KEK_ID])ids, 2, NULL), 0);
	assert_int_equal(keys.count, 1);
	keys_close(&keys);
	/* Whoever names keys gets no others, but is told of them. */
	options = given(OPT_KEY_FILE, "raw.key");
	assert_int_equal(keys_open_given(&options, &keys, NULL), 0);
	msg.text[0] = '\0';
	assert_int_equal(keys_open_for(&options, &keys, (const uint8_t(*)[KEK_ID])ids, 2, &msg), -ENOKEY);
	kek_id_text(id, text);
	assert_non_null(strstr(msg.text, text));
	assert_non_null(strstr(msg.text, "--key wanted"));
	keys_close(&keys);
}

static void protected(void **state)
{
	struct key_options options = given(OPT_KEY_FILE, "raw.key");
	struct rlimit limit;

	(void)state;
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	opens_golden(&options);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
	assert_int_equal(limit.rlim_max, 0);
}

static void statuses(void **state)
{
	(void)state;
	assert_int_equal(exit_status_of(0), 0);
	assert_int_equal(exit_status_of(-ENOENT), EXIT_FAILED);
	assert_int_equal(exit_status_of(-ENOKEY), EXIT_WRONG_KEY);
	assert_int_equal(exit_status_of(-EBADMSG), EXIT_DAMAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),       cmocka_unit_test(descriptors), cmocka_unit_test(descriptors_are_kept),
		cmocka_unit_test(names),       cmocka_unit_test(credentials), cmocka_unit_test(by_id),
		cmocka_unit_test(protected),   cmocka_unit_test(statuses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
