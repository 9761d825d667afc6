/* SPDX-License-Identifier: Apache-2.0 */
/* A view for unit tests: rules given as text, directories on ext4 and tmpfs, and every test as root and as a user. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vfs/view.h"

struct fixture {
	struct policy *policy;
	struct view *view;
};

/* A view of RULES (the last is NULL); `@` in them stands for BASE. Fails the test when they are refused. */
void fixture_view(struct fixture *fixture, const char *base, const char *const *rules);
/* The same where it is expected to be refused: returns the error; the message goes to TEXT. */
int fixture_refused(const char *base, const char *const *rules, char *text, size_t size);
void fixture_free(struct fixture *fixture);

/*
 * A fresh directory of our own. EXT4: on a file system of that kind: the test's temporary directory, or as root a
 * loop file where that is something else; NULL when there is none. Otherwise on tmpfs (/dev/shm).
 */
const char *fixture_directory(bool ext4);
void fixture_remove(const char *directory);

/* Run TESTS as who we are, and as root also as user and group 65534 in a child (asserted). Returns the exit status. */
int fixture_main(int (*tests)(void));
/* Inside: are we the root run? */
bool fixture_is_root(void);

/* Make a file with CONTENT at DIRECTORY/NAME. */
void fixture_file(const char *directory, const char *name, const char *content);
