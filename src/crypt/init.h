/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Have OpenSSL keep what it allocates from now on, contexts with their expanded keys among it, in secret memory (secret.h),
 * wiped when released. CRYPTO_set_mem_functions(3): that is possible only before it has allocated anything. So a program
 * that uses libcrypto for itself calls this before; what scrim has calls it where a key is first used. Done once, thread
 * safe. 0; -EBUSY: libcrypto was in use already; or another negative errno.
 */
int crypt_init(void);
