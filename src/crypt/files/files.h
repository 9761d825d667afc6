/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain files become encrypted ones and the reverse; what can be done with a whole encrypted file. The commands of the
 * command line stand on this.
 *
 * Functions return 0 (or what they say) or a negative errno, with a message in MSG that names the file. They print
 * nothing and never exit: what they notice on the way goes to the hooks of `struct files`. One thread at a time uses
 * a `struct files`.
 *
 * What holds for everything that replaces a file: killed or without power at any moment, the name stands for the
 * whole old file or for the whole new one. The new one is written under no name, or under a temporary one
 * (replace.h), made durable, given the old one's attributes, and renamed over it; then the directory is made durable.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/errmsg.h"
#include "crypt/freshness.h"
#include "crypt/store/store.h"

/* Where a file is: NAME (one component) in the directory DIR; PATH is what a person calls it. */
struct files_place {
	int dir;
	const char *name;
	const char *path;
};

/* What is remembered of files, so that an older copy of one is noticed. `made` and below are the operations' own. */
struct files_fresh {
	const char *directory; /* of the record; NULL: nothing is remembered */
	bool strict;           /* an older version is refused, not only noted */
	bool accept;           /* it is taken as it is */
	bool said;             /* that the record cannot be written */
	bool made;             /* a file was made that has no name yet: this version of it */
	struct freshness_version version;
};

/* What all operations share. Pointers are the caller's and outlive it. */
struct files {
	const struct aead_provider *provider;
	const struct store_io *io;  /* of the stores; NULL: that of files */
	struct crew *crew;          /* of threads that help; NULL: none */
	struct store_layout layout; /* of new files */
	bool force; /* do also what is refused else: hard links, open for writing, attributes that get lost */

	/*
	 * The keys for a file that is wrapped for the COUNT IDS; COUNT 0: for a new one, which the first key wraps.
	 * They live as long as the `struct files`. -ENOKEY with MSG: there is none.
	 */
	int (*keys)(void *data, const uint8_t (*ids)[FORMAT_ID], size_t count, const struct store_key **ret_keys,
		    size_t *ret_count, struct errmsg *msg);
	/* Bytes of the file at hand that are done, and all of them (0: not known). A negative errno ends the
	 * operation, and everything is as it was. May be NULL. */
	int (*progress)(void *data, uint64_t done, uint64_t total);
	/* Something that the user should know, but that is no failure. May be NULL. */
	void (*note)(void *data, const char *path, const char *text);
	void *data;
	struct files_fresh *fresh; /* may be NULL */
};

/* What a file looks like from outside, without a key. */
enum files_kind {
	FILES_PLAIN,
	FILES_EMPTY,     /* not a byte: plain, and a valid encrypted file as well */
	FILES_ZEROS,     /* no more than two slots, all zeros: the same, as a power loss or kill leaves what was new */
	FILES_ENCRYPTED, /* at least one slot has our mark */
	FILES_SPOILED,   /* no slot has it, but the rest of a head is there: a damaged encrypted file */
};

/* The clear parts of both slots. */
struct files_head {
	enum files_kind kind;
	bool present[2]; /* this slot has a head */
	struct head slots[2];
	uint8_t ids[2 * FORMAT_WRAPS][FORMAT_ID]; /* of all keys for which it is wrapped, each once */
	size_t id_count;
};

/* Look at the file behind FD. 0; -EPROTONOSUPPORT: a later version of the format; or as read(2) said. */
int files_look(int fd, struct files_head *ret_head);

/* An encrypted file that is open. */
struct files_store {
	const struct files *files;
	int fd;
	struct store *store; /* stands on `fd` of this very struct, which therefore stays where it is */
	uint64_t done, expected; /* counted.c: bytes */
	struct store_env env;
};

/*
 * Open the store in FD (for reading, for STORE_WRITE also for writing), which is taken over: lock it, find its keys,
 * open it, ask whether it is as fresh as it should be. Every encrypted file that a command opens is opened here. A
 * file that is new (LAYOUT not NULL) is not locked.
 * -EBUSY: somebody has it open, MSG says who. -ESTALE: older than recorded, and files->fresh->strict. -ENODATA: no
 * encrypted file. On failure FD is closed.
 */
int files_store_open(const struct files *files, int fd, const char *path, enum store_mode mode,
		     const struct store_layout *layout, struct files_store *ret_store, struct errmsg *msg);
/* Without writing. */
void files_store_close(struct files_store *store);

/* Open the regular file at PLACE, no link. FLAGS: O_RDONLY or O_RDWR. RET_STAT may be NULL. */
int files_open(const struct files_place *place, int flags, int *ret_fd, struct stat *ret_stat, struct errmsg *msg);

enum files_direction { FILES_ENCRYPT, FILES_DECRYPT };

/* What an operation did with a file. */
enum files_result {
	FILES_DONE,
	FILES_SKIPPED, /* it is so already; MSG says so */
};

struct files_sizes {
	uint64_t before, after; /* bytes of the files */
};

/* Encrypt or decrypt the file at PLACE in place. Returns enum files_result. RET_SIZES may be NULL. */
int files_convert(const struct files *files, enum files_direction direction, const struct files_place *place,
		  struct files_sizes *ret_sizes, struct errmsg *msg);

/*
 * Encrypt or decrypt the file behind FD (taken over) into a new file at OUT, which is replaced only if files->force,
 * with the attributes of the other one if that is a file (a pipe has none). Returns enum files_result.
 */
int files_convert_to(const struct files *files, enum files_direction direction, int fd, const char *path,
		     const struct files_place *out, struct files_sizes *ret_sizes, struct errmsg *msg);

/* From now on the file at PLACE is what is expected there, older or not. */
int files_accept(const struct files *files, const struct files_place *place, struct errmsg *msg);

/* Takes what a file contains, in order, all LEN bytes. 0 or a negative errno. */
typedef int (*files_sink)(void *data, const void *bytes, size_t len);

/* Encrypt or decrypt the file behind FD (taken over) into SINK. */
int files_convert_into(const struct files *files, enum files_direction direction, int fd, const char *path,
		       files_sink sink, void *sink_data, struct errmsg *msg);

/* Walking the paths of a command. */
struct files_walk {
	bool recursive;
	bool cross_device; /* also into other file systems */
	bool look_only;    /* nothing is said of what is passed by, and no temporary file is removed */
	/* A regular file, or what was named itself. A negative errno ends the walk. DEPTH 0: named by the user. */
	int (*file)(void *data, const struct files_place *place, unsigned depth);
	/* What is passed by below a directory: no regular file, another file system, a directory that cannot be read.
	 * May be NULL if look_only. */
	void (*passed)(void *data, const char *path, const char *why);
	void *data;
};

/*
 * Call walk->file for PATH or, if that is a directory and with `recursive`, for every regular file below it, in the
 * order of their names. Directories are opened one in the other and links never followed, so that nobody who moves
 * things meanwhile leads it elsewhere. Temporary files that a killed run left are removed on the way. 0, what ended
 * the walk, or a negative errno with MSG when PATH itself cannot be had.
 */
int files_walk(const struct files_walk *walk, const char *path, struct errmsg *msg);

/* The directory of PATH, opened, and its last component, which points into PATH; "." where PATH ends in a slash or
 * dots. */
int files_split(const char *path, int *ret_dir, const char **ret_name, struct errmsg *msg);

/* Damage, as store_verify() tells it or of a slot. */
struct files_damage {
	const char *what;     /* "chunk", "node", "slot" */
	uint64_t offset, len; /* of the plaintext; len 0: none of it */
	uint64_t place;       /* where in the file the piece stands */
	bool uncertain;       /* of a slot: it may have held something newer, or a power loss tore it */
};
typedef void (*files_found)(void *data, const struct files_damage *damage);

/* Read all of the encrypted file behind FD (taken over); FOUND is called for each piece that does not authenticate.
 * How many there are, or a negative errno: -EBADMSG when nothing of it can be had. */
int64_t files_verify(const struct files *files, int fd, const char *path, files_found found, void *data,
		     struct errmsg *msg);

struct files_saved {
	uint64_t size; /* of the plaintext */
	uint64_t lost; /* bytes of it, which are holes */
};

/* What authenticates of the encrypted file behind FD (taken over) into a new plain file at OUT; FOUND is told what
 * does not, in order and joined. */
int files_salvage(const struct files *files, int fd, const char *path, const struct files_place *out, files_found found,
		  void *data, struct files_saved *ret_saved, struct errmsg *msg);

/* Wrap the file's key for NEW_KEY too. Returns enum files_result. */
int files_rekey_add(const struct files *files, const struct files_place *place, const struct store_key *new_key,
		    struct errmsg *msg);
/* Behind that, drop the wraps for the COUNT IDS; KEPT, without whose wrap nothing is dropped, is none of them.
 * Returns enum files_result. */
int files_rekey_drop(const struct files *files, const struct files_place *place, const uint8_t *kept,
		     const uint8_t (*ids)[FORMAT_ID], size_t count, struct errmsg *msg);
/* Encrypt anew with a new key of the file, wrapped for the key for new files alone, in place. */
int files_rekey_full(const struct files *files, const struct files_place *place, struct files_sizes *ret_sizes,
		     struct errmsg *msg);

/* Give space back. Sizes are those on the disk. */
int files_compact(const struct files *files, const struct files_place *place, struct files_sizes *ret_sizes,
		  struct errmsg *msg);

/*
 * Copy the encrypted file behind FD (taken over) as it is, without a key, also while it is written: one of its
 * versions, whole. Writers leave its pages alone meanwhile (store_hold()); where they cannot be told to it is tried
 * until none has written.
 */
int files_copy_raw(const struct files *files, int fd, const char *path, const struct files_place *out,
		   struct files_sizes *ret_sizes, struct errmsg *msg);
