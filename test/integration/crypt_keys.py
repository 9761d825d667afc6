#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The keys of a run: where they come from, what stops a run, who has them in memory."""
import ctypes
import errno
import fcntl
import os
import pty
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import termios

import drivers
from crypt_support import DEADLINE, SCRIM, Home, Processes, name_of, wait_for
from terminal import PseudoTerminal


def refused(home, *words, **kwargs):
    """A run that must not start its command; what was said."""
    marker = home.at("started")
    out, err = home.scrim("run", *words, "--", "touch", marker, status=125, **kwargs)
    assert out == "" and not os.path.exists(marker), (words, out, err)
    assert err.startswith("scrim: "), err
    return err


def test_a_key_that_cannot_be_had_stops_the_run():
    home = Home()
    conf = home.file("a.conf", "hide ~/x\n\ncrypt ~/letters key=nobody\n")
    err = refused(home, "-c", conf)
    assert f"{conf}:3:" in err and "crypt" in err and "key=nobody" in err and "there is no key nobody" in err, err
    # Without key= it is "default", which this home has not.
    err = refused(home, "-r", "crypt ~/letters")
    assert "command line:" in err and "there is no key default" in err, err
    # A wrong passphrase: with the key's public id.
    wrong = home.file("wrong", "battery staple\n")
    err = refused(home, "-r", "crypt ~/letters key=locked", "--passfile", wrong)
    assert home.id_of("locked") in err and "wrong passphrase" in err and "command line:" in err, err
    err = refused(home, "-r", "crypt ~/letters key=locked", "--askpass", "exit 3")
    assert "--askpass" in err, err
    # Nobody to ask.
    err = refused(home, "-r", "crypt ~/letters key=locked")
    assert home.id_of("locked") in err and "no terminal" in err, err
    # A damaged key file.
    path = home.at(".config/scrim/keys/other.key")
    text = open(path).read()
    with open(path, "w") as f:
        f.write(text.replace("slot raw key=S1", "slot raw key=S2"))
    err = refused(home, "-r", "crypt ~/letters key=other")
    assert "key=other" in err and "line" in err, err
    # A bad name is no path.
    assert "no name for a key" in refused(home, "-r", "crypt ~/letters key=../../x")


def kernel_has_gcm():
    try:
        with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as s:
            s.bind(("aead", "gcm(aes)"))
        return True
    except OSError:
        return False


LIBC = ctypes.CDLL(None, use_errno=True)
SYS_KEYCTL, KEYCTL_UNLINK, KEYCTL_SEARCH, USER_KEYRING = 250, 9, 10, -4


def forget(name, kind):
    serial = LIBC.syscall(SYS_KEYCTL, KEYCTL_SEARCH, USER_KEYRING, kind, name.encode(), 0)
    assert LIBC.syscall(SYS_KEYCTL, KEYCTL_UNLINK, serial, USER_KEYRING) == 0


def without_new_sessions():
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING) is EDQUOT from here on: seccomp(2)."""
    program = [(0x20, 0, 0, 0), (0x15, 0, 3, SYS_KEYCTL), (0x20, 0, 0, 16), (0x15, 0, 1, 1), (0x06, 0, 0, 0x50000 | errno.EDQUOT),
               (0x06, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filter_program = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    assert LIBC.prctl(38, 1, 0, 0, 0) == 0 and LIBC.prctl(22, 2, filter_program, 0, 0) == 0


def test_a_kernel_key():
    """It opens what the view has encrypted; the program finds neither it nor the kernel's ciphers."""
    home = Home()
    name = f"scrim:view-{os.getpid()}"
    done = subprocess.run([SCRIM, "key", "new", "kept", f"--kernel=user:{name}"], env=home.environment, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        assert b"the kernel's keys" in done.stderr, done
        return
    rule = "crypt ~/letters key=kept provider=afalg"
    script = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    return (libc.syscall(*args), ctypes.get_errno())
name = os.environ["NAME"].encode()
assert call(250, 10, -4, b"user", name, 0) == (-1, 38)
assert call(250, 11, 1, None, 0) == (-1, 38)
assert call(249, b"user", name, None, 0) == (-1, 38)
assert call(248, b"user", b"mine", b"x", 1, -2) == (-1, 38)
try:
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
except OSError as error:
    assert error.errno == 97, error
else:
    raise AssertionError("AF_ALG")
home = os.environ["HOME"]
with open(home + "/letters/one", "w") as f:
    f.write("text" * 5000)
with open(home + "/letters/one") as f:
    assert f.read() == "text" * 5000
"""
    _, err = home.run(rule, "--", "python3", "-c", script, env={"NAME": name})
    # Each thing that this kernel lacks has its own word; none stops the run.
    assert ("read into this process" in err) != ("reads user:" not in done.stderr.decode()), err
    assert ("OpenSSL computes the same" in err) != kernel_has_gcm(), err
    assert home.plain("letters/one", "kept") == b"text" * 5000
    # The command has a session keyring of its own where a kernel key is in use, and elsewhere what it had.
    for rule, status in ("crypt ~/letters key=kept", 125), ("crypt ~/letters key=work", 0):
        done = subprocess.run([SCRIM, "run", "-r", rule, "--", "true"], env=home.environment, stderr=subprocess.PIPE,
                              timeout=DEADLINE, preexec_fn=without_new_sessions)
        assert done.returncode == status, done
        assert (b"session keyring" in done.stderr) == (status == 125), done
    forget(name, b"user")
    err = refused(home, "-r", "crypt ~/letters key=kept")
    assert f"user:{name}" in err and "recovery key" in err, err


def test_no_data_waits_for_af_alg():
    home = Home()
    usable = kernel_has_gcm()
    done = subprocess.run([SCRIM, "run", "-r", "crypt ~/letters key=work provider=afalg", "--", "sh", "-c",
                           "mkdir -p ~/letters && echo text >~/letters/by-afalg"],
                          env=home.environment, stderr=subprocess.PIPE, timeout=DEADLINE)
    err = done.stderr.decode()
    assert done.returncode == 0, err
    # Where the kernel does not compute OpenSSL does, and why is said, with the rule's place.
    assert usable == (err == ""), err
    if not usable:
        assert "command line" in err and "provider=afalg" in err and "AF_ALG" in err and "OpenSSL computes the same" in err, err
    done = home.run("crypt ~/letters key=work provider=openssl", "--", "cat", home.at("letters/by-afalg"))
    assert "text" in str(done), done
    for provider in "openssl", "sodium":
        home.run(f"crypt ~/letters key=work provider={provider}", "--", "true")


def test_every_rule_and_every_way():
    home = Home()
    home.directory("more")
    home.directory("third")
    # Asked once for a key, however many rules name it.
    rules = ["-r", "crypt ~/letters key=locked", "-r", "crypt ~/more key=locked", "-r", "crypt ~/third"]
    asked = home.at("asked")
    home.scrim("run", *rules, "--key", "locked", "--askpass", f"echo \"$1\" >> {asked}; echo correct horse", "--", "true")
    lines = open(asked).read().splitlines()
    assert len(lines) == 1 and "locked" in lines[0] and home.id_of("locked") in lines[0], lines
    # By file and by descriptor, for all without a name and for one.
    key = home.file("key", secrets.token_hex(32))
    home.run("crypt ~/letters", "--key-file", key, "--", "true")
    home.run("crypt ~/letters key=mine", "--key-file", f"mine={key}", "--", "true")
    home.scrim("run", "-r", "crypt ~/letters key=mine", "-r", "crypt ~/more", "-r", "crypt ~/third key=work",
               "--key-file", f"mine={key}", "--key", "other", "--", "true")
    for name in "", "mine=":
        fd = os.open(key, os.O_RDONLY)
        out, _ = home.run(f"crypt ~/letters{' key=mine' if name else ''}", "--key-fd", f"{name}{fd}", "--",
                          "sh", "-c", "ls /proc/self/fd", pass_fds=[fd])
        os.close(fd)
        assert out.split() == ["0", "1", "2", "3"], out  # 3 is the listing's own
    home.run("crypt ~/letters key=ephemeral", "--", "true")
    # A file whose name looks like a mapping, by a slash.
    odd = home.file("work=key", secrets.token_hex(32))
    home.run("crypt ~/letters", "--key-file", f"./{os.path.basename(odd)}", "--", "true")


def test_wrong_usage():
    home = Home()
    key = home.file("key", secrets.token_hex(32))
    rule = ["-r", "crypt ~/letters key=work"]
    assert "no crypt rule needs it" in refused(home, *rule, "--key-file", key)
    assert "no crypt rule needs it" in refused(home, *rule, "--key-file", f"other={key}")
    assert "no crypt rule needs it" in refused(home, "--hide", "/nowhere", "--key", "work")
    assert "given twice" in refused(home, "-r", "crypt ~/letters", "--key-file", key, "--key", "work")
    assert "cannot be given" in refused(home, "-r", "crypt ~/letters key=ephemeral", "--key-file", f"ephemeral={key}")
    assert "is the command's" in refused(home, *rule, "--key-fd", "work=0")
    assert "not open" in refused(home, *rule, "--key-fd", "work=77")
    assert "not a descriptor" in refused(home, *rule, "--key-fd", "work=x")
    with open(key) as f:
        fd = f.fileno()
        for option in ["--pass-fd", str(fd)], ["--log-fd", str(fd)]:
            assert "something else" in refused(home, *rule, *option, "--key-fd", f"work={fd}", pass_fds=[fd])
    assert "is not a size" in refused(home, *rule, "--memfd-max", "much")
    os.chmod(key, 0o644)
    assert key in refused(home, "-r", "crypt ~/letters", "--key-file", key)
    # Rules that name a file or end with a wildcard.
    home.file("letters/one", "")
    assert "files=only" in refused(home, "-r", "crypt ~/letters/one key=work")
    assert "files=only" in refused(home, "-r", "crypt ~/letters/* key=work")
    out, err = home.scrim("check", "-r", "crypt ~/letters/*.txt key=work files=only")
    assert "temporary and backup files" in err and "good" in out, (out, err)
    assert home.scrim("check", "-r", "crypt ~/letters key=work")[1] == ""
    # A key that is not there; of one that wants a passphrase nobody is asked for it.
    out, err = home.scrim("check", "-r", "crypt ~/letters key=absent")
    assert "there is no key absent" in err and "key=absent" in err and "good" in out, (out, err)
    assert home.scrim("check", "-r", "crypt ~/letters key=locked")[1] == ""


def on_a_terminal(home, *words):
    """scrim run WORDS, with a pseudo-terminal as its controlling one, as a shell would start it."""
    terminal, follower = PseudoTerminal.pair()

    def attach():
        os.setsid()
        fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
    process = subprocess.Popen([SCRIM, "run", *words], stdin=follower, stdout=follower, stderr=follower,
                               preexec_fn=attach, env=home.environment)
    os.close(follower)
    return terminal, process


def test_the_terminal_is_asked():
    home = Home()
    rule = ["-r", "crypt ~/letters key=locked"]
    terminal, process = on_a_terminal(home, *rule, "--", "sh", "-c", "read line; echo got $line")
    terminal.expect(f"passphrase for key locked (id {home.id_of('locked')}): ")
    terminal.wait_quiet()
    terminal.send("nonsense\n")
    terminal.expect("that was wrong")
    terminal.wait_quiet()
    terminal.send("correct horse\n")
    wait_for("the terminal echoes", terminal.echoes)
    terminal.send("typed\n")
    terminal.expect("got typed")
    assert process.wait(DEADLINE) == 0
    os.close(terminal.fd)
    # Ctrl-C is no failure of ours.
    for sent, status in (("\x03", 130), ("\x1c", 131)):
        terminal, process = on_a_terminal(home, *rule, "--", "touch", home.at("started"))
        terminal.expect("passphrase for key locked")
        terminal.wait_quiet()
        terminal.send(sent)
        assert process.wait(DEADLINE) == status, process.returncode
        assert b"scrim:" not in terminal.rest()
    # A signal to the process that was started.
    terminal, process = on_a_terminal(home, *rule, "--", "touch", home.at("started"))
    terminal.expect("passphrase for key locked")
    terminal.wait_quiet()
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 143, process.returncode
    os.close(terminal.fd)
    assert not os.path.exists(home.at("started"))


def test_stopped_at_the_question():
    """Ctrl-Z and fg of a shell with job control."""
    home = Home()
    pid, fd = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {**home.environment, "PS1": "@> ", "TERM": "dumb"})
    terminal = PseudoTerminal(fd)
    terminal.send("stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null\n")
    terminal.until("@> .*@> ")
    terminal.send(f"{SCRIM} run -r 'crypt ~/letters key=locked' -- echo it ran\n")
    terminal.expect("passphrase for key locked")
    terminal.wait_quiet()
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.send("fg\n")
    terminal.expect("passphrase for key locked")
    terminal.wait_quiet()
    terminal.send("correct horse\n")
    terminal.expect("it ran")
    terminal.send("exit\n")
    terminal.rest()
    os.waitpid(pid, 0)


def readable_memory(pid):
    """All that may be read of PID's memory, in pieces; nothing where we may not look."""
    try:
        maps = open(f"/proc/{pid}/maps").read().splitlines()
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except PermissionError:
        return
    with memory:
        for line in maps:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or start >= 1 << 63:
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                pass  # secret memory is not even the kernel's to read


def test_memory():
    """No process of a run has the key where it could be read; all but the supervisor have no secret memory at all."""
    home = Home()
    raw = secrets.token_bytes(32)
    key = home.file("key", raw.hex())
    read, write = os.pipe()
    front = home.start("run", "-r", "crypt ~/letters", "--key-file", key, "--pass-fd", str(write), "--kill-on-exit", "--",
                       "sh", "-c", f"echo >&{write}; sleep 1000 & exec sleep 1000", pass_fds=[write])
    os.close(write)
    run = Processes(front.pid, read)
    pids = run.all()
    assert len(pids) >= 5, pids
    looked_at = {}
    for pid in pids:
        looked_at[pid] = 0
        for piece in readable_memory(pid):
            looked_at[pid] += len(piece)
            assert raw not in piece and raw.hex().encode() not in piece, f"{name_of(pid)} has the key"
    # The command's and the reaper's are there to be looked at; the supervisor's is nobody's but root's.
    assert looked_at[run.command] > 0 and looked_at[run.reaper] > 0, looked_at
    for pid in pids:
        if pid == run.supervisor:
            continue
        try:
            maps = open(f"/proc/{pid}/maps").read()
        except PermissionError:
            assert pid == run.front, name_of(pid)  # not dumpable since it was forked
            continue
        assert "secretmem" not in maps, name_of(pid)
        locked = re.search(r"VmLck:\s+(\d+) kB", open(f"/proc/{pid}/status").read())
        assert int(locked.group(1)) == 0, name_of(pid)
    if os.geteuid() == 0:
        maps = open(f"/proc/{run.supervisor}/maps").read()
        locked = re.search(r"VmLck:\s+(\d+) kB", open(f"/proc/{run.supervisor}/status").read())
        assert "secretmem" in maps or int(locked.group(1)) > 0, "the key is not where it is thought to be"
    # Not dumpable: what is in /proc is root's, and there is no core.
    assert os.stat(f"/proc/{run.supervisor}/mem").st_uid == 0
    limits = open(f"/proc/{run.supervisor}/limits").read() if os.geteuid() == 0 else "Max core file size 0 0 "
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    if os.geteuid() != 0:
        for name in ("mem", "maps", "environ", "auxv"):
            try:
                open(f"/proc/{run.supervisor}/{name}", "rb").read(1)
            except PermissionError:
                continue
            raise AssertionError(f"{name} of the supervisor can be read")
    front.terminate()
    assert front.wait(DEADLINE) == 143


def test_core_limit_is_the_commands_own():
    home = Home()
    out, _ = home.run(None, "--", "sh", "-c", "ulimit -c", preexec_fn=None)
    natively = subprocess.run(["sh", "-c", "ulimit -c"], stdout=subprocess.PIPE, text=True).stdout
    assert out == natively, (out, natively)


LOOK_INSIDE = r"""
import ctypes, os, sys
seen = [int(n) for n in os.listdir('/proc') if n.isdigit()]
mine = {int(n) for n in sys.argv[1].split(',')}
assert not mine & set(seen), 'listed'
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
for pid in mine:
    for name in 'mem', 'maps', 'environ', 'fd', 'root', 'cwd', 'map_files', 'task':
        try:
            os.stat(f'/proc/{pid}/{name}')
        except FileNotFoundError:
            continue
        raise SystemExit(f'/proc/{pid}/{name} is there')
    if ptrace(16, pid, 0, 0) == 0:  # PTRACE_ATTACH
        raise SystemExit(f'{pid} can be traced')
print('good')
"""


def test_nobody_inside_looks_at_the_supervisor():
    home = Home()
    script = home.file("look.py", LOOK_INSIDE)
    read, write = os.pipe()
    go_read, go_write = os.pipe()
    front = home.start("run", "--hide", "/nowhere", "-r", "crypt ~/letters key=work", "--pass-fd", str(write), "--pass-fd", str(go_read), "--",
                       "sh", "-c", f"echo >&{write}; read pids <&{go_read}; exec python3 {script} $pids",
                       pass_fds=[write, go_read], stdout=subprocess.PIPE)
    os.close(write)
    run = Processes(front.pid, read)
    os.write(go_write, f"{run.supervisor},{run.reaper}\n".encode())
    out, _ = front.communicate(timeout=DEADLINE)
    assert out == b"good\n" and front.returncode == 0, (out, front.returncode)
    os.close(go_write)


drivers.main(globals(), sys.argv[2:])
