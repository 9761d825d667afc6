/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

uint64_t fuzz_random(struct fuzz *fuzz)
{
	/* splitmix64 */
	uint64_t z = fuzz->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t fuzz_below(struct fuzz *fuzz, uint64_t limit)
{
	return fuzz_random(fuzz) % limit;
}

/* LENGTH bytes of the text, zeros; it begins anew when it is full. */
static void *room(struct fuzz *fuzz, size_t length)
{
	length = (length + 15) / 16 * 16;
	if (fuzz->used + length > FUZZ_TEXT)
		fuzz->used = 0;
	void *at = fuzz->text + fuzz->used;
	fuzz->used += length;
	memset(at, 0, length);
	return at;
}

static const char *component(struct fuzz *fuzz)
{
	static const char *const names[] = {
		"file", "file", "dir", "dir", "link", "inner", "up", "to-dir", "dangling", "loop", "alias", "script", "big",
		"fifo", "sock", "new1", "new2", "new3", "empty", ".", "..", "odd name\n",
	};
	static const char *const hidden[] = {"hidden", ".env", "secret", "alias", "masked", "denied", "to-hidden", "to-env", "inside"};

	if (fuzz->leak && fuzz_below(fuzz, 3) == 0)
		return hidden[fuzz_below(fuzz, COUNT(hidden))];
	return names[fuzz_below(fuzz, COUNT(names))];
}

/* Descriptors that a life begins with, then what it has opened, and some that are none. */
static int descriptor(struct fuzz *fuzz)
{
	switch (fuzz_below(fuzz, 24)) {
	case 0:
		return -1;
	case 1:
		return 999;
	case 2:
		return AT_FDCWD;
	case 3:
		return (int)fuzz_random(fuzz);
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		return fuzz->last_fd;
	default:
		return 3 + (int)fuzz_below(fuzz, 12);
	}
}

static void *path(struct fuzz *fuzz, bool fresh)
{
	static const char *const fresh_names[] = {"new1", "new2", "new3", "dir/new1", "dir/new2", "to-dir/new3"};
	size_t size = PATH_MAX + 300, at = 0, parts;
	char *text;

	if (fuzz_below(fuzz, 60) == 0)
		size = 2 * PATH_MAX;
	text = room(fuzz, size + 16);
	switch (fuzz_below(fuzz, 16)) {
	case 0:
	case 1:
	case 2:
		at += (size_t)snprintf(text, size, "%s/", fuzz->tree);
		break;
	case 3:
		at += (size_t)snprintf(text, size, "/proc/self/cwd/");
		break;
	case 4:
		at += (size_t)snprintf(text, size, "/proc/self/fd/%d%s", descriptor(fuzz), fuzz_below(fuzz, 2) ? "/" : "");
		break;
	case 5:
		at += (size_t)snprintf(text, size, "/proc/thread-self/root%s/", fuzz->tree);
		break;
	case 6:
		at += (size_t)snprintf(text, size, "/dev/fd/%d/", 3 + (int)fuzz_below(fuzz, 6));
		break;
	default:
		break;
	}
	if (fresh && fuzz_below(fuzz, 2)) {
		at += (size_t)snprintf(text + at, size - at, "%s", fresh_names[fuzz_below(fuzz, COUNT(fresh_names))]);
	} else {
		parts = 1 + fuzz_below(fuzz, 3) * fuzz_below(fuzz, 2);
		for (size_t i = 0; i < parts; i++)
			at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "/" : "", component(fuzz));
	}
	switch (fuzz_below(fuzz, 64)) {
	case 0:
	case 1:
		strcpy(text + at, "/");
		break;
	case 2:
		strcpy(text + at, "//.");
		break;
	case 3: /* around the longest name */
		memset(text + at, 'n', 250 + fuzz_below(fuzz, 10));
		break;
	case 4: /* around the longest path */
		for (parts = PATH_MAX - 3 + fuzz_below(fuzz, 5); at < parts; at++)
			text[at] = at % 2 ? '/' : '.';
		break;
	case 5:
		text[0] = '\0';
		break;
	case 6:
		text[at ? fuzz_below(fuzz, at) : 0] = (char)fuzz_random(fuzz);
		break;
	default:
		break;
	}
	return text;
}

static uint64_t odd_pointer(struct fuzz *fuzz)
{
	static const uint64_t odd[] = {0, 8, UINT64_MAX, 0xffffffff81000000, 0x123456789000};

	if (fuzz_below(fuzz, 2))
		return FUZZ_MEMORY_AT + fuzz_below(fuzz, FUZZ_MEMORY + 4096);
	return odd[fuzz_below(fuzz, COUNT(odd))];
}

static uint64_t size_argument(struct fuzz *fuzz)
{
	static const uint64_t sizes[] = {0, 1, 7, 24, 64, 255, 256, 4095, 4096, 4097, 65536, INT_MAX, UINT32_MAX, UINT64_MAX};

	return fuzz_below(fuzz, 3) ? 4096UL >> fuzz_below(fuzz, 8) : sizes[fuzz_below(fuzz, COUNT(sizes))];
}

static uint64_t offset(struct fuzz *fuzz)
{
	static const int64_t offsets[] = {0, 0, 0, 1, 100, 4096, 5000, 65536, 1 << 20, -1, INT64_MAX, INT64_MIN};

	return (uint64_t)offsets[fuzz_below(fuzz, COUNT(offsets))];
}

static void *address(struct fuzz *fuzz)
{
	struct sockaddr_un *un = room(fuzz, sizeof(*un) + 200);
	const char *text;

	switch (fuzz_below(fuzz, 12)) {
	case 0:
		un->sun_family = AF_INET;
		return un;
	case 1:
		un->sun_family = (sa_family_t)fuzz_random(fuzz);
		return un;
	default:
		un->sun_family = AF_UNIX;
		text = path(fuzz, fuzz_below(fuzz, 2));
		memcpy(un->sun_path, text, strnlen(text, sizeof(un->sun_path) + 20));
		return un;
	}
}

static struct iovec *vector(struct fuzz *fuzz)
{
	struct iovec *parts = room(fuzz, 2 * sizeof(*parts));

	for (int i = 0; i < 2; i++)
		parts[i] = (struct iovec){fuzz->arena + 8192 * i, fuzz_below(fuzz, 5000)};
	return parts;
}

static void *message(struct fuzz *fuzz)
{
	struct msghdr *message = room(fuzz, 2 * (sizeof(*message) + 8));

	message->msg_iov = vector(fuzz);
	message->msg_iovlen = fuzz_below(fuzz, 3);
	if (fuzz_below(fuzz, 2)) {
		message->msg_name = address(fuzz);
		message->msg_namelen = fuzz_below(fuzz, 4) ? sizeof(struct sockaddr_un) : (socklen_t)fuzz_random(fuzz);
	}
	return message;
}

static void *open_how(struct fuzz *fuzz)
{
	struct open_how *how = room(fuzz, sizeof(*how));
	uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT;

	how->flags = O_NONBLOCK | O_CLOEXEC | (fuzz_below(fuzz, 4) ? 0 : O_CREAT) | fuzz_below(fuzz, 3);
	how->mode = how->flags & O_CREAT ? 0640 : 0;
	/* Few of them, or none would find anything. */
	how->resolve = fuzz_random(fuzz) & fuzz_random(fuzz) & resolve;
	if (fuzz_below(fuzz, 30) == 0)
		how->flags = fuzz_random(fuzz) | O_NONBLOCK;
	return how;
}

static void *times(struct fuzz *fuzz)
{
	static const long nanoseconds[] = {0, 1, 999999, 999999999, 1000000000, -1, UTIME_NOW, UTIME_OMIT};
	struct timespec *at = room(fuzz, 2 * sizeof(*at));

	if (fuzz_below(fuzz, 3) == 0)
		return NULL;
	for (int i = 0; i < 2; i++)
		at[i] = (struct timespec){(time_t)(1000000000 + fuzz_below(fuzz, 1000)), nanoseconds[fuzz_below(fuzz, COUNT(nanoseconds))]};
	return at;
}

static void *argv(struct fuzz *fuzz)
{
	char **words = room(fuzz, 4 * sizeof(*words));
	char *word = room(fuzz, 16);

	strcpy(word, "word");
	words[0] = word;
	words[1] = fuzz_below(fuzz, 2) ? word : NULL;
	return words;
}

static uint64_t limit(struct fuzz *fuzz)
{
	uint64_t *values = room(fuzz, 16);

	values[0] = 4096 + fuzz_below(fuzz, 1 << 20);
	values[1] = 1UL << 40;
	return (uintptr_t)values;
}

static uint64_t number(struct fuzz *fuzz, const struct fuzz_arg *arg)
{
	static const int signals[] = {0, SIGCHLD, SIGURG, SIGWINCH, SIGCONT, 65, -1};

	switch (arg->kind) {
	case F_FD:
		return (uint32_t)descriptor(fuzz);
	case F_DIRFD:
		return (uint32_t)(fuzz_below(fuzz, 3) ? AT_FDCWD : descriptor(fuzz));
	case F_MODE:
		return fuzz_random(fuzz) & (fuzz_below(fuzz, 8) ? 0777 : 0xffff);
	case F_BITS:
		/* Two draws: rather few bits; and now and then any. */
		return fuzz_below(fuzz, 40) ? fuzz_random(fuzz) & fuzz_random(fuzz) & (uint64_t)arg->param : (uint32_t)fuzz_random(fuzz);
	case F_CHOICE:
		return (uint64_t)arg->list[fuzz_below(fuzz, (uint64_t)arg->param)];
	case F_BELOW:
		return fuzz_below(fuzz, (uint64_t)arg->param);
	case F_ADDRESS_LENGTH:
		return fuzz_below(fuzz, 8) ? sizeof(struct sockaddr_un) - fuzz_below(fuzz, 3) : (uint32_t)fuzz_random(fuzz);
	case F_PID:
		return fuzz_below(fuzz, 8) ? (uint64_t)getpid() : 999999999;
	case F_SIGNAL:
		return (uint32_t)signals[fuzz_below(fuzz, COUNT(signals))];
	default:
		return 0;
	}
}

static uint64_t pointer(struct fuzz *fuzz, enum fuzz_kind kind)
{
	char *name;

	switch (kind) {
	case F_PATH:
		return (uintptr_t)path(fuzz, false);
	case F_CREATE:
		return (uintptr_t)path(fuzz, true);
	case F_OUT:
		return (uintptr_t)fuzz->arena + fuzz_below(fuzz, 4);
	case F_TIMES:
		return (uintptr_t)times(fuzz);
	case F_ADDRESS:
		return (uintptr_t)address(fuzz);
	case F_XATTR:
		name = room(fuzz, 32);
		strcpy(name, fuzz_below(fuzz, 2) ? "user.there" : fuzz_below(fuzz, 2) ? "user.new" : "trusted.x");
		return (uintptr_t)name;
	case F_BYTES:
		return (uintptr_t)fuzz->text + fuzz_below(fuzz, FUZZ_TEXT / 2);
	case F_IOVEC:
		return (uintptr_t)vector(fuzz);
	case F_MESSAGE:
		return (uintptr_t)message(fuzz);
	case F_HOW:
		return (uintptr_t)open_how(fuzz);
	case F_ARGV:
		return (uintptr_t)argv(fuzz);
	case F_HANDLE:
		/* At its own place, so that open_by_handle_at(2) is given what name_to_handle_at(2) has told. */
		name = fuzz->arena + FUZZ_ARENA - 4096;
		if (fuzz_below(fuzz, 2))
			*(unsigned *)(void *)name = 128;
		return (uintptr_t)name;
	case F_LIMIT:
		return limit(fuzz);
	default:
		return 0;
	}
}

void fuzz_arguments(struct fuzz *fuzz, const struct fuzz_call *call, uint64_t args[6])
{
	for (int i = 0; i < 6; i++) {
		const struct fuzz_arg *arg = &call->args[i];

		switch (arg->kind) {
		case F_NONE:
			args[i] = 0;
			break;
		case F_ZERO:
			args[i] = 0;
			break;
		case F_CONST:
			args[i] = (uint64_t)arg->param;
			break;
		case F_SIZE:
			args[i] = size_argument(fuzz);
			break;
		case F_OFFSET:
			args[i] = offset(fuzz);
			break;
		case F_MEMORY:
			args[i] = FUZZ_MEMORY_AT + (fuzz_below(fuzz, 70) << 12) + (fuzz_below(fuzz, 8) ? 0 : fuzz_below(fuzz, 4096));
			break;
		case F_FD:
		case F_DIRFD:
		case F_MODE:
		case F_BITS:
		case F_CHOICE:
		case F_BELOW:
		case F_ADDRESS_LENGTH:
		case F_PID:
		case F_SIGNAL:
			args[i] = number(fuzz, arg);
			if (fuzz_below(fuzz, 10) == 0 && arg->kind != F_CHOICE && arg->kind != F_BELOW)
				args[i] = (uint32_t)args[i] | fuzz_random(fuzz) << 32;
			break;
		default:
			args[i] = fuzz_below(fuzz, 50) ? pointer(fuzz, arg->kind) : odd_pointer(fuzz);
			break;
		}
	}
}
