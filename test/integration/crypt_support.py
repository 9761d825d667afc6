# SPDX-License-Identifier: Apache-2.0
"""What the tests of encrypted files in a run share: homes with keys, runs, the processes of a run.

    DRIVER [--user] SCRIM ... [TEST...]       --user: as an ordinary user
"""
import atexit
import os
import subprocess
import sys
import tempfile
import time

DEADLINE = 60
CHEAP = ["--cost", "8K,1"]

if sys.argv[1] == "--user":
    del sys.argv[1]
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
SCRIM = os.path.abspath(sys.argv[1])


class Home:
    """A throw-away home with raw keys "work" and "other", and one with the passphrase "correct horse": "locked"."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="scrim-crypt-")
        self.path = os.path.realpath(self.holder.name)
        self.environment = {"HOME": self.path, "PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}
        self.scrim("key", "new", "work", "--raw")
        self.scrim("key", "new", "other", "--raw")
        self.passfile = self.file("pass", "correct horse\n")
        self.scrim("key", "new", "locked", "--passfile", self.passfile, *CHEAP)
        self.directory("letters")

    def at(self, name):
        return os.path.join(self.path, name)

    def directory(self, name):
        os.makedirs(self.at(name), exist_ok=True)
        return self.at(name)

    def file(self, name, content, mode=0o600):
        with open(self.at(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(self.at(name), mode)
        return self.at(name)

    def id_of(self, key):
        return [line.split()[1] for line in open(self.at(f".config/scrim/keys/{key}.key")) if line.startswith("id ")][0]

    def scrim(self, *words, status=0, stdin=b"", env=None, **kwargs):
        """scrim WORDS; (standard output, standard error) as text."""
        done = subprocess.run([SCRIM, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=DEADLINE, env={**self.environment, **(env or {})}, cwd=self.path,
                              start_new_session=True, **kwargs)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, (words, done.returncode, out, err)
        return out, err

    def run(self, rule, *words, **kwargs):
        """A run with the one RULE of crypt, ~/letters under the key "work" if it is None."""
        return self.scrim("run", "--rule", rule or "crypt ~/letters key=work", *words, **kwargs)

    def start(self, *words, **kwargs):
        kwargs.setdefault("env", self.environment)
        kwargs.setdefault("cwd", self.path)
        process = subprocess.Popen([SCRIM, *words], **kwargs)
        atexit.register(process.kill)  # and the command with it
        return process

    def plain(self, name, key="work"):
        """What is in an encrypted file, read by scrim itself."""
        done = subprocess.run([SCRIM, "cat", "--key", key, self.at(name)], stdout=subprocess.PIPE, check=True,
                              env=self.environment, timeout=DEADLINE)
        return done.stdout


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    if int(f.read().rpartition(")")[2].split()[1]) == pid:
                        found.append(int(name))
            except OSError:
                pass
    return found


def name_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def gone(pid):
    """PID has ended, with all its threads: the first one is a zombie before the others have let go of descriptors."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1
    except OSError:
        return True


class Processes:
    """Those of a run whose front is FRONT, once its command has written a line to READY (a descriptor)."""

    def __init__(self, front, ready):
        assert os.read(ready, 1), "the command never was ready"
        self.front = front
        self.supervisor = [pid for pid in children(front) if name_of(pid) == "scrim-view"][0]
        self.reaper = [pid for pid in children(self.supervisor) if name_of(pid) == "scrim-reaper"][0]
        self.command = children(self.reaper)[0]

    def all(self):
        found, todo = [], [self.front]
        while todo:
            found.append(todo.pop())
            todo += children(found[-1])
        return found
