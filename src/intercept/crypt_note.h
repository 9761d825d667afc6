/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What to do about an encrypted file that could not be served for ERROR (a negative errno), for the log; NULL: nothing known. */
const char *crypt_note(int error);
