/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"

static char text[8 << 20];

/* All that was written to FD. */
static const char *contents(int fd)
{
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static unsigned lines(const char *all)
{
	unsigned count = 0;
	for (; *all; all++)
		count += *all == '\n';
	return count;
}

static void assert_json(const char *bytes, size_t len, const char *expected)
{
	BUFFER_ON_STACK(b, 256);
	assert_int_equal(json_append_string(&b, bytes, len), 0);
	assert_string_equal(b.data, expected);
}

static void test_strings(void **state)
{
	(void)state;
	assert_json("plain", 5, "\"plain\"");
	assert_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	assert_json("\n\t\x01\x7f\0", 5, "\"\\n\\t\\u0001\\u007f\\u0000\"");
	assert_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* Alone, cut, overlong, surrogate, beyond the last code point. */
	assert_json("\xff", 1, "\"\\u00ff\"");
	assert_json("\xe2\x82", 2, "\"\\u00e2\\u0082\"");
	assert_json("\xc0\x80", 2, "\"\\u00c0\\u0080\"");
	assert_json("\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\"");
	assert_json("\xf4\x90\x80\x80", 4, "\"\\u00f4\\u0090\\u0080\\u0080\"");
}

static void test_no_half_string(void **state)
{
	(void)state;
	BUFFER_ON_STACK(b, 4);
	assert_int_equal(json_append_string(&b, "abcdef", 6), -ENOBUFS);
	assert_int_equal(b.len, 0);
	assert_int_equal(json_append_hex(&b, "abc", 3), -ENOBUFS);
	assert_int_equal(b.len, 0);
	assert_int_equal(json_append_hex(&b, "\xa0", 1), 0);
	assert_string_equal(b.data, "\"a0\"");
}

static void test_one_event(void **state)
{
	(void)state;
	struct run_counters counters = {0};
	int fd = memfd_create("log", MFD_CLOEXEC), mine = dup(fd);
	struct log *log;

	assert_int_equal(log_new(&(struct log_config){.fd = fd, .counters = &counters}, &log), 0);
	assert_int_equal(log_start(log), 0);
	log_refusal(log, &(struct log_event){.pid = getpid(), .refusal = REFUSAL_HIDDEN, .error = ENOENT,
					     .syscall = "openat", .path = "/\xff", .path_len = 2,
					     .rule = "hide /\"", .origin = "a.conf:3"});
	log_free(log);
	const char *all = contents(mine);
	assert_int_equal(lines(all), 1);
	assert_non_null(strstr(all, "\"time\":\"20"));
	assert_non_null(strstr(all, "Z\",\"pid\":"));
	assert_non_null(strstr(all, "\"comm\":\"unit_log\""));
	assert_non_null(strstr(all, "\"syscall\":\"openat\",\"path\":\"/\\u00ff\",\"path_bytes\":\"2fff\","
				    "\"verdict\":\"hide\",\"errno\":\"ENOENT\",\"rule\":\"hide /\\\"\","
				    "\"origin\":\"a.conf:3\"}\n"));
	assert_int_equal(counters.refusals[REFUSAL_HIDDEN], 1);
	assert_int_equal(counters.dropped, 0);
	close(mine);
}

static void test_long_path_is_cut(void **state)
{
	(void)state;
	int fd = memfd_create("log", MFD_CLOEXEC), mine = dup(fd);
	struct log *log;
	char path[4096];

	memset(path, 0xfe, sizeof(path));
	assert_int_equal(log_new(&(struct log_config){.fd = fd}, &log), 0);
	assert_int_equal(log_start(log), 0);
	log_refusal(log, &(struct log_event){.path = path, .path_len = sizeof(path), .error = 99999});
	log_free(log);
	const char *all = contents(mine);
	assert_int_equal(lines(all), 1);
	assert_non_null(strstr(all, "\"path_cut\":true"));
	assert_null(strstr(all, "\"errno\""));
	close(mine);
}

static void test_ring_full_is_counted(void **state)
{
	(void)state;
	struct run_counters counters = {0};
	int fd = memfd_create("log", MFD_CLOEXEC), mine = dup(fd);
	struct log *log;

	/* Not started yet: nobody drains the ring, and nobody waits. */
	assert_int_equal(log_new(&(struct log_config){.fd = fd, .counters = &counters}, &log), 0);
	for (int i = 0; i < 1100; i++)
		log_refusal(log, &(struct log_event){.refusal = REFUSAL_DENIED, .path = "/p", .path_len = 2});
	assert_int_equal(counters.refusals[REFUSAL_DENIED], 1100);
	assert_int_equal(counters.dropped, 1100 - 1024);
	assert_int_equal(log_start(log), 0);
	log_free(log);
	const char *all = contents(mine);
	assert_int_equal(lines(all), 1025);
	assert_non_null(strstr(all, "{\"dropped\":76}\n"));
	close(mine);
}

static void test_file_is_bounded(void **state)
{
	(void)state;
	struct run_counters counters = {0};
	int fd = memfd_create("log", MFD_CLOEXEC), mine = dup(fd);
	struct log *log;

	assert_int_equal(log_new(&(struct log_config){.fd = fd, .max_bytes = 1000, .counters = &counters}, &log), 0);
	assert_int_equal(log_start(log), 0);
	for (int i = 0; i < 100; i++)
		log_refusal(log, &(struct log_event){.refusal = REFUSAL_APPEND, .path = "/p", .path_len = 2});
	log_free(log);
	const char *all = contents(mine);
	assert_true(strlen(all) < 1100);
	assert_int_equal(lines(all) - 1 + counters.dropped, 100);
	assert_non_null(strstr(all, "{\"dropped\":"));
	close(mine);
}

static int opened;

static int open_memfd(void *userdata)
{
	opened++;
	*(int *)userdata = memfd_create("late", MFD_CLOEXEC);
	return dup(*(int *)userdata);
}

static int open_nothing(void *userdata)
{
	(void)userdata;
	opened++;
	return -EACCES;
}

static void test_opened_at_the_first_event(void **state)
{
	(void)state;
	struct run_counters counters = {0};
	int mine = -1;
	struct log *log;

	opened = 0;
	assert_int_equal(log_new(&(struct log_config){.fd = -1, .open = open_memfd, .userdata = &mine}, &log), 0);
	assert_int_equal(log_start(log), 0);
	log_free(log);
	assert_int_equal(opened, 0);

	assert_int_equal(log_new(&(struct log_config){.fd = -1, .open = open_memfd, .userdata = &mine}, &log), 0);
	assert_int_equal(log_start(log), 0);
	for (int i = 0; i < 3; i++)
		log_refusal(log, &(struct log_event){.path = "/p", .path_len = 2});
	log_free(log);
	assert_int_equal(opened, 1);
	assert_int_equal(lines(contents(mine)), 3);
	close(mine);

	assert_int_equal(
		log_new(&(struct log_config){.fd = -1, .open = open_nothing, .counters = &counters}, &log), 0);
	assert_int_equal(log_start(log), 0);
	for (int i = 0; i < 3; i++)
		log_refusal(log, &(struct log_event){.path = "/p", .path_len = 2});
	log_free(log);
	assert_int_equal(opened, 2);
	assert_int_equal(counters.dropped, 3);
}

static void test_nothing_to_write_to(void **state)
{
	(void)state;
	struct run_counters counters = {0};
	struct log *log;

	assert_int_equal(log_new(&(struct log_config){.fd = -1, .counters = &counters}, &log), 0);
	assert_int_equal(log_start(log), 0);
	for (int i = 0; i < 5000; i++)
		log_refusal(log, &(struct log_event){.refusal = REFUSAL_READONLY});
	log_free(log);
	assert_int_equal(counters.refusals[REFUSAL_READONLY], 5000);
	assert_int_equal(counters.dropped, 0);
	assert_null(log_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),		       cmocka_unit_test(test_no_half_string),
		cmocka_unit_test(test_one_event),	       cmocka_unit_test(test_long_path_is_cut),
		cmocka_unit_test(test_ring_full_is_counted),   cmocka_unit_test(test_file_is_bounded),
		cmocka_unit_test(test_opened_at_the_first_event), cmocka_unit_test(test_nothing_to_write_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
