# SPDX-License-Identifier: Apache-2.0
"""An encrypted file that was replaced by an older copy of itself: a note, refused if asked for, accepted by scrim accept."""
import os
import shutil
import stat

from store_support import expect, is_encrypted, main

OLDER = "than was last written here"


def record():
    return os.path.join(os.environ["HOME"], ".local/state/scrim/freshness")


def check(place, path, content, older):
    """What cat says of it, without and with --strict-freshness."""
    expect(place.run("cat", path), content, "content")
    expect(OLDER in place.error, older, place.error)
    if older:
        place.run("cat", "--strict-freshness", path, status=1, text="refused")
    else:
        expect(place.run("cat", "--strict-freshness", path), content, "content, strictly")


def test_rollback(place):
    path, copy = place.file("f", b"first"), place.name("copy")
    place.run("encrypt", path)
    check(place, path, b"first", False)
    expect(stat.S_IMODE(os.stat(record()).st_mode), 0o700, "who sees the record")
    shutil.copy(path, copy)
    place.run("decrypt", path)
    with open(path, "wb") as file:
        file.write(b"second")
    place.run("encrypt", path)
    check(place, path, b"second", False)
    newer = place.name("newer")
    shutil.copy(path, newer)
    # Put back: into the same file, or by its name.
    shutil.copy(copy, path)
    check(place, path, b"first", True)
    os.unlink(path)
    shutil.copy(copy, path)
    check(place, path, b"first", True)
    # It is noticed however the path is written, and elsewhere it is nobody's business.
    expect(place.run("cat", os.path.join(place.path, ".", "f")), b"first", "by another name")
    expect(OLDER in place.error, True, "by another name")
    check(place, copy, b"first", False)
    moved = place.name("moved")
    os.rename(path, moved)
    check(place, moved, b"first", False)
    os.rename(moved, path)
    check(place, path, b"first", True)
    place.run("accept", path)
    check(place, path, b"first", False)


def test_strict_changes_nothing(place):
    path = place.file("f", b"one")
    place.run("encrypt", path)
    old = open(path, "rb").read()
    place.run("decrypt", path)
    place.run("encrypt", path)
    with open(path, "wb") as file:
        file.write(old)
    place.run("decrypt", "--strict-freshness", path, status=1, text="refused")
    expect(is_encrypted(path), True, "still encrypted")
    expect(open(path, "rb").read() == old, True, "as it was")
    place.run("decrypt", path, text=OLDER)
    expect(open(path, "rb").read(), b"one", "decrypted")


def test_rekey(place):
    """A version that a command makes of the same file: the one before it is older."""
    path = place.file("f", b"content")
    place.run("encrypt", path)
    old = open(path, "rb").read()
    place.run("rekey", "--new-key-file", place.other, "--keep-old", path)
    check(place, path, b"content", False)
    with open(path, "wb") as file:
        file.write(old)
    check(place, path, b"content", True)
    # Changed again, it is still not what was written last.
    place.run("verify", path, text=OLDER)
    place.run("accept", "-r", place.path)
    check(place, path, b"content", False)
    place.run("rekey", "--new-key-file", place.other, "--keep-old", path)
    check(place, path, b"content", False)


def test_output_is_recorded(place):
    path, out = place.file("f", b"content"), place.name("out")
    place.run("encrypt", path, "-o", out)
    old = open(out, "rb").read()
    place.run("encrypt", "--force", path, "-o", out)
    check(place, out, b"content", False)
    with open(out, "wb") as file:
        file.write(old)
    check(place, out, b"content", True)
    # No file: nothing to be recorded.
    os.mkdir(place.name("empty"))
    env = {**os.environ, "XDG_STATE_HOME": place.name("empty")}
    expect(place.run("encrypt", "-o", "-", path, env=env)[:6], b"\x89scrim", "to a pipe")
    expect(os.listdir(place.name("empty")), [], "of no path")


def test_no_record(place):
    """Without a place for it everything else works."""
    path = place.file("f", b"content")
    blocked = place.file("blocked")
    env = {**os.environ, "XDG_STATE_HOME": blocked}
    place.run("encrypt", path, env=env, text="cannot be recorded")
    expect(place.run("cat", path, env=env), b"content", "without a record")
    place.run("accept", path, env=env, status=1)
    shutil.rmtree(record(), ignore_errors=True)
    check(place, path, b"content", False)


def test_accept(place):
    place.run("accept", status=2)
    place.run("accept", place.file("plain", b"plain"), status=1, text="not an encrypted file")
    place.run("accept", place.name("missing"), status=1)
    path = place.file("f", b"content")
    place.run("encrypt", path)
    place.run("accept", path, key=place.other, status=12)
    os.mkdir(place.name("d"))
    shutil.copy(path, place.name("d/f"))
    expect([line["result"] for line in place.json("accept", "-r", place.name("d"))], ["done"], "a tree")


if __name__ == "__main__":
    main(globals())
