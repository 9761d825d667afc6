# SPDX-License-Identifier: Apache-2.0
"""What the tests of encrypted files in a view share: a directory under a crypt rule, views of it, and the look from outside.

Usage of a driver: DRIVER.py [--user] [--mode crypt|plain|native] [--only NAME] SCRIM [PROGRAM...]

--user: when we are root, become an ordinary user first. --mode: the control. `native` runs everything without a view, `plain` in
one whose rules concern nothing; what fails there is no fault of encryption. Each function test_*(place) has a Place of its own,
on the file system of TMPDIR.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ORDINARY = 54321  # no such user, no such group
NOBODY = 65534  # for programs that want a user with a name
LIMIT = 120
SOAK = os.environ.get("SCRIM_SOAK") == "1"
MAGIC = b"\x89scrim\r\n"
HERE = os.path.dirname(os.path.abspath(__file__))


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.600}, wanted {wanted!r:.600}")


def turns(short, whole):
    """How often: in every test run, or in scripts/soak.sh."""
    return whole if SOAK else short


def is_encrypted(path):
    with open(path, "rb") as file:
        return file.read(8) == MAGIC


def is_new(path):
    """Nothing, or zeros of no more than two slots: what a kill leaves of a file that had no version yet, an empty one."""
    with open(path, "rb") as file:
        return os.path.getsize(path) <= 2 * 8192 and not file.read().strip(b"\0")


class Place:
    """A directory `top` of our own. Below: `tree`, whose files are encrypted; `out`, plain; `home`, with the key `work`."""

    def __init__(self, top, mode, scrim, programs):
        self.top, self.mode, self.scrim, self.programs = top, mode, scrim, programs
        self.tree, self.out, self.home = (os.path.join(top, name) for name in ("tree", "out", "home"))
        for directory in (self.tree, self.out, self.home):
            os.mkdir(directory)
        self.log, self.stats = os.path.join(self.home, "log"), os.path.join(self.home, "stats")
        self.rule = f"crypt {self.tree} key=work"
        self.counts = True  # what is mediated; then a run waits for the end of its view
        self.environment = {"HOME": self.home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                            "PYTHONDONTWRITEBYTECODE": "1"}
        self.new_key("work")

    @property
    def encrypts(self):
        return self.mode == "crypt"

    def new_key(self, name):
        self.outside("key", "new", "--raw", "--no-recovery", name)

    def name(self, name):
        return os.path.join(self.tree, name)

    def outside(self, *args, status=0, text=None):
        """scrim ARGS, not in a view: its standard output."""
        done = subprocess.run([self.scrim, *args], stdin=subprocess.DEVNULL, capture_output=True, env=self.environment,
                              timeout=LIMIT)
        error = done.stderr.decode(errors="replace")
        if (status is not None and done.returncode != status) or (text and text not in error):
            raise AssertionError(f"scrim {args}: status {done.returncode}, wanted {status}, {text!r}: {error}")
        return done.stdout

    def outside_status(self, *args):
        """Its exit status."""
        return subprocess.run([self.scrim, *args], stdin=subprocess.DEVNULL, capture_output=True, env=self.environment, check=False,
                              timeout=LIMIT).returncode

    def prefix(self, rule=None, rules=(), options=()):
        """What stands before a command. RULE: instead of the one for the tree."""
        if self.mode == "native":
            return []
        words = [self.scrim, "run", "--log", self.log, *(["--stats", self.stats] if self.counts else []), *options]
        if self.encrypts:
            words += ["-r", rule or self.rule]
        else:
            words += ["--hide", os.path.join(self.top, "absent")]
        for one in rules:
            words += ["-r", one]
        return [*words, "--"]

    def start(self, *command, rule=None, rules=(), options=(), **more):
        """A view that runs COMMAND, as a process."""
        more.setdefault("stdin", subprocess.DEVNULL)
        for path in (self.log, self.stats):
            if os.path.exists(path):
                os.unlink(path)
        return subprocess.Popen([*self.prefix(rule, rules, options), *command],
                                env={**self.environment, **more.pop("env", {})}, cwd=more.pop("cwd", self.tree), **more)

    def view(self, *command, status=0, limit=LIMIT, data=None, **more):
        """Run COMMAND in a view; its standard output. That the view was in the way is asserted."""
        if data is not None:
            more["stdin"] = subprocess.PIPE
        process = self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        try:
            output, error = process.communicate(data, timeout=limit)
        except subprocess.TimeoutExpired as late:
            stacks = self.describe(process)
            self.kill(process)
            raise AssertionError(f"{command[:3]}: not done after {limit} s\n{stacks}") from late
        self.error = error.decode(errors="replace")
        if status is not None and process.returncode != status:
            raise AssertionError(f"{command}: status {process.returncode}, wanted {status}: {self.error[-3000:]}"
                                 f"{output[-3000:].decode(errors='replace')}\nlog: {self.logged()[-2000:]}")
        if self.mode != "native" and self.counts and status == 0 and not sum(self.mediated().values()):
            raise AssertionError("nothing was mediated")
        return output

    def python(self, code, *args, **more):
        """Run python CODE in a view, with `tree` in it."""
        return self.view("/usr/bin/python3", "-c", f"import os, sys, fcntl, mmap\ntree = {self.tree!r}\n" + code, *args, **more)

    def mediated(self):
        with open(self.stats, encoding="utf-8") as file:
            return json.load(file)["mediated"]

    def logged(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def supervisor(self, process):
        """The pid of a view's supervisor."""
        for _ in range(1000):
            found = children(process.pid)
            if found:
                return found[0]
            time.sleep(0.005)
        raise AssertionError("no supervisor")

    @staticmethod
    def describe(process):
        """Where the processes below PROCESS are, for messages."""
        lines = []
        for pid in descendants(process.pid):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/wchan", encoding="utf-8") as wchan, \
                     open(f"/proc/{pid}/syscall", encoding="utf-8") as call:
                    lines.append(f"{pid} {comm.read().strip()}: {wchan.read()} {call.read().strip()}")
            except OSError as error:
                lines.append(f"{pid}: {error}")
        return "\n".join(lines)

    @staticmethod
    def kill(process):
        for pid in [*descendants(process.pid), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait(LIMIT)

    def content(self, name, key="work"):
        """What a file of the tree holds, as seen from outside."""
        if not self.encrypts:
            with open(self.name(name), "rb") as file:
                return file.read()
        return self.outside("cat", "--force", "--key", key, self.name(name))

    def verify(self, key="work"):
        """Every file of the tree is an encrypted one, and whole; zeros of a slot are a new file before its first version."""
        if self.encrypts:
            for directory, _, names in os.walk(self.tree):
                for name in names:
                    path = os.path.join(directory, name)
                    if os.path.isfile(path) and not os.path.islink(path) and not is_new(path) and not is_encrypted(path):
                        raise AssertionError(f"{path} is not encrypted: {os.path.getsize(path)} bytes")
            self.outside("verify", "-r", "--key", key, self.tree)

    def leftovers(self):
        return [name for _, _, names in os.walk(self.tree) for name in names if name.startswith(".scrim-")]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for_end(pids, seconds=20):
    """Of processes that are about to end; what is still there then is killed."""
    until = time.monotonic() + seconds
    while not all(has_ended(pid) for pid in pids):
        if time.monotonic() > until:
            for pid in pids:
                if not has_ended(pid):
                    os.kill(pid, signal.SIGKILL)
            until += seconds
        time.sleep(0.005)


def run_tests(namespace, options, base):
    failed = 0
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or (options.only and options.only not in name):
            continue
        if options.mode != "crypt" and getattr(function, "crypt_only", False):
            continue
        top = os.path.join(base, name)
        os.mkdir(top)
        began = time.monotonic()
        try:
            function(Place(top, options.mode, options.programs[0], options.programs[1:]))
            print(f"ok {name}, {time.monotonic() - began:.1f} s", flush=True)
        except Exception:
            failed += 1
            print("FAILED", name, flush=True)
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        if not options.keep:
            subprocess.run(["chmod", "-R", "u+rwX", top], stderr=subprocess.DEVNULL)
            shutil.rmtree(top, ignore_errors=True)
    return failed


def crypt_only(function):
    """A test that says nothing in the control."""
    function.crypt_only = True
    return function


def main(namespace, user=ORDINARY):
    """USER: whose tests are those with --user."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", action="store_true")
    parser.add_argument("--mode", choices=("crypt", "plain", "native"), default="crypt")
    parser.add_argument("--only")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    parser.add_argument("programs", nargs="+")
    options = parser.parse_args()
    os.umask(0o022)
    base = tempfile.mkdtemp(prefix="scrim-crypt-")
    # Copies, since an ordinary user may not reach the place where they were built.
    options.programs = [shutil.copy(program, base) for program in options.programs]
    os.chmod(base, 0o755)
    drop = options.user and os.geteuid() == 0
    work = os.path.join(base, "w")
    os.mkdir(work)
    if drop:
        os.chown(work, user, user)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if drop:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            status = 1 if run_tests(namespace, options, work) else 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not options.keep:
        shutil.rmtree(base, ignore_errors=True)
    else:
        print("kept:", base)
    sys.exit(status)
