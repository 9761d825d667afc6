# init, 500 commits, branch, merge, gc, clone, fsck; dates are fixed, so the hashes must be the native ones.
[ "$(id -u)" = "$SCRIM_USER" ]
git init -q -b main .
for i in $(seq 500); do
	echo "line $i" >>"file$((i % 10))"
	git add "file$((i % 10))"
	git commit -qm "commit $i"
done
git rev-parse HEAD
git checkout -q -b topic HEAD~20
mkdir -p deep/er
echo topic >deep/er/topic
git add deep
git commit -qm topic
git checkout -q main
git merge -q -m merge topic
git rev-parse HEAD
git status --short
git gc -q
git fsck --full 2>&1
git clone -q . clone
cd clone
git rev-parse HEAD
git log --oneline | wc -l
git mv deep/er/topic moved
git stash -q
git status --short
cd ..
rm -rf clone
ls -A
