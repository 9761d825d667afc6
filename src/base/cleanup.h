/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership by attribute: a resource is released when its variable leaves scope unless it was handed over. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Close FD if it is one, keeping errno. Returns -EBADF, so that `fd = safe_close(fd)` reads well. */
static inline int safe_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;
		close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void cleanup_close(int *fd)
{
	safe_close(*fd);
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* Hand a descriptor over: the variable no longer owns it. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -EBADF;
	return stolen;
}

#define TAKE_PTR(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) *take_from_ = &(p);                                                                      \
		__typeof__(p) taken_ = *take_from_;                                                                    \
		*take_from_ = NULL;                                                                                    \
		taken_;                                                                                                \
	})

#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* For what is large and filled as needed: not to be wiped each time where the build initialises every variable. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define _uninitialised_ __attribute__((uninitialized))
#else
#define _uninitialised_
#endif
