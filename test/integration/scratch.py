#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scrim scratch: encrypted while it is there, gone afterwards, also after a crash.

    scratch.py [--user] SCRIM [TEST...]
"""
import os
import shutil
import signal
import stat
import subprocess
import sys

import drivers
from crypt_support import Home, Processes, gone, wait_for


class Place(Home):
    def __init__(self):
        super().__init__()
        self.place = self.directory("place")
        self.environment["TMPDIR"] = self.place

    def left(self):
        return sorted(os.listdir(self.place))

    def running(self, script, *words):
        """A scratch run that has done SCRIPT and waits; its processes and its front."""
        ready, tell = os.pipe()
        front = self.start("scratch", "--kill-on-exit", "--pass-fd", str(tell), *words, "--", "bash", "-c",
                           f"{script}\necho >&{tell}; exec {tell}>&-; exec sleep 1000", pass_fds=[tell],
                           stderr=subprocess.DEVNULL)
        os.close(tell)
        run = Processes(front.pid, ready)
        os.close(ready)
        return run, front


def test_the_directory():
    home = Place()
    out, err = home.scrim("scratch", "--", "sh", "-c",
                          'echo "$TMPDIR"; stat -c %a "$TMPDIR" "$TMPDIR/.."; ls -A "$TMPDIR"; '
                          'echo hello > "$TMPDIR/a"; cat "$TMPDIR/a"')
    lines = out.splitlines()
    assert os.path.dirname(os.path.dirname(lines[0])) == home.place and lines[1:] == ["700", "700", "hello"], out
    assert home.left() == [] and err == "", err
    # Elsewhere, and where neither is said.
    other = home.directory("other place $(x) [a-z] \\ \"q\" *")
    out, _ = home.scrim("scratch", other, "--", "sh", "-c", 'echo "$TMPDIR"; echo x > "$TMPDIR/x"; cat "$TMPDIR/x"')
    assert out.startswith(other + "/scrim-scratch-") and out.endswith("\nx\n"), out
    assert os.listdir(other) == []
    out, _ = home.scrim("scratch", "--", "sh", "-c", "echo $TMPDIR", env={"TMPDIR": ""})
    assert out.startswith("/tmp/scrim-scratch-"), out
    assert not os.path.exists(os.path.dirname(out.strip()))


def test_status():
    home = Place()
    home.scrim("scratch", "--", "sh", "-c", "exit 7", status=7)
    home.scrim("scratch", "--", "sh", "-c", "kill -TERM $$", status=143)
    home.scrim("scratch", "--", "/nowhere/at/all", status=127)
    home.scrim("scratch", "/nowhere/at/all", "--", "true", status=125)
    home.scrim("scratch", "--no-such-option", "--", "true", status=125)
    home.scrim("scratch", "true", status=125)
    home.scrim("scratch", "--", status=125)
    assert "usage: scrim scratch" in home.scrim("scratch", "--help")[0]
    assert home.left() == []


def ciphertext_only(path, words):
    """No file beneath PATH holds one of WORDS; how many there are."""
    count = 0
    for directory, _, names in os.walk(path):
        for name in (n for n in names if not os.path.islink(os.path.join(directory, n))):
            with open(os.path.join(directory, name), "rb") as f:
                content = f.read()
            count += 1
            assert not any(word in content for word in words), name
            assert content == b"" or content.startswith(b"\x89scrim"), (name, content[:20])
    return count


def test_only_ciphertext_and_left_overs():
    home = Place()
    run, front = home.running('mkdir -p "$TMPDIR/deep/er"; chmod 500 "$TMPDIR/deep"; '
                              'seq -f "classified %g" 2000 > "$TMPDIR/deep/er/list"; sync "$TMPDIR/deep/er/list"; '
                              'ln -s /etc/passwd "$TMPDIR/link"; exec 25>"$TMPDIR/open"; echo classified >&25; sync "$TMPDIR/open"')
    (scratch,) = home.left()
    place = os.path.join(home.place, scratch)
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
    assert ciphertext_only(place, [b"classified"]) == 2
    # Another one lets what is in use be.
    home.scrim("scratch", "--", "true")
    assert home.left() == [scratch]
    # A crash: everything of it is killed at once.
    for pid in [run.supervisor, run.front, run.reaper, run.command]:
        os.kill(pid, signal.SIGKILL)
    front.wait()
    for pid in [run.supervisor, run.reaper, run.command]:
        wait_for("they are dead", lambda: gone(pid))
    assert home.left() == [scratch]
    assert ciphertext_only(place, [b"classified"]) == 2
    # Nobody can read it, not with any key there is.
    _, err = home.scrim("cat", "--key", "work", os.path.join(place, "tmp/deep/er/list"), status=12)
    # What is named so and is not ours stays.
    mine = os.path.join(home.place, "scrim-scratch-abcdef")
    os.makedirs(os.path.join(mine, "letters"))
    os.makedirs(os.path.join(home.place, "scrim-scratch-longer-name"))
    home.scrim("scratch", "--", "true")
    assert home.left() == ["scrim-scratch-abcdef", "scrim-scratch-longer-name"], home.left()
    assert os.path.isdir(os.path.join(mine, "letters")) and os.path.getsize("/etc/passwd") > 0


def test_front_killed_alone():
    """The others end, and the next one cleans up."""
    home = Place()
    run, front = home.running('echo x > "$TMPDIR/x"')
    os.kill(run.front, signal.SIGKILL)
    front.wait()

    def cleaned():
        home.scrim("scratch", "--", "true")
        return home.left() == []
    wait_for("a later one cleans up", cleaned)


def test_what_cannot_be_removed_easily():
    home = Place()
    home.scrim("scratch", "--", "bash", "-c",
               'cd "$TMPDIR"; mkdir -p a/b/c d/e; touch a/b/c/f d/e/g; mkfifo p; ln -s / root; chmod 0 a/b/c a/b a; chmod 555 d/e; '
               'for i in $(seq 300); do mkdir n; cd n; done; touch "$(printf \'line\\nend\')" -- -rf')
    assert home.left() == []


def test_policies_and_daemons():
    """Whatever else a policy says the directory is there; who lives on finds it gone."""
    home = Place()
    os.mkfifo(home.at("go"))
    out, err = home.scrim("scratch", "--hide", home.place, "--readonly", "/**", "-r", f"free {home.at('said')}", "--", "sh", "-c",
                          'echo a > "$TMPDIR/a"; cat "$TMPDIR/a"; mv "$TMPDIR/a" "$TMPDIR/b"; ls "$TMPDIR"; touch ~/x || true')
    assert out == "a\nb\n" and "Read-only" in err, (out, err)
    home.scrim("scratch", "--", "sh", "-c",
               '(exec <&- >&- 2>&-; read line < ~/go; ls "$TMPDIR" > ~/said 2>&1; echo $? > ~/status) & echo a > "$TMPDIR/a"')
    assert home.left() == []
    with open(home.at("go"), "w") as f:
        f.write("\n")
    wait_for("its word", lambda: os.path.exists(home.at("status")) and open(home.at("status")).read() == "2\n")
    assert "No such file" in open(home.at("said")).read()


def test_programs():
    home = Place()
    home.file("big", "".join(f"{i * 7919 % 1000003}\n" for i in range(300000)))
    out, _ = home.scrim("scratch", "--", "sort", "-S", "64k", home.at("big"))
    natively = subprocess.run(["sort", home.at("big")], stdout=subprocess.PIPE, env=home.environment).stdout.decode()
    assert out == natively
    home.file("t.py", "import tempfile, os, sqlite3\n"
                      "with tempfile.NamedTemporaryFile() as f:\n"
                      "    assert f.name.startswith(os.environ['TMPDIR'])\n"
                      "    f.write(b'x' * 100000); f.flush()\n"
                      "    assert open(f.name, 'rb').read() == b'x' * 100000\n"
                      "with tempfile.TemporaryFile() as f:\n"
                      "    f.write(b'y'); f.seek(0); assert f.read() == b'y'\n"
                      "db = sqlite3.connect(os.environ['TMPDIR'] + '/db')\n"
                      "db.execute('create table t (x)')\n"
                      "for i in range(50):\n"
                      "    with db: db.execute('insert into t values (?)', (i,))\n"
                      "print(db.execute('select sum(x) from t').fetchone()[0])\n")
    assert home.scrim("scratch", "--", "python3", home.at("t.py"))[0] == "1225\n"
    if shutil.which("cc"):
        home.file("m.c", "int main(void) { return 5; }\n")
        home.scrim("scratch", "--", "sh", "-c", f'cc -pipe -o "$TMPDIR/m" {home.at("m.c")} && exec "$TMPDIR/m"', status=5)
        home.scrim("scratch", "--", "sh", "-c", f'cc -o {home.at("m")} {home.at("m.c")} && exec {home.at("m")}', status=5)
    assert home.left() == []


drivers.main(globals(), sys.argv[2:])
