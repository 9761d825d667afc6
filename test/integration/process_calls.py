# SPDX-License-Identifier: Apache-2.0
"""Signals, /proc/self, sockets, threads and processes inside a view against the same outside.

process_calls.py [--user] SCRIM signals proc sockets dumpable threads   (the programs process_*)

Each program prints what its calls gave. The run inside has, besides, the files that the rules are about.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess

from escape_support import WITHOUT_CALLS, check, equal, main, run_parts, write

RULES = ["hide **/hidden-*", "deny **/denied-*", "mask **/masked-*"]


def fresh(esc, name):
    """An empty directory, at the same place for both runs."""
    path = os.path.join(esc.places[0].path, name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    return path


def populate(path, inside):
    write(os.path.join(path, "masked-file"), "" if not inside else "a secret\n")
    if inside:
        write(os.path.join(path, "hidden-file"), "a secret\n")


def compare(esc, program, args, mediated, prepare=lambda path, inside: None, translate=lambda text: text, name=None):
    """PROGRAM ARGS, with DIR for a fresh directory, both ways. Returns its standard error inside."""
    results = []
    for inside in (False, True):
        path = fresh(esc, "work")
        populate(path, inside)
        prepare(path, inside)
        argv = [esc.tool(program)] + [path if a == "DIR" else a for a in args]
        result = esc.view(RULES, argv, mediated) if inside else esc.native(argv)
        results.append(result)
    what = name or f"{program} {' '.join(args)}"
    native, inside = (r.stdout.splitlines() for r in results)
    check(len(native) > 0, f"{what}: says nothing")
    native = [translate(line) for line in native]
    for i in range(max(len(native), len(inside))):
        one = native[i] if i < len(native) else None
        other = inside[i] if i < len(inside) else None
        if not equal(other, one, f"{what}: line {i + 1}"):
            break
    return results[1].stderr


def signals(esc):
    compare(esc, "process_signals", ["block", "DIR"], {"openat": 8, "connect": 5, "bind": 1, "mknodat": 1})
    equal(esc.stats["steer"]["killed"], 0, "killed by steering")
    for how in ("restart", "plain"):
        rounds = 400
        each = {"mkdir": 2, "rmdir": 2, "rename": 2, "link": 1, "unlink": 4, "symlink": 1, "mknodat": 1,
                "newfstatat": 1, "chdir": 2}
        said = compare(esc, "process_signals", ["storm", "DIR", str(rounds), how],
                       {name: rounds * count for name, count in each.items()} | {"openat": rounds * 2})
        print("  ", said.strip())
        check(esc.stats["steer"]["signals_held"] > 0, "signals came during steers")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def proc(esc):
    compare(esc, "process_proc", ["self", "DIR"], {"openat": 1700, "newfstatat": 500, "readlinkat": 400, "chdir": 400})
    compare(esc, "process_proc", ["links", "DIR"], {"readlink": 20, "getcwd": 1})
    # Inside, the pids are read from standard input: they are known only when it runs.
    stats = os.path.join(esc.base, "stats-absent")
    command = [esc.scrim, "run", "--stats", stats, "-r", RULES[0], "--", "sh", "-c", 'echo; read x; exec "$0" absent $x',
               esc.tool("process_proc")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        supervisor = children(p.pid)[0]
        reaper = children(supervisor)[0]
        pids = {p.pid, supervisor, reaper} | {int(x) for x in os.listdir(f"/proc/{supervisor}/task")}
        check(len(pids) >= 5, f"front, supervisor, its threads and reaper: {pids}")
        try:
            out = p.communicate(" ".join(map(str, sorted(pids))) + "\n", timeout=60)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            out = "no end"
        equal(p.returncode, 0, f"processes of scrim are absent: {out[-1500:]}")


def sockets(esc):
    servers = []

    def prepare(path, inside):
        if not inside:
            return
        for name, kind in (("hidden-socket", socket.SOCK_STREAM), ("hidden-datagram", socket.SOCK_DGRAM),
                           ("denied-socket", socket.SOCK_STREAM), ("denied-datagram", socket.SOCK_DGRAM)):
            server = socket.socket(socket.AF_UNIX, kind)
            server.bind(os.path.join(path, name))
            if kind == socket.SOCK_STREAM:
                server.listen()
            servers.append(server)

    compare(esc, "process_sockets", ["DIR"], {"connect": 20, "bind": 12, "sendto": 6, "sendmsg": 6, "sendmmsg": 2}, prepare,
            lambda line: line.replace("ENOENT", "EACCES") if "denied" in line else line)
    # What a text leads to may change between the look and the bind, but not to where nothing may be made.
    path = fresh(esc, "race")
    os.mkdir(path + "/readonly-tree")
    result = esc.view(["readonly **/readonly-*"], [esc.tool("process_sockets"), "race", path], {"bind": 4000})
    equal(result.stdout, "both happened: 1\nin the readonly tree: ENOENT\n", f"binds in a race: {result.stderr}")
    equal(os.listdir(path + "/readonly-tree"), [], "nothing was made")
    print("   race:", result.stderr.strip())
    # A server outside, that answers datagrams to where they came from, as a log daemon or a control socket does.
    path = fresh(esc, "outside")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    server.bind(path + "/log")
    server.settimeout(20)
    script = ("import logging.handlers, os, socket, sys\n"
              "d = sys.argv[1]\n"
              "h = logging.handlers.SysLogHandler(d + '/log')\n"
              "h.emit(logging.makeLogRecord({'msg': 'logged', 'levelno': 20, 'levelname': 'INFO'}))\n"
              "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
              "s.bind(d + '/client')\n"
              "assert s.getsockname() == d + '/client', s.getsockname()\n"
              "s.sendto(b'question', d + '/log')\n"
              "s.settimeout(10)\n"
              "print(os.getpid(), s.recv(100).decode())\n")
    with subprocess.Popen([esc.scrim, "run", "-r", RULES[0], "--", "python3", "-c", script, path],
                          stdout=subprocess.PIPE, text=True) as p:
        data, _, _, _ = server.recvmsg(1000)
        check(b"logged" in data, f"syslog: {data}")
        data, control, _, origin = server.recvmsg(1000, 1000)
        equal(origin, path + "/client", "who asked")
        server.sendto(b"answer", origin)
        out, _ = p.communicate(timeout=30)
        words = out.split()
        equal(words[1:], ["answer"], "the answer came")
        sender = [int.from_bytes(d[:4], "little") for _, kind, d in control if kind == socket.SCM_CREDENTIALS]
        equal(sender, [int(words[0])], "SCM_CREDENTIALS outside")
    for server in servers:
        server.close()
    compare_python(esc, MANAGER, {"connect": 3, "bind": 2})
    # Families whose address says who binds: netlink's is the process's number.
    native = compare_python(esc, FAMILIES, {"bind": 4})
    check("netlink True" in native and "'lo'" in native, f"families natively: {native}")


MANAGER = """
import multiprocessing, os, socket, socketserver, sys, threading
def square(n):
    return n * n
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
def work(d, n):
    d[n] = os.getppid() > 0
if __name__ == '__main__':
    os.chdir(sys.argv[1])
    with multiprocessing.Manager() as manager:
        d = manager.dict()
        workers = [multiprocessing.Process(target=work, args=(d, n)) for n in range(4)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        print(sorted(d.items()))
    with multiprocessing.get_context('forkserver').Pool(2) as pool:
        print(pool.map(square, range(10)))
    with Server('served', Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for n in range(20):
            s = socket.socket(socket.AF_UNIX)
            s.connect(os.path.abspath('served') if n % 2 else './served')
            s.sendall(b'line\\n')
            assert s.recv(100) == b'LINE\\n'
            s.close()
        print(server.server_address, server.socket.getsockname())
        server.shutdown()
"""


FAMILIES = """
import os, socket
print(sorted(name for _, name in socket.if_nameindex()))
def attempt(what, family, kind, protocol, address):
    try:
        with socket.socket(family, kind, protocol) as s:
            s.bind(address)
            name = s.getsockname()
            print(what, name[0] == os.getpid() if family == socket.AF_NETLINK else name)
            with socket.socket(family, kind, protocol) as other:
                other.bind(address)
                print('twice', other.getsockname() != name)
    except OSError as e:
        print(what, e.errno)
attempt('netlink', socket.AF_NETLINK, socket.SOCK_RAW, 0, (0, 0))
attempt('netlink', socket.AF_NETLINK, socket.SOCK_RAW, 0, (os.getpid(), 1))
attempt('netlink', socket.AF_NETLINK, socket.SOCK_DGRAM, 15, (0, 0))
attempt('packet', socket.AF_PACKET, socket.SOCK_RAW, 0, ('lo', 0))
"""


def compare_python(esc, text, mediated):
    """Returns what it says natively."""
    outs = []
    for inside in (False, True):
        path = fresh(esc, "work")
        script = write(os.path.join(esc.base, "home", "script.py"), text)
        argv = ["python3", script, path]
        outs.append((esc.view(RULES, argv, mediated) if inside else esc.native(argv)).stdout)
    check(len(outs[0]) > 0, "says nothing")
    equal(outs[1], outs[0], "python")
    return outs[0]


def dumpable(esc):
    # Who may read any process need not remember anything: there the calls are the kernel's own.
    compare(esc, "process_dumpable", [], {"prctl": 20 if esc.uid else 0, "execve": 5})


def threads(esc):
    one = "process_threads"
    # Its threads have directories of their own, where a filter around us does not forbid that.
    if "unshare" not in WITHOUT_CALLS:
        compare(esc, one, ["crowd", "DIR"], {"mkdir": 900, "chdir": 1800, "openat": 900, "newfstatat": 900, "execve": 30})
    compare(esc, one, ["storm", "DIR", "500"], {"openat": 500, "newfstatat": 500, "unlink": 500, "execve": 100})
    compare(esc, one, ["umask", "DIR"], {"mkdir": 8, "openat": 24, "symlink": 8})
    compare(esc, one, ["limit", "DIR"], {"openat": 12, "chdir": 6, "execve": 3})
    compare(esc, one, ["terminal", "DIR"], {"openat": 8, "readlink": 1})
    given(esc)
    if shutil.which("script"):
        command = ["script", "-qc", "tty >/dev/null && test -t 0 && echo on a terminal >/dev/tty; exit 5", "/dev/null"]
        native = esc.native(command, expect=None)
        inside = esc.view(RULES, command, {"execve": 3}, expect=None)
        equal((inside.returncode, inside.stdout), (native.returncode, native.stdout), "script")


def given(esc):
    """What a program finds when it starts: descriptors, signals, limits."""
    tool = esc.tool("process_threads")
    path = fresh(esc, "work")
    extra = os.open("/etc/passwd", os.O_RDONLY)
    high = fcntl.fcntl(extra, fcntl.F_DUPFD, 9)
    os.close(extra)
    shells = {
        "as it is": "", "no input": "exec <&-;", "no error": "exec 2>&-;", "neither": "exec <&- 2>&-;",
        "SIGPIPE ignored": "trap '' PIPE HUP;", "limits": "ulimit -n 77; ulimit -c 0; umask 027;",
        "input for writing": "exec 0>>/dev/null;",
    }

    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD, signal.SIGTERM})

    for name, text in shells.items():
        for passed in ((), (high,)):
            outs = []
            for prefix in ([], [esc.scrim, "run"] + [w for fd in passed for w in ("--pass-fd", str(fd))] +
                           ["-r", RULES[0], "--"]):
                command = ["sh", "-c", text + 'exec "$@"', "sh"] + prefix + [tool, "given", path]
                # What is not asked for is closed inside, so outside it is not handed on.
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True, timeout=30, preexec_fn=block, pass_fds=(high,) if prefix else passed)
                outs.append(done.stdout)
            check("descriptors:" in outs[0], f"given, {name}: {outs[0]!r}")
            equal(outs[1], outs[0], f"given, {name}, {len(passed)} passed")
    os.close(high)


PARTS = {"signals": signals, "proc": proc, "sockets": sockets, "dumpable": dumpable, "threads": threads}


main(lambda esc: run_parts(esc, PARTS))
