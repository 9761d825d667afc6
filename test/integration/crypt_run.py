#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs with encrypted files: what is on the disk when they end, however they end; two at a time; what the log says.

    crypt_run.py [--user] SCRIM README [TEST...]
"""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import drivers
from crypt_support import DEADLINE, SCRIM, Home, Processes, gone, wait_for

README = sys.argv[2]
RULE = ["-r", "crypt ~/letters key=work"]
LOG = ".local/state/scrim/last.log"


def running(home, script, *words, **kwargs):
    """A run whose shell does SCRIPT, says that it is ready and waits; its processes, its front and how to end it."""
    ready, tell_ready = os.pipe()
    wait, end = os.pipe()
    front = home.start("run", *RULE, "--pass-fd", str(tell_ready), "--pass-fd", str(wait), *words, "--", "bash", "-c",
                       f"{script}\necho >&{tell_ready}; exec {tell_ready}>&-; read line <&{wait}", pass_fds=[tell_ready, wait],
                       **kwargs)
    os.close(tell_ready)
    os.close(wait)
    run = Processes(front.pid, ready)
    os.close(ready)
    return run, front, end


def test_committed_when_it_returns():
    home = Home()
    data = os.urandom(100_000)
    home.file("data", data)
    for i in range(5):
        home.run(None, "--", "sh", "-c", f"cp ~/data ~/letters/{i}; echo more >> ~/letters/{i}; "
                 f"echo small > ~/letters/small{i}")
        assert home.plain(f"letters/{i}") == data + b"more\n"
        assert home.plain(f"letters/small{i}") == b"small\n"
        on_disk = open(home.at(f"letters/{i}"), "rb").read()
        assert on_disk.startswith(b"\x89scrim") and data[:64] not in on_disk
    # Also killed by a signal, and with what is left running killed first.
    home.run(None, "--", "sh", "-c", "echo last words > ~/letters/w; kill -9 $$", status=137)
    assert home.plain("letters/w") == b"last words\n"
    home.run(None, "--kill-on-exit", "--", "bash", "-c", "(exec 3>~/letters/k; echo held >&3; sleep 1000) & "
             "while ! [ -s ~/letters/k ]; do sleep 0.01; done")
    assert home.plain("letters/k") == b"held\n"


def test_who_lives_on_is_served():
    home = Home()
    os.mkfifo(home.at("go"))
    home.run(None, "--", "bash", "-c", "echo done > ~/letters/done; "
             "(exec 0<&- 1>&- 2>&-; exec 3>~/letters/later; read < ~/go; echo later >&3) &"
             " while ! [ -e ~/letters/later ]; do sleep 0.01; done")
    assert home.plain("letters/done") == b"done\n"
    with open(home.at("go"), "w") as f:
        f.write("\n")

    def there():
        done = subprocess.run([SCRIM, "cat", "--key", "work", home.at("letters/later")], env=home.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DEADLINE)
        return done.returncode == 0 and done.stdout == b"later\n"
    wait_for("what a daemon wrote", there)


def copied(home, name):
    """What an encrypted file holds that somebody has open for writing: of a copy of it."""
    home.scrim("cp", "--raw", "--force", home.at(name), home.at("copy"))
    return home.plain("copy")


def test_signals_to_the_supervisor():
    """It commits, and goes on serving."""
    home = Home()
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT:
        name = number.name
        run, front, end = running(home, f"exec 25>~/letters/{name}; echo {name} >&25")
        os.kill(run.supervisor, number)
        wait_for(f"committed at {name}", lambda: os.stat(home.at(f"letters/{name}")).st_size > 0 and
                 copied(home, f"letters/{name}") == name.encode() + b"\n")
        assert not gone(run.supervisor) and front.poll() is None
        os.close(end)
        assert front.wait(DEADLINE) == 1  # read's status at the end of the pipe


def test_processes_of_ours_killed():
    """Whoever of ours dies but the supervisor: nothing is lost; and with it: nothing that was synced."""
    for victim in "front", "reaper", "supervisor":
        home = Home()
        run, front, end = running(home, "exec 25>~/letters/open; echo synced >&25; sync ~/letters/open; "
                                        "echo closed > ~/letters/closed; sync ~/letters/closed; echo more >&25",
                                  stderr=subprocess.PIPE)
        os.kill(getattr(run, victim), signal.SIGKILL)
        status = front.wait(DEADLINE)
        assert status == (-9 if victim == "front" else 125), (victim, status)
        for pid in run.supervisor, run.command:
            wait_for(f"{pid} ends", lambda: gone(pid))
        assert home.plain("letters/closed") == b"closed\n"
        assert home.plain("letters/open") in ((b"synced\nmore\n",) if victim != "supervisor"
                                              else (b"synced\nmore\n", b"synced\n")), victim
        os.close(end)
        front.stderr.close()


def test_the_terminal_goes():
    home = Home()
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(SCRIM, [SCRIM, "run", *RULE, "--", "bash", "-c", "exec 25>~/letters/t; echo typed >&25; echo ready; sleep 1000"],
                  home.environment)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(fd, 1000)
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (129, -1)
    wait_for("what was written on a terminal that is gone", lambda: os.stat(home.at("letters/t")).st_size > 0)
    assert home.plain("letters/t") == b"typed\n"


def test_the_disk_is_full():
    """Said, with a status of its own; and what was written is tried again for a while."""
    if os.geteuid() != 0:
        return  # a file system of its own takes root; the same test runs as root
    home = Home()
    script = (f"mount -t tmpfs -o size=1100k none {home.at('letters')} && "
              f"head -c 900000 /dev/zero > {home.at('letters')}/filler && "
              f"'{SCRIM}' run -r 'crypt ~/letters/c key=work' -- sh -c 'mkdir ~/letters/c; "
              f"head -c 300000 /dev/urandom > ~/plain; cp ~/plain ~/letters/c/big'; echo status $?; "
              f"rm {home.at('letters')}/filler; i=0; "
              f"until '{SCRIM}' cat --key work {home.at('letters')}/c/big 2>/dev/null | cmp -s - {home.at('plain')}; do "
              f"i=$((i + 1)); [ $i -lt 600 ] || exit 1; sleep 0.1; done; echo came; umount {home.at('letters')}")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=home.environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=3 * DEADLINE, text=True)
    assert done.stdout == "status 125\ncame\n", done
    assert "not all that was written to encrypted files is on the disk" in done.stderr, done.stderr
    out, _ = home.scrim("explain", "--last")
    assert "ENOSPC" in out and "/letters/c/big" in out, out


def events(home):
    path = home.at(LOG)
    found = [json.loads(line) for line in open(path)] if os.path.exists(path) else []
    if found:
        os.unlink(path)
    return [e for e in found if e.get("verdict") == "crypt"]


def test_the_log_says_why():
    home = Home()
    home.file("letters/plain", "not encrypted\n")
    home.file("letters/second", "mine\n")
    home.scrim("encrypt", "--key", "other", home.at("letters/second"))
    home.file("letters/damaged", "whole\n" * 10000)
    home.scrim("encrypt", "--key", "work", home.at("letters/damaged"))
    with open(home.at("letters/damaged"), "r+b") as f:
        f.seek(20000)
        f.write(os.urandom(8192))
    home.file("letters/large", os.urandom(3 << 20))
    home.scrim("encrypt", "--key", "work", home.at("letters/large"))
    home.file("letters/good", "good\n")
    home.scrim("encrypt", "--key", "work", home.at("letters/good"))
    for name, errno, note in (("plain", "EBADMSG", "scrim encrypt"), ("second", "ENOKEY", "another key"),
                              ("damaged", "EBADMSG", "damaged"), ("large", "EFBIG", "memfd.max")):
        out, err = home.run(None, "--memfd-max", "1M", "--", "sh", "-c", f"cat ~/letters/{name}; cat ~/letters/good")
        assert out == "good\n", (name, out, err)  # others go on working
        wait_for(f"the log of {name}", lambda: os.path.exists(home.at(LOG)) and "\n" in open(home.at(LOG)).read())
        said, _ = home.scrim("explain", "--last")
        got = events(home)
        assert any(e["path"] == home.at(f"letters/{name}") and e["errno"] == errno and note in e.get("note", "")
                   for e in got), (name, got)
        # One event for one refusal, with the call and the rule.
        assert len(got) == 1 and got[0]["syscall"] == "openat" and got[0]["rule"].startswith("crypt "), got
        assert note in said and errno in said, said
    # plain= as it says.
    out, _ = home.run("crypt ~/letters key=work plain=read", "--", "cat", home.at("letters/plain"))
    assert out == "not encrypted\n"


def test_two_runs():
    """One writer or many readers of a file between runs; the other one is told who."""
    home = Home()
    home.run(None, "--", "sh", "-c", "echo first > ~/letters/a; echo second > ~/letters/b")
    run, front, end = running(home, "exec 25>>~/letters/a; exec 26<~/letters/b")
    attempt = ("import os, sys\n"
               "for mode in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:\n"
               "    for name in sys.argv[1:]:\n"
               "        try:\n"
               "            os.close(os.open(os.path.expanduser('~/letters/' + name), mode))\n"
               "            print(name, mode, 'opened')\n"
               "        except OSError as e:\n"
               "            print(name, mode, os.strerror(e.errno))\n")
    log = home.at("log")
    out, _ = home.run(None, "--log", log, "--", "python3", "-c", attempt, "a", "b")
    busy = os.strerror(16)
    assert out.splitlines() == [f"a 0 {busy}", "b 0 opened", f"a 1 {busy}", f"b 1 {busy}", f"a 2 {busy}", f"b 2 {busy}"], out
    wait_for("five refusals", lambda: len(open(log).read().splitlines()) >= 5)
    got = [json.loads(line) for line in open(log)]
    assert len(got) == 5 and all(e["errno"] == "EBUSY" for e in got), got
    assert any(str(run.supervisor) in e.get("note", "") and "scrim-view" in e["note"] for e in got), got
    # The commands of encrypted files heed it as well.
    assert home.at("letters/a") in home.scrim("decrypt", "--key", "work", home.at("letters/a"), status=1)[1]
    os.close(end)
    assert front.wait(DEADLINE) == 1
    out, _ = home.run(None, "--", "python3", "-c", attempt, "a", "b")
    assert out.count("opened") == 6, out
    assert home.plain("letters/a") == b"first\n"


def test_rules_combine():
    home = Home()
    home.run(None, "--", "sh", "-c", "echo one > ~/letters/log; echo s > ~/letters/secret; echo r > ~/letters/fixed")
    out, err = home.run(None, "--append", home.at("letters/log"), "--hide", home.at("letters/secret"), "--readonly",
                        home.at("letters/fixed"), "--", "sh", "-c",
                        "echo two >> ~/letters/log; echo no > ~/letters/log; cat ~/letters/log; ls ~/letters; "
                        "echo x > ~/letters/fixed; cat ~/letters/fixed")
    assert out == "one\ntwo\nfixed\nlog\nr\n", out
    assert "not permitted" in err and "Read-only" in err, err
    assert home.plain("letters/log") == b"one\ntwo\n"


def test_the_example_of_the_readme():
    home = Home()
    shutil.rmtree(home.at(".config"))
    text = open(README).read()
    section = re.search(r"\n## Encrypted directories\n(.*?)\n## ", text, re.S).group(1)
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    assert len(lines) >= 4, section
    home.file("big", "".join(f"{i * 7919 % 100003}\n" for i in range(1000)))
    os.symlink(SCRIM, os.path.join(home.directory("bin"), "scrim"))
    done = subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, env={**home.environment, "PATH": home.at("bin") + ":" + os.environ["PATH"]})
    assert done.returncode == 0, done
    assert done.stdout.count(b"Dear A.") == 2, done.stdout


drivers.main(globals(), sys.argv[3:])
