# Keys: texts, key files, the commands.
scrim_unit(keys_text LINK scrim_crypt)
