/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of key files, NAME.key each. What is there at any moment, also after a kill or a power loss between any
 * two system calls, is either the old file or the new one, whole. Two processes that change keys wait for each other.
 */
#pragma once

#include <stddef.h>

#include "crypt/keys/key_file.h"

#define KEY_NAME_MAX 65 /* with a NUL */
#define KEY_DIR_MAX  1024

/* May a key have this name? Letters, digits and ._@+-, not starting with . or -. 0, or -EINVAL with MSG. */
int key_name_check(const char *name, struct errmsg *msg);

/*
 * Open the directory PATH. 0 and a descriptor; -ENOENT; -EPERM: it belongs to somebody else or others may write to it; or
 * a negative errno, with MSG.
 */
int key_dir_open(const char *path, int *ret_fd, struct errmsg *msg);

/* Whose key files are taken. */
enum key_trust {
	KEY_TRUST_OWN,	      /* the user's or root's, and nobody else may read or write them */
	KEY_TRUST_CREDENTIAL, /* the same, but a group may read: a service manager's access lists look so */
};

/*
 * Append what the file open as FD holds to TEXT, if it is one that may hold a key. What is no regular file (a pipe) is read
 * as it is. 0; -EPERM: not private; -EFBIG; or a negative errno. MSG begins with PATH.
 */
int key_text_load(int fd, const char *path, enum key_trust trust, struct buffer *text, struct errmsg *msg);

/* The key file NAME: not through a symbolic link. As key_text_load() and key_file_parse(); -ENOENT: there is none. */
int key_dir_load(int dir_fd, const char *dir, const char *name, struct key_file **ret_file, struct errmsg *msg);

/* A new file of TEXT. -EEXIST: there is one. 0 when it is on the disk. */
int key_dir_create(int dir_fd, const char *name, const struct buffer *text);

/* In the place of OLD, as it was loaded. -ESTALE: it is another one meanwhile. 0 when it is on the disk. */
int key_dir_replace(int dir_fd, const char *name, const struct key_file *old, const struct buffer *text);

int key_dir_remove(int dir_fd, const char *name);

/* The names of all key files, sorted, to be freed: at most KEY_DIR_MAX. Returns how many, or a negative errno. */
int key_dir_list(int dir_fd, char (**ret_names)[KEY_NAME_MAX]);
