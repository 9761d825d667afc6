# cp -a, rsync, rm -r, mv
[ "$(id -u)" = "$SCRIM_USER" ]
cp -a /usr/share/perl5 one
cp -a sub copied
ls -A copied
rsync -a --delete one/ two/
diff -r one two && echo same
find two -printf '%p %m %n %y %l\n' | sort | cksum
touch two/extra
rsync -a --delete --itemize-changes one/ two/ | grep -v '^\.d'
mv one three
mkdir four
mv three/* four/
rmdir three
diff -r two four && echo same
cp --reflink=auto -r four five
rm -rf two four five
install -D -m 600 /dev/null deep/down/file
stat -c '%A %s' deep/down/file
dd if=/dev/zero of=sparse bs=1 count=0 seek=1M status=none
cp --sparse=always sparse sparse2
stat -c %s sparse2
ls -A
