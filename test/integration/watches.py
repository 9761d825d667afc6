# SPDX-License-Identifier: Apache-2.0
"""What real watchers are told inside against outside, event for event, while names are hidden and somebody outside touches them.

Usage: watches.py [--user] SCRIM
       watches.py --stage WATCHER DIRECTORY SEED   (run natively and inside: starts WATCHER, does things, says what it was told)
"""
import difflib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from drivers import main

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
        if got != wanted:
            raise AssertionError("\n".join(difflib.unified_diff(wanted, got, "native", "inside", lineterm="")))


def test_inotifywait():
    for seed in range(3):
        compare("inotifywait", seed)


def test_node():
    for seed in range(2):
        compare("node", seed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        stage(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.exit(0)
    arguments = [a for a in sys.argv[1:] if a != "--user"]
    SCRIM = os.path.abspath(arguments[0])
    TEXTS = {name: open(os.path.join(os.path.dirname(__file__), name)).read() for name in ("watches.py", "drivers.py")}
    become("--user" in sys.argv)
    PYTHON = sys.executable if os.access(sys.executable, os.X_OK) else "/usr/bin/python3"
    main({k: v for k, v in globals().items() if k.startswith("test_")}, arguments[1:])
