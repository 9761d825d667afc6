#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inside the machine: programs work in a directory that the kernel encrypts (provider=afalg) under a key that it keeps, where it
# can keep one. What they wrote, and what it is, goes to the disk OUT as a tar, for scripts/vm-test.sh to read with OpenSSL.
#   afalg.sh SCRIM OUT
set -eu
scrim=$1 out=$2
home=$(mktemp -d /tmp/afalg-XXXXXX)
export HOME=$home GIT_CONFIG_NOSYSTEM=1
cd "$home"
kernel=--kernel=user:scrim:vm
[ -z "${SCRIM_HAS_KEY_SERIAL:-}" ] || kernel=--kernel=logon:scrim:vm
"$scrim" key new kept "$kernel" >recovery
mkdir encrypted
cat >work.sh <<'EOF'
set -eu
cd "$HOME/encrypted"
seq 1 20000 >numbers
cat numbers numbers >twice
[ "$(cat numbers numbers | sha256sum)" = "$(sha256sum <twice)" ]
sqlite3 base.db 'create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
  insert into t select i, hex(randomblob(20)) from n; create index by_b on t(b);'
sqlite3 base.db "update t set b = 'changed' where a % 7 = 0"
[ "$(sqlite3 base.db "pragma integrity_check; select count(*) from t where b = 'changed'" | tr '\n' ' ')" = 'ok 428 ' ]
git -c init.defaultBranch=main init -q repository
cd repository
git config user.name n
git config user.email e@example.org
for i in 1 2 3; do
	seq 1 $((i * 500)) >"file$i"
	git add . && git commit -q -m "commit $i"
done
git gc -q
git fsck --strict
[ "$(git log --oneline | wc -l)" = 3 ]
# As the view shows it.
tar -C "$HOME/encrypted" -cf "$HOME/plain.tar" .
EOF
"$scrim" run --stats "$home/stats" -r 'crypt ~/encrypted key=kept provider=afalg' -- bash work.sh 2>said || {
	cat said
	exit 1
}
cat said
python3 - "$home/stats" <<'EOF'
import json, sys
counts = json.load(open(sys.argv[1]))["afalg"]
print("messages by the kernel %(kernel)d, by OpenSSL %(openssl)d" % counts)
assert counts["kernel"] > 100 and counts["openssl"] == 0, counts
EOF
# The key stays where it is, or it is said that it does not.
if [ -n "${SCRIM_HAS_KEY_SERIAL:-}" ]; then
	if grep scrim: said; then exit 1; fi
else
	grep -q 'read into this process: this kernel.s AF_ALG takes no keys of keyrings' said
fi
head -c 8 encrypted/numbers | od -An -tx1 | grep -q '89 73 63 72 69 6d 0d 0a'
mkdir plain
tar -xf plain.tar -C plain
tar -cf "$out" recovery plain encrypted
sync
echo "encrypted by AF_ALG on Linux $(uname -r), $kernel"
