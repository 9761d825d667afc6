[ "$(id -u)" = "$SCRIM_USER" ]
for d in $(seq 30); do
	mkdir -p "in/dir$d/sub"
	for f in $(seq 10); do echo "$d $f" >"in/dir$d/sub/file$f"; done
	ln -s "sub/file1" "in/dir$d/link"
	ln "in/dir$d/sub/file2" "in/dir$d/hard"
	chmod "$((d % 2 ? 640 : 755))" "in/dir$d/sub/file3"
done
find in -exec touch -h -d @1000000000 {} +
tar --sort=name --owner=0 --group=0 -cf one.tar in
cksum <one.tar
tar -cJf ../home/all.tar.xz --sort=name --owner=0 --group=0 --exclude=./one.tar .
tar -tf ../home/all.tar.xz | sort
mkdir out
tar -xf one.tar -C out
diff -r in out/in && echo same
find out -printf '%p %m %n %y %l %s %T@\n' | sort | grep -v '^out 755'
rm -rf in out
ls -A
