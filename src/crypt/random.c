/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

/* getrandom(2): up to this many bytes come whole and are not interrupted by signals. */
#define WHOLE 256

int random_bytes(void *bytes, size_t len)
{
	uint8_t *p = bytes;

	while (len > 0) {
		ssize_t n = getrandom(p, len < WHOLE ? len : WHOLE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
