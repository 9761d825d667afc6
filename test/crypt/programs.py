# SPDX-License-Identifier: Apache-2.0
"""Real programs in an encrypted directory: SQLite, git, a build of scrim itself; PostgreSQL in scripts/soak.sh.

Usage: programs.py [--user] [--mode ...] SCRIM SOURCE-AS-TAR
"""
import os
import re
import shutil
import subprocess

from place import NOBODY, SOAK, expect, main, turns

TRANSACTIONS = turns(600, 5000)
COMMITS = turns(40, 500)

SQLITE = """
import sqlite3
mode, each = sys.argv[1], int(sys.argv[2])
def connect():
    base = sqlite3.connect(tree + "/base", timeout=300, isolation_level=None)
    base.execute("pragma synchronous=normal" if mode == "wal" else "pragma synchronous=full")
    return base
base = connect()
assert base.execute("pragma journal_mode=" + mode).fetchone()[0] == mode
base.execute("create table t (id integer primary key, worker integer, turn integer, text blob)")
base.execute("create index i on t (worker, turn)")
base.execute("create table sums (worker integer primary key, count integer)")
base.close()
pids = []
for worker in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            base = connect()
            base.execute("insert into sums values (?, 0)", (worker,))
            for turn in range(each):
                base.execute("begin immediate")
                base.execute("insert into t (worker, turn, text) values (?, ?, ?)", (worker, turn, os.urandom(turn % 11 * 300)))
                base.execute("update sums set count = count + 1 where worker = ?", (worker,))
                if turn % 13 == 5:
                    base.execute("delete from t where id in (select id from t where worker = ? order by id limit 3)", (worker,))
                base.execute("rollback" if turn % 17 == 9 else "commit")
                if turn % 50 == 0:
                    assert base.execute("select count(*) from t, sums where t.worker = sums.worker").fetchone()[0] > 0
            base.close()
        except BaseException as error:
            print(worker, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    pids.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
base = connect()
if mode == "delete":
    base.execute("vacuum")
print(base.execute("pragma integrity_check").fetchone()[0], base.execute("select count(*), sum(length(text)) from t").fetchone(),
      base.execute("select * from sums order by 1").fetchall())
"""
LOOK = """
import sqlite3
base = sqlite3.connect(tree + "/base")
print(base.execute("pragma integrity_check").fetchone()[0], base.execute("select count(*), sum(length(text)) from t").fetchone(),
      base.execute("select * from sums order by 1").fetchall())
"""


def sqlite(place, mode):
    told = place.python(SQLITE, mode, str(TRANSACTIONS // 4), limit=3000)
    each = TRANSACTIONS // 4
    rolled = len([turn for turn in range(each) if turn % 17 == 9])
    expect(told.startswith(b"ok "), True, told)
    expect(told.decode().count(f", {each - rolled})"), 4, told)
    expect(place.python(LOOK), told, "in another view")
    place.verify()
    # As any other program sees it: what `scrim cat` gives is a database.
    plain = os.path.join(place.out, "base")
    with open(plain, "wb") as file:
        file.write(place.content("base"))
    if mode == "delete":
        expect(subprocess.run(["sqlite3", plain, "pragma integrity_check"], capture_output=True, check=True).stdout, b"ok\n", "outside")


def test_sqlite_rollback_journal(place):
    sqlite(place, "delete")


def test_sqlite_wal(place):
    sqlite(place, "wal")


GIT = r"""
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
git init -q repo
cd repo
mkdir -p d/e
i=1
while [ $i -le $1 ]; do
    echo "content $i" > d/file-$((i % 9))
    seq 1 $((i * 3)) > d/e/list-$((i % 4))
    [ $((i % 7)) -ne 0 ] || git mv -f d/file-0 d/moved-$i 2>/dev/null || true
    git add -A
    git commit -q -m "commit $i"
    i=$((i + 1))
done
test -z "$(git status --porcelain)"
test "$(git rev-list --count HEAD)" = $1
git checkout -q -b side HEAD~10
echo side > side; git add side; git commit -q -m side
git checkout -q -
git merge -q -m merge side
git stash list
git gc -q --prune=now
git fsck --full --strict
git clone -q . ../inside
git clone -q . "$2/outside"
git -C ../inside fsck
test -z "$(git status --porcelain)"
git rev-parse HEAD
"""
GIT_BACK = r"""
export GIT_CONFIG_NOSYSTEM=1
git clone -q "$1/outside" back
cd back
git fsck --full
test -z "$(git status --porcelain)"
cd ../repo
test -z "$(git status --porcelain)"
git rev-parse HEAD
"""


def test_git(place):
    head = place.view("/bin/sh", "-euc", GIT, "sh", str(COMMITS), place.out, limit=3000).split()[-1]
    place.verify()
    outside = os.path.join(place.out, "outside")
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", outside, "fsck", "--full"], capture_output=True, check=False,
                          env=place.environment)
    expect(done.returncode, 0, done.stderr)
    expect(subprocess.run(["git", "-c", "safe.directory=*", "-C", outside, "rev-parse", "HEAD"], capture_output=True, check=True,
                          env=place.environment).stdout.split()[-1], head, "the clone outside")
    expect(place.view("/bin/sh", "-euc", GIT_BACK, "sh", place.out, limit=600).split()[-1], head, "the repository in another view")
    place.verify()


def test_build(place):
    """Build scrim here with ninja, run what was built; nothing is built again in another view."""
    source = os.path.join(place.out, "source.tar")
    shutil.copy(place.programs[0], source)
    script = """
tar -xf "$1"
cmake -G Ninja -S . -B b -DSCRIM_TESTS=OFF -DCMAKE_BUILD_TYPE=Debug >/dev/null
ninja -C b >/dev/null
b/src/scrim --version
printf 'hide /nonexistent\\n' > policy
b/src/scrim check policy >/dev/null
"""
    told = place.view("/bin/sh", "-euc", script, "sh", source, limit=3000)
    expect(b"scrim" in told, True, told)
    again = place.view("/bin/sh", "-euc", "ninja -C b; b/src/scrim --version", limit=600)
    expect(b"no work to do" in again, True, f"times in another view: {again[-500:]}")
    place.verify()


def test_writers_and_readers(place):
    """N writers, 64 readers: what is read is whole, by the hash that stands in front of it."""
    place.python("""
import hashlib, random, time
until = time.monotonic() + float(sys.argv[1])
def save(writer, turn):
    body = random.randbytes(random.choice((10, 5000, 20_000, 90_000)))
    name = f"{tree}/file-{writer}-{turn % 5}"
    with open(f"{name}.new", "wb") as file:
        file.write(hashlib.sha256(body).digest() + body)
        if turn % 10 == 0:
            file.flush(); os.fsync(file.fileno())
    os.rename(f"{name}.new", name)
for writer in range(4):
    for turn in range(5):
        save(writer, turn)
def write(writer):
    turn = 0
    while time.monotonic() < until:
        save(writer, turn)
        turn += 1
    return turn > 5
def read(number):
    random.seed(number)
    turn = 0
    while time.monotonic() < until or turn < 5:
        with open(f"{tree}/file-{random.randrange(4)}-{random.randrange(5)}", "rb") as file:
            content = file.read()
            if os.fstat(file.fileno()).st_size != len(content):
                return False
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return False
        turn += 1
    return True
pids = []
for n in range(4 + 64):
    pid = os.fork()
    if pid == 0:
        try:
            good = write(n) if n < 4 else read(n)
        except BaseException as error:
            print(n, repr(error), flush=True)
            good = False
        os._exit(0 if good else 1)
    pids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
""", str(turns(4, 60)), limit=900)
    place.verify()


POSTGRES = r"""
bin=$1
mkdir data run
# What fails ends all of it, and says why.
trap '[ $? -eq 0 ] || { tail -n 20 log >&2; "$bin/pg_ctl" -D data -m immediate stop; } >&2' EXIT
export PGCTLTIMEOUT=600
"$bin/initdb" -D data -A trust -U me --no-sync >/dev/null
"$bin/pg_ctl" -D data -w -l log -o "-k $PWD/run -h ''" start >/dev/null
"$bin/pgbench" -h "$PWD/run" -U me -i -q -s 2 postgres >/dev/null
"$bin/pgbench" -h "$PWD/run" -U me -c 4 -j 2 -T "$2" postgres
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
"$bin/pg_ctl" -D data -w -l log -o "-k $PWD/run -h ''" start >/dev/null
"$bin/psql" -h "$PWD/run" -U me -At -c "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history), count(*) > 10 from pgbench_history" postgres
"$bin/pg_ctl" -D data -w -m immediate stop >/dev/null
"$bin/pg_ctl" -D data -w -l log -o "-k $PWD/run -h ''" start >/dev/null
"$bin/psql" -h "$PWD/run" -U me -At -c "select count(*) > 10 from pgbench_history" postgres
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
"""


def postgres(place):
    """
    initdb, pgbench for a minute, a stop and a crash. PostgreSQL wants a user with a name who is not root: in a view of root it is
    started as nobody.
    """
    found = sorted(os.path.join("/usr/lib/postgresql", name, "bin") for name in os.listdir("/usr/lib/postgresql"))
    user = []
    if os.geteuid() == 0:
        os.chown(place.tree, NOBODY, NOBODY)
        os.chmod(place.home, 0o711)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    told = place.view(*user, "/bin/sh", "-euc", POSTGRES, "sh", found[-1], "60", limit=1200)
    expect(b"t|t\nt\n" in told, True, told[-2000:])
    expect(b"number of failed transactions: 0" in told or b"failed" not in told, True, told[-2000:])
    print("  " + " ".join(line for line in told.decode().splitlines() if line.startswith("tps")))
    place.verify()


def cpython_sqlite(place):
    """
    CPython's tests of sqlite3. Debian packages them neither with CPython nor for it, but PyPy's library of CPython 3.9 has them, where
    test_sqlite3 was called test_sqlite.
    """
    told = place.view("pypy3", "-B", "-m", "test", "-v", "test_sqlite", env={"TMPDIR": place.tree}, limit=900).decode()
    ran = [int(count) for count in re.findall(r"^Ran (\d+) tests", told, re.M)]
    print(f"  {ran} tests")
    # As many as there are; a file of tests that is not found is no failure to unittest.
    if sum(ran) < 250 or "SUCCESS" not in told:
        raise AssertionError(told[-3000:])


if SOAK:
    def test_postgres(place):
        postgres(place)

    def test_cpython_sqlite(place):
        cpython_sqlite(place)

if __name__ == "__main__":
    main(globals(), user=NOBODY)
