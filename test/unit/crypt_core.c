/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the bytes of keys are in a process that encrypts: in its memory, read through /proc, and in a core file. A child makes
 * a store, writes, commits, reads and keeps it open, with every random byte from us, so that all keys are known here: the
 * key-encryption key, the file's, and the one that XAES derives for each nonce. The first two round keys of AES are the key,
 * so that expanded keys are found by the same search. Nowhere else than in pages that are locked and in no core dump may
 * either half of any of them stand; pages of memfd_secret(2) cannot be read at all.
 *
 * crypt_core; children: crypt_core --child PROVIDER HOW, where HOW is secret, locked (no memfd_secret) or leak.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/secret.h"
#include "crypt/store/store.h"
#include "crypt/xaes.h"
#include "memfd_secret.h"

#define KEY     32
#define PIECE   (1 << 20)
#define STREAM  (64 << 10) /* random bytes for the child: what a pipe holds */
#define NONCES  200
#define NEEDLES (2 * (2 + 2 * NONCES))

/* --- the child --- */

static pthread_mutex_t random_lock = PTHREAD_MUTEX_INITIALIZER;

/* Straight from the pipe to where it is wanted: no copy of it anywhere else. */
static int given_random(void *bytes, size_t len)
{
	uint8_t *p = bytes;

	pthread_mutex_lock(&random_lock);
	while (len > 0) {
		ssize_t n = read(0, p, len);

		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
	pthread_mutex_unlock(&random_lock);
	return 0;
}

static void dump_everything(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (setrlimit(RLIMIT_CORE, &all) < 0) {
		getrlimit(RLIMIT_CORE, &all);
		all.rlim_cur = all.rlim_max;
		setrlimit(RLIMIT_CORE, &all);
	}
	if (fd < 0 || write(fd, "0x7f", 4) != 4)
		abort();
	close(fd);
}

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "child: %s\n", strerror(-r));
		_exit(3);
	}
}

static int child(const char *provider, const char *how)
{
	struct store_key key = {.id = {1}};
	int file = memfd_create("store", MFD_CLOEXEC), second = memfd_create("second", MFD_CLOEXEC);
	struct store_env env = {.io = &store_io_file, .handle = &file, .provider = aead_provider_find(provider),
				.random = given_random, .keys = &key, .key_count = 1}, other;
	struct store *s, *closed;
	uint8_t *kek, *bytes = malloc(PIECE);
	char go;

	if (strcmp(how, "secret") != 0)
		without_memfd_secret();
	dump_everything();
	kek = secret_alloc(KEY);
	if (!kek || !bytes || file < 0 || second < 0)
		check(-ENOMEM);
	given_random(kek, KEY);
	key.kek = kek;
	memset(bytes, 'x', PIECE);
	check(crew_new(2, &env.crew));
	other = env;
	other.handle = &second;
	/* One that is closed again: its keys are nowhere. */
	check(store_open(&other, STORE_WRITE, NULL, &closed));
	check(store_write(closed, bytes, 100000, 0));
	check(store_commit(closed, true));
	store_free(closed);
	/* One that stays open. */
	check(store_open(&env, STORE_WRITE, NULL, &s));
	check(store_write(s, bytes, PIECE, 0));
	check(store_commit(s, true));
	check(store_write(s, "changed", 7, 5000));
	check(store_commit(s, true));
	check(store_seal(s));
	check((int)store_read(s, bytes, PIECE, 0));
	check((int)store_read(s, bytes, 100, 77777));
	if (strcmp(how, "leak") == 0) {
		static uint8_t copy[KEY];

		memcpy(copy, kek, KEY);
		__asm__ volatile("" ::"r"(copy) : "memory");
	}
	if (write(1, "r", 1) != 1 || read(3, &go, 1) != 1)
		_exit(4);
	abort();
}

/* --- the parent --- */

struct needle {
	uint8_t bytes[KEY / 2];
	char what[40];
	bool seen; /* where it may be */
};

static struct needle needles[NEEDLES];
static unsigned needle_count;
static bool starts[65536]; /* by the first two bytes */

static void add_needle(const uint8_t *key, const char *what, int n)
{
	for (int half = 0; half < 2; half++) {
		struct needle *d = &needles[needle_count++];

		assert_true(needle_count <= NEEDLES);
		memcpy(d->bytes, key + half * KEY / 2, KEY / 2);
		snprintf(d->what, sizeof(d->what), "%s %d, half %d", what, n, half);
		starts[d->bytes[0] << 8 | d->bytes[1]] = true;
	}
}

/* The key of a nonce (C2SP, XAES-256-GCM.md), by other code than what is tested. */
static void derive(const uint8_t *key, const uint8_t *nonce, uint8_t *ret_key)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t l[16] = {0}, m[32] = {0, 1, 'X', 0, [17] = 2, [18] = 'X'};
	int n, carry;

	assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key, NULL), 1);
	EVP_EncryptUpdate(c, l, &n, l, 16);
	carry = l[0] >> 7;
	for (int i = 0; i < 16; i++)
		l[i] = (uint8_t)(l[i] << 1 | (i < 15 ? l[i + 1] >> 7 : carry * 0));
	l[15] ^= (uint8_t)(carry * 0x87);
	memcpy(m + 4, nonce, 12);
	memcpy(m + 20, nonce, 12);
	for (int i = 0; i < 32; i++)
		m[i] ^= l[i % 16];
	assert_int_equal(EVP_EncryptUpdate(c, ret_key, &n, m, 32), 1);
	EVP_CIPHER_CTX_free(c);
}

/* All keys that follow from STREAM: KEK, then for each of two stores file key, file id, salt, nonce of the wrap, nonces. */
static void collect_needles(const uint8_t *stream, size_t used)
{
	uint8_t key[KEY];

	needle_count = 0;
	memset(starts, 0, sizeof(starts));
	add_needle(stream, "key-encryption key", 0);
	add_needle(stream + KEY, "closed store, file key", 0);
	derive(stream, stream + 2 * KEY + 32, key);
	add_needle(key, "key of the first wrap", 0);
	for (int i = 0; i < NONCES / 10; i++) {
		derive(stream + KEY, stream + 2 * KEY + 56 + (size_t)i * 24, key);
		add_needle(key, "closed store, key of a nonce", i);
	}
	/* The second: 7 chunks, the tree's root in the slot, one slot: 8 nonces. */
	size_t second = 2 * KEY + 56 + 8 * 24;

	add_needle(stream + second, "open store, file key", 0);
	derive(stream, stream + second + KEY + 32, key);
	add_needle(key, "key of the second wrap", 0);
	for (size_t at = second + KEY + 56, i = 0; at + 24 <= used && i < NONCES; at += 24, i++) {
		derive(stream + second, stream + at, key);
		add_needle(key, "open store, key of a nonce", (int)i);
	}
}

/* The first needle in BYTES, or NULL. */
static const char *search(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i + KEY / 2 <= len; i++) {
		if (!starts[bytes[i] << 8 | bytes[i + 1]])
			continue;
		for (unsigned k = 0; k < needle_count; k++)
			if (memcmp(needles[k].bytes, bytes + i, KEY / 2) == 0)
				return needles[k].what;
	}
	return NULL;
}

/* All needles in BYTES: that the search finds each kind where it must be. */
static void mark(const uint8_t *bytes, size_t len)
{
	for (unsigned k = 0; k < needle_count; k++)
		needles[k].seen |= memmem(bytes, len, needles[k].bytes, KEY / 2) != NULL;
}

static unsigned seen(const char *what)
{
	unsigned n = 0;

	for (unsigned k = 0; k < needle_count; k++)
		n += needles[k].seen && strncmp(needles[k].what, what, strlen(what)) == 0;
	return n;
}

struct found {
	unsigned outside, inside, unreadable;
	uint64_t bytes;
};

/* Is the mapping locked and in no core dump? From its VmFlags, which stand behind its line in smaps. */
static bool is_guarded(FILE *smaps)
{
	static char line[4096];

	while (fgets(line, sizeof(line), smaps))
		if (strncmp(line, "VmFlags:", 8) == 0)
			return strstr(line, " lo") && strstr(line, " dd");
	return false;
}

static void search_memory(pid_t pid, bool quiet, struct found *found)
{
	char path[64], line[4096];
	FILE *smaps;
	int mem;

	memset(found, 0, sizeof(*found));
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(smaps && mem >= 0);
	while (fgets(line, sizeof(line), smaps)) {
		uint64_t begin, end;
		char mode[5];
		bool guarded;
		const char *what;
		uint8_t *bytes;
		ssize_t n;

		assert_int_equal(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, mode), 3);
		guarded = is_guarded(smaps);
		if (mode[0] != 'r' || strstr(line, "[vvar") || strstr(line, "[vsyscall"))
			continue;
		bytes = malloc(end - begin);
		assert_non_null(bytes);
		n = pread(mem, bytes, end - begin, (off_t)begin);
		if (n > 0) {
			found->bytes += (uint64_t)n;
			what = search(bytes, (size_t)n);
			found->inside += what && guarded;
			if (guarded)
				mark(bytes, (size_t)n);
			found->outside += what && !guarded;
			if (what && !guarded && !quiet)
				print_message("%s stands in %s", what, line);
		}
		if (n != (ssize_t)(end - begin)) {
			/* Nothing but memfd_secret is readable for the process and not for us. */
			if (!strstr(line, "secretmem") || n > 0)
				fail_msg("%zd of %" PRIu64 " bytes could be read of %s", n, end - begin, line);
			found->unreadable++;
			assert_true(guarded);
		}
		free(bytes);
	}
	fclose(smaps);
	close(mem);
}

static bool core_is_plain(void)
{
	char pattern[256] = "";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
	struct rlimit limit;

	if (!f || !fgets(pattern, sizeof(pattern), f))
		pattern[0] = '|';
	if (f)
		fclose(f);
	getrlimit(RLIMIT_CORE, &limit);
	return pattern[0] != '|' && !strchr(pattern, '/') && limit.rlim_max > 1 << 30;
}

/* The core in the working directory: is any key in it? It is removed. */
static bool core_has_key(void)
{
	glob_t found;
	bool has;
	uint8_t *bytes;
	off_t size;
	int fd;

	assert_int_equal(glob("*core*", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	assert_true(size > PIECE); /* the plaintext is in it, so the heap is */
	bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(bytes != MAP_FAILED);
	has = search(bytes, (size_t)size);
	munmap(bytes, (size_t)size);
	close(fd);
	unlink(found.gl_pathv[0]);
	globfree(&found);
	return has;
}

static char self[4096];

/* Run a child and look: at its memory, then at its core. */
static void look(const char *provider, const char *how)
{
	static uint8_t stream[STREAM], left[STREAM];
	int random[2], ready[2], go[2], status;
	bool leak = strcmp(how, "leak") == 0;
	struct found found;
	ssize_t rest;
	char byte;
	pid_t pid;

	for (size_t i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)(rand() >> 7);
	assert_true(pipe(random) == 0 && pipe(ready) == 0 && pipe(go) == 0);
	assert_true(fcntl(random[1], F_SETPIPE_SZ, STREAM) >= STREAM);
	assert_int_equal(write(random[1], stream, sizeof(stream)), sizeof(stream));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int from = fcntl(go[0], F_DUPFD, 100);

		dup2(random[0], 0);
		dup2(ready[1], 1);
		dup2(from, 3);
		closefrom(4);
		execl(self, "crypt_core", "--child", provider, how, (char *)NULL);
		_exit(5);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	/* What the child did not take says how far it came. */
	assert_int_equal(fcntl(random[0], F_SETFL, O_NONBLOCK), 0);
	rest = read(random[0], left, sizeof(left));
	assert_true(rest > 0 && rest < (ssize_t)sizeof(stream) - 1000);
	collect_needles(stream, sizeof(stream) - (size_t)rest);
	search_memory(pid, leak, &found);
	print_message("%s, %s: %" PRIu64 " bytes; mappings with keys outside %u, inside %u, unreadable %u\n", provider, how, found.bytes,
		      found.outside, found.inside, found.unreadable);
	assert_int_equal(found.outside, leak);
	if (strcmp(how, "secret") == 0) {
		int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

		assert_int_equal(found.unreadable > 0, fd >= 0);
		if (fd >= 0)
			close(fd);
	} else {
		assert_true(found.inside > 0 && found.unreadable == 0);
		/* Both halves of what is in use; nothing of what was released. */
		assert_int_equal(seen("key-encryption key"), 2);
		assert_int_equal(seen("open store, file key"), 2);
		assert_true(seen("open store, key of a nonce") >= 2);
		assert_int_equal(seen("key of the"), 0);
		assert_int_equal(seen("closed store"), 0);
	}
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	if (core_is_plain()) {
		assert_true(WCOREDUMP(status));
		assert_int_equal(core_has_key(), leak);
	} else {
		print_message("core files go elsewhere here: not looked at\n");
	}
	close(random[0]);
	close(random[1]);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
}

static void keys_are_nowhere_else(void **state)
{
	static const char *const ways[] = {"secret", "locked", "leak"};
	const struct aead_provider *p;
	const char *why;

	(void)state;
	for (size_t i = 0; (p = aead_provider_at(i)); i++)
		for (size_t k = 0; k < 3 && p->usable(&why) == 0; k++)
			look(p->name, ways[k]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_nowhere_else),
	};
	char directory[] = "/tmp/scrim-core-XXXXXX";
	int r;

	if (argc == 4 && strcmp(argv[1], "--child") == 0)
		return child(argv[2], argv[3]);
	if (!realpath("/proc/self/exe", self) || !mkdtemp(directory) || chdir(directory) < 0)
		return 2;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	if (chdir("/") < 0 || rmdir(directory) < 0)
		return 2;
	return r;
}
