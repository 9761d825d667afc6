# SPDX-License-Identifier: Apache-2.0
"""System calls by number, as the C library would not make them."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100


def syscall(number, *args):
    """Texts and bytes go in as pointers to them, numbers as whole words. An error is OSError."""
    words = [ctypes.c_char_p(os.fsencode(a)) if isinstance(a, (str, bytes)) else a for a in args]
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in words]
    got = libc.syscall(ctypes.c_long(number), *words)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
