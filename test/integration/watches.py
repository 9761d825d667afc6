# SPDX-License-Identifier: Apache-2.0
"""What real watchers are told inside against outside, event for event, while names are hidden and somebody outside touches them.

Usage: watches.py [--user] SCRIM
       watches.py --corners DIRECTORY
       watches.py --stage WATCHER DIRECTORY SEED   (run natively and inside: starts WATCHER, does things, says what it was told)
"""
import ctypes
import difflib
import fcntl
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

from drivers import expect, main

ORDINARY = 54321
STEPS = 120
PATIENCE = int(os.environ.get("SCRIM_SLOW", "1"))
NODE = """
const fs = require('fs'), path = require('path'), top = process.argv[1], seen = {};
for (const dir of [top, path.join(top, 'sub')]) {
  const name = path.relative(top, dir) || '.';
  fs.watch(dir, (type, file) => console.log(name, type, file));
}
console.error('ready');
"""
WATCHERS = {
    "inotifywait": lambda top: (["inotifywait", "-m", "-r", "--format", "%w %f %e", top], b"Watches established"),
    "node": lambda top: (["node", "-e", NODE, top], b"ready"),
}


# --- inside or outside ---

def do_things(top, seed, found):
    """A random sequence of operations that depends on SEED alone; FOUND waits until a watcher has found a new directory."""
    rng = random.Random(seed)
    pick = lambda: os.path.join(top, rng.choice(["", "", "sub"]), rng.choice("abcdef"))  # noqa: E731

    def write(path, other):
        with open(path, "ab", buffering=0) as file:
            for _ in range(rng.randrange(3)):
                file.write(b"x" * rng.randrange(1, 9))

    def read(path, other):
        with open(path, "rb", buffering=0) as file:
            file.read(10)

    def touch(path, other):
        os.utime(path, (1, 1))

    def mode(path, other):
        os.chmod(path, 0o600 + rng.randrange(8))

    def cut(path, other):
        os.truncate(path, rng.randrange(3))

    def remove(path, other):
        os.unlink(path)

    def rename(path, other):
        os.rename(path, other)

    def link(path, other):
        os.link(path, other)

    def symlink(path, other):
        os.symlink("a", path)

    def directory(path, other):
        os.mkdir(path + ".d")
        found()
        write(path + ".d/in", None)
        os.rename(path + ".d", path + ".e")
        write(path + ".e/in", None)
        os.unlink(path + ".e/in")
        os.rmdir(path + ".e")

    calls = [write, write, write, read, touch, mode, cut, remove, rename, rename, link, symlink, directory]
    for _ in range(STEPS):
        call, path, other = rng.choice(calls), pick(), pick()
        try:
            call(path, other)
        except OSError:
            pass
        time.sleep(0.002)


def stage(watcher, top, seed):
    command, ready = WATCHERS[watcher](top)
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.PIPE)
        while ready not in process.stderr.readline():
            if process.poll() is not None:
                sys.exit(f"{watcher} did not start")
        time.sleep(0.3)

        def found(count=[0]):
            """It has listed it, which is told as well, and then watches it."""
            count[0] += 1
            deadline = time.monotonic() + 10 * PATIENCE
            while (watcher == "inotifywait" and time.monotonic() < deadline and
                   os.pread(told.fileno(), 1 << 24, 0).count(b"CLOSE_NOWRITE,CLOSE,ISDIR") < count[0]):
                time.sleep(0.01)
            time.sleep(0.1)

        do_things(top, seed, found)
        with open(os.path.join(top, "end"), "w"):
            pass
        deadline = time.monotonic() + 30 * PATIENCE
        while b"end" not in (text := os.pread(told.fileno(), 1 << 24, 0)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        time.sleep(0.2)
        text = os.pread(told.fileno(), 1 << 24, 0)
        process.send_signal(signal.SIGTERM)
        process.wait()
    sys.stdout.write(text.decode().replace(top, "TOP"))


LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    got = getattr(LIBC, name)(*args)
    return got if got >= 0 else -ctypes.get_errno()


def read_events(queue, wait=0):
    """All there are, and come within WAIT seconds of the last, in order and without the numbers of cookies."""
    events = []
    while True:
        try:
            left = os.read(queue, 65536)
        except BlockingIOError:
            if not wait or not select.select([queue], [], [], wait)[0]:
                return events
            continue
        while left:
            wd, mask, cookie, length = struct.unpack("iIII", left[:16])
            events.append((wd, hex(mask), bool(cookie), left[16:16 + length].rstrip(b"\0").decode()))
            left = left[16 + length:]


def corners(top):
    """What a program can see of a queue besides its events, and what the rarer calls do."""
    queue = call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
    say = print
    path = lambda name: os.path.join(top, name).encode()  # noqa: E731

    def events():
        time.sleep(0.3 * PATIENCE)
        say(read_events(queue))

    say("flags", oct(fcntl.fcntl(queue, fcntl.F_GETFL)), fcntl.fcntl(queue, fcntl.F_GETFD), call("inotify_init1", 1))
    say("link", os.readlink(f"/proc/self/fd/{queue}"))
    say("watch", call("inotify_add_watch", queue, path(""), 0xfff))
    say("errors", [call("inotify_add_watch", queue, path(""), mask) for mask in (0, 0x10000002, 0x30000002)],
        call("inotify_add_watch", queue, path("absent"), 2), call("inotify_add_watch", 0, path(""), 2),
        call("inotify_add_watch", 99, path(""), 2), call("inotify_rm_watch", queue, 77), call("inotify_rm_watch", 0, 1),
        call("inotify_rm_watch", 99, 1))
    open(path("a"), "w").close()
    os.rename(path("a"), path("b"))
    events()
    # Done when a call returns, for the calls that are the supervisor's: nothing has to be waited for.
    os.mkdir(path("s"))
    say("at once", read_events(queue))
    say("second", call("inotify_add_watch", queue, path("s"), 0xfff))
    os.rename(path("s"), path("t"))
    open(path("t/x"), "w").close()
    events()
    say("removed", call("inotify_rm_watch", queue, 2), call("inotify_rm_watch", queue, 2), read_events(queue))
    say("once", call("inotify_add_watch", queue, path("b"), 0x80000002))
    with open(path("b"), "wb", buffering=0) as file:
        file.write(b"1")
        time.sleep(0.1 * PATIENCE)
        file.write(b"2")
    events()
    say("more", call("inotify_add_watch", queue, path(""), 0x100), call("inotify_add_watch", queue, path(""), 0x20000200))
    os.rename(path("b"), path("c"))
    open(path("d"), "w").close()
    os.unlink(path("d"))
    events()
    # What is the same is one event, as long as nobody has read it.
    say("all", call("inotify_add_watch", queue, path(""), 0xfff))
    with open(path("c"), "ab", buffering=0) as file:
        for _ in range(100):
            file.write(b"x")
        time.sleep(0.2 * PATIENCE)
        poll = select.epoll()
        poll.register(queue, select.EPOLLIN | select.EPOLLET)
        ready = struct.unpack("i", fcntl.ioctl(queue, termios.FIONREAD, bytes(4)))[0]
        say("ready", poll.poll(1) == [(queue, select.EPOLLIN)], select.select([queue], [], [], 0)[0] == [queue], ready)
        say("read", read_events(queue), select.select([queue], [], [], 0)[0])
    events()
    os.rmdir(path("e")) if os.path.exists(path("e")) else None
    os.mkdir(path("e"))
    say("third", call("inotify_add_watch", queue, path("e"), 0xfff))
    os.rmdir(path("e"))
    events()
    overflow(queue, path)
    child(top)


def overflow(queue, path):
    """More than the kernel queues: told last, once, and no memory is taken for it."""
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        most = int(file.read())
    with open(path("c"), "ab", buffering=0) as one, open(path("g"), "ab", buffering=0) as two:
        time.sleep(0.3 * PATIENCE)
        read_events(queue, 0.3)
        for _ in range(most // 2 + 1000):
            one.write(b"1")
            two.write(b"2")
    time.sleep(0.5 * PATIENCE)
    got = read_events(queue, 0.5 * PATIENCE)
    lost = [at for at, event in enumerate(got) if event[1] == "0x4000"]
    print("overflow", most <= len(got) <= most + 400, len(lost), lost[-1:] == [len(got) - 1])


def child(top):
    """A queue that a child inherits, and that a thread waits for."""
    queue = call("inotify_init")
    call("inotify_add_watch", queue, top.encode(), 0x100)
    pid = os.fork()
    if pid == 0:
        open(os.path.join(top, "born"), "w").close()
        os._exit(0)
    print("waited", os.read(queue, 4096)[16:].rstrip(b"\0"), os.waitpid(pid, 0)[1])


# --- the test ---

def become(user):
    if user and os.getuid() == 0:
        os.setgroups([])
        os.setgid(ORDINARY)
        os.setuid(ORDINARY)


def script(base):
    """A copy of this that an ordinary user may read."""
    for name, text in TEXTS.items():
        with open(os.path.join(base, name), "w") as file:
            file.write(text)
    return os.path.join(base, "watches.py")


def make(base, name):
    top = os.path.join(base, name)
    os.makedirs(os.path.join(top, "sub"))
    os.makedirs(os.path.join(top, "secret.d"))
    return top


def merged(lines):
    """What is the same and follows at once is one event or two, as the reader is fast."""
    return [line for i, line in enumerate(lines) if i == 0 or lines[i - 1] != line]


class Toucher(threading.Thread):
    """Does all kinds of things to hidden names, outside of the view, until it is stopped; how often."""

    def __init__(self, top):
        super().__init__()
        self.top, self.done, self.over = top, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.003):
            for where in (self.top, os.path.join(self.top, "sub"), os.path.join(self.top, "secret.d")):
                one, two = os.path.join(where, "secret-1"), os.path.join(where, "secret-2")
                with open(one, "a") as file:
                    file.write("x")
                os.chmod(one, 0o600)
                os.rename(one, two)
                os.unlink(two)
            self.done += 1


def scrim(base, rules, *command):
    stats = os.path.join(base, "stats")
    words = [word for rule in rules for word in ("-r", rule)]
    got = subprocess.run([SCRIM, "run", "--stats", stats, *words, "--", *command], stdout=subprocess.PIPE,
                         timeout=120 * PATIENCE, check=True, env={**os.environ, "HOME": base})
    with open(stats) as file:
        mediated = json.load(file)["mediated"]
    return got.stdout.decode(), mediated


def same(wanted, got):
    if got != wanted:
        raise AssertionError("\n".join(difflib.unified_diff(wanted, got, "native", "inside", lineterm="")))


def compare(watcher, seed):
    with tempfile.TemporaryDirectory(prefix="scrim-watch-") as base:
        tops = [make(base, "native"), make(base, "inside")]
        words = [PYTHON, script(base), "--stage", watcher]
        native = subprocess.run([*words, tops[0], str(seed)], stdout=subprocess.PIPE, check=True,
                                timeout=120 * PATIENCE).stdout.decode()
        # A watcher outside sees what the one inside must not.
        outside = subprocess.Popen(["inotifywait", "-m", "-q", "--format", "%f", tops[1]], stdout=subprocess.PIPE)
        toucher = Toucher(tops[1])
        toucher.start()
        inside, mediated = scrim(base, [f"hide {tops[1]}/**/secret*"], *words, tops[1], str(seed))
        toucher.over.set()
        toucher.join()
        outside.send_signal(signal.SIGTERM)
        assert b"secret-1" in outside.communicate()[0], "natively the names are told"
        assert toucher.done > 20, toucher.done
        assert mediated.get("inotify_init1", 0) + mediated.get("inotify_init", 0) >= 1, mediated
        assert "secret" not in inside, inside
        native = [line for line in native.splitlines() if "secret" not in line]
        wanted, got = merged(native), merged(inside.splitlines())
        assert len(wanted) > STEPS / 2, wanted
        same(wanted, got)


def test_corners():
    with tempfile.TemporaryDirectory(prefix="scrim-watch-") as base:
        tops = [make(base, "native"), make(base, "inside")]
        words = [PYTHON, script(base), "--corners"]
        native = subprocess.run([*words, tops[0]], stdout=subprocess.PIPE, check=True, timeout=120 * PATIENCE).stdout.decode()
        inside, mediated = scrim(base, [f"hide {tops[1]}/**/secret*"], *words, tops[1])
        assert mediated.get("inotify_init1") == 2 and mediated.get("inotify_init") == 1, mediated
        assert mediated.get("inotify_rm_watch") == 5, mediated
        assert "overflow True 1 True" in native and "waited b'born' 0" in native, native
        same(native.splitlines(), inside.splitlines())


def test_own_queue_without_rules():
    """Where nothing can be hidden it is the kernel's own."""
    with tempfile.TemporaryDirectory(prefix="scrim-watch-") as base:
        top = make(base, "inside")
        told, mediated = scrim(base, [f"readonly {top}/sub"], PYTHON, "-c",
                               "import ctypes, os, stat\nfd = ctypes.CDLL(None).inotify_init1(0)\n"
                               "print(os.readlink(f'/proc/self/fd/{fd}'), stat.S_IFMT(os.fstat(fd).st_mode))")
        expect(told, "anon_inode:inotify 0\n", "the descriptor")
        expect("inotify_init1" in mediated, False, "is it mediated")


def test_inotifywait():
    for seed in range(3):
        compare("inotifywait", seed)


def test_node():
    for seed in range(2):
        compare("node", seed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--corners"]:
        corners(sys.argv[2])
        sys.exit(0)
    if sys.argv[1:2] == ["--stage"]:
        stage(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.exit(0)
    arguments = [a for a in sys.argv[1:] if a != "--user"]
    SCRIM = os.path.abspath(arguments[0])
    TEXTS = {name: open(os.path.join(os.path.dirname(__file__), name)).read() for name in ("watches.py", "drivers.py")}
    become("--user" in sys.argv)
    PYTHON = sys.executable if os.access(sys.executable, os.X_OK) else "/usr/bin/python3"
    main({k: v for k, v in globals().items() if k.startswith("test_")}, arguments[1:])
