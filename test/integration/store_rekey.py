# SPDX-License-Identifier: Apache-2.0
"""scrim rekey, compact and cp --raw; every command killed at each of its steps."""
import os
import random
import re
import shutil
import subprocess

from store_support import expect, is_encrypted, main

CHUNK = 16384
# The calls by which a command changes anything, or waits for the disk.
CALLS = ["openat", "pread64", "pwrite64", "ftruncate", "fallocate", "fdatasync", "fsync", "fchmod", "fchown", "fsetxattr",
         "fremovexattr", "utimensat", "linkat", "renameat", "renameat2", "unlinkat", "lseek", "fcntl", "flock"]
COPIES = 8 if not os.environ.get("SCRIM_SOAK") else 1000
POINTS = 14 if not os.environ.get("SCRIM_SOAK") else 100000  # of them for each command


def read(path):
    with open(path, "rb") as file:
        return file.read()


def key_ids(place, path):
    return [key["id"] for key in place.json("info", path, key=False)[0]["keys"]]


def id_of(place, key):
    path = place.file("probe", b"")
    place.run("encrypt", path, key=key)
    return key_ids(place, path)[0]


def encrypted(place, name, content, *options):
    path = place.file(name, content)
    place.run("encrypt", *options, path)
    return path


def test_rekey(place):
    content = random.Random(1).randbytes(5 * CHUNK)
    old, new = id_of(place, place.key), id_of(place, place.other)
    files = {"f": content, "tree/a": b"small", "tree/b/c": content}
    for name, text in files.items():
        os.makedirs(os.path.dirname(place.name(name)), exist_ok=True)
        encrypted(place, name, text)
    place.file("tree/plain", b"plain")
    path = place.name("f")
    mtime, inode = os.stat(path).st_mtime_ns, os.stat(path).st_ino
    place.run("rekey", path, status=2, text="nothing to do")
    place.run("rekey", "--new-key", "absent", path, status=12, text="the new key: ")
    place.run("rekey", "--new-key-file", place.name("absent"), path, status=12, text="the new key: ")
    place.run("rekey", "--new-key-file", place.other, "--keep-old", path)
    expect(sorted(key_ids(place, path)), sorted([old, new]), "both keys")
    for key in (place.key, place.other):
        expect(place.content("f", key=key) == content, True, "either key")
    place.run("rekey", "--new-key-file", place.other, path, text="does not revoke")
    expect(key_ids(place, path), [new], "the new key alone")
    place.run("cat", path, status=12)
    expect(place.content("f", key=place.other) == content, True, "the new key")
    expect((os.stat(path).st_mtime_ns, os.stat(path).st_ino), (mtime, inode), "the same file")
    place.run("rekey", "-r", "--new-key-file", place.other, place.name("tree"), text="2 done")
    for name in ("tree/a", "tree/b/c"):
        expect(key_ids(place, place.name(name)), [new], name)
        expect(place.content(name, key=place.other) == files[name], True, name)
    expect(read(place.name("tree/plain")), b"plain", "no encrypted file")
    # Again: nothing to do. With the other key alone too.
    place.run("rekey", "-r", "--new-key-file", place.other, place.name("tree"))
    # One file that cannot be had, and no old key is dropped anywhere.
    third = place.file(".third", os.urandom(32), 0o600)
    os.mkdir(place.name("two"))
    one = encrypted(place, "two/one", b"one")
    two = place.file("two/two", b"two")
    place.run("encrypt", two, key=third)
    place.run("rekey", "-r", "--new-key-file", place.other, place.name("two"), status=12, text="no old one is dropped")
    expect(sorted(key_ids(place, one)), sorted([old, new]), "both stay")
    # By id, and never the last.
    place.run("rekey", "--drop", old, one, key=place.other)
    expect(key_ids(place, one), [new], "dropped")
    place.run("rekey", "--drop", new, one, key=place.other, status=12, text="would have no key left")
    place.run("rekey", "--drop", "12", one, status=2, text="--drop takes the id")
    for count in range(4):
        more = place.file(f".more{count}", os.urandom(32), 0o600)
        place.run("rekey", "--keep-old", "--new-key-file", more, one, key=place.other, status=0 if count < 3 else 1,
                  text=None if count < 3 else "is wrapped for four keys already")


def test_full(place):
    content = random.Random(2).randbytes(3 * CHUNK + 5)
    path = encrypted(place, "f", content, "--chunk-size", "4K")
    before, st = place.json("info", path)[0], os.stat(path)
    place.run("rekey", "--full", "--new-key-file", place.other, path)
    after = place.json("info", path, key=place.other)[0]
    expect((after["file_id"] != before["file_id"], after["chunk_size"], after["content"]["mtime"], len(after["keys"])),
           (True, 4096, before["content"]["mtime"], 1), str(after))
    expect((os.stat(path).st_mtime_ns, os.stat(path).st_mode), (st.st_mtime_ns, st.st_mode), "attributes")
    expect(place.content("f", key=place.other) == content, True, "content")
    place.run("cat", path, status=12)
    place.run("rekey", "--full", path, key=place.other)
    expect(place.content("f", key=place.other) == content, True, "with the same key")
    expect(place.json("info", path, key=place.other)[0]["file_id"] != after["file_id"], True, "a new file key")
    os.link(path, place.name("g"))
    place.run("rekey", "--full", path, key=place.other, status=1, text="has 2 names")


def writer(place, path, seconds):
    process = subprocess.Popen([place.libraries[0], path, place.key, str(seconds)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    expect(process.stdout.readline(), "ready\n", "the writer")
    return process


def test_in_use(place):
    path = encrypted(place, "f", bytes(4 * CHUNK))
    with writer(place, path, 0) as process:
        name = f"in use by {os.path.basename(place.libraries[0])[:15]} ({process.pid})"
        for command, extra in (("cat", []), ("verify", []), ("compact", []), ("rekey", ["--new-key-file", place.other])):
            place.run(command, *extra, path, status=1, text=name)
        place.run("decrypt", path, status=1, text=f"({process.pid})")
        place.run("info", path, key=False)
        process.stdin.close()
        process.wait()
    expect(place.content("f") == bytes(4 * CHUNK), True, "let go")


def test_compact(place):
    path = encrypted(place, "f", random.Random(3).randbytes(200 * CHUNK))
    with writer(place, path, 0.3) as process:
        rounds = int(process.communicate()[0])
    content = place.content("f")
    before = os.stat(path)
    place.run("compact", path, text="takes")
    after = os.stat(path)
    expect(place.content("f") == content, True, f"content after {rounds} commits")
    place.run("verify", path)
    if after.st_size > before.st_size + 65536 or after.st_blocks * 512 > 200 * CHUNK * 1.05 + 65536:
        raise AssertionError(f"{before} {after}")
    results = place.json("compact", path)
    expect((results[0]["result"], "on_disk_after" in results[0]), ("done", True), str(results))


def test_copy(place):
    """A copy of a file that is written all the time is one of its versions."""
    for size in (3, 400):
        path = encrypted(place, "f", bytes(size * CHUNK))
        sequence = place.json("info", path)[0]["content"]["sequence"]
        with writer(place, path, 3600) as process:
            try:
                for _ in range(COPIES):
                    place.run("cp", "--raw", "-f", path, place.name("copy"), key=False)
                    result = place.json("verify", place.name("copy"))[0]
                    expect(result["damage"], [], str(result))
                    content = place.content("copy")
                    expect(len(content), size * CHUNK, "size")
                    for at in range(0, len(content), CHUNK):
                        expect(content[at:at + CHUNK], bytes([content[at]]) * CHUNK, "a chunk of one version")
                expect(process.poll(), None, "the writer")
            finally:
                process.kill()
        commits = place.json("info", path)[0]["content"]["sequence"] - sequence
        if commits < COPIES:
            raise AssertionError(f"{commits} commits during {COPIES} copies")
        print(f"   {size} chunks: {COPIES} copies during {commits} commits")
        place.run("verify", path)
    place.run("cp", "--raw", path, place.name("copy"), status=1, text="exists")
    os.mkdir(place.name("d"))
    os.chmod(path, 0o640)
    place.run("cp", "--raw", path, place.name("d"))
    expect((read(path) == read(place.name("d/f")), os.stat(place.name("d/f")).st_mode & 0o777), (True, 0o640), "into a directory")
    # That pages would be used again if the writer did not heed the copier is shown by unit.store_hold.


def steps(place, arguments, *, stdin=None):
    """How often the command makes each call."""
    trace = place.name("trace")
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=" + ",".join(CALLS), *arguments], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts = {}
    for line in open(trace):
        match = re.match(r"(?:\d+ +)?([a-z0-9]+)\(", line)
        if match:
            counts[match[1]] = counts.get(match[1], 0) + 1
    points = [(call, n) for call in counts for n in range(1, counts[call] + 1)
              # Those of the loader and of libraries, before anything is done with files.
              if not (call in ("openat", "pread64") and n <= 3)]
    random.Random(7).shuffle(points)
    return points[:POINTS], counts


def killed(arguments, call, n):
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}",
                           *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode in (-9, 137)


def everywhere(place, name, prepare, arguments, judge, finish):
    """Kill the command at its steps; JUDGE what is there then, and that a second run FINISHes."""
    prepare()
    points, counts = steps(place, arguments)
    deaths = 0
    for call, n in points:
        prepare()
        dead = killed(arguments, call, n)
        deaths += dead
        what = f"{name}, killed at {call} {n}"
        judge(what)
        finish(what)
        expect(place.leftovers(), [], what)
    if deaths < len(points) * 3 // 4:
        raise AssertionError(f"{name}: {deaths} deaths at {len(points)} points: {counts}")
    print(f"   {name}: killed at {deaths} of {sum(counts.values())} steps")


def test_killed(place):
    content = random.Random(4).randbytes(20 * CHUNK + 9)
    path = place.file("f", content)
    shutil.copy(path, place.name("plain"))
    place.run("encrypt", path)
    shutil.copy(path, place.name("stored"))
    encrypted(place, "g", content)
    command = [place.scrim, "encrypt", "--key-file", place.key, path]

    def whole(key=place.key):
        return (place.content("f", key=key) if is_encrypted(path) else read(path)) == content

    def put(what):
        shutil.copy(place.name(what), path)
        os.chmod(path, 0o640)
        os.setxattr(path, "user.kept", b"yes")

    def judge(what):
        expect(whole(), True, what)
        expect((os.stat(path).st_mode & 0o777, os.getxattr(path, "user.kept")), (0o640, b"yes"), what)

    def encrypt(what):
        place.run("encrypt", path)
        expect((is_encrypted(path), whole()), (True, True), what)

    def decrypt(what):
        if is_encrypted(path):
            place.run("decrypt", path)
        expect(read(path) == content, True, what)

    everywhere(place, "encrypt", lambda: put("plain"), command, judge, encrypt)
    command = [place.scrim, "decrypt", "--key-file", place.key, path]
    everywhere(place, "decrypt", lambda: put("stored"), command, judge, decrypt)


def count_of(place, call, wanted, arguments):
    """As which of its calls of this name the command makes the one with WANTED in its arguments."""
    trace = place.name("trace")
    subprocess.run(["strace", "-o", trace, "-e", f"trace={call}", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    lines = [line for line in open(trace) if line.startswith(call + "(")]
    return next(i for i, line in enumerate(lines, 1) if wanted in line)


def test_named_temporary(place):
    """A file system without files that have no name: a temporary one, removed on failure and by the next run."""
    content = random.Random(8).randbytes(5 * CHUNK)
    path = place.file("f", content)
    command = [place.scrim, "encrypt", "-q", "--key-file", place.key, path]
    n = count_of(place, "openat", "O_TMPFILE", command)
    place.run("decrypt", path)
    without = ["strace", "-o", "/dev/null", "-e", "trace=openat,pwrite64,fsync,renameat", "-e",
               f"inject=openat:error=EOPNOTSUPP:when={n}"]
    subprocess.run([*without, *command], check=True)
    expect((is_encrypted(path), place.content("f") == content, place.leftovers()), (True, True, []), "by a name")
    place.run("decrypt", path)
    for step in ("pwrite64:signal=KILL:when=2", "fsync:signal=KILL:when=1", "renameat:signal=KILL:when=1"):
        subprocess.run([*without, "-e", "inject=" + step, *command], stderr=subprocess.DEVNULL)
        expect((read(path) == content, len(place.leftovers())), (True, 1), step)
        place.run("encrypt", path)
        expect((place.content("f") == content, place.leftovers()), (True, []), "the next run")
        place.run("decrypt", path)
    for step, text in (("pwrite64:error=ENOSPC:when=2", "No space left"), ("fsync:error=EIO:when=1", "Input/output error"),
                       ("renameat:error=EPERM:when=1", "nothing was changed")):
        done = subprocess.run([*without, "-e", "inject=" + step, *command], stderr=subprocess.PIPE, text=True)
        expect((done.returncode, text in done.stderr, read(path) == content, place.leftovers()), (1, True, True, []),
               f"{step}: {done.stderr}")


def test_copy_without_locks(place):
    path = encrypted(place, "f", bytes(4 * CHUNK))
    command = [place.scrim, "cp", "--raw", path, place.name("copy")]
    n = count_of(place, "fcntl", "F_OFD_SETLK", command)
    os.unlink(place.name("copy"))
    subprocess.run(["strace", "-o", "/dev/null", "-e", f"inject=fcntl:error=ENOLCK:when={n}", *command], check=True)
    expect(read(place.name("copy")) == read(path), True, "a copy")


def test_killed_rekey(place):
    contents = {"tree/a": random.Random(5).randbytes(3 * CHUNK), "tree/b": b"small"}
    os.mkdir(place.name("tree"))
    for name, content in contents.items():
        encrypted(place, name, content)
    shutil.copytree(place.name("tree"), place.name("kept"))
    new = id_of(place, place.other)
    tree = place.name("tree")
    base = [place.scrim, "rekey", "--key-file", place.key, "--new-key-file", place.other, "-r"]

    def prepare():
        shutil.rmtree(tree)
        shutil.copytree(place.name("kept"), tree)

    def judge(what):
        # Whoever has both keys reads all; and all can be read with the old one, or all with the new one.
        readable = {place.key: 0, place.other: 0}
        for name, content in contents.items():
            got = place.run("cat", "--key-file", place.other, place.name(name))
            expect(got == content, True, what)
            for key in readable:
                readable[key] += place.run("cat", place.name(name), key=key, status=None) == content
        expect(len(contents) in readable.values(), True, f"{what}: {readable}")

    def finish(full):
        def again(what):
            options = [full] if full else []
            place.run("rekey", *options, "--new-key-file", place.other, "-r", tree, "--key-file", place.other)
            for name, content in contents.items():
                expect(key_ids(place, place.name(name)), [new], what)
                expect(place.content(name, key=place.other) == content, True, what)
                place.run("verify", place.name(name), key=place.other)
        return again

    everywhere(place, "rekey", prepare, [*base, tree], judge, finish(None))

    def judge_full(what):
        for name, content in contents.items():
            expect(place.run("cat", "--key-file", place.other, place.name(name)) == content, True, what)

    everywhere(place, "rekey --full", prepare, [*base, "--full", tree], judge_full, finish("--full"))


def test_killed_compact(place):
    path = encrypted(place, "f", random.Random(6).randbytes(30 * CHUNK))
    with writer(place, path, 0.2) as process:
        process.wait()
    content = place.content("f")
    shutil.copy(path, place.name("kept"))

    def judge(what):
        expect(place.content("f") == content, True, what)

    def finish(what):
        place.run("compact", path)
        place.run("verify", path)
        judge(what)

    everywhere(place, "compact", lambda: shutil.copy(place.name("kept"), path),
               [place.scrim, "compact", "--key-file", place.key, path], judge, finish)


main(globals())
