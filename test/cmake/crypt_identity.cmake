# Encrypted files are to a program inside what plain ones are outside.
scrim_driver(crypt.identity integration crypt/identity.py)
scrim_unit(maps LINK scrim_proc)
