/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races: what words mean changes between the look at them and their use. Each attack asks for something harmless while
 * somebody makes the same words mean what a rule covers. What the directory holds: escape_races.py.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define SECRET "the secret content\n"
#define PUBLIC "public"

/* How a process outside changes names, without a pause. */
enum flip {
	FLIP_NONE,
	FLIP_EXCHANGE, /* two names are exchanged */
	FLIP_MOVE,     /* one object has this name and then the other */
	FLIP_ROTATE,   /* four renames, so that the name is missing at moments */
};

struct attack {
	const char *name;
	void (*attempt)(void);
	void (*prepare)(void);		     /* before anything changes; may be NULL */
	void *(*rival)(void *);		     /* a thread that changes things meanwhile; NULL: see flip */
	const char *harmless, *prize;	     /* for change_words(): of the same length, from the top */
	enum flip flip;
	const char *from, *to;		     /* for flip, from the top */
	const char *start;		     /* directory to stand in, from the top; NULL: the top */
};

/* Ends with one without a name. */
extern const struct attack words_attacks[], exec_attacks[], socket_attacks[], descriptor_attacks[], place_attacks[];

/* What the attempts came to: WINS the prize was had, GIVEN what is harmless. */
extern struct races {
	const char *top;
	unsigned long attempts, wins, given;
	_Atomic bool stop;
} at;

/* Words in shared memory that a thread changes all the time; NAME is the part that alternates. */
extern struct words {
	char *path, *name;
	const char *harmless, *prize;
	size_t len;
} words;

/* Rivals: the words change; the descriptor TARGET is replaced by descriptors[0] and [1] in turn. */
void *change_words(void *userdata);
void *change_descriptor(void *userdata);
extern int descriptors[2], target;

/* Let NAME be what alternates between the two. */
void set_words(char *path, char *name, const char *harmless, const char *prize);

/* LEN bytes that children share. */
void *shared_memory(size_t len);

/* Is it the secret that FD reads? Closes it. */
void judge_content(int fd);

/* Does chdir(2) lead to DIR's rival? Only the harmless one holds the name "here". Goes back to the top. */
void judge_chdir(const char *dir);

/* Wait for CHILD, which executed something: 7 is the prize, 3 is harmless. */
void judge_child(int child);

/* open(2) or leave with a message. */
int open_or_break(const char *name, int flags);

/* What the process "races serve TOP" has received: a file that both map. */
struct received {
	_Atomic unsigned long harmless, prize;
};
struct received *received(void);
int serve(void);
