# SPDX-License-Identifier: Apache-2.0
"""An encrypted append file only grows: what escape_append.py does, with encrypted files."""

import os

from escape_append import OLD, Encrypted, all_of_it
from escape_support import main, write


def body(escape):
    old = write(os.path.join(escape.base, "old"), OLD)
    for place in escape.places:
        all_of_it(escape, place, old, Encrypted(escape, place.path))


main(body)
