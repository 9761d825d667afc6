# SPDX-License-Identifier: Apache-2.0
"""What the drivers of these tests share: where they work, as whom, how a program is run in a view, how they fail.

Usage of a driver: DRIVER.py [--user] SCRIM PROGRAM...   (--user: when we are root, become an ordinary user first)
"""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ORDINARY = 54321  # no such user, no such group: nothing but what is made for it is its own
# Calls that a filter around us answers (features/without.c): nobody mediates them.
WITHOUT_CALLS = {pair.partition("=")[2] for pair in os.environ.get("SCRIM_WITHOUT_CALLS", "").split() if "?" not in pair}
PATIENCE = int(os.environ.get("SCRIM_SLOW", "1"))  # how many times slower than others this machine is known to be
LIMIT = 60 * PATIENCE  # seconds that one program may take; none takes more than a few


class Failures:
    """Everything that is wrong is said; the exit status is that of the whole."""

    def __init__(self):
        self.count = 0
        self.checks = 0

    def check(self, good, text):
        self.checks += 1
        if not good:
            self.count += 1
            print("FAIL:", text, flush=True)
        return good

    def equal(self, got, wanted, text):
        return self.check(got == wanted, f"{text}\n      got    {got!r}\n      wanted {wanted!r}")


failures = Failures()
check = failures.check
equal = failures.equal


class Place:
    """A directory of our own on one kind of file system, removed at the end."""

    def __init__(self, name, path, unmount=None):
        self.name = name
        self.path = path
        self.unmount = unmount


class Escape:
    def __init__(self, argv):
        user = "--user" in argv
        argv = [a for a in argv if a != "--user"]
        self.only = None
        if "--only" in argv:
            at = argv.index("--only")
            self.only = argv[at + 1]
            del argv[at : at + 2]
        os.umask(0o022)
        self.runs = 0
        self.before = []  # words before every command, as of capsh
        self.mine = True
        self.places = []
        self.base = tempfile.mkdtemp(prefix="escape-")
        os.chmod(self.base, 0o755)
        # Copies, since an ordinary user may not reach the place where they were built.
        self.tools = os.path.join(self.base, "tools")
        os.mkdir(self.tools)
        for program in argv[1:] + glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.py")):
            shutil.copy(program, self.tools)
        self.scrim = self.tool(os.path.basename(argv[1]))
        self._disk()
        self._shm()
        home = os.path.join(self.base, "home")
        os.mkdir(home)
        if user and os.geteuid() == 0:
            for path in [self.base, home] + [p.path for p in self.places]:
                os.chown(path, ORDINARY, ORDINARY)
            # Whoever made all this also removes it.
            child = os.fork()
            if child:
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                self.remove()
                os._exit(status & 255)
            self.mine = False
            os.setgroups([])
            os.setresgid(ORDINARY, ORDINARY, ORDINARY)
            os.setresuid(ORDINARY, ORDINARY, ORDINARY)
            equal(os.geteuid(), ORDINARY, "an ordinary user")
        self.uid = os.geteuid()
        for name in list(os.environ):
            if name.startswith("XDG_") or name in ("LD_PRELOAD", "ENV", "BASH_ENV"):
                del os.environ[name]
        os.environ.update(HOME=home, ESCAPE_EUID=str(self.uid), LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
        os.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin:" + os.environ.get("PATH", "")
        self.python = self._python()
        print(f"as uid {self.uid} on {', '.join(f'{p.name} ({p.path})' for p in self.places)}", flush=True)

    @staticmethod
    def _python():
        """A Python that whoever we are now can start."""
        for candidate in (sys.executable, "/usr/bin/python3", "python3"):
            try:
                if subprocess.run([candidate, "-c", ""]).returncode == 0:
                    return candidate
            except OSError:
                pass
        check(False, "no Python that we can start")
        return "python3"

    def tool(self, name):
        return os.path.join(self.tools, name)

    @staticmethod
    def _type(path):
        return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True).stdout.strip()

    def _disk(self):
        """ext4: where temporary files are, or else in a loop file where we may make one."""
        path = os.path.join(self.base, "disk")
        os.mkdir(path)
        unmount = None
        name = self._type(path)
        if name != "ext2/ext3" and os.geteuid() == 0 and shutil.which("mkfs.ext4"):
            image = os.path.join(self.base, "image")
            with open(image, "wb") as f:
                f.truncate(256 << 20)
            made = subprocess.run(["mkfs.ext4", "-q", image]).returncode == 0
            if made and subprocess.run(["mount", "-o", "loop", image, path]).returncode == 0:
                os.chmod(path, 0o755)
                unmount = path
                name = self._type(path)
        self.places.append(Place({"ext2/ext3": "ext4"}.get(name, name), os.path.realpath(path), unmount))

    def _shm(self):
        path = tempfile.mkdtemp(prefix="escape-", dir="/dev/shm")
        os.chmod(path, 0o755)
        equal(self._type(path), "tmpfs", "/dev/shm")
        self.places.append(Place("tmpfs", os.path.realpath(path)))

    def native(self, argv, **options):
        return self._run(self.before + [str(a) for a in argv], **options)

    def view(self, rules, argv, mediated=(), **options):
        """Run ARGV in a view of RULES. MEDIATED: calls (and how often at least) that the supervisor must have seen."""
        self.runs += 1
        stats = os.path.join(self.base, f"stats-{self.runs}")
        command = self.before + [self.scrim, "run", "--stats", stats]
        for rule in rules:
            command += ["-r", rule]
        result = self._run(command + ["--"] + [str(a) for a in argv], **options)
        try:
            with open(stats) as f:
                self.stats = json.load(f)
        except (OSError, ValueError) as e:
            self.stats = {"mediated": {}}
            check(False, f"no counts of mediated calls from {command}: {e}; stderr: {result.stderr}")
            return result
        for name, least in dict(mediated).items():
            if name in WITHOUT_CALLS:
                continue
            got = self.stats["mediated"].get(name, 0)
            check(got >= least, f"{name} was mediated {got} times, not {least}: {rules} {argv}")
        return result

    def _run(self, argv, timeout=LIMIT, expect=0, cwd=None, input=None, binary=False):
        process = subprocess.Popen(
            argv,
            cwd=cwd or self.base,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.stdout.close()
            process.stderr.close()
            process.wait()
            check(False, f"no end within {timeout} s: {argv}")
            out, err = b"", b""
        err = err.decode(errors="replace")
        result = subprocess.CompletedProcess(argv, process.returncode, out if binary else out.decode(errors="replace"), err)
        if expect is not None and result.returncode != expect:
            check(False, f"exit {result.returncode}, not {expect}: {argv}\n{out[-2000:]!r}\n{err[-2000:]}")
        return result

    def remove(self):
        for place in self.places:
            if place.unmount:
                subprocess.run(["umount", place.unmount])
            make_removable(place.path)
            shutil.rmtree(place.path, ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)
        for path in [self.base] + [p.path for p in self.places]:
            if os.path.exists(path):
                print(f"left behind: {path}", flush=True)

    def done(self):
        if self.mine:
            self.remove()
        print(f"{failures.checks} checks, {failures.count} failed", flush=True)
        return 1 if failures.count or not failures.checks else 0


def make_removable(path):
    for directory, names, _ in os.walk(path):
        for name in names:
            try:
                os.chmod(os.path.join(directory, name), 0o755, follow_symlinks=False)
            except (OSError, NotImplementedError):
                pass


def main(body):
    escape = Escape(sys.argv)
    started = time.monotonic()
    try:
        body(escape)
    finally:
        status = escape.done()
        print(f"{time.monotonic() - started:.1f} s", flush=True)
    sys.exit(status)


def run_parts(escape, parts):
    """Run each of PARTS (name: function), or the one that was asked for; say how long it took."""
    for name, part in parts.items():
        if escape.only and escape.only != name:
            continue
        begin = time.monotonic()
        part(escape)
        print(f"   {name}: {time.monotonic() - begin:.1f} s", flush=True)


def rows(result):
    """What a program's output says: pairs in JSON."""
    try:
        return {name: said for name, said in json.loads(result.stdout)}
    except ValueError:
        check(False, f"no answer: {result.stdout[-300:]!r} {result.stderr[-1000:]}")
        return {}


def write(path, data, mode=0o644):
    if isinstance(data, str):
        data = data.encode()
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def fingerprint(path):
    """All that may not change about PATH and what is beneath it: identity, owner, mode, times of change, content."""
    found = {}

    def look(name):
        st = os.lstat(name)
        data = None
        if os.path.islink(name):
            data = os.readlink(name)
        elif os.path.isfile(name):
            data = hashlib.sha256(read(name)).hexdigest()
        found[name] = (st.st_dev, st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns, st.st_ctime_ns, data)

    if not os.path.lexists(path):
        return found
    look(path)
    for directory, dirs, files in os.walk(path):
        for name in dirs + files:
            look(os.path.join(directory, name))
    return found
