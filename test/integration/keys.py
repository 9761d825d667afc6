#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scrim key from outside: files, prompts on a pseudo-terminal, every way to give a passphrase, exit statuses, secrets.

    keys.py [--user] SCRIM GOLDEN-DIRECTORY [TEST...]       --user: as an ordinary user
"""
import ctypes
import fcntl
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time

import drivers
from terminal import DEADLINE, PseudoTerminal

if sys.argv[1] == "--user":
    del sys.argv[1]
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
SCRIM, GOLDEN = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
GOLDEN_ID = "10b14ec8107d922d1ca4fbe4161e6454"
GOLDEN_RECOVERY = "S1000-G40R4-0M30E-20918-5GR38-E1W81-24GK2-GAHC5-RR34D-1P70X-3RFGV-4J3P3"
CHEAP = ["--cost", "8K,1"]


class Home:
    """A throw-away home, in which scrim is run."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="scrim-keys-")
        self.path = self.holder.name
        self.keys = os.path.join(self.path, ".config/scrim/keys")
        self.environment = {"HOME": self.path, "PATH": os.environ["PATH"], "LC_ALL": "C"}

    def file(self, name, content, mode=0o600):
        path = os.path.join(self.path, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def golden(self, name):
        with open(os.path.join(GOLDEN, name), "rb") as f:
            return self.file(name, f.read())

    def run(self, *words, status=0, stdin="", env=None, **kwargs):
        """scrim key WORDS without a terminal; (standard output, standard error)."""
        done = subprocess.run([SCRIM, "key", *words], input=stdin.encode() if isinstance(stdin, str) else stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE, start_new_session=True,
                              env={**self.environment, **(env or {})}, **kwargs)
        assert done.returncode == status, (words, done)
        for line in done.stderr.decode().splitlines():
            assert re.match(r"scrim: (warning: )?\S", line), done.stderr
        return done.stdout.decode(), done.stderr.decode()

    def id_of(self, name):
        return json.loads(self.run("show", name, "--json")[0])["id"]


def recovery_in(text):
    """The recovery key in what scrim printed."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "-".join(lines)


class Terminal(PseudoTerminal):
    """scrim key WORDS with a pseudo-terminal as its controlling one."""

    def __init__(self, home, *words, stdout=None):
        leader, follower = pty.openpty()
        super().__init__(leader)
        self.slave = os.ttyname(follower)

        def attach():
            os.setsid()
            fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen([SCRIM, "key", *words], stdin=follower, stdout=stdout or follower, stderr=follower,
                                        preexec_fn=attach, env=home.environment)
        os.close(follower)

    def type(self, text, quiet=True):
        if quiet:
            self.wait_quiet()
        self.send(text)

    def end(self, status=0):
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0.1):
            pass
        assert self.process.wait(1) == status, (self.process.returncode, self.seen)
        echoing = self.echoes()
        os.close(self.fd)
        assert echoing, "the terminal does not echo any more"
        return self.seen.decode()


def test_new_raw():
    home = Home()
    out, err = home.run("new", "ci", "--raw")
    text = open(f"{home.keys}/ci.key").read()
    identity = home.id_of("ci")
    assert f"id {identity}" in text and identity in err and identity in out
    recovery = recovery_in(out)
    assert re.fullmatch(r"S1[0-9A-HJKMNP-TV-Z]{3}(-[0-9A-HJKMNP-TV-Z]{5}){11}", recovery), out
    assert recovery in text and recovery not in err
    mode = os.stat(f"{home.keys}/ci.key")
    assert stat.S_IMODE(mode.st_mode) == 0o600 and mode.st_uid == os.geteuid()
    assert stat.S_IMODE(os.stat(home.keys).st_mode) == 0o700
    assert home.run("new", "quiet", "--raw", "--no-recovery")[0] == ""
    # The umask neither opens nor closes it.
    for mask in (0, 0o777):
        home.run("new", f"mask{mask}", "--raw", "--no-recovery", preexec_fn=lambda: os.umask(mask))
        assert stat.S_IMODE(os.stat(f"{home.keys}/mask{mask}.key").st_mode) == 0o600


def test_nothing_is_overwritten():
    home = Home()
    home.run("new", "a", "--raw")
    before = open(f"{home.keys}/a.key").read()
    _, err = home.run("new", "a", "--raw", status=1)
    assert "already" in err and home.id_of("a") in err
    home.run("import", "a", home.golden("raw.key"), status=12)
    assert open(f"{home.keys}/a.key").read() == before
    # Something else of that name.
    os.mkdir(f"{home.keys}/b.key")
    home.run("new", "b", "--raw", status=1)
    os.symlink(f"{home.path}/elsewhere", f"{home.keys}/c.key")
    home.run("new", "c", "--raw", status=1)
    assert not os.path.exists(f"{home.path}/elsewhere")


def test_passphrase_by_file_and_command():
    home = Home()
    good, bad = home.file("good", "correct horse\nsecond line\n"), home.file("bad", "correct  horse\n")
    out, _ = home.run("new", "work", "--passfile", good, *CHEAP)
    assert home.run("recovery", "work", "--passfile", good)[0] == out
    _, err = home.run("recovery", "work", "--passfile", bad, status=12)
    assert f"wrong passphrase for key work (id {home.id_of('work')})" in err
    assert home.run("recovery", "work", "--askpass", "echo correct horse")[0] == out
    # The question stands in the environment and is the first argument; standard error is the user's.
    command = 'printf %s "$SCRIM_PROMPT" >asked; printf %s "$1" >given; echo correct horse; echo oh >&2'
    done = subprocess.run([SCRIM, "key", "recovery", "work", "--askpass", command], cwd=home.path, env=home.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE)
    assert done.returncode == 0 and done.stderr == b"oh\n", done
    asked = open(f"{home.path}/asked").read()
    assert asked == open(f"{home.path}/given").read() == f"passphrase for key work (id {home.id_of('work')})"
    home.run("recovery", "work", "--askpass", "exit 3", status=1)
    home.run("recovery", "work", "--askpass", "yes", status=1)
    home.run("recovery", "work", "--askpass", "echo wrong", status=12)
    home.run("recovery", "work", "--passfile", f"{home.path}/none", status=1)
    # Others may read it: refused, with the remedy. A pipe is nobody else's.
    os.chmod(good, 0o644)
    _, err = home.run("recovery", "work", "--passfile", good, status=1)
    assert f"chmod 600 {good}" in err
    reader, writer = os.pipe()
    os.write(writer, b"correct horse")
    os.close(writer)
    assert home.run("recovery", "work", "--passfile", f"/proc/self/fd/{reader}", pass_fds=[reader])[0] == out
    os.close(reader)
    # Nobody to ask.
    _, err = home.run("recovery", "work", status=1)
    assert "--passfile" in err and "--askpass" in err and home.id_of("work") in err
    # An empty one, and one that is too long.
    _, err = home.run("new", "x", "--passfile", home.file("empty", "\n"), *CHEAP, status=1)
    assert "empty" in err
    home.run("new", "x", "--passfile", home.file("long", "x" * 2000), *CHEAP, status=1)
    assert not os.path.exists(f"{home.keys}/x.key")


def test_prompts():
    home = Home()
    t = Terminal(home, "new", "work", *CHEAP)
    question = t.expect("(id ")
    assert question.endswith("new passphrase for key work "), question
    t.expect("): ")
    t.type("correct horse\n")
    t.expect(", again: ")
    t.type("correct horse\n")
    shown = t.end()
    assert "correct" not in shown
    identity = home.id_of("work")
    assert identity in shown and "S1" in shown

    t = Terminal(home, "recovery", "work")
    t.expect(f"passphrase for key work (id {identity}): ")
    t.type("wrong\n")
    t.expect(f"that was wrong; passphrase for key work (id {identity}): ")
    t.type("correct horse\n")
    assert recovery_in(t.end().strip().replace("\r", "")) in shown.replace("\r\n", "-").replace("\r", "")

    t = Terminal(home, "recovery", "work")
    for _ in range(3):
        t.expect("): ")
        t.type("wrong\n")
    assert "wrong passphrase" in t.end(12)

    t = Terminal(home, "new", "other", *CHEAP)
    t.expect("): ")
    t.type("one\n")
    t.expect("again: ")
    t.type("two\n")
    assert "differ" in t.end(1)
    assert not os.path.exists(f"{home.keys}/other.key")

    # The end of the input.
    t = Terminal(home, "recovery", "work")
    t.expect("): ")
    t.type("\x04")
    t.end(1)


def test_prompt_and_signals():
    home = Home()
    home.run("new", "work", "--passfile", home.file("pass", "correct horse\n"), *CHEAP)
    # Ctrl-C and signals end it, and the terminal is as it was.
    for number, how in ((signal.SIGINT, "\x03"), (signal.SIGQUIT, "\x1c"), (signal.SIGTERM, None), (signal.SIGHUP, None)):
        t = Terminal(home, "recovery", "work")
        t.expect("): ")
        t.wait_quiet()
        if how:
            t.type(how)
        else:
            t.process.send_signal(number)
        t.end(-number)


def test_prompt_and_stop():
    home = Home()
    home.run("new", "work", "--passfile", home.file("pass", "correct horse\n"), *CHEAP)
    # Under a shell-like parent in the same session, so that its group is not orphaned: Ctrl-Z stops, then it asks anew.
    pid, master = pty.fork()
    if pid == 0:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            os.execve(SCRIM, [SCRIM, "key", "recovery", "work"], home.environment)
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            os._exit(3)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        if not termios.tcgetattr(0)[3] & termios.ECHO:
            os._exit(4)
        os.write(1, b"STOPPED\n")
        os.tcsetpgrp(0, child)
        os.kill(child, signal.SIGCONT)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 255)
    t = PseudoTerminal(master)
    t.expect("): ")
    t.wait_quiet()
    t.send("half\x1a")
    t.expect("STOPPED")
    t.expect("): ")
    t.wait_quiet()
    t.send("correct horse\n")
    t.expect("S1")
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert status == 0, status


def test_prompt_in_the_background():
    """Where it can be neither asked nor stopped it ends."""
    home = Home()
    home.run("new", "work", "--passfile", home.file("pass", "correct horse\n"), *CHEAP)
    pid, master = pty.fork()
    if pid == 0:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)
            os.execve(SCRIM, [SCRIM, "key", "recovery", "work"], home.environment)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                os._exit(os.waitstatus_to_exitcode(status) & 255)
            time.sleep(0.01)
        os._exit(99)
    while True:
        try:
            if not os.read(master, 4096):
                break
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 1, status


def test_recovery_brings_the_key_back():
    home = Home()
    passphrase = home.file("pass", "correct horse\n")
    out, _ = home.run("new", "work", "--passfile", passphrase, *CHEAP)
    identity = home.id_of("work")
    # Nothing of it is needed but what is on the paper, typed as people do.
    os.unlink(f"{home.keys}/work.key")
    typed = recovery_in(out).lower().replace("0", "o").replace("-", " ")
    home.run("import", "work", "--recovery", "--passfile", passphrase, *CHEAP, stdin=typed)
    assert home.id_of("work") == identity
    assert home.run("recovery", "work", "--passfile", passphrase)[0] == out
    # The whole of what was printed, comments too.
    home.run("import", "again", "--recovery", "--raw", stdin=out)
    assert home.id_of("again") == identity
    # Typing errors.
    wrong = recovery_in(out)
    wrong = wrong[:40] + ("A" if wrong[40] != "A" else "B") + wrong[41:]
    _, err = home.run("import", "third", "--recovery", "--raw", stdin=wrong, status=12)
    assert "group 7" in err and wrong not in err
    home.run("import", "third", "--recovery", "--raw", stdin="S1234", status=1)
    # Another key than the one that was meant.
    _, err = home.run("import", "third", "--recovery", "--raw", "--id", GOLDEN_ID, stdin=out, status=12)
    assert identity in err and GOLDEN_ID in err
    home.run("import", "third", "--recovery", "--raw", "--id", "x", stdin=out, status=1)
    _, err = home.run("import", "work", "--recovery", "--raw", stdin=GOLDEN_RECOVERY, status=12)
    assert identity in err and GOLDEN_ID in err
    # The one that is there.
    _, err = home.run("import", "work", "--recovery", "--raw", stdin=out, status=1)
    assert "passwd work --recovery" in err
    assert not os.path.exists(f"{home.keys}/third.key")
    home.run("import", "third", "--recovery", "--raw", "--id", identity.upper(), stdin=out)


def test_recovery_on_a_terminal():
    home = Home()
    t = Terminal(home, "import", "work", "--recovery", "--raw", "--id", GOLDEN_ID)
    t.expect(f"recovery key of work, id {GOLDEN_ID} (S1...): ")
    t.type(GOLDEN_RECOVERY[:-1] + "4\n")
    t.expect("typing error")
    t.expect("(S1...): ")
    t.type(GOLDEN_RECOVERY + "\n")
    assert GOLDEN_RECOVERY not in t.end()
    assert home.id_of("work") == GOLDEN_ID
    t = Terminal(home, "import", "shown", "--recovery", "--raw", "--echo")
    t.expect("recovery key of shown (S1...): ")
    t.type(GOLDEN_RECOVERY + "\n", quiet=False)
    t.expect(GOLDEN_RECOVERY)
    t.end()


def test_import():
    home = Home()
    recovery = f"# Recovery key of NAME, id {GOLDEN_ID}."
    for number, name in enumerate(("raw.key", "bare.bin", "bare.hex", "recovery.txt")):
        home.run("import", f"k{number}", home.golden(name), "--raw", "--id", GOLDEN_ID)
        out, _ = home.run("recovery", f"k{number}")
        assert recovery.replace("NAME", f"k{number}") in out and recovery_in(out) == GOLDEN_RECOVERY
    # A key file is taken over as it is, with its slots and comments.
    path = home.golden("several.key")
    home.run("import", "several", path)
    assert open(path).read() == open(f"{home.keys}/several.key").read()
    home.run("recovery", "several", "--askpass", "echo correct horse")
    # Or opened, for a slot of another kind.
    home.run("import", "opened", path, "--raw", "--askpass", "echo correct horse")
    assert "raw" in home.run("show", "opened")[0]
    home.run("import", "wrong", path, "--raw", "--askpass", "echo wrong", status=12)
    with open(path, "rb") as f:
        home.run("import", "piped", "-", stdin=f.read())
    # What is no key, or not private.
    home.run("import", "wrong", home.file("text", "hello\n"), status=1)
    _, err = home.run("import", "wrong", home.file("open", "x" * 32, 0o640), status=1)
    assert "chmod 600" in err
    home.run("import", "wrong", home.file("large", "#" * 20000), status=1)
    home.run("import", "wrong", home.path, status=1)
    home.run("import", "wrong", f"{home.path}/nothing", status=1)
    damaged = open(path).read().replace("key=d", "key=e", 1)
    home.run("import", "wrong", home.file("damaged", damaged), status=26)
    assert not os.path.exists(f"{home.keys}/wrong.key")


def test_export():
    home = Home()
    home.run("import", "work", home.golden("passphrase.key"))
    good = home.file("pass", "correct horse\n")
    out, _ = home.run("export", "work", "--passfile", good)
    assert GOLDEN_RECOVERY in out and out.startswith("#") and "scrim-key 1\n" in out
    home.run("import", "copy", home.file("copy", out))
    assert home.id_of("copy") == GOLDEN_ID
    target = f"{home.path}/target"
    assert home.run("export", "work", "--passfile", good, "--output", target)[0] == ""
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600 and GOLDEN_RECOVERY in open(target).read()
    # Not over something, and not to a terminal.
    home.run("export", "work", "--passfile", good, "--output", target, status=1)
    t = Terminal(home, "export", "work", "--passfile", good)
    assert "terminal" in t.end(2) and b"S1" not in t.seen
    t = Terminal(home, "export", "work", "--passfile", good, "--force")
    assert GOLDEN_RECOVERY in t.end()


def test_passwd():
    home = Home()
    old, new, third = (home.file(name, name + "\n") for name in ("old", "new", "third"))
    out, _ = home.run("new", "work", "--passfile", old, *CHEAP)
    with open(f"{home.keys}/work.key", "a") as f:
        f.write("# mine\n")
    home.run("passwd", "work", "--passfile", new, "--new-passfile", third, *CHEAP, status=12)
    home.run("passwd", "work", "--passfile", old, "--new-passfile", new, *CHEAP)
    home.run("recovery", "work", "--passfile", old, status=12)
    assert home.run("recovery", "work", "--passfile", new)[0] == out
    assert "# mine\n" in open(f"{home.keys}/work.key").read()
    # A second one, and without it again.
    home.run("passwd", "work", "--add", "--passfile", new, "--new-passfile", third, *CHEAP)
    assert home.run("recovery", "work", "--passfile", new)[0] == home.run("recovery", "work", "--passfile", third)[0] == out
    home.run("passwd", "work", "--remove", "--passfile", new)
    home.run("recovery", "work", "--passfile", new, status=12)
    assert home.run("recovery", "work", "--passfile", third)[0] == out
    _, err = home.run("passwd", "work", "--remove", "--passfile", third, status=1)
    assert "one slot only" in err
    # Forgotten.
    home.run("passwd", "work", "--recovery", "--new-passfile", old, *CHEAP, stdin=GOLDEN_RECOVERY, status=12)
    home.run("passwd", "work", "--recovery", "--new-passfile", old, *CHEAP, stdin=out)
    home.run("recovery", "work", "--passfile", third, status=12)
    assert home.run("recovery", "work", "--passfile", old)[0] == out
    # A raw key gets a passphrase, and then loses the raw slot; not while nothing else is seen to open it.
    home.run("new", "ci", "--raw", "--no-recovery")
    home.run("passwd", "ci", "--passfile", old, "--new-passfile", new, status=1)
    home.run("passwd", "ci", "--add", "--new-passfile", new, *CHEAP)
    home.run("passwd", "ci", "--remove=1", "--passfile", old, status=12)
    for slot in ("0", "3", "9", "x", "11"):
        home.run("passwd", "ci", f"--remove={slot}", "--passfile", new, status=1)
    home.run("passwd", "ci", "--remove=1", "--passfile", new)
    assert "raw" not in open(f"{home.keys}/ci.key").read()
    home.run("recovery", "ci", "--passfile", new)
    # And a slot of another kind for one that has a passphrase.
    home.run("passwd", "ci", "--add", "--raw", "--passfile", new)
    assert [slot["kind"] for slot in json.loads(home.run("show", "ci", "--json")[0])["slots"]] == ["passphrase", "raw"]
    home.run("recovery", "ci")
    home.run("passwd", "ci", "--raw", "--passfile", new, status=2)
    home.run("passwd", "ci", "--remove=2", "--passfile", new)
    # As many slots as there can be.
    for number in range(7):
        home.run("passwd", "ci", "--add", "--passfile", new, "--new-passfile", home.file("n", f"{number}\n"), *CHEAP)
    _, err = home.run("passwd", "ci", "--add", "--passfile", new, "--new-passfile", old, *CHEAP, status=1)
    assert "8 slots" in err
    assert sorted(os.listdir(home.keys)) == ["ci.key", "work.key"]


def test_passwd_on_a_terminal():
    home = Home()
    home.run("new", "work", "--passfile", home.file("pass", "correct horse\n"), "--no-recovery", *CHEAP)
    t = Terminal(home, "passwd", "work", *CHEAP)
    t.expect("passphrase for key work (id ")
    t.expect("): ")
    t.type("correct horse\n")
    t.expect("new passphrase for key work (id ")
    t.expect("): ")
    t.type("battery\n")
    t.expect("again: ")
    t.type("battery\n")
    assert "passphrase changed" in t.end()
    home.run("recovery", "work", "--askpass", "echo battery")


def test_killed_while_changing():
    """SIGKILL at any moment of passwd: the key opens by the old passphrase or by the new one."""
    home = Home()
    now, other = home.file("a", "a\n"), home.file("b", "b\n")
    out, _ = home.run("new", "work", "--passfile", now, *CHEAP)
    killed = 0
    for number in range(40):
        process = subprocess.Popen([SCRIM, "key", "passwd", "work", "--passfile", now, "--new-passfile", other, *CHEAP],
                                   env=home.environment, stderr=subprocess.DEVNULL)
        time.sleep(number % 20 / 2000)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        done = subprocess.run([SCRIM, "key", "recovery", "work", "--passfile", now], env=home.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DEADLINE)
        if done.returncode == 12:
            now, other = other, now
            assert home.run("recovery", "work", "--passfile", now)[0] == out
        else:
            assert done.returncode == 0 and done.stdout.decode() == out
    assert killed > 0
    home.run("passwd", "work", "--passfile", now, "--new-passfile", other, *CHEAP)
    assert os.listdir(home.keys) == ["work.key"]


def test_list_and_show():
    home = Home()
    out, err = home.run("list")
    assert out == "" and "no keys" in err
    assert json.loads(home.run("list", "--json")[0]) == []
    home.run("import", "work", home.golden("several.key"))
    home.run("import", "ci", home.golden("raw.key"))
    out, _ = home.run("list")
    assert out == f"ci    {GOLDEN_ID}  raw\nwork  {GOLDEN_ID}  passphrase, kernel, passphrase, kernel\n", out
    listed = json.loads(home.run("list", "--json")[0])
    assert [k["name"] for k in listed] == ["ci", "work"] and all(k["id"] == GOLDEN_ID for k in listed)
    shown = json.loads(home.run("show", "work", "--json")[0])
    assert shown == listed[1] and shown["file"] == f"{home.keys}/work.key"
    assert shown["slots"][0] == {"slot": 1, "kind": "passphrase", "function": "argon2id", "memory_kib": 64, "passes": 2}
    assert shown["slots"][1] == {"slot": 2, "kind": "kernel", "type": "user", "name": "scrim:golden"}
    out, _ = home.run("show", "work")
    assert GOLDEN_ID in out and "user:scrim:golden" in out
    # Nothing secret, and nothing that helps to guess.
    everything = out + json.dumps(listed) + home.run("show", "ci")[0] + home.run("show", "ci", "--json")[0]
    assert "S1" not in everything and "4041424344" not in everything and "000102" not in everything
    # One that is damaged, and one that others can read, do not hide the rest.
    home.file(".config/scrim/keys/bad.key", "scrim-key 1\nrubbish\n")
    os.chmod(f"{home.keys}/ci.key", 0o644)
    out, err = home.run("list", status=26)
    assert out.startswith("work") and "bad.key: line 2" in err and "chmod 600" in err
    listed = json.loads(home.run("list", "--json", status=26)[0])
    assert [k["name"] for k in listed] == ["bad", "ci", "work"] and "error" in listed[0] and "id" in listed[2]
    home.run("show", "bad", status=26)
    home.run("recovery", "bad", status=26)
    for words in (["show"], ["export"], ["recovery"], ["passwd"], ["rm", "--force"]):
        _, err = home.run(*words, "nope", status=12)
        assert "there is no key nope" in err, (words, err)
    # A newer version is not damage, and is said.
    home.file(".config/scrim/keys/bad.key", "scrim-key 3\n")
    _, err = home.run("show", "bad", status=1)
    assert "newer" in err
    os.chmod(home.keys, 0o770)
    _, err = home.run("list", status=1)
    assert f"chmod go-w {home.keys}" in err


def test_rm():
    home = Home()
    home.run("new", "work", "--raw", "--no-recovery")
    identity = home.id_of("work")
    _, err = home.run("rm", "work", status=1)
    assert "--force" in err and os.path.exists(f"{home.keys}/work.key")
    for answer in ("n", "", "no", "j"):
        t = Terminal(home, "rm", "work")
        t.expect(f"remove key work (id {identity})?")
        t.expect("[y/N] ")
        t.type(answer + "\n", quiet=False)
        t.end(1)
        assert os.path.exists(f"{home.keys}/work.key")
    t = Terminal(home, "rm", "work")
    t.expect("[y/N] ")
    t.type("y\n", quiet=False)
    t.end()
    assert os.listdir(home.keys) == []
    home.file(".config/scrim/keys/bad.key", "rubbish")
    home.run("rm", "bad", "--force")
    _, err = home.run("rm", "bad", "--force", status=12)
    assert "there is no key bad" in err


def test_wrong_usage():
    home = Home()
    for words in ([], ["bogus"], ["new"], ["new", "a", "b"], ["new", "../a"], ["new", "a", "--json"], ["list", "a"],
                  ["new", "a", "--raw", "--kernel"], ["new", "a", "--nonsense"], ["import", "a"], ["new", "a", "--cost"],
                  ["import", "a", "b", "--recovery"], ["passwd", "a", "--add", "--remove"], ["show", "-x"],
                  ["new", "a", "--cost", "x"], ["new", "a", "--cost", "8K,"], ["new", "a", "--cost", "8K,0"],
                  ["new", "a", "--cost", "2G"], ["new", "a", "--cost", "1K"], ["new", "a", "--cost", "1G,17"],
                  ["new", "a", "--cost", "99999999999999999999"], ["new", "a", "--key-fd", "3"], ["show", "a" * 65]):
        out, err = home.run(*words, status=2)
        assert out == "" and err.startswith("scrim: "), words
    assert not os.path.exists(home.keys)
    out, _ = home.run("--help")
    assert out == home.run("new", "--help")[0] and "scrim key recovery" in out


def test_nowhere():
    home = Home()
    home.environment["XDG_CONFIG_HOME"] = f"{home.path}/other"
    home.run("new", "a", "--raw")
    assert os.listdir(f"{home.path}/other/scrim/keys") == ["a.key"]
    home.environment["XDG_CONFIG_HOME"] = "relative"
    home.run("show", "a", status=12)
    home.environment["XDG_CONFIG_HOME"] = home.file("file", "")
    home.run("new", "a", "--raw", status=1)


def kernel_has_keys(home, name):
    """A kernel key "work" of that name of type user, or False: a container without the kernel's keys."""
    done = subprocess.run([SCRIM, "key", "new", "work", f"--kernel=user:{name}"], env=home.environment, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        assert b"the kernel's keys" in done.stderr, done
        return None
    assert b"gone when the machine" in done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_kernel_slot():
    """An ordinary key that one in the kernel opens."""
    home = Home()
    name = f"scrim:slot-{os.getpid()}"
    home.run("new", "work", "--raw")
    recovery = home.run("recovery", "work")[0]
    done = subprocess.run([SCRIM, "key", "passwd", "work", "--add", f"--kernel={name}"], env=home.environment, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        assert b"the kernel's keys" in done.stderr, done
        return
    home.run("passwd", "work", "--remove=1")
    text = open(f"{home.keys}/work.key").read()
    assert f"slot kernel aes-256-xts type=user name={name} " in text and "S1" not in text
    assert home.run("recovery", "work")[0] == recovery
    # The same key of the kernel for another key; that of a new machine is none.
    _, err = home.run("import", "second", home.golden("raw.key"), f"--kernel={name}")
    assert "made the kernel's key" not in err
    home.run("import", "gone", home.golden("kernel.key"))
    _, err = home.run("recovery", "gone", status=12)
    assert "user:scrim:golden" in err and GOLDEN_ID not in recovery_in(err)
    home.run("passwd", "work", "--add", "--kernel=ring:x y", status=1)
    forget_kernel_key(name)
    home.run("recovery", "work", status=12)


def test_kernel_key():
    """A key that the kernel has and the key file has not: what is encrypted for it, on this machine and on another."""
    home, other = Home(), Home()
    name = f"scrim:test-{os.getpid()}"
    _, err = home.run("new", "work", "--kernel", "--no-recovery", status=2)
    assert "always printed" in err and not os.path.exists(home.keys)
    made = kernel_has_keys(home, name)
    if not made:
        return
    kept = "reads user:" not in made[1]  # the kernel computes with it, so that nobody reads it
    recovery = [line for line in made[0].splitlines() if not line.startswith("#")]
    assert len(recovery) == 4 and recovery[0].startswith("S2") and recovery[2].startswith("S3"), recovery
    text = open(f"{home.keys}/work.key").read()
    assert "\nscrim-key 2\n" in text and f"\nslot keyring aes-256-xts type=user name={name} sum=" in text
    assert "salt=" not in text and "key=" not in text and "S2" not in text
    shown = json.loads(home.run("show", "work", "--json")[0])
    assert shown["slots"] == [{"slot": 1, "kind": "keyring", "type": "user", "name": name}], shown
    if kept:
        for words in ["recovery", "work"], ["export", "work"], ["passwd", "work", "--add", "--raw"]:
            assert "nobody else" in home.run(*words, status=1)[1], words
    # A second of that name would lose the first.
    _, err = home.run("new", "second", f"--kernel={name}", status=1)
    assert "already" in err and not os.path.exists(f"{home.keys}/second.key")
    path = home.file("letter", "dear all\n")
    _, err = scrim(home, "encrypt", "--key", "work", path)
    assert kept != ("read into this process" in err), err
    info = scrim(home, "info", path)[0].decode()
    assert f"{shown['id']} (kernel)" in info, info
    assert scrim(home, "cat", "--key", "work", path)[0] == b"dear all\n"
    # The recovery key opens it where there is no kernel key: OpenSSL computes the same.
    other.run("import", "paper", "--recovery", "--raw", stdin=made[0])
    assert other.id_of("paper") == shown["id"]
    assert scrim(other, "cat", "--key", "paper", path)[0] == b"dear all\n"
    out, _ = other.run("recovery", "paper")
    assert [line for line in out.splitlines() if not line.startswith("#")] == recovery
    # And what is written there is read here.
    back = other.file("back", "dear you\n")
    scrim(other, "encrypt", "--key", "paper", back)
    assert scrim(home, "cat", "--key", "work", back)[0] == b"dear you\n"
    # The machine was started anew: the kernel has lost it, and gets it back.
    forget_kernel_key(name)
    _, err = scrim(home, "cat", "--key", "work", path, status=12)
    assert f"user:{name}" in err and "recovery key" in err, err
    home.run("import", "work", "--recovery", "--kernel", "--id", GOLDEN_ID, stdin=made[0], status=12)
    assert find_kernel_key(name) < 0
    home.run("import", "work", "--recovery", "--kernel", stdin=made[0])
    assert scrim(home, "cat", "--key", "work", path)[0] == b"dear all\n"
    # A passphrase for it, which opens it where the kernel has it no more.
    home.run("passwd", "work", "--recovery", "--new-passfile", home.file("p", "correct horse"), "--cost", "8K,1", stdin=made[0])
    forget_kernel_key(name)
    assert scrim(home, "cat", "--key", "work", path, "--passfile", home.file("p", "correct horse"))[0] == b"dear all\n"
    # Another key under the name is not taken for it.
    another = Home()
    another_text = kernel_has_keys(another, name)
    _, err = scrim(home, "cat", "--key", "work", path, "--passfile", home.file("p", "wrong"), status=12)
    assert another_text
    forget_kernel_key(name)


def test_kernel_key_of_type_logon():
    """The kernel computes with it, or says what it lacks, and nothing is left behind."""
    home = Home()
    name = f"scrim:logon-{os.getpid()}"
    done = subprocess.run([SCRIM, "key", "new", "logon", f"--kernel=logon:{name}"], env=home.environment, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode == 0:
        path = home.file("letter", "dear all\n")
        _, err = scrim(home, "encrypt", "--key", "logon", path)
        assert err == "" or "recoverable" in err, err
        other = Home()
        other.run("import", "paper", "--recovery", "--raw", stdin=done.stdout)
        assert scrim(other, "cat", "--key", "paper", path)[0] == b"dear all\n"
        _, err = home.run("recovery", "logon", status=1)
        assert "nobody else" in err
        forget_kernel_key(name, b"logon")
    elif b"the kernel's keys" not in done.stderr:
        assert done.returncode == 1 and b"AF_ALG" in done.stderr and b"recovery key" in done.stderr and done.stdout == b"", done
        assert find_kernel_key(name, b"logon") < 0
        assert not os.path.exists(f"{home.keys}/logon.key")


LIBC = ctypes.CDLL(None, use_errno=True)
SYS_KEYCTL, KEYCTL_UNLINK, KEYCTL_SEARCH, USER_KEYRING = 250, 9, 10, -4


def find_kernel_key(name, kind=b"user"):
    return LIBC.syscall(SYS_KEYCTL, KEYCTL_SEARCH, USER_KEYRING, kind, name.encode(), 0)


def forget_kernel_key(name, kind=b"user"):
    assert LIBC.syscall(SYS_KEYCTL, KEYCTL_UNLINK, find_kernel_key(name, kind), USER_KEYRING) == 0


def scrim(home, *words, status=0, stdin=b"", env=None, **kwargs):
    """scrim WORDS without a terminal; (standard output, standard error)."""
    done = subprocess.run([SCRIM, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE,
                          start_new_session=True, env={**home.environment, **(env or {})}, cwd=home.path, **kwargs)
    assert done.returncode == status, (words, done)
    return done.stdout, done.stderr.decode()


def test_delivery():
    """Keys as commands are given them, each way, to encrypt and to decrypt."""
    home = Home()
    bare = bytes(range(32))
    raw, passphrase = home.golden("raw.key"), home.golden("passphrase.key")
    good = home.file("pass", "correct horse\n")
    credentials = f"{home.path}/credentials"
    os.mkdir(credentials)
    home.file("credentials/scrim.key.service", open(passphrase, "rb").read(), 0o400)
    home.file("credentials/scrim.passphrase.service", "correct horse", 0o400)
    service = {"CREDENTIALS_DIRECTORY": credentials}
    home.run("import", "work", passphrase)
    home.run("import", "default", raw)

    def descriptor(content):
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        return reader

    def with_descriptor(*words, content=bare, status=0):
        reader = descriptor(content)
        try:
            return scrim(home, *[w.replace("@", str(reader)) for w in words], pass_fds=[reader], status=status)
        finally:
            os.close(reader)
    # Encrypted by one way, opened by all: it is one key.
    ways = [["--key-file", raw], ["--key-file", home.golden("bare.hex")], ["--key-file", passphrase, "--passfile", good],
            ["--key", "work", "--askpass", "echo correct horse"], ["--key", "default"], []]
    content = b"content\n" * 1000
    for number, way in enumerate(ways):
        path = home.file(f"f{number}", content)
        scrim(home, "encrypt", *way, path)
        assert content[:20] not in open(path, "rb").read()
        for other in ways:
            assert scrim(home, "cat", *other, path)[0] == content, (way, other)
        assert with_descriptor("cat", "--key-fd", "@", path)[0] == content
        assert scrim(home, "cat", "--key", "service", path, env=service)[0] == content
    path = home.file("f", content)
    with_descriptor("encrypt", "--key-fd", "@", path)
    # It is read once, wherever it came from: for a whole list of files.
    assert with_descriptor("cat", "--key-fd", "@", path, f"{home.path}/f0")[0] == 2 * content
    # Standard input may be it.
    assert scrim(home, "cat", "--key-fd", "0", path, stdin=bare)[0] == content
    # The wrong one, with the id of the one that is needed; several, of which one fits.
    other = home.file("other", os.urandom(32))
    _, err = scrim(home, "cat", "--key-file", other, path, status=12)
    assert GOLDEN_ID in err
    assert scrim(home, "cat", "--key-file", other, "--key-file", raw, path)[0] == content
    _, err = scrim(home, "cat", "--key", "work", "--askpass", "echo wrong", path, status=12)
    assert f"key work (id {GOLDEN_ID})" in err
    # For a new file it is the first.
    path = home.file("g", content)
    scrim(home, "encrypt", "--key-file", other, "--key-file", raw, path)
    scrim(home, "cat", "--key-file", raw, path, status=12)
    assert scrim(home, "cat", "--key-file", other, path)[0] == content
    # Nothing but these ways: neither an argument nor a variable is taken for a key.
    hexadecimal = bare.hex()
    for words, status in ((["--key", hexadecimal], 12), (["--key-file", hexadecimal], 12), (["--key-fd", hexadecimal], 1)):
        scrim(home, "cat", *words, f"{home.path}/f", status=status)
    # A key that is not there: always the same status, whoever asks for it.
    for words in (["--key", "nope"], ["--key-file", f"{home.path}/nope"]):
        for command in (["cat", path], ["encrypt", home.file("plain", content)], ["verify", path], ["rekey", "--full", path]):
            _, err = scrim(home, *command, *words, status=12)
            assert "nope" in err, (command, words, err)
    _, err = scrim(home, "rekey", "--key-file", raw, "--new-key", "nope", path, status=12)
    assert "there is no key nope" in err
    bare_home = Home()
    _, err = scrim(bare_home, "encrypt", bare_home.file("plain", content), status=12)
    assert "there is no key default" in err
    with_descriptor("cat", "--key-fd", "@", f"{home.path}/f", content=b"x" * 20000, status=1)
    with_descriptor("cat", "--key-fd", "@", f"{home.path}/f", content=b"", status=1)


def limited(kib, *words, home, **kwargs):
    """scrim WORDS by somebody who may lock so much memory and no more."""
    drop = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"] if os.geteuid() == 0 else []
    return subprocess.run(["prlimit", f"--memlock={kib << 10}", *drop, SCRIM, *words], env=home.environment, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def test_locked_memory():
    """A key stands in locked memory or nowhere: with too small a limit nothing is done, and why is said."""
    if drivers.is_sanitized(SCRIM):
        return
    home = Home()
    key, good = home.file("key", os.urandom(32)), home.file("pass", "correct horse\n")
    home.run("new", "work", "--passfile", good, *CHEAP)
    for words in (["key", "new", "other", "--raw"], ["key", "recovery", "work", "--passfile", good],
                  ["encrypt", "--key-file", key, "FILE"], ["encrypt", "--key", "work", "--passfile", good, "FILE"]):
        statuses = []
        for kib in (0, 4, 16, 32, 64, 128):
            path = home.file("f", b"content")
            done = limited(kib, *[path if word == "FILE" else word for word in words], home=home)
            statuses.append(done.returncode)
            if done.returncode:
                assert done.returncode == 1 and b"ulimit -l" in done.stderr, (kib, words, done)
                assert open(path, "rb").read() == b"content" and done.stdout == b"", done
                assert not os.path.exists(f"{home.keys}/other.key")
            elif words[:2] == ["key", "new"]:
                os.unlink(f"{home.keys}/other.key")
        # Once it is enough it is enough; 64 KiB are.
        assert statuses == sorted(statuses, reverse=True) and statuses[0] == 1 and statuses[-2:] == [0, 0], (words, statuses)


def test_all_is_locked():
    """Who may lock anything does so, what Argon2id works in included."""
    if drivers.is_sanitized(SCRIM):
        return
    home = Home()
    home.run("new", "work", "--passfile", home.file("pass", "correct horse\n"), "--cost", "32M,1")
    os.mkfifo(f"{home.path}/pipe", 0o600)
    process = subprocess.Popen([SCRIM, "key", "recovery", "work", "--askpass", f"cat {home.path}/pipe"], env=home.environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(f"{home.path}/pipe", "w") as pipe:
        status = open(f"/proc/{process.pid}/status").read()
        locked, resident, peak = (int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) for name in ("VmLck", "VmRSS", "VmHWM"))
        effective = int(re.search(r"CapEff:\s+(\w+)", status).group(1), 16)
        limit = re.search(r"Max locked memory\s+(\w+)", open(f"/proc/{process.pid}/limits").read()).group(1)
        everything = effective >> 14 & 1 or limit == "unlimited"
        assert (locked > resident / 2) == bool(everything), (locked, resident, peak, effective, limit)
        pipe.write("correct horse\n")
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0 and b"S1" in out, err


def test_no_secret_leaks():
    """Neither the command line nor the environment of any process, nor a message, holds a secret; there is no core."""
    home = Home()
    os.mkfifo(f"{home.path}/pipe", 0o600)
    secret = "unlikely-passphrase-4711"
    out, err = home.run("new", "work", "--passfile", home.file("pass", secret + "\n"), *CHEAP)
    recovery = recovery_in(out)
    assert secret not in out + err and recovery not in err
    # While it asks: what can be seen of it. It is stopped by a command that waits for the pipe.
    process = subprocess.Popen([SCRIM, "key", "recovery", "work", "--askpass", f"cat {home.path}/pipe"],
                               env=home.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    end = time.monotonic() + DEADLINE
    child = ""
    while not child and time.monotonic() < end:
        child = open(f"/proc/{process.pid}/task/{process.pid}/children").read().strip() \
            if os.path.exists(f"/proc/{process.pid}/task/{process.pid}/children") else "?"
        time.sleep(0.01)
    command = open(f"/proc/{process.pid}/cmdline").read()
    assert secret not in command and recovery not in command
    limits = open(f"/proc/{process.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    # Not dumpable: its files in /proc are root's, and its memory and environment nobody's but root's.
    assert os.stat(f"/proc/{process.pid}/environ").st_uid == 0
    if os.geteuid() != 0:
        for name in ("environ", "mem", "maps"):
            try:
                open(f"/proc/{process.pid}/{name}", "rb").read(1)
            except PermissionError:
                continue
            raise AssertionError(f"{name} can be read")
    else:
        environment = open(f"/proc/{process.pid}/environ").read()
        assert secret not in environment and recovery not in environment
    with open(f"{home.path}/pipe", "w") as pipe:
        pipe.write(secret + "\n")
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0 and recovery_in(out.decode()) == recovery and err == b""
    # Every way of failing says nothing of it either.
    for words, stdin, status in ((["import", "x", "--recovery", "--raw"], recovery[:-1], 1),
                                 (["import", "work", "--recovery", "--raw"], recovery, 1),
                                 (["import", "x", "--recovery", "--raw", "--id", GOLDEN_ID], recovery, 12),
                                 (["import", "x", "-"], recovery + "\0", 1),
                                 (["import", "x", "-"], "scrim-key 1\n" + recovery, 26)):
        out, err = home.run(*words, stdin=stdin, status=status)
        assert recovery[:11] not in out + err and recovery[-11:] not in out + err, (words, out, err)
    assert not [name for name in os.listdir(home.path) if name.startswith("core")]


drivers.main(globals(), sys.argv[3:])
