[ "$(id -u)" = "$SCRIM_USER" ]
mkdir -p a/b/c/d
touch a/x.c a/b/y.c a/b/c/z.h
ln -s ../x.c a/b/link
ln -s nowhere a/dangling
find . -name '*.c' | sort
find . -type l -printf '%p %l\n' | sort
find -L . -type f | sort
find . -xtype l
find a -depth
find . -perm -u+x | sort
find /usr/share/doc -maxdepth 2 -printf '%p %s %m %y\n' 2>&1 | sort | cksum
# A directory's size is that of all its names on tmpfs.
ls -lR --time-style=+ . | awk '/^total/ { next } /^d/ { $5 = "-" } { print }'
ls -lRi a | wc -l
du -a --apparent-size a | sort | cut -f 2
realpath a/b/link a/b/../b/c
readlink -f a/b/link
stat -c '%n %F %h %s' a a/b/link a/x.c
test -e hidden-file || echo absent
test -e sub/hidden-dir || echo absent
cat hidden-file 2>&1 || true
echo ./* sub/*
