/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a few files by several processes with several descriptors, against a model in memory.
 *
 * crypt_fsx SEED OPERATIONS TREE MODEL
 *
 * MODEL is a plain directory: what the files of TREE hold at the end is written there, and what they must hold at the start is
 * read from there. So a run that follows, in another view, goes on where this one ended. One operation at a time: each worker
 * does what it is told by the process that has the model. Status 1, and what was done last, at the first difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define SLOTS 4
#define NAMES 4
#define OBJECTS 64
#define SIZE_MAX_FILE (300u << 10)
#define HISTORY 40
#define LOOK_EVERY 500
#define NONE (-1)

enum what {
	W_OPEN,
	W_CLOSE,
	W_READ,
	W_WRITE,
	W_PREAD,
	W_PWRITE,
	W_PWRITEV,
	W_SEEK,
	W_TRUNCATE,
	W_FTRUNCATE,
	W_FALLOCATE,
	W_MAP_READ,
	W_MAP_WRITE,
	W_KEEP_MAP,
	W_SYNC,
	W_STAT,
	W_DATA,
	W_COPY,
	W_RENAME,
	W_UNLINK,
	W_DUP,
	W_EXIT,
	W_COUNT
};

static const char *const names[W_COUNT] = {"open", "close", "read", "write", "pread", "pwrite", "pwritev", "lseek", "truncate",
					   "ftruncate", "fallocate", "map_read", "map_write", "keep_map", "fsync", "stat",
					   "seek_data", "copy", "rename", "unlink", "dup", "exit"};

struct order {
	int what, slot, name, other; /* of the worker, of the tree */
	int flags;
	int64_t offset, length, begin; /* begin: where in the buffer */
};

struct answer {
	int64_t result; /* or a negative errno */
	int64_t size;
	uint64_t inode;
};

static unsigned char *buffer; /* shared with the workers */
static const char *tree;
static char trail[HISTORY][200];
static unsigned long trail_at;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	for (unsigned long i = trail_at > HISTORY ? trail_at - HISTORY : 0; i < trail_at; i++)
		fprintf(stderr, "%s\n", trail[i % HISTORY]);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void path_of(int name, char path[4096])
{
	snprintf(path, 4096, "%s/file-%d", tree, name);
}

/* ---- a worker ---- */

static int slots[SLOTS];
static struct {
	unsigned char *at;
	size_t length;
} kept[SLOTS];

static int64_t or_errno(int64_t result)
{
	return result < 0 ? -errno : result;
}

static void drop_map(int slot)
{
	if (kept[slot].at)
		munmap(kept[slot].at, kept[slot].length);
	kept[slot].at = NULL;
}

static int64_t through_map(const struct order *o, bool write_it)
{
	int64_t start = o->offset & ~4095ll;
	size_t length = (size_t)(o->offset + o->length - start);
	bool own = !kept[o->slot].at || (size_t)(o->offset + o->length) > kept[o->slot].length;
	unsigned char *at = kept[o->slot].at + (own ? 0 : start);

	if (own) {
		at = mmap(NULL, length, PROT_READ | (write_it ? PROT_WRITE : 0), o->flags & 1 && !write_it ? MAP_PRIVATE : MAP_SHARED,
			  slots[o->slot], start);
		if (at == MAP_FAILED)
			return -errno;
	}
	if (write_it)
		memcpy(at + (o->offset - start), buffer + o->begin, (size_t)o->length);
	else
		memcpy(buffer, at + (o->offset - start), (size_t)o->length);
	if (write_it && o->flags & 2 && msync(at, length, o->flags & 4 ? MS_ASYNC : MS_SYNC) < 0)
		return -errno;
	if (own)
		munmap(at, length);
	return o->length;
}

static int64_t keep_map(const struct order *o)
{
	void *at = mmap(NULL, (size_t)o->length, PROT_READ | PROT_WRITE, MAP_SHARED, slots[o->slot], 0);

	drop_map(o->slot);
	if (at == MAP_FAILED)
		return -errno;
	kept[o->slot].at = at;
	kept[o->slot].length = (size_t)o->length;
	return 0;
}

static int64_t copy(const struct order *o)
{
	loff_t from = o->offset, to = o->begin;
	int pipes[2];
	int64_t result;

	switch (o->flags) {
	case 0:
		return or_errno(copy_file_range(slots[o->slot], &from, slots[o->other], &to, (size_t)o->length, 0));
	case 1:
		if (lseek(slots[o->other], to, SEEK_SET) < 0)
			return -errno;
		return or_errno(sendfile(slots[o->other], slots[o->slot], &from, (size_t)o->length));
	default:
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return -errno;
		result = or_errno(splice(slots[o->slot], &from, pipes[1], NULL, (size_t)o->length, 0));
		if (result > 0)
			result = or_errno(splice(pipes[0], NULL, slots[o->other], &to, (size_t)result, 0));
		close(pipes[0]);
		close(pipes[1]);
		return result;
	}
}

static int64_t vectored(const struct order *o)
{
	struct iovec parts[3];
	size_t third = (size_t)o->length / 3;

	for (int i = 0; i < 3; i++)
		parts[i] = (struct iovec){buffer + o->begin + (size_t)i * third, i == 2 ? (size_t)o->length - 2 * third : third};
	return or_errno(pwritev(slots[o->slot], parts, 3, o->offset));
}

static int64_t by_name(const struct order *o, struct answer *answer)
{
	char path[4096], other[4096];
	struct stat st;

	path_of(o->name, path);
	path_of(o->other, other);
	switch (o->what) {
	case W_OPEN:
		slots[o->slot] = open(path, o->flags | O_CLOEXEC, 0640);
		return or_errno(slots[o->slot]) < 0 ? -errno : 0;
	case W_TRUNCATE:
		return or_errno(truncate(path, o->length));
	case W_RENAME:
		return or_errno(rename(path, other));
	case W_UNLINK:
		return or_errno(unlink(path));
	default:
		if (stat(path, &st) < 0)
			return -errno;
		answer->size = st.st_size;
		answer->inode = st.st_ino;
		return 0;
	}
}

static int64_t by_slot(const struct order *o, struct answer *answer)
{
	int fd = slots[o->slot];
	struct stat st;

	switch (o->what) {
	case W_CLOSE:
		drop_map(o->slot);
		return or_errno(close(fd));
	case W_READ:
		return or_errno(read(fd, buffer, (size_t)o->length));
	case W_WRITE:
		return or_errno(write(fd, buffer + o->begin, (size_t)o->length));
	case W_PREAD:
		return or_errno(pread(fd, buffer, (size_t)o->length, o->offset));
	case W_PWRITE:
		return or_errno(pwrite(fd, buffer + o->begin, (size_t)o->length, o->offset));
	case W_PWRITEV:
		return vectored(o);
	case W_SEEK:
		return or_errno(lseek(fd, o->offset, o->flags));
	case W_FTRUNCATE:
		return or_errno(ftruncate(fd, o->length));
	case W_FALLOCATE:
		return or_errno(fallocate(fd, o->flags, o->offset, o->length));
	case W_MAP_READ:
		return through_map(o, false);
	case W_MAP_WRITE:
		return through_map(o, true);
	case W_KEEP_MAP:
		return keep_map(o);
	case W_SYNC:
		return or_errno(o->flags == 1 ? fdatasync(fd) : o->flags == 2 ? sync_file_range(fd, 0, 0, 7) : fsync(fd));
	case W_DATA:
		return or_errno(lseek(fd, o->offset, o->flags));
	case W_COPY:
		return copy(o);
	case W_DUP:
		/* The same description at another moment's number: nothing may change. */
		slots[o->slot] = dup(fd);
		close(fd);
		return slots[o->slot] < 0 ? -errno : 0;
	default:
		if (fstat(fd, &st) < 0)
			return -errno;
		answer->size = st.st_size;
		answer->inode = st.st_ino;
		return 0;
	}
}

static void work(int channel)
{
	struct order order;

	while (read(channel, &order, sizeof(order)) == sizeof(order)) {
		struct answer answer = {0};

		if (order.what == W_EXIT)
			break;
		answer.result = order.slot == NONE || order.what == W_OPEN ? by_name(&order, &answer) : by_slot(&order, &answer);
		if (write(channel, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

/* ---- the model ---- */

static struct object {
	unsigned char *content; /* SIZE_MAX_FILE bytes */
	size_t size;
	int uses; /* names and descriptors */
	uint64_t inode;
} objects[OBJECTS];
static int named[NAMES]; /* object, or NONE */

static struct opener {
	int object; /* or NONE: closed */
	int flags;
	int64_t position;
} openers[WORKERS][SLOTS];

static int channels[WORKERS];
static pid_t workers[WORKERS];
static uint64_t state;
static unsigned long done[W_COUNT];

static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned below(unsigned limit)
{
	return (unsigned)(next() % limit);
}

/* Mostly small, at times near a border of something, at times large. */
static int64_t some_offset(size_t limit)
{
	unsigned kind = below(10);

	if (kind < 2)
		return below(200) % (limit + 1);
	if (kind < 5)
		return (int64_t)((below(20) * 16384u + below(7) - 3u) % (limit + 1));
	if (kind < 6)
		return (int64_t)((below(80) * 4096u) % (limit + 1));
	return (int64_t)(next() % (limit + 1));
}

static int64_t some_length(void)
{
	unsigned kind = below(10);

	return kind < 4 ? 1 + below(100) : kind < 8 ? 1 + below(5000) : 1 + below(60000);
}

static int object_new(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		if (objects[i].uses)
			continue;
		if (!objects[i].content && !(objects[i].content = malloc(SIZE_MAX_FILE)))
			fail("no memory");
		objects[i].size = 0;
		objects[i].inode = 0;
		return i;
	}
	fail("too many objects");
}

static void resize(struct object *object, size_t size)
{
	if (size > object->size)
		memset(object->content + object->size, 0, size - object->size);
	object->size = size;
}

static struct answer ask(int worker, const struct order *order)
{
	struct answer answer;

	snprintf(trail[trail_at % HISTORY], sizeof(trail[0]),
		 "%lu: worker %d slot %d: %s name %d other %d flags %#x offset %ld length %ld begin %ld", trail_at, worker, order->slot,
		 names[order->what], order->name, order->other, order->flags, (long)order->offset, (long)order->length, (long)order->begin);
	trail_at++;
	if (write(channels[worker], order, sizeof(*order)) != sizeof(*order) ||
	    read(channels[worker], &answer, sizeof(answer)) != sizeof(answer))
		fail("worker %d is gone", worker);
	done[order->what]++;
	return answer;
}

static void wanted(int64_t got, int64_t expected)
{
	if (got != expected)
		fail("got %ld (%s), wanted %ld (%s)", (long)got, got < 0 ? strerrorname_np((int)-got) : "", (long)expected,
		     expected < 0 ? strerrorname_np((int)-expected) : "");
}

static void same_bytes(const unsigned char *expected, size_t length, int64_t offset)
{
	if (memcmp(buffer, expected, length) == 0)
		return;
	for (size_t i = 0; i < length; i++)
		if (buffer[i] != expected[i])
			fail("byte %ld is %02x, wanted %02x (%zu from %ld)", (long)(offset + (int64_t)i), buffer[i], expected[i], length, (long)offset);
}

static void fill(int64_t at, int64_t length)
{
	for (int64_t i = 0; i < length; i += 8) {
		uint64_t word = next() | 0x0101010101010101; /* no zero bytes: those are holes' */

		memcpy(buffer + at + i, &word, 8);
	}
}

static void put(struct object *object, int64_t offset, const unsigned char *bytes, size_t length)
{
	if ((size_t)offset + length > object->size)
		resize(object, (size_t)offset + length);
	memcpy(object->content + offset, bytes, length);
}

static void do_open(int worker, int slot)
{
	static const int flags[] = {O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_WRONLY | O_APPEND, O_RDWR | O_TRUNC,
				    O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND};
	struct order order = {.what = W_OPEN, .slot = slot, .name = (int)below(NAMES)};
	struct opener *opener = &openers[worker][slot];

	order.flags = flags[below(sizeof(flags) / sizeof(flags[0]))];
	if (named[order.name] == NONE)
		order.flags |= O_CREAT;
	else if (below(4) == 0)
		order.flags |= O_CREAT;
	wanted(ask(worker, &order).result, 0);
	if (named[order.name] == NONE) {
		named[order.name] = object_new();
		objects[named[order.name]].uses = 1;
	}
	if (order.flags & O_TRUNC)
		objects[named[order.name]].size = 0;
	*opener = (struct opener){named[order.name], order.flags, 0};
	objects[opener->object].uses++;
}

static void do_close(int worker, int slot)
{
	struct order order = {.what = W_CLOSE, .slot = slot};
	struct opener *opener = &openers[worker][slot];

	wanted(ask(worker, &order).result, 0);
	objects[opener->object].uses--;
	opener->object = NONE;
}

static void do_read(int worker, int slot, bool at_place)
{
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = at_place ? W_PREAD : W_READ, .slot = slot, .offset = some_offset(object->size), .length = some_length()};
	int64_t from = at_place ? order.offset : opener->position, expected;

	expected = from >= (int64_t)object->size ? 0 : (int64_t)object->size - from;
	if (expected > order.length)
		expected = order.length;
	if ((opener->flags & O_ACCMODE) == O_WRONLY)
		expected = -EBADF;
	wanted(ask(worker, &order).result, expected);
	if (expected <= 0)
		return;
	same_bytes(object->content + from, (size_t)expected, from);
	if (!at_place)
		opener->position += expected;
}

static void do_write(int worker, int slot, enum what what)
{
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = what, .slot = slot, .offset = some_offset(object->size + 5000), .length = some_length(), .begin = below(64)};
	int64_t at = opener->flags & O_APPEND ? (int64_t)object->size : what == W_WRITE ? opener->position : order.offset;

	if (at + order.length > SIZE_MAX_FILE)
		return;
	if (order.offset + order.length > SIZE_MAX_FILE)
		order.offset = 0, at = opener->flags & O_APPEND || what == W_WRITE ? at : 0;
	fill(order.begin, order.length);
	wanted(ask(worker, &order).result, (opener->flags & O_ACCMODE) == O_RDONLY ? -EBADF : order.length);
	if ((opener->flags & O_ACCMODE) == O_RDONLY)
		return;
	put(object, at, buffer + order.begin, (size_t)order.length);
	if (what == W_WRITE)
		opener->position = at + order.length;
}

static void do_seek(int worker, int slot)
{
	struct opener *opener = &openers[worker][slot];
	struct order order = {.what = W_SEEK, .slot = slot, .flags = below(3) ? SEEK_SET : SEEK_END};

	order.offset = order.flags == SEEK_SET ? some_offset(objects[opener->object].size) : 0;
	opener->position = order.flags == SEEK_SET ? order.offset : (int64_t)objects[opener->object].size;
	wanted(ask(worker, &order).result, opener->position);
}

static void do_truncate(int worker, int slot)
{
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = W_FTRUNCATE, .slot = slot, .length = below(10) ? some_offset(object->size) : some_offset(SIZE_MAX_FILE)};
	int64_t expected = (opener->flags & O_ACCMODE) == O_RDONLY ? -EINVAL : 0;

	if (below(3) == 0) {
		order.what = W_TRUNCATE;
		order.slot = NONE;
		order.name = (int)below(NAMES);
		object = named[order.name] == NONE ? NULL : &objects[named[order.name]];
		expected = object ? 0 : -ENOENT;
	}
	wanted(ask(worker, &order).result, expected);
	if (expected == 0)
		resize(object, (size_t)order.length);
}

static void do_allocate(int worker, int slot)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = W_FALLOCATE, .slot = slot, .flags = modes[below(4)], .offset = some_offset(object->size), .length = some_length()};
	size_t end = (size_t)(order.offset + order.length);

	if (end > SIZE_MAX_FILE)
		return;
	wanted(ask(worker, &order).result, (opener->flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0);
	if ((opener->flags & O_ACCMODE) == O_RDONLY)
		return;
	if (order.flags == 0 && end > object->size)
		resize(object, end);
	if (order.flags & FALLOC_FL_PUNCH_HOLE && (size_t)order.offset < object->size)
		memset(object->content + order.offset, 0, (end < object->size ? end : object->size) - (size_t)order.offset);
}

static void do_map(int worker, int slot, bool write_it)
{
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = write_it ? W_MAP_WRITE : W_MAP_READ, .slot = slot, .begin = below(64), .flags = (int)below(8)};
	bool refused = (opener->flags & O_ACCMODE) == O_WRONLY || (write_it && (opener->flags & O_ACCMODE) != O_RDWR);

	if (!object->size || refused)
		return;
	order.offset = some_offset(object->size - 1);
	order.length = some_length();
	if (order.offset + order.length > (int64_t)object->size)
		order.length = (int64_t)object->size - order.offset;
	if (write_it)
		fill(order.begin, order.length);
	wanted(ask(worker, &order).result, order.length);
	if (write_it)
		put(object, order.offset, buffer + order.begin, (size_t)order.length);
	else
		same_bytes(object->content + order.offset, (size_t)order.length, order.offset);
}

static void do_keep(int worker, int slot)
{
	struct opener *opener = &openers[worker][slot];
	struct order order = {.what = W_KEEP_MAP, .slot = slot, .length = SIZE_MAX_FILE};

	if ((opener->flags & O_ACCMODE) == O_RDWR)
		wanted(ask(worker, &order).result, 0);
}

static void do_sync(int worker, int slot)
{
	struct order order = {.what = W_SYNC, .slot = slot, .flags = (int)below(3)};

	wanted(ask(worker, &order).result, 0);
}

static void same_stat(const struct answer *answer, struct object *object)
{
	wanted(answer->result, 0);
	if (answer->size != (int64_t)object->size)
		fail("its size is told as %ld, it is %zu", (long)answer->size, object->size);
	if (object->inode && object->inode != answer->inode)
		fail("its inode was %lu and is %lu", (unsigned long)object->inode, (unsigned long)answer->inode);
	object->inode = answer->inode;
}

static void do_stat(int worker, int slot)
{
	struct order order = {.what = W_STAT, .slot = slot};
	struct answer answer = ask(worker, &order);

	same_stat(&answer, &objects[openers[worker][slot].object]);
	order = (struct order){.what = W_STAT, .slot = NONE, .name = (int)below(NAMES)};
	answer = ask(worker, &order);
	if (named[order.name] == NONE)
		wanted(answer.result, -ENOENT);
	else
		same_stat(&answer, &objects[named[order.name]]);
}

/* What is called a hole holds zeros; where it is said to begin is for the file system to choose. */
static void do_data(int worker, int slot)
{
	struct opener *opener = &openers[worker][slot];
	struct object *object = &objects[opener->object];
	struct order order = {.what = W_DATA, .slot = slot, .offset = some_offset(object->size), .flags = below(2) ? SEEK_DATA : SEEK_HOLE};
	struct answer answer = ask(worker, &order);
	int64_t end = answer.result == -ENXIO ? (int64_t)object->size : answer.result;

	if (order.offset >= (int64_t)object->size) {
		wanted(answer.result, -ENXIO);
		return;
	}
	if (end < order.offset || end > (int64_t)object->size || (order.flags == SEEK_HOLE && answer.result < 0))
		fail("%s from %ld of %zu: %ld", order.flags == SEEK_DATA ? "data" : "hole", (long)order.offset, object->size, (long)answer.result);
	for (int64_t i = order.offset; order.flags == SEEK_DATA && i < end; i++)
		if (object->content[i])
			fail("data at %ld was passed by", (long)i);
	if (answer.result >= 0)
		opener->position = answer.result;
}

static void do_copy(int worker, int slot)
{
	int other = (int)below(SLOTS);
	struct opener *from = &openers[worker][slot], *to = &openers[worker][other];
	struct object *source, *target;
	struct order order = {.what = W_COPY, .slot = slot, .other = other, .flags = (int)below(3)};
	int64_t there;

	if (to->object == NONE || to->object == from->object || (from->flags & O_ACCMODE) == O_WRONLY || (to->flags & O_ACCMODE) == O_RDONLY ||
	    to->flags & O_APPEND)
		return;
	source = &objects[from->object];
	target = &objects[to->object];
	order.offset = some_offset(source->size);
	order.begin = some_offset(target->size);
	order.length = 1 + below(4000); /* a pipe takes it in one piece */
	there = (int64_t)source->size - order.offset;
	if (there > order.length)
		there = order.length;
	if (there <= 0 || order.begin + there > SIZE_MAX_FILE)
		return;
	wanted(ask(worker, &order).result, there);
	put(target, order.begin, source->content + order.offset, (size_t)there);
	if (order.flags == 1)
		to->position = order.begin + there;
}

static void do_names(int worker, bool rename_it)
{
	struct order order = {.what = rename_it ? W_RENAME : W_UNLINK, .slot = NONE, .name = (int)below(NAMES), .other = (int)below(NAMES)};
	int *from = &named[order.name], *to = &named[order.other];

	if (*from == NONE || (rename_it && from == to))
		return;
	wanted(ask(worker, &order).result, 0);
	if (rename_it && *to != NONE)
		objects[*to].uses--;
	if (!rename_it)
		objects[*from].uses--;
	else
		*to = *from;
	*from = NONE;
}

/* ---- all of it ---- */

static void one(void)
{
	int worker = (int)below(WORKERS), slot = (int)below(SLOTS);
	struct order again = {.what = W_DUP, .slot = slot};
	unsigned kind = below(100);

	if (openers[worker][slot].object == NONE) {
		do_open(worker, slot);
		return;
	}
	if (kind < 8)
		do_close(worker, slot);
	else if (kind < 22)
		do_read(worker, slot, kind < 15);
	else if (kind < 50)
		do_write(worker, slot, kind < 32 ? W_WRITE : kind < 45 ? W_PWRITE : W_PWRITEV);
	else if (kind < 53)
		do_seek(worker, slot);
	else if (kind < 58)
		do_truncate(worker, slot);
	else if (kind < 64)
		do_allocate(worker, slot);
	else if (kind < 82)
		do_map(worker, slot, kind < 74);
	else if (kind < 84)
		do_keep(worker, slot);
	else if (kind < 87)
		do_sync(worker, slot);
	else if (kind < 92)
		do_stat(worker, slot);
	else if (kind < 94)
		do_data(worker, slot);
	else if (kind < 97)
		do_copy(worker, slot);
	else if (kind < 98)
		do_names(worker, true);
	else if (kind < 99)
		do_names(worker, below(3) > 0);
	else
		wanted(ask(worker, &again).result, 0);
}

/* Every file through every name and descriptor. */
static void look(void)
{
	for (int worker = 0; worker < WORKERS; worker++) {
		for (int slot = 0; slot < SLOTS; slot++) {
			struct opener *opener = &openers[worker][slot];
			struct order order = {.what = W_PREAD, .slot = slot, .length = SIZE_MAX_FILE};

			if (opener->object == NONE || (opener->flags & O_ACCMODE) == O_WRONLY)
				continue;
			wanted(ask(worker, &order).result, (int64_t)objects[opener->object].size);
			same_bytes(objects[opener->object].content, objects[opener->object].size, 0);
		}
	}
	for (int name = 0; name < NAMES; name++) {
		char path[4096];
		ssize_t got;
		int fd;

		path_of(name, path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && named[name] == NONE)
			continue;
		if (fd < 0 || named[name] == NONE)
			fail("%s: %s", path, fd < 0 ? strerrorname_np(errno) : "is there");
		got = read(fd, buffer, SIZE_MAX_FILE);
		close(fd);
		wanted(got, (int64_t)objects[named[name]].size);
		same_bytes(objects[named[name]].content, objects[named[name]].size, 0);
	}
}

static void load(const char *model)
{
	for (int name = 0; name < NAMES; name++) {
		char path[4096];
		int fd;

		snprintf(path, sizeof(path), "%s/file-%d", model, name);
		named[name] = NONE;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		named[name] = object_new();
		objects[named[name]].uses = 1;
		objects[named[name]].size = (size_t)read(fd, objects[named[name]].content, SIZE_MAX_FILE);
		close(fd);
	}
}

static void save(const char *model)
{
	for (int name = 0; name < NAMES; name++) {
		char path[4096];
		int fd;

		snprintf(path, sizeof(path), "%s/file-%d", model, name);
		unlink(path);
		if (named[name] == NONE)
			continue;
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, objects[named[name]].content, objects[named[name]].size) != (ssize_t)objects[named[name]].size)
			fail("%s: %s", path, strerrorname_np(errno));
		close(fd);
	}
}

static void start(void)
{
	for (int i = 0; i < WORKERS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (workers[i] = fork()) < 0)
			fail("cannot start: %s", strerrorname_np(errno));
		if (workers[i] == 0) {
			for (int k = 0; k < i; k++)
				close(channels[k]);
			close(pair[0]);
			work(pair[1]);
		}
		close(pair[1]);
		channels[i] = pair[0];
		for (int slot = 0; slot < SLOTS; slot++)
			openers[i][slot].object = NONE;
	}
}

int main(int argc, char **argv)
{
	unsigned long count;

	if (argc != 5)
		return 2;
	state = strtoull(argv[1], NULL, 0);
	count = strtoul(argv[2], NULL, 10);
	tree = argv[3];
	buffer = mmap(NULL, SIZE_MAX_FILE + 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return 2;
	load(argv[4]);
	start();
	look();
	for (unsigned long i = 0; i < count; i++) {
		one();
		if (i % LOOK_EVERY == LOOK_EVERY - 1)
			look();
	}
	look();
	save(argv[4]);
	/* Some close, some only end. */
	for (int i = 0; i < WORKERS; i++) {
		struct order order = {.what = W_EXIT};

		for (int slot = 0; slot < SLOTS && i % 2; slot++)
			if (openers[i][slot].object != NONE)
				do_close(i, slot);
		if (write(channels[i], &order, sizeof(order)) != sizeof(order))
			fail("worker %d is gone", i);
		waitpid(workers[i], NULL, 0);
	}
	for (int i = 0; i < W_EXIT; i++)
		printf("%s %lu\n", names[i], done[i]);
	return 0;
}
