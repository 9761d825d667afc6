# SPDX-License-Identifier: Apache-2.0
"""Clients of sockets that others serve: agents, a bus, a log. They work when the socket is shown; when it is hidden they
say what they say where there is none. Servers inside and clients outside, too.

clients.py [--user] [--only PART] SCRIM
"""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import escape_support
from escape_support import check, equal, main, run_parts, write

# OpenSSH asks who its user is.
escape_support.ORDINARY = pwd.getpwnam("nobody").pw_uid
# Rules that concern nothing here; with them messages are mediated, too.
ELSEWHERE = ["hide **/hidden-elsewhere", "mask **/masked-elsewhere"]
LIMIT = 20


def wait_for(what, condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            check(False, f"waited in vain for {what}")
            return False
        time.sleep(0.02)
    return True


class Server:
    """A process that serves until it is ended."""

    def __init__(self, argv, ready, **options):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, **options)
        wait_for(" ".join(argv), ready)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            check(False, f"does not end: {self.process.args}")


def inside(esc, argv, rules=()):
    return [esc.scrim, "run"] + [word for rule in [*ELSEWHERE, *rules] for word in ("-r", rule)] + ["--"] + argv


def shown_and_hidden(esc, what, command, path, mediated, expect=0):
    """COMMAND(PATH) is the argv of a client of the socket PATH, which is served. Returns what it prints."""
    absent = os.path.join(os.path.dirname(path), "x" * len(os.path.basename(path)))
    native = esc.native(command(path), expect=expect)
    result = esc.view(ELSEWHERE, command(path), mediated, expect=expect)
    equal((result.stdout, result.stderr), (native.stdout, native.stderr), f"{what}, shown")
    without = esc.native(command(absent), expect=None)
    check(without.returncode != 0 and without.stderr, f"{what}, absent: {without}")
    check((without.stdout, without.stderr) != (native.stdout, native.stderr), f"{what}: absent and present are the same")
    wanted = (without.returncode, without.stdout.replace(absent, path), without.stderr.replace(absent, path))
    once = {call: 1 for call in mediated}
    result = esc.view([*ELSEWHERE, f"hide {path}"], command(path), once, expect=None)
    equal((result.returncode, result.stdout, result.stderr), wanted, f"{what}, hidden")
    folder = os.path.dirname(path)
    result = esc.view([*ELSEWHERE, f"hide {folder}"], command(path), once, expect=None)
    equal((result.returncode, result.stdout, result.stderr), wanted, f"{what}, its directory hidden")
    result = esc.view([*ELSEWHERE, f"hide {folder}"], ["ls", "-a", os.path.dirname(folder)])
    check(os.path.basename(folder) not in result.stdout.split(), f"{what}: no trace of the directory")
    return native.stdout


def fresh(esc, name):
    path = os.path.join(esc.places[0].path, name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    return path


def ssh(esc):
    home = fresh(esc, "ssh")
    key, sock = home + "/key", home + "/agent"
    esc.native(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", key])

    def client(*words):
        return lambda path: ["env", f"SSH_AUTH_SOCK={path}", *words]

    agent = Server(["ssh-agent", "-D", "-a", sock], lambda: os.path.exists(sock))
    esc.native(client("ssh-add", "-q", key)(sock))
    listed = shown_and_hidden(esc, "ssh-add -l", client("ssh-add", "-l"), sock, {"connect": 1})
    check("a comment" in listed and "ED25519" in listed, f"the key is listed: {listed}")
    shown_and_hidden(esc, "ssh-add -L", client("ssh-add", "-L"), sock, {"connect": 1})
    # The agent signs for a client inside.
    data = write(home + "/data", "to be signed")
    sign = ["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", key + ".pub", data]
    shutil.move(key, home + "/elsewhere")
    esc.view([*ELSEWHERE, f"hide {home}/elsewhere"], client(*sign)(sock), {"connect": 1})
    check(os.path.exists(data + ".sig"), "signed by the agent")
    shutil.move(home + "/elsewhere", key)
    agent.end()
    # The agent inside, which makes itself not dumpable; then clients inside and outside.
    script = ['ssh-agent', 'sh', '-c', f'ssh-add -q "{key}" && ssh-add -l && ssh-add -D 2>&1 && ssh-add -l']
    native = esc.native(script, expect=1)
    result = esc.view(ELSEWHERE, script, {"connect": 4, "bind": 1}, expect=1)
    equal(result.stdout, native.stdout, "an agent of its own")
    agent = Server(inside(esc, ["ssh-agent", "-D", "-a", sock]), lambda: os.path.exists(sock))
    esc.native(client("ssh-add", "-q", key)(sock))
    equal(esc.native(client("ssh-add", "-l")(sock)).stdout, listed, "an agent inside, a client outside")
    agent.end()


def gpg(esc):
    home = fresh(esc, "gpg")
    socks = esc.native(["gpgconf", "--homedir", home, "--list-dirs", "agent-socket"]).stdout.strip()
    os.makedirs(os.path.dirname(socks), mode=0o700, exist_ok=True)
    daemon = ["gpg-agent", "--homedir", home, "--daemon", "--quiet"]

    def client(*words):
        return lambda path: ["gpg-connect-agent", "-S", path, *words, "/bye"]

    esc.native(daemon)
    wait_for("gpg-agent", lambda: os.path.exists(socks))
    said = shown_and_hidden(esc, "gpg-connect-agent", client("getinfo version", "getinfo pid"), socks, {"connect": 1})
    check(re.search(r"^D [0-9.]+\nOK\nD [0-9]+\nOK", said), f"version and pid: {said}")
    result = esc.view(ELSEWHERE, client("killagent")(socks), {"connect": 1})
    check("OK closing connection" in result.stdout, f"ended from inside: {result.stdout}")
    wait_for("the end of gpg-agent", lambda: not os.path.exists(socks))
    # Started inside, by the client that misses it.
    script = ["sh", "-c", f"gpg-connect-agent --homedir '{home}' 'getinfo version' 'getinfo socket_name' /bye; "
              f"gpg-connect-agent --homedir '{home}' killagent /bye"]
    native = esc.native(script)
    result = esc.view(ELSEWHERE, script, {"connect": 2, "bind": 1})
    equal(result.stdout, native.stdout, "an agent of its own")
    check(socks in native.stdout, f"where it is: {native.stdout}")


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
THE_BUS = "org.freedesktop.DBus"


def send(address, method, *words):
    return ["dbus-send", f"--bus={address}", "--print-reply=literal", f"--dest={THE_BUS}", "/org/freedesktop/DBus",
            f"{THE_BUS}.{method}", *words]


def names(esc, address):
    return re.findall(r":1\.\d+", esc.native(send(address, "ListNames")).stdout)


def bus(esc):
    home = fresh(esc, "bus")
    sock = home + "/socket"
    address = "unix:path=" + sock
    config = write(home + "/conf", BUS % ("path=" + sock))
    serve = ["dbus-daemon", "--config-file=" + config, "--nofork"]
    server = Server(serve, lambda: os.path.exists(sock))

    def clients():
        said = shown_and_hidden(esc, "dbus-send", lambda path: send("unix:path=" + path, "NameHasOwner", "string:" + THE_BUS), sock,
                                {"connect": 1})
        check("true" in said, f"dbus-send: {said}")
        said = shown_and_hidden(esc, "gdbus", lambda path: ["gdbus", "call", "--address", "unix:path=" + path, "--dest", THE_BUS,
                                                            "--object-path", "/org/freedesktop/DBus", "--method",
                                                            THE_BUS + ".GetNameOwner", THE_BUS], sock, {"connect": 1})
        equal(said, f"('{THE_BUS}',)\n", "gdbus")

    clients()
    # Who stays is known to the bus by its own pid and uid.
    before = set(names(esc, address))
    script = f"echo $$ > {home}/pid; exec gdbus monitor --address {address} --dest {THE_BUS}"
    stays = Server(inside(esc, ["sh", "-c", script]), lambda: any(pid_of(esc, address, n) for n in set(names(esc, address)) - before))
    found = [n for n in set(names(esc, address)) if pid_of(esc, address, n) == int(open(home + "/pid").read())]
    equal(len(found), 1, "the pid of the client inside")
    uid = esc.native(send(address, "GetConnectionUnixUser", "string:" + (found or ["none"])[0])).stdout
    check(uid.split()[-1:] == [str(esc.uid)], f"its uid: {uid}")
    stays.end()
    server.end()
    # All of it inside; then the bus inside, its clients elsewhere.
    script = ["dbus-run-session", f"--config-file={config}", "--", "sh", "-c",
              f"dbus-send --session --print-reply=literal --dest={THE_BUS} /org/freedesktop/DBus {THE_BUS}.GetNameOwner string:{THE_BUS}"]
    native = esc.native(script)
    result = esc.view(ELSEWHERE, script, {"connect": 1, "bind": 1, "execve": 3})
    equal(result.stdout, native.stdout, "a bus of its own")
    server = Server(inside(esc, serve), lambda: os.path.exists(sock))
    clients()
    server.end()
    # No rule speaks of abstract names.
    name = f"scrim-test-{os.getpid()}"
    config = write(home + "/conf", BUS % ("abstract=" + name))
    known = re.compile(rf"@{name}\n")
    server = Server(serve, lambda: known.search(open("/proc/net/unix").read()))
    result = esc.view([*ELSEWHERE, f"hide {home}", "hide **/scrim-test-*"],
                      send(f"unix:abstract={name}", "NameHasOwner", "string:" + THE_BUS), {"connect": 1})
    check("true" in result.stdout, f"an abstract name: {result.stdout}")
    server.end()


def pid_of(esc, address, name):
    result = esc.native(send(address, "GetConnectionUnixProcessID", "string:" + name), expect=None)
    return int(result.stdout.split()[-1]) if result.returncode == 0 else 0


def log(esc):
    home = fresh(esc, "log")
    sock = home + "/log"
    for kind, option in ((socket.SOCK_DGRAM, "--udp"), (socket.SOCK_STREAM, "--tcp")):
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(sock)
        if kind == socket.SOCK_STREAM:
            server.listen(16)
        server.settimeout(LIMIT)

        def client(path):
            return ["logger", "--socket-errors=on", option, "-t", "tag", "-u", path, "a message"]

        shown_and_hidden(esc, f"logger {option}", client, sock, {"connect": 1})
        for _ in range(2):
            source = server.accept()[0] if kind == socket.SOCK_STREAM else server
            said = source.recv(1000)
            check(re.match(rb"<13>.* tag: a message", said), f"logged: {said}")
        server.settimeout(0.05)
        try:
            check(False, f"a hidden log got {server.accept() if kind == socket.SOCK_STREAM else server.recv(100)}")
        except TimeoutError:
            pass
        server.close()
        os.unlink(sock)


TALK = """
import asyncio, os, sys
path, role = sys.argv[1:]
async def answer(reader, writer):
    line = await reader.readline()
    writer.write(line.upper() + writer.get_extra_info('sockname').encode() + b'\\n')
    await writer.drain()
    writer.close()
async def serve():
    server = await asyncio.start_unix_server(answer, path)
    print(server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()
async def ask():
    for n in range(3):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'question %d\\n' % n)
        print((await reader.read()).decode(), writer.get_extra_info('peername'))
        writer.close()
async def both():
    task = asyncio.create_task(serve())
    await asyncio.sleep(0.2)
    await ask()
    task.cancel()
try:
    asyncio.run({'serve': serve, 'ask': ask, 'both': both}[role]())
except OSError as error:
    sys.exit(f'{type(error).__name__}: {error.strerror}')
"""


def talk(esc):
    home = fresh(esc, "talk")
    sock = home + "/.s.PGSQL.5432"
    script = write(os.path.join(esc.base, "home", "talk.py"), TALK)
    ask = lambda path: [esc.python, script, path, "ask"]
    serve = [esc.python, script, sock, "serve"]
    for prefix in ([], inside(esc, [])):
        # What an earlier server left is removed by the next one.
        server = Server(prefix + serve, lambda: subprocess.run(ask(sock), capture_output=True).returncode == 0)
        said = shown_and_hidden(esc, "asyncio", ask, sock, {"connect": 3})
        check("QUESTION 2" in said and sock in said, f"asyncio: {said}")
        server.end()
    native = esc.native([esc.python, script, sock, "both"])
    result = esc.view(ELSEWHERE, [esc.python, script, sock, "both"], {"connect": 3, "bind": 1})
    equal(result.stdout, native.stdout, "asyncio, both inside")


ACTIVATED = """
import os, socket, sys
assert os.environ['LISTEN_FDS'] == '1' and int(os.environ['LISTEN_PID']) == os.getpid(), os.environ
server = socket.socket(fileno=3)
print('serving', server.getsockname(), flush=True)
for _ in range(2):
    client = server.accept()[0]
    client.sendall(b'activated by ' + client.recv(100))
    client.close()
"""


def activation(esc):
    home = fresh(esc, "activation")
    sock = home + "/socket"
    script = write(os.path.join(esc.base, "home", "activated.py"), ACTIVATED)
    start = f'LISTEN_FDS=1 LISTEN_PID=$$ exec "{esc.python}" "{script}"'

    def ask(text):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(LIMIT)
        client.connect(sock)
        client.sendall(text)
        equal(client.recv(100), b"activated by " + text, "the activated server")

    # The socket was made outside, where its name is: hidden inside, it serves all the same.
    for rules in ([], [f"hide {home}"]):
        server = socket.socket(socket.AF_UNIX)
        server.bind(sock)
        server.listen(4)
        command = [esc.scrim, "run", "--pass-fd", "3"] + [w for r in [*ELSEWHERE, *rules] for w in ("-r", r)] + ["--"]
        process = subprocess.Popen(["sh", "-c", f'exec 3<&{server.fileno()}; exec "$@"', "sh"] + command + ["sh", "-c", start],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=[server.fileno()], text=True)
        server.close()
        ask(b"one")
        ask(b"two")
        equal(process.communicate(timeout=LIMIT)[0], f"serving {sock}\n", "activation")
        equal(process.returncode, 0, "activation")
        os.unlink(sock)
    # Made inside, by one that waits for the first client.
    waiter = write(os.path.join(esc.base, "home", "activate.py"),
                   "import os, select, socket, sys\n"
                   f"s = socket.socket(socket.AF_UNIX)\ns.bind('{sock}')\ns.listen(4)\n"
                   "select.select([s], [], [])\nos.dup2(s.fileno(), 3)\nos.set_inheritable(3, True)\n"
                   f"os.execv('/bin/sh', ['sh', '-c', {start!r}])\n")
    process = subprocess.Popen(inside(esc, [esc.python, waiter]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    wait_for("the socket", lambda: os.path.exists(sock) and f" {sock}\n" in open("/proc/net/unix").read())
    time.sleep(0.1)
    ask(b"one")
    ask(b"two")
    equal(process.communicate(timeout=LIMIT)[0], f"serving {sock}\n", "activation inside")


REFUSED = """
import array, os, socket, sys
d = sys.argv[1]
def attempt(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, error.strerror)
stream, datagram = (lambda: socket.socket(socket.AF_UNIX)), (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt('connect', lambda: stream().connect(d + '/stream'))
attempt('sendto', lambda: datagram().sendto(b'x', d + '/datagram'))
attempt('sendmsg', lambda: datagram().sendmsg([b'x'], [], 0, d + '/datagram'))
attempt('too big', lambda: datagram().sendto(b'x' * 1000000, d + '/datagram'))
attempt('nowhere', lambda: datagram().sendto(b'x', d + '/nothing'))
attempt('bind', lambda: stream().bind(d + '/stream'))
"""


def refused(esc):
    """What a rule refuses is in the log, once a call, also where the kernel was asked."""
    home = fresh(esc, "refused")
    for name, kind in (("stream", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM)):
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(os.path.join(home, name))
    script = write(os.path.join(esc.base, "home", "refused.py"), REFUSED)
    for verb, text in (("hide", "No such file or directory"), ("deny", "Permission denied")):
        path = os.path.join(esc.base, f"log-{verb}")
        result = esc.native([esc.scrim, "run", "--log", path, "-r", f"{verb} {home}/stream", "-r", f"{verb} {home}/datagram", "--",
                             esc.python, script, home])
        equal(result.stdout, f"connect {text}\nsendto {text}\nsendmsg {text}\ntoo big Message too long\n"
              "nowhere No such file or directory\nbind Permission denied\n", verb)
        with open(path) as file:
            lines = [json.loads(line) for line in file]
        said = [line["syscall"] for line in lines if str(line.get("path", "")).startswith(home)]
        equal(said, ["connect", "sendto", "sendmsg", "sendto", "bind"], f"the log of {verb}: {lines}")


PARTS = {"ssh": ssh, "gpg": gpg, "bus": bus, "log": log, "talk": talk, "activation": activation, "refused": refused}


main(lambda esc: run_parts(esc, PARTS))
