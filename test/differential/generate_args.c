/* SPDX-License-Identifier: Apache-2.0 */
/* The other arguments: numbers, descriptors, buffers. A letter of the kind says which (kinds.c). */
#include "generate.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(gen, array) ((array)[gen_below(gen, LEN(array))])
/* An argument that is an int to the kernel: the upper half must not matter. */
#define JUNK 0xdeadbeef00000000

static void number(struct arg *arg, int64_t value)
{
	arg->form = FORM_NUMBER;
	arg->n[0] = value;
}

static void buffer(struct arg *arg, int64_t size)
{
	arg->form = FORM_BUFFER;
	arg->count = 1;
	arg->n[0] = size;
}

enum slot_kind { SLOT_ANY, SLOT_ATTRIBUTED, SLOT_WRITABLE, SLOT_FILE, SLOT_DIRECTORY, SLOT_SOCKET, SLOT_UNBOUND, SLOT_UNCONNECTED, SLOT_INOTIFY };

static bool slot_is(int slot, enum slot_kind kind)
{
	struct sockaddr_un address;
	socklen_t length = sizeof(address), size = sizeof(int);
	char name[64], link[64] = "";
	int listens = 0;
	struct stat st;

	if (fstat(SLOT_FD(slot), &st) < 0)
		return false;
	switch (kind) {
	case SLOT_ANY:
		return true;
	case SLOT_ATTRIBUTED:
		return fgetxattr(SLOT_FD(slot), "user.a", NULL, 0) >= 0;
	case SLOT_WRITABLE:
		return S_ISREG(st.st_mode) && (fcntl(SLOT_FD(slot), F_GETFL) & (O_PATH | O_ACCMODE)) > 0 &&
		       !(fcntl(SLOT_FD(slot), F_GETFL) & O_PATH);
	case SLOT_FILE:
		return S_ISREG(st.st_mode) && !(fcntl(SLOT_FD(slot), F_GETFL) & O_PATH);
	case SLOT_DIRECTORY:
		return S_ISDIR(st.st_mode);
	case SLOT_SOCKET:
		return S_ISSOCK(st.st_mode);
	case SLOT_UNBOUND:
		return S_ISSOCK(st.st_mode) && getsockname(SLOT_FD(slot), (struct sockaddr *)&address, &length) == 0 &&
		       length == sizeof(sa_family_t);
	case SLOT_UNCONNECTED:
		return S_ISSOCK(st.st_mode) && getpeername(SLOT_FD(slot), (struct sockaddr *)&address, &length) < 0 &&
		       getsockopt(SLOT_FD(slot), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens;
	case SLOT_INOTIFY:
		snprintf(name, sizeof(name), "/proc/self/fd/%d", SLOT_FD(slot));
		return readlink(name, link, sizeof(link) - 1) > 0 && strcmp(link, "anon_inode:inotify") == 0;
	}
	return false;
}

static int find_slot(struct gen *gen, enum slot_kind kind)
{
	unsigned start = gen_below(gen, SLOTS);

	for (unsigned i = 0; i < SLOTS; i++)
		if (slot_is((int)((start + i) % SLOTS), kind))
			return (int)((start + i) % SLOTS);
	return NO_SLOT;
}

static bool slot(struct gen *gen, struct arg *arg, enum slot_kind kind)
{
	static const int bad[] = {-1, 99, 500, INT_MAX, INT_MIN, -2};
	int found = find_slot(gen, kind);

	if (gen->hostile && gen_percent(gen, 30)) {
		if (gen_percent(gen, 40)) {
			number(arg, gen_percent(gen, 20) ? AT_FDCWD : PICK(gen, bad));
			return true;
		}
		found = (int)gen_below(gen, SLOTS);
	}
	if (found == NO_SLOT)
		return false;
	arg->form = FORM_SLOT;
	arg->n[0] = found;
	return true;
}

/* A directory to begin at; its descriptor is returned, for the text that follows. */
static int dirfd(struct gen *gen, struct arg *arg)
{
	int found = find_slot(gen, SLOT_DIRECTORY);

	if (gen->hostile && gen_percent(gen, 40)) {
		slot(gen, arg, SLOT_ANY);
		if (arg->form == FORM_SLOT)
			return SLOT_FD(arg->n[0]);
	}
	if (found == NO_SLOT || gen_percent(gen, 45)) {
		number(arg, gen_percent(gen, 10) ? (int64_t)(JUNK | (uint32_t)AT_FDCWD) : AT_FDCWD);
		return AT_FDCWD;
	}
	arg->form = FORM_SLOT;
	arg->n[0] = found;
	return SLOT_FD(found);
}

static int open_flags(struct gen *gen)
{
	static const int access[] = {O_RDONLY, O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
	static const int create[] = {0, 0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_CREAT | O_TRUNC, O_TRUNC};
	static const int more[] = {0, 0, 0, O_CLOEXEC, O_NOFOLLOW, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_PATH, O_NOATIME, O_SYNC, O_DSYNC,
				    O_LARGEFILE, O_NOCTTY, O_DIRECT, O_ASYNC, O_PATH | O_NOFOLLOW, O_NOFOLLOW | O_DIRECTORY};
	int flags = PICK(gen, access) | PICK(gen, create) | PICK(gen, more);

	if (gen_percent(gen, 30))
		flags |= PICK(gen, more);
	if (gen->hostile && gen_percent(gen, 40))
		flags ^= 1 << gen_below(gen, 31);
	if (gen->hostile && gen_percent(gen, 10))
		flags = (int)gen_random(gen);
	return gen->data ? flags & ~(O_DIRECT | O_SYNC) : flags;
}

/* Mostly 24 bytes long. Without O_CREAT or O_TMPFILE the mode has to be 0. */
static void open_how(struct gen *gen, struct arg *arg)
{
	static const int resolve[] = {0, 0, 0, 0, 0, 0, 0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV,
				      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int flags = open_flags(gen);

	/* The old calls ignore what this one refuses. */
	if (!gen->hostile && flags & O_PATH)
		flags &= O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;
	if (!gen->hostile && flags & O_CREAT)
		flags &= ~O_DIRECTORY;
	arg->form = FORM_WORDS;
	arg->count = 3;
	arg->n[0] = flags & 0x7fffffff;
	arg->n[1] = flags & O_CREAT && !(flags & O_PATH) ? (int)gen_below(gen, 01000) | 0600 : 0;
	arg->n[2] = PICK(gen, resolve);
	if (gen->hostile && gen_percent(gen, 30))
		arg->n[gen_below(gen, 3)] ^= (int64_t)1 << gen_below(gen, 63);
	if (gen->hostile && gen_percent(gen, 10))
		arg->n[2] = RESOLVE_IN_ROOT | RESOLVE_BENEATH;
	/* Whether it is EAGAIN natively is a matter of what is cached (PARITY): but for what changes something. */
	if (arg->n[2] & RESOLVE_CACHED)
		arg->n[0] |= O_CREAT;
}

static int64_t mode(struct gen *gen)
{
	static const int modes[] = {0644, 0600, 0755, 0700, 0777, 0666, 0444, 01777, 02755, 04755, 0, 0111, 07777, 0640};

	if (gen->hostile && gen_percent(gen, 30))
		return (int64_t)gen_random(gen);
	return PICK(gen, modes);
}

/* The result of a pick from the kind, with something wrong at times. */
static int64_t choice(struct gen *gen, const struct kind *kind, bool safe)
{
	int count = CHOICES;
	int64_t value;

	while (count > 1 && !kind->choices[count - 1])
		count--;
	value = kind->choices[gen_below(gen, (unsigned)count)];
	if (safe || !gen->hostile)
		return !safe && gen_percent(gen, 5) ? (int64_t)(JUNK | (uint32_t)value) : value;
	if (gen_percent(gen, 30))
		value ^= 1 << gen_below(gen, 31);
	return value;
}

static void times(struct gen *gen, struct arg *arg, char letter)
{
	static const int64_t seconds[] = {0, 1, 1000000000, 981173106, 2147483647, 2147483648, 4294967296, 17179869183, 17179869184, -1, -86400};
	bool words = letter == 'q';
	int64_t limit = letter == 't' ? 1000000000 : 1000000;

	if (gen_percent(gen, 20)) {
		number(arg, 0);
		return;
	}
	arg->form = FORM_WORDS;
	arg->count = words ? 2 : 4;
	for (int i = 0; i < arg->count; i += words ? 1 : 2) {
		arg->n[i] = PICK(gen, seconds);
		if (words)
			continue;
		arg->n[i + 1] = (int64_t)(gen_random(gen) % (uint64_t)limit);
		if (letter == 't' && gen_percent(gen, 30))
			arg->n[i + 1] = gen_percent(gen, 50) ? UTIME_NOW : UTIME_OMIT;
		if (gen->hostile && gen_percent(gen, 20))
			arg->n[i + 1] = gen_percent(gen, 50) ? limit : -1;
	}
	if (gen->hostile && gen_percent(gen, 10))
		number(arg, 8);
	if (gen->hostile && gen_percent(gen, 10))
		arg->count = 1;
}

/* MAKES: the call makes it, or there should be one. */
static void attribute(struct gen *gen, struct arg *arg, bool makes)
{
	static const char *const sane[] = {"user.a", "user.a", "user.a", "user.b", "user.c"};
	static const char *const names[] = {"", "user.", "user", "nonsense", "trusted.x", "security.x", "system.posix_acl_access", "system.none", "user.a\xff",
					      "security.capability", "USER.a"};

	if (gen->hostile && gen_percent(gen, 50)) {
		if (gen_percent(gen, 20))
			number(arg, gen_percent(gen, 50) ? 0 : 8);
		else
			gen_text(arg, PICK(gen, names));
		if (gen_percent(gen, 20)) {
			gen_text(arg, "user.nnnn");
			arg->form = FORM_FILL;
			arg->count = 1;
			arg->n[0] = 254 + (int64_t)gen_below(gen, 4);
		}
		return;
	}
	gen_text(arg, makes ? PICK(gen, sane) : gen_percent(gen, 85) ? "user.a" : "user.b");
}

/* How much a call may write: mostly what there is, or nothing (which asks how much there would be). */
static int64_t size_of(struct gen *gen, const struct kind *kind, int64_t there)
{
	/* Past the end of its memory a listing ends where the padding of an entry begins; inside it may end before (PARITY). */
	if (kind->composite == COMPOSITE_LIST || kind->composite == COMPOSITE_LIST_SEEKING)
		return gen->hostile && gen_percent(gen, 10) ? (int64_t)gen_below(gen, 30) : there;
	if (gen->hostile && gen_percent(gen, 30))
		return gen_percent(gen, 50) ? there + 1 + (int64_t)gen_below(gen, 5000) : PICK(gen, ((int64_t[]){-1, INT_MAX, 0x80000000, 0, 1}));
	return there;
}

/* For whom the kind reserves how much. */
static int64_t room(struct gen *gen, const struct kind *kind)
{
	static const int listing[] = {24, 32, 60, 100, 280, 280, 500, 1000, 4096, 32768};
	static const int bytes[] = {0, 0, 1, 5, 64, 256, 4096};

	if (kind->composite == COMPOSITE_LIST || kind->composite == COMPOSITE_LIST_SEEKING)
		return PICK(gen, listing);
	switch (kind->show) {
	case SHOW_STAT:
		return gen->hostile && gen_percent(gen, 20) ? 100 : 144;
	case SHOW_STATX:
		return gen->hostile && gen_percent(gen, 20) ? 200 : 256;
	case SHOW_STATFS:
		return gen->hostile && gen_percent(gen, 20) ? 100 : 120;
	case SHOW_EVENTS:
		return 4096;
	case SHOW_ADDRESS:
		return gen_percent(gen, 30) ? (int64_t)gen_below(gen, 30) : 110;
	default:
		return gen_percent(gen, 60) ? 256 : PICK(gen, bytes);
	}
}

static void socket_address(struct gen *gen, const struct op *op, struct arg *arg, bool make)
{
	socklen_t size = sizeof(int);
	int type = 0;

	if (op->args[0].form == FORM_SLOT)
		getsockopt(SLOT_FD(op->args[0].n[0]), SOL_SOCKET, SO_TYPE, &type, &size);
	/* One that listens, or receives: their names say so at first. */
	for (int tries = 0; tries < 8; tries++) {
		gen_path(gen, make ? WANT_NEW : WANT_SOCKET, AT_FDCWD, arg);
		if (make || gen->hostile || memmem(arg->text, arg->length, type == SOCK_DGRAM ? "datagram" : "stream", 6))
			break;
	}
	if (arg->form == FORM_NUMBER)
		return;
	if (arg->form == FORM_FILL || arg->length > 100)
		arg->length = 100;
	arg->form = FORM_UNIX;
	arg->count = 1;
	arg->n[0] = gen->hostile && gen_percent(gen, 10) ? (int64_t)gen_below(gen, 45) : AF_UNIX;
	/* Netlink and others whose answers are the machine's. */
	if (arg->n[0] != AF_UNIX && arg->n[0] != AF_UNSPEC && arg->n[0] != AF_INET)
		arg->n[0] = AF_UNIX;
}

static void address_length(struct gen *gen, const struct arg *address, struct arg *arg)
{
	char text[4096];
	int64_t length = 2 + (int64_t)expand(address->text, address->length, text, sizeof(text));

	if (gen_percent(gen, 70))
		length++;
	if (gen_percent(gen, 10))
		length = sizeof(struct sockaddr_un);
	if (gen->hostile && gen_percent(gen, 30))
		length = PICK(gen, ((int64_t[]){0, 1, 2, 3, 109, 110, 111, 128, 129, -1, INT_MAX}));
	number(arg, length);
}

static const int masks[] = {IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB, IN_MODIFY | IN_CREATE, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF,
			     IN_MODIFY | IN_DONT_FOLLOW, IN_CREATE | IN_ONLYDIR, IN_DELETE | IN_MASK_ADD, IN_MODIFY | IN_EXCL_UNLINK, IN_CREATE | IN_MASK_CREATE};

/* Those that name things. DIR: as seen from where. */
static bool path_letter(struct gen *gen, char letter, int dir, const struct op *op, struct arg *arg)
{
	static const struct {
		char letter;
		enum want want;
	} letters[] = {{'e', WANT_ANY}, {'D', WANT_DIRECTORY}, {'E', WANT_EMPTY}, {'k', WANT_NOT_DIRECTORY}, {'c', WANT_MOVABLE}, {'r', WANT_FILE},
		       {'w', WANT_ATTRIBUTED}, {'L', WANT_SYMLINK}, {'F', WANT_FIFO}, {'Q', WANT_DEVICE}, {'x', WANT_PROGRAM}, {'n', WANT_NEW}};
	static const char *const devices[] = {"/dev/null", "/dev/zero", "null", "/dev/full"};
	enum want want;
	int flags;

	if (letter == 'Q' && gen_percent(gen, 60)) {
		gen_text(arg, PICK(gen, devices));
		return true;
	}
	if (letter == 'p') {
		/* What is to be opened depends on how. */
		flags = (int)(op->args[dir == INT_MIN ? 1 : 2].form == FORM_WORDS ? op->args[2].n[0] : op->args[op->kind->args[0] == 'd' ? 2 : 1].n[0]);
		if (strcmp(op->kind->name, "creat") == 0)
			flags = O_CREAT;
		if ((flags & O_CREAT && gen_percent(gen, 50)) || (flags & O_EXCL && gen_percent(gen, 60)))
			gen_path(gen, WANT_NEW, dir, arg);
		else if (flags & O_DIRECTORY)
			gen_path(gen, WANT_DIRECTORY, dir, arg);
		else if (flags & (O_ACCMODE | O_CREAT | O_TRUNC))
			gen_path(gen, gen_percent(gen, 90) ? WANT_FILE : WANT_ANY, dir, arg);
		else
			gen_path(gen, gen_percent(gen, 50) ? WANT_FILE : WANT_ANY, dir, arg);
		return true;
	}
	for (size_t i = 0; i < LEN(letters); i++) {
		if (letters[i].letter != letter)
			continue;
		want = letters[i].want;
		/* Else most would find nothing. */
		if (want == WANT_PROGRAM && gen_percent(gen, 60))
			want = WANT_RUNNING;
		if (want == WANT_ATTRIBUTED && gen_percent(gen, 80) && !strchr(op->kind->args, 'B') && !strchr(op->kind->args, 'Z'))
			want = WANT_WITH_ATTRIBUTE;
		gen_path(gen, want, dir, arg);
		return true;
	}
	return false;
}

static bool slot_letter(struct gen *gen, char letter, struct arg *arg, bool *ok, const char **need)
{
	static const struct {
		char letter;
		enum slot_kind kind;
		const char *need;
	} letters[] = {{'s', SLOT_ANY, "openat.directory"}, {'%', SLOT_ATTRIBUTED, "openat.attributed"}, {'&', SLOT_WRITABLE, "openat.writable"}, {'S', SLOT_FILE, "openat"}, {'C', SLOT_DIRECTORY, "openat.directory"}, {'K', SLOT_SOCKET, "socket"},
		       {'U', SLOT_UNBOUND, "socket"}, {'=', SLOT_UNCONNECTED, "socket"}, {'I', SLOT_INOTIFY, "inotify_init1"}};

	for (size_t i = 0; i < LEN(letters); i++) {
		if (letters[i].letter != letter)
			continue;
		*ok = slot(gen, arg, letters[i].kind);
		*need = letters[i].need;
		return true;
	}
	return false;
}

static void bytes(struct gen *gen, struct arg *arg)
{
	char data[64];
	size_t length = gen_below(gen, sizeof(data));

	for (size_t i = 0; i < length; i++)
		data[i] = (char)('A' + gen_below(gen, 26));
	arg->form = FORM_DATA;
	arg->length = length;
	memcpy(arg->text, data, length);
}

static void attribute_args(struct gen *gen, struct arg *arg, bool set)
{
	if (set)
		bytes(gen, arg);
	arg->form = FORM_XATTR;
	arg->count = 2;
	arg->n[0] = set ? (int64_t)arg->length : room(gen, &(struct kind){.show = SHOW_BYTES});
	arg->n[1] = 0;
	if (gen->hostile && gen_percent(gen, 40))
		arg->n[1] = 1 << gen_below(gen, 8);
	if (gen->hostile && gen_percent(gen, 10))
		arg->n[0] = 1 << gen_below(gen, 31);
}

/* A struct flock. */
static void lock_words(struct gen *gen, struct arg *arg)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK};

	arg->form = FORM_WORDS;
	arg->count = 4;
	arg->n[0] = PICK(gen, types);
	arg->n[1] = (int64_t)gen_below(gen, 40);
	arg->n[2] = (int64_t)gen_below(gen, 20);
	arg->n[3] = 0;
}

static void other_letter(struct gen *gen, char letter, const struct op *op, int at, struct arg *arg)
{
	static const int amodes[] = {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK, R_OK | X_OK, R_OK | W_OK | X_OK, F_OK, R_OK};
	static const int types[] = {S_IFREG, S_IFIFO, S_IFSOCK, 0, S_IFCHR, S_IFREG, S_IFIFO};
	static const int64_t sizes[] = {0, 1, 5, 100, 4096, 5000, 70000};
	static const int64_t wild[] = {-1, INT64_MIN, INT64_MAX, 1ll << 40};
	static const int64_t devices[] = {0, 0, 0x103, 0x105, 0};
	static const int64_t large[] = {1000, 4096, 16384, 20000, 70000};
	static const char *const vectors[] = {"run|one|two", "", "x", "a||b", "run"};
	int64_t id = geteuid() == 0 ? PICK(gen, ((int[]){0, 0, 1000, 4711, 65534, -1})) : PICK(gen, ((int[]){-1, -1, (int)geteuid()}));

	switch (letter) {
	case 'o':
		number(arg, open_flags(gen));
		break;
	case 'h':
		open_how(gen, arg);
		break;
	case 'H':
		number(arg, gen->hostile && gen_percent(gen, 30) ? PICK(gen, ((int64_t[]){0, 8, 16, 23, 25, 32, 4096, 4097, -1})) : 24);
		break;
	case 'm':
		number(arg, mode(gen));
		break;
	case 'M':
		number(arg, PICK(gen, types) | (mode(gen) & 07777));
		if (gen->hostile && gen_percent(gen, 30))
			number(arg, (int64_t)gen_below(gen, 1 << 17));
		/* Block devices are the machine's disks. */
		if ((arg->n[0] & S_IFMT) == S_IFBLK)
			arg->n[0] &= ~(int64_t)S_IFMT;
		break;
	case 'V':
		number(arg, PICK(gen, devices));
		break;
	case 'a':
		number(arg, gen->hostile && gen_percent(gen, 30) ? (int64_t)gen_below(gen, 256) : PICK(gen, amodes));
		break;
	case 'f':
	case '*':
		number(arg, choice(gen, op->kind, letter == '*'));
		if (gen->data && op->kind->nr == SYS_fallocate)
			arg->n[0] &= ~(FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE);
		break;
	case 'i':
		number(arg, PICK(gen, ((int64_t[]){0x7ff, 0xfff, 0, 0x3fff, 0xffff})));
		if (gen->hostile && gen_percent(gen, 30))
			number(arg, (int64_t)gen_random(gen));
		break;
	case 'b':
		buffer(arg, room(gen, op->kind));
		if (gen->hostile && gen_percent(gen, 10))
			number(arg, gen_percent(gen, 50) ? 0 : 8);
		break;
	case 'z':
		number(arg, size_of(gen, op->kind, op->args[at - 1].form == FORM_BUFFER ? op->args[at - 1].n[0] : 100));
		break;
	case 'u':
	case 'g':
		number(arg, gen->hostile && gen_percent(gen, 30) ? (int64_t)gen_random(gen) : id);
		break;
	case 'q':
	case 'y':
	case 't':
		times(gen, arg, letter);
		break;
	case 'l':
	case 'j':
		number(arg, gen->hostile && gen_percent(gen, 30) ? PICK(gen, wild) : PICK(gen, sizes));
		/* The largest file is another one in memory. */
		if (gen->data && arg->n[0] > 70000)
			arg->n[0] = -1;
		/* What is allocated is taken from the machine's memory. */
		if (op->kind->nr == SYS_fallocate && arg->n[0] > 70000)
			arg->n[0] = INT64_MIN;
		break;
	case 'X':
		attribute(gen, arg, strchr(op->kind->args, 'B') || strchr(op->kind->args, 'Z'));
		break;
	case 'B':
		bytes(gen, arg);
		if (gen->hostile && gen_percent(gen, 20))
			number(arg, gen_percent(gen, 50) ? 0 : 8);
		break;
	case 'Y':
		number(arg, op->args[at - 1].form == FORM_FILL ? op->args[at - 1].n[0] : (int64_t)op->args[at - 1].length);
		if (gen->hostile && gen_percent(gen, 10))
			number(arg, PICK(gen, ((int64_t[]){65536, 65537, 100, INT_MAX})));
		break;
	case 'Z':
	case 'W':
		attribute_args(gen, arg, letter == 'Z');
		break;
	case '9':
		number(arg, gen->hostile && gen_percent(gen, 30) ? PICK(gen, ((int64_t[]){0, 8, 15, 17, 24, 4096, 4097})) : 16);
		break;
	case 'v':
		arg->form = FORM_ARGV;
		gen_text(arg, PICK(gen, vectors));
		arg->form = FORM_ARGV;
		if (gen->hostile && gen_percent(gen, 20))
			number(arg, gen_percent(gen, 50) ? 0 : 8);
		break;
	case 'T':
		gen_target(gen, arg);
		break;
	case 'P':
		gen_text(arg, "");
		break;
	case 'N':
	case 'O':
		socket_address(gen, op, arg, letter == 'N');
		break;
	case 'A':
		address_length(gen, &op->args[at - 1], arg);
		break;
	case 'J':
		arg->form = FORM_WORDS;
		arg->count = 1;
		arg->n[0] = op->args[at - 1].n[0];
		break;
	case 'R':
		number(arg, MSG_DONTWAIT);
		break;
	case 'G':
		number(arg, PICK(gen, masks));
		if (gen->hostile && gen_percent(gen, 30))
			number(arg, (int64_t)(gen_random(gen) & ~(uint64_t)(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE)));
		break;
	case '1':
		number(arg, 1);
		break;
	case '2':
		number(arg, F_SETFL);
		break;
	case '3':
		lock_words(gen, arg);
		break;
	case '8':
		gen_text(arg, "large content, ");
		arg->form = FORM_FILL;
		arg->count = 1;
		arg->n[0] = PICK(gen, large);
		break;
	default:
		number(arg, 0);
		break;
	}
}

bool gen_args(struct gen *gen, struct op *op, const char **need)
{
	const char *letters = op->kind->args;
	int dir = AT_FDCWD;
	bool ok = true;

	/* Flags first: what a path should name depends on them. */
	for (int i = 0; letters[i]; i++)
		if (strchr("oh", letters[i]))
			other_letter(gen, letters[i], op, i, &op->args[i]);
	for (int i = 0; letters[i]; i++) {
		struct arg *arg = &op->args[i];

		if (strchr("oh", letters[i]))
			continue;
		if (letters[i] == 'd') {
			dir = dirfd(gen, arg);
		} else if (slot_letter(gen, letters[i], arg, &ok, need)) {
			if (!ok)
				return false;
			dir = arg->form == FORM_SLOT ? SLOT_FD(arg->n[0]) : AT_FDCWD;
		} else if (!path_letter(gen, letters[i], dir, op, arg)) {
			other_letter(gen, letters[i], op, i, arg);
		}
	}
	return true;
}
