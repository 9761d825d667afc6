# SPDX-License-Identifier: Apache-2.0
"""Lives and deaths around a view: what is left, what fails closed, what is refused and said.

process_life.py [--user] SCRIM process_loop process_threads
"""

import json
import os
import select
import shutil
import signal
import subprocess
import time

from escape_support import PATIENCE, check, equal, main, read, write

RULES = ["hide **/hidden-*", "deny **/denied-*"]


def view(esc, *args, rules=RULES, **options):
    """A view that runs, and is waited for by the caller."""
    command = [esc.scrim, "run"] + [w for rule in rules for w in ("-r", rule)] + list(args)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=esc.base,
                            stdin=options.pop("stdin", subprocess.DEVNULL), **options)


def finish(process, text=None):
    try:
        out, err = process.communicate(text, timeout=60 * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        check(False, f"no end: {process.args}")
    return out, err


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def parts(front):
    supervisor = children(front)[0]
    return supervisor, children(supervisor)[0]


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition, what):
    end = time.monotonic() + 20 * PATIENCE
    while not condition():
        if not check(time.monotonic() < end, f"never: {what}"):
            return
        time.sleep(0.005)


def ours(esc):
    """All processes that run the copy of scrim in our directory."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    if esc.scrim.encode() in f.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                pass
    return found


def log_of(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def test_nothing_is_left(esc):
    p = view(esc, "--", "sh", "-c", "true & true & (true &) ; wait; cat hidden-file; exit 3")
    finish(p)
    equal(p.returncode, 3, "status")
    wait_until(lambda: not ours(esc), "no process of scrim is left")


def test_a_daemon(esc):
    """Two forks and a session of its own: adopted, and served until it ends."""
    for counted in (False, True):
        one_daemon(esc, counted)


def one_daemon(esc, counted):
    path = os.path.join(esc.places[0].path, f"daemon-{counted}")
    os.mkdir(path)
    write(path + "/hidden-file", "a secret\n")
    script = ("import os, sys, time\n"
              "os.chdir(sys.argv[1])\n"
              "if os.fork(): os._exit(0)\n"
              "os.setsid()\n"
              "if os.fork(): os._exit(0)\n"
              "for fd in (0, 1, 2): os.close(fd)\n"
              "while not os.path.exists('go'): time.sleep(0.01)\n"
              "parent = os.getppid()\n"
              "answers = [os.path.exists('hidden-file'), 'hidden-file' in os.listdir('.'), parent > 0,\n"
              "           os.path.exists(f'/proc/{parent}'), os.system('cat hidden-file')]\n"
              "with open('answers.part', 'w') as f: f.write(repr(answers))\n"
              "os.rename('answers.part', 'answers')\n")
    stats = os.path.join(esc.base, "daemon-stats")
    p = view(esc, *(["--stats", stats] if counted else []), "--", "python3", "-c", script, path)
    if not counted:
        # Where counts are asked for, the front process waits for the last of them.
        finish(p)
        equal(p.returncode, 0, "the command has ended")
        check(len(ours(esc)) == 2, f"supervisor and reaper live on: {ours(esc)}")
    equal(os.path.exists(path + "/answers"), False, "the daemon waits")
    write(path + "/go", "")
    wait_until(lambda: os.path.exists(path + "/answers"), "the daemon's answers")
    # Its parent is whose child it would be natively (parents.py).
    equal(read(path + "/answers"), b"[False, False, True, True, 256]", "a daemon is served as before")
    wait_until(lambda: not ours(esc), "supervisor and reaper end with it")
    if not counted:
        return
    finish(p)
    mediated = json.loads(read(stats))["mediated"]
    check(mediated.get("rename") == 1 and mediated.get("execve", 0) >= 3, f"mediated to the end: {mediated}")


def closed_after(esc, what):
    """Kill the supervisor or the reaper while a program calls: from then on every path call fails."""
    path = os.path.join(esc.places[0].path, "closed-" + what)
    os.mkdir(path)
    write(path + "/file", "x")
    r, w = os.pipe()
    # The command itself is killed with the reaper: the one that is watched is another, in a session of its own.
    p = view(esc, "--pass-fd", str(w), "--", "sh", "-c", 'setsid "$0" closed "$1" "$2" & echo; exec sleep 50',
             esc.tool("process_loop"), path, str(w), pass_fds=(w,))
    os.close(w)
    p.stdout.readline()
    with os.fdopen(r, "rb", buffering=0) as said:
        equal(said.read(7), b"served\n", what)
        supervisor, reaper = parts(p.pid)
        time.sleep(0.05)
        os.kill(supervisor if what == "supervisor" else reaper, signal.SIGKILL)
        text, end = b"", time.monotonic() + 20 * PATIENCE
        while time.monotonic() < end:
            if select.select([said], [], [], 0.5)[0]:
                data = said.read(1000)
                if not data:
                    break
                text += data
    lines = text.decode().split("\n")[:-1]
    # A round in which it happened is mixed; a call in flight may have been the last that was served.
    # The command is killed too, and may be at any of them.
    told = (["ENOSYS", "exec ENOSYS"], ["mixed", "ENOSYS", "exec ENOSYS"])
    check(any(lines == one[:len(lines)] for one in told), f"after the death of the {what}: {lines}")
    p.wait(30)
    p.stdout.close()
    p.stderr.close()
    equal(p.returncode, 125, f"status after the death of the {what}")
    wait_until(lambda: not ours(esc), "nothing of scrim is left")
    return lines


def test_death_of_supervisor(esc):
    # Steered at that moment it dies with its tracer; mostly it is left to see that nothing passes.
    seen = [closed_after(esc, "supervisor")]
    for _ in range(5):
        if seen[-1]:
            break
        shutil.rmtree(os.path.join(esc.places[0].path, "closed-supervisor"))
        seen.append(closed_after(esc, "supervisor"))
    check(bool(seen[-1]), "the program survives the supervisor at least once in six")


def test_death_of_reaper(esc):
    closed_after(esc, "reaper")


def test_unreadable_program(esc):
    """Mode 0111: without privileges the supervisor could not read what runs. Refused, and said."""
    program = os.path.join(esc.places[0].path, "unreadable")
    shutil.copy(esc.tool("process_threads"), program)
    os.chmod(program, 0o111)
    native = esc.native([program, "exit"], expect=42)
    log = os.path.join(esc.base, "unreadable.log")
    p = view(esc, "--log", log, "--", "sh", "-c", '"$0" exit', program)
    finish(p)
    if esc.uid == 0:
        equal(p.returncode, native.returncode, "root executes it")
    else:
        equal(p.returncode, 126, "EACCES")
        lines = [line for line in log_of(log) if line.get("syscall") == "execve"]
        check(any(line.get("path") == program and line.get("errno") in (13, "EACCES") for line in lines), f"the log: {lines}")


SET_IDS = """
import os
def attempt(name, *args):
    try:
        getattr(os, name)(*args)
        return 0
    except OSError as e:
        return e.errno
uid, gid = os.getuid(), os.getgid()
print([attempt('setuid', uid), attempt('setgid', gid), attempt('setreuid', -1, uid), attempt('setresuid', uid, uid, uid),
       attempt('setresgid', -1, -1, -1)], os.getresuid() == (uid, uid, uid))
print([attempt('setuid', 1), attempt('setgid', 1), attempt('setresuid', -1, 1, -1), attempt('setreuid', 1, 1),
       attempt('setgroups', [1])], os.getresuid() == (uid, uid, uid), os.getresgid() == (gid, gid, gid))
"""


def test_ids(esc):
    out, _ = finish(view(esc, "--", "python3", "-c", SET_IDS))
    equal(out.splitlines(), esc.native(["python3", "-c", SET_IDS]).stdout.splitlines(), "ids, as natively")


def test_state(esc):
    script = ("import json, os\n"
              "def state():\n"
              "    with open('/dev/scrim') as f: return json.load(f)\n"
              "def refused(): return [r['refused'] for r in state()['rules']]\n"
              "first = refused()\n"
              "for name in ('hidden-a', 'hidden-b', 'denied-c'):\n"
              "    for _ in range(3):\n"
              "        try: os.open(name, os.O_RDONLY)\n"
              "        except OSError: pass\n"
              "print(first, refused(), state()['mode'], [r['rule'] for r in state()['rules']])\n"
              "try: os.open('/dev/scrim', os.O_RDWR); print('writable')\n"
              "except OSError as e: print(e.errno > 0)\n"
              "fd = os.open('/dev/scrim', os.O_RDONLY)\n"
              "for call in (lambda: os.ftruncate(fd, 0), lambda: os.write(fd, b'x')):\n"
              "    try: call(); print('changed')\n"
              "    except OSError as e: print('sealed')\n")
    path = os.path.join(esc.places[0].path, "state")
    os.mkdir(path)
    for name in ("hidden-a", "hidden-b", "denied-c"):
        write(os.path.join(path, name), "x")
    out, err = finish(view(esc, "--chdir", path, "--", "python3", "-c", script))
    equal(out.splitlines(), ["[0, 0] [6, 3] enforce ['hide /**/hidden-*', 'deny /**/denied-*']", "True", "sealed", "sealed"],
          f"/dev/scrim {err}")
    equal(os.path.exists("/dev/scrim"), False, "outside there is none")


def test_many_refusals(esc):
    """Refusals without end: the log is bounded, what it drops is counted, and nothing slows down."""
    path = os.path.join(esc.places[0].path, "refused")
    os.mkdir(path)
    for name in ("hidden-tree", "denied-tree"):
        os.mkdir(os.path.join(path, name))
    log = os.path.join(esc.base, "refused.log")
    tool = esc.tool("process_loop")
    times = []
    for count in (10000, 100000):
        begin = time.monotonic()
        result = esc.view(RULES, [tool, "refused", path, str(count)], {"openat": count})
        times.append((time.monotonic() - begin) / count)
        equal(result.stdout, f"{count} refused\n", "each is refused")
    check(times[1] < 3 * times[0] + 20e-6, f"seconds a refusal: {times}")
    begin = time.monotonic()
    out, _ = finish(view(esc, "--log", log, "--", tool, "refused", path, "100000"))
    equal(out, "100000 refused\n", "each is refused")
    took = (time.monotonic() - begin) / 100000
    check(took < 3 * times[0] + 20e-6, f"with a log {took}, without {times}")
    wait_until(lambda: not ours(esc), "the log is closed")
    check(os.path.getsize(log) < 5 << 20, f"the log has {os.path.getsize(log)} bytes")
    lines = log_of(log)
    dropped = sum(line.get("dropped", 0) for line in lines)
    equal(sum(line.get("count", 1) for line in lines if "dropped" not in line) + dropped, 100000, "told or counted")
    print(f"   {times[1] * 1e6:.1f} us a refusal, {took * 1e6:.1f} with a log; {len(lines)} lines, {dropped} dropped")


def test_stops_and_kills(esc):
    """Programs that are stopped, continued and killed while they call: the others go on, and nothing is half-done."""
    path = os.path.join(esc.places[0].path, "stops")
    os.mkdir(path)
    write(os.path.join(path, "hidden-file"), "x")
    tool = esc.tool("process_loop")
    p = view(esc, "--", "sh", "-c", 'for i in 1 2 3 4 5 6; do "$0" work "$1" & done; wait', tool, path)
    pids = [int(p.stdout.readline()) for _ in range(6)]
    for turn in range(150):
        for pid in pids[:3]:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.001 * (turn % 3))
        for pid in pids[:3]:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)
    for pid in pids[3:5]:
        os.kill(pid, signal.SIGKILL)
    # The supervisor may be stopped as well: calls then wait, and none fails.
    supervisor, _ = parts(p.pid)
    for _ in range(10):
        os.kill(supervisor, signal.SIGSTOP)
        time.sleep(0.02)
        os.kill(supervisor, signal.SIGCONT)
        time.sleep(0.01)
    for pid in pids[:3] + pids[5:]:
        check(not gone(pid), f"{pid} lives")
        os.kill(pid, signal.SIGTERM)
    out, err = finish(p)
    equal(out, "worked\n" * 4, f"those that were not killed {err}")
    left = sorted(os.listdir(path))
    killed = {f"{kind}{pid}" for kind in "vw" for pid in pids[3:5]}
    check("hidden-file" in left and set(left) - {"hidden-file"} <= killed, f"left behind: {left}")
    wait_until(lambda: not ours(esc), "nothing of scrim is left")


def test_killing(esc):
    for option, how in (("--kill-on-exit", "exit"), ("--die-with-parent", "parent")):
        path = os.path.join(esc.places[0].path, "kill-" + how)
        os.mkdir(path)
        text = 'setsid "$0" work "$1" & setsid "$0" work "$1" & '
        text += "read x; exit 6" if how == "exit" else "exec sleep 50"
        command = [option, "--", "sh", "-c", text, esc.tool("process_loop"), path]
        if how == "exit":
            p = view(esc, *command, stdin=subprocess.PIPE)
            pids = [int(p.stdout.readline()) for _ in range(2)]
            finish(p, "\n")
            equal(p.returncode, 6, option)
        else:
            starter = ["sh", "-c", '"$@" & read x; kill -9 $$', "sh", esc.scrim, "run", "-r", RULES[0]] + command
            with subprocess.Popen(starter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=esc.base) as p:
                pids = [int(p.stdout.readline()) for _ in range(2)]
                p.stdin.close()
                p.wait(30)
        wait_until(lambda: all(gone(pid) for pid in pids) and not ours(esc), f"{option}: all are dead")


SAME_NUMBER = """
import os, sys
def child(where, size):
    os.chdir(where)
    os.mkdir("d")
    with open("d/f", "w") as f:
        f.write("x" * size)
    d = os.open("d", os.O_RDONLY)
    at = os.open("d/f", os.O_RDONLY)
    for _ in range(8):
        assert os.stat("d/f").st_size == size
        assert os.stat("f", dir_fd=d).st_size == size
        assert os.stat("/proc/self/fd/%d" % at).st_size == size
        os.close(os.open("f", os.O_RDONLY, dir_fd=d))
        os.close(os.open("d/f", os.O_RDONLY))
        assert len(os.listdir(d)) == 1
    os.unlink("d/f")
    os.rmdir("d")
def born(where, size):
    pid = os.fork()
    if pid == 0:
        try:
            child(where, size)
            os._exit(0)
        except BaseException as e:
            print(repr(e), flush=True)
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    return pid
base = os.getcwd()
for name in ("one", "two"):
    os.mkdir(name)
again = 0
for turn in range(30):
    pid = born(base + "/one", turn + 1)
    with open("/proc/sys/kernel/ns_last_pid", "w") as f:
        f.write(str(pid - 1))
    again += born(base + "/two", 1000 + turn) == pid
print("the same number again:", again)
"""


def test_same_number(esc):
    """What is kept of a process that was served is not mistaken for another's of the same number."""
    if os.getuid() != 0:
        return  # numbers are chosen in a namespace of their own
    where = os.path.join(esc.places[0].path, "same-number")
    os.mkdir(where)
    stats = os.path.join(esc.base, "same-number.stats")
    p = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", esc.scrim, "run", "--stats", stats, "-r", "hide **/hidden-*",
                        "--", "python3", "-c", SAME_NUMBER], cwd=where, text=True, capture_output=True, timeout=120)
    equal((p.returncode, p.stderr), (0, ""), "the end")
    check(int((p.stdout.strip() or "0").rpartition(" ")[2]) >= 20, f"numbers were given again: {p.stdout}")
    mediated = json.loads(read(stats))["mediated"]
    check(mediated.get("openat", 0) >= 960 and mediated.get("getdents64", 0) >= 480, f"mediated: {mediated}")


def body(esc):
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not esc.only or esc.only == name):
            begin = time.monotonic()
            test(esc)
            print(f"   {name}: {time.monotonic() - begin:.1f} s", flush=True)


main(body)
