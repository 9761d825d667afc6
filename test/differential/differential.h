/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The differential tester: random sequences of path calls, made natively and inside a view; what they return, what they
 * write and what they leave must be the same.
 *
 * A sequence is a text. Lines with a plus in front make its tree, the others are one system call each:
 *     + file 0644 d/f text
 *     s3 = openat cwd "d/f" 0x2 0
 *     fchmodat2 s3 "" 0600 0x1000
 * An argument is
 *     12, -1, 0x1f     a number              cwd              AT_FDCWD
 *     s3               the descriptor in slot 3, a fixed high number, so that a sequence stays right without its parts
 *     "d/f"            a text                edge"d/f"        one that ends with its page
 *     cut"d/f"         one without end, and with its page at an end
 *     fill:4095"./"    one that long         data"..."        bytes, without a NUL, up to the end of a page
 *     buf:100          that many bytes to write to, up to the end of a page
 *     words:1:2:3      64-bit words, up to the end of a page (open_how, timespec)
 *     un:1"d/sock"     a socket address of that family
 *     xattr:8:0"value" a struct xattr_args of that size and flags
 *     argv"a|b"        a vector of texts
 * In texts `@` stands for the directory of the tree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define SLOTS 12
#define SLOT_FD(i) (100 + (i))
#define NO_SLOT (-1)
#define TEXT_MAX 300
#define WORDS_MAX 8

enum form {
	FORM_NUMBER,
	FORM_SLOT,
	FORM_TEXT,
	FORM_EDGE,
	FORM_CUT,
	FORM_FILL, /* n[0]: bytes */
	FORM_DATA,
	FORM_BUFFER, /* n[0]: bytes */
	FORM_WORDS,  /* n[0..count) */
	FORM_UNIX,   /* n[0]: family */
	FORM_XATTR,  /* n[0]: size, n[1]: flags */
	FORM_ARGV,
};

struct arg {
	enum form form;
	int count;
	int64_t n[WORDS_MAX];
	size_t length;
	char text[TEXT_MAX]; /* not ended by a NUL: LENGTH bytes */
};

/* What is written down of a call that succeeded. */
enum show {
	SHOW_NOTHING,
	SHOW_FD,      /* a new descriptor: flags, what it is */
	SHOW_STAT,    /* the buffer is a struct stat */
	SHOW_STATX,
	SHOW_STATFS,
	SHOW_BYTES,   /* the result says how many bytes of the buffer */
	SHOW_EVENTS,  /* of inotify */
	SHOW_CWD,
	SHOW_ADDRESS, /* a socket's, with its length in the argument behind it */
	SHOW_STATUS,  /* the result is what F_GETFL says */
	SHOW_PROGRAM, /* what an executed program said */
};

/* Calls that are more than one system call. */
enum composite {
	COMPOSITE_NONE,
	COMPOSITE_EXECVE,
	COMPOSITE_EXECVEAT,
	COMPOSITE_CHILD_CHDIR,
	COMPOSITE_CHILD_UMASK,
	COMPOSITE_LIST,
	COMPOSITE_LIST_SEEKING,
	/* Those below are in composite_data.c. */
	COMPOSITE_VECTOR,     /* the buffer in two parts */
	COMPOSITE_MAP,
	COMPOSITE_COPY,	      /* with NULL for both offsets */
	COMPOSITE_SPLICE,     /* through a pipe */
	COMPOSITE_IN_CHILD,   /* the call made by a child */
	COMPOSITE_HOLE,	      /* where a hole is may differ: what comes after does not go on from there */
	COMPOSITE_SHARED,     /* a child writes by the description that it shares */
};

#define KIND_ARGS 6
#define CHOICES 8

struct kind {
	const char *name; /* that of the system call, and perhaps something behind a dot */
	long nr;
	const char *args; /* a letter each: what the generator puts there (generate_args.c) */
	enum show show;
	enum composite composite;
	bool frees;  /* success may free an inode, whose number may be used again */
	bool data;   /* content of files: only in sequences that are made for it */
	int weight; /* how often, relative to others; 0: 4 */
	int floor; /* per cent that must succeed; 0: 30; -1: none has to (helps others, or cannot succeed on every machine) */
	int choices[CHOICES]; /* of the argument `f` */
};

extern const struct kind kinds[];
extern const size_t kind_count;
const struct kind *kind_find(const char *name, size_t length);

struct op {
	const struct kind *kind;
	int slot; /* where a new descriptor goes */
	struct arg args[KIND_ARGS];
};

/* One line, without its end. 0, or -EINVAL. */
int op_parse(const char *line, struct op *op);
void op_print(FILE *out, const struct op *op);
/* TEXT as it stands between quotation marks. */
void print_quoted(FILE *out, const char *text, size_t length);
/* The next quoted text at *AT, which is moved behind it; at most SIZE bytes. Its length, or -EINVAL. */
ssize_t parse_quoted(const char **at, char *text, size_t size);

/* Where a sequence is run. There is one in a process. */
struct scene {
	const char *tree; /* absolute, without symlinks */
	struct timespec begin; /* all of the tree is older */
	bool guard;	      /* never leave the tree by chdir (an ordinary user; else the rest of the system is read-only) */
	FILE *trace;
	const char *lie; /* a kind whose ENOENT is reported as another error: the test of the tester */
};
extern struct scene scene;

/* Memory for the arguments. */
void run_init(void);
/* Make the call, write down what it did. Returns its result or a negative errno. */
long run_op(const struct op *op, unsigned number);
/* The memory of an argument and its size, after run_op(). */
const unsigned char *run_buffer(int arg, size_t *size);
/* What the program executed by the last call has written. */
const char *run_program_output(void);
long run_composite(const struct op *op, const uint64_t args[KIND_ARGS]);
long run_composite_data(const struct op *op, const uint64_t args[KIND_ARGS]);

/* TEXT with `@` replaced. Bytes written, at most SIZE. */
size_t expand(const char *text, size_t length, char *to, size_t size);

void describe(const struct op *op, long result);
/* Entries of a directory (OLD: as getdents has them). The offset of the last one, or -1 where they are broken. */
int64_t describe_entries(const unsigned char *buffer, size_t length, bool old);
/* Is it of the tree? Other directories are everybody's. */
bool describe_of_tree(int fd);
/* Has the call returned our own number as text (/proc/self)? */
bool describe_is_own_number(const struct op *op, long result);
void describe_time(FILE *out, int64_t seconds, int64_t nanoseconds);
/* A number for an object, the same in every run: the how many-th that was seen. */
unsigned object_number(uint64_t device, uint64_t inode);
/* TEXT with what differs from run to run taken out. */
void describe_text(FILE *out, const char *text, size_t length);

/* The standard tree, as lines for stdout. */
void tree_print(FILE *out);
/* Make the tree that the lines of PATH say; scene.tree is made anew, for UID. 0 or -1, said on stderr. */
int tree_make(const char *path, uid_t uid);
/* Everything that is in the tree, to stdout. */
int tree_dump(void);
int tree_remove(const char *path);

/* COUNT calls to stdout, each of which is made. And to stderr: how many of each kind there were and succeeded. DATA: half of them
 * concern content, and none is made of what docs/PARITY.md says that it is different in encrypted files. */
int generate(uint64_t seed, unsigned count, bool data);

/* The lines of PATH as a C program. */
int print_c(const char *path);
