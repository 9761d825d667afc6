# SPDX-License-Identifier: Apache-2.0
"""Whose rights a call is served with: root, an ordinary user, root that becomes another user inside, many groups.

users.py [--user] SCRIM users_walk users_race
"""

import os
import re
import shutil
import subprocess
import sys
import time

from escape_support import PATIENCE, Escape, check, equal, failures, make_removable

# Nothing that these programs touch.
RULES = ["hide /nonexistent-scrim-users"]
OTHER = 1001
WALKS = 40

WHO = """import os
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
print(os.getresuid(), os.getresgid(), status['CapEff'], status['Groups'].split(), status['Uid'].split(), status['Gid'].split())
"""


def fresh(esc, name):
    path = os.path.join(esc.places[0].path, name)
    if os.path.isdir(path):
        make_removable(path)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    os.chmod(path, 0o755)
    return path


def compare(esc, what, argv, mediated=(), rules=RULES, clean=None):
    """The same output inside as outside. ARGV is a function of the directory to work in, made anew for each."""
    native = esc.native(argv(fresh(esc, "work")))
    inside = esc.view(rules, argv(fresh(esc, "work")), mediated)
    out = [clean(r.stdout) if clean else r.stdout for r in (native, inside)]
    check(len(out[0]) > 0, f"{what}: says nothing")
    if not check(out[0] == out[1], f"{what} differs"):
        lines = [o.splitlines() for o in out]
        for i, (a, b) in enumerate(zip(*lines)):
            if a != b:
                print("\n".join(lines[0][max(0, i - 25) : i]), f"\n  native: {a}\n  inside: {b}", flush=True)
                break
    equal(inside.stderr, native.stderr, f"{what}: standard error")
    return native, inside


def who(esc):
    native, _ = compare(esc, "who we are", lambda path: [esc.python, "-c", WHO], {"openat": 1, "execve": 1})
    ids = esc.uid
    check(native.stdout.startswith(f"({ids}, {ids}, {ids})"), f"native: {native.stdout}")
    if ids:
        check("0000000000000000" in native.stdout, f"an ordinary user has no capability: {native.stdout}")
    else:
        check("0000000000000000" not in native.stdout, f"root has capabilities: {native.stdout}")


def walk(esc, more=()):
    """A random walk over all that can be changed; each result is compared."""
    native, _ = compare(esc, "walk", lambda path: [esc.tool("users_walk"), path, "1", str(WALKS), *more],
                        {"openat": 1000, "setresuid": 20, "setgroups": 20, "capset": 20, "chdir": 100, "execve": 20})
    text = native.stdout
    print(f"   {len(text.splitlines())} results, {text.count('EACCES')} EACCES, {text.count('EPERM')} EPERM")
    for word, least in (("change", 300), ("EACCES", 500), ("open", 1000), ("executed", 50), ("program", 20), ("script", 5),
                        ("kallsyms zeros", 20), ("kallsyms told", 20)):
        check(text.count(word) >= least, f"{word}: {text.count(word)} times, not {least}")


def race(esc, more=()):
    for inside in (False, True):
        argv = [esc.tool("users_race"), fresh(esc, "race"), "1500", *more]
        run = esc.view(RULES, argv, {"setfsuid" if more else "setresuid": 4500, "openat": 1000, "chmod": 100}) if inside else esc.native(argv)
        last = run.stdout.splitlines()[-1] if run.stdout else ""
        found = re.match(r"refused (\d+) allowed (\d+) wrong 0$", last)
        check(found and min(map(int, found.groups())) > 2000, f"race, inside {inside}: {run.stdout[-2000:]} {run.stderr}")


def programs(esc, without=()):
    """Programs that become another user, and what that user then may."""
    script = ("id -u; id -g; id -G; cat public; cat secret; echo x > mine/new && stat -c '%u %g %a' mine/new; cd closed; "
              "ls closed; test -r secret && echo readable; mkdir mine/d && cd mine/d && pwd | sed 's|.*/||'; "
              "mkfifo fifo && { echo through > fifo & cat fifo; wait; }; chmod 644 ../../secret; kill -0 $PPID 2>/dev/null; echo $?; "
              "sh -c 'exec cat /proc/self/status' | grep Cap; ls /proc/self/fd | wc -l; readlink /proc/self/exe | sed 's|.*/||'")
    # No such user has to be there, but for su and runuser.
    forms = {
        "setpriv": ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", "sh", "-c", script],
        "setpriv with groups": ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--groups", "2000,2001", "sh", "-c", script],
        "setpriv without capabilities": ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "sh", "-c", script],
        "setpriv with one": ["setpriv", f"--reuid={OTHER}", "--clear-groups", "--inh-caps=+dac_read_search",
                             "--ambient-caps=+dac_read_search", "sh", "-c", script],
        "runuser": ["runuser", "-u", "nobody", "--", "sh", "-c", script],
        "su": ["su", "-s", "/bin/sh", "nobody", "-c", script],
        "capsh": ["capsh", "--drop=cap_dac_override,cap_dac_read_search,cap_fowner", "--", "-c", script],
        "capsh user": ["capsh", f"--gid={OTHER}", f"--uid={OTHER}", "--", "-c", script],
        "start-stop-daemon": ["start-stop-daemon", "--start", "--chuid", "nobody", "--pidfile", "none", "--startas", "/bin/sh", "--", "-c",
                              script],
        "python": [esc.python, "-c", "import os, sys\nos.setgroups([2000])\nos.setresgid(1, 1, 1)\nos.setresuid(7, 7, 7)\n"
                   "os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])", script],
        "perl": ["perl", "-e", "$) = '3 3'; $( = 3; $< = $> = 7; exec('/bin/sh', '-c', $ARGV[0])", script],
        "tar": ["sh", "-c", "umask 027; mkdir t; echo 1 > t/a; chown 7:8 t/a; tar cf t.tar t; rm -r t; tar xf t.tar; "
                "stat -c '%u %g %a' t/a; setpriv --reuid=7 --clear-groups tar xf t.tar -C mine; stat -c '%u %g %a' mine/t/a"],
    }
    setup = ("cd \"$1\"; shift; umask 022; echo public > public; echo secret > secret; chmod 600 secret; mkdir closed mine; "
             "chmod 700 closed; chmod 1777 mine; exec \"$@\" 2>&1")
    for name, argv in forms.items():
        if name in without:
            continue
        if not check(shutil.which(argv[0]) is not None, f"{argv[0]} is not there"):
            continue
        compare(esc, name, lambda path, a=argv: ["sh", "-c", setup, "sh", path] + a, {"openat": 5, "execve": 3},
                clean=lambda text: re.sub(r"(/\S*?)?/work\b", "/work", text))


MANY = """import os, sys
os.chdir(sys.argv[1])
count = int(sys.argv[2])
open('shared', 'w').write('x')
os.chown('shared', 0, 100000 + count - 1)
os.chmod('shared', 0o640)
open('alien', 'w').write('x')
os.chown('alien', 0, 100000 + count)
os.chmod('alien', 0o640)
os.setgroups(range(100000, 100000 + count))
os.setresgid(1001, 1001, 1001)
os.setresuid(1001, 1001, 1001)
for name in ('shared', 'alien'):
    for _ in range(3):
        try: print(open(name).read(), os.access(name, os.R_OK), os.access(name, os.W_OK))
        except OSError as e: print(e.errno, os.access(name, os.R_OK))
sys.stdout.flush()
if os.fork() == 0:
    os.execlp('sh', 'sh', '-c', 'cat shared; cat alien; id -G | wc -w')
os.wait()
"""


def groups(esc, counts=(1, 40, 65536)):
    for count in counts:
        compare(esc, f"{count} groups", lambda path, n=count: [esc.python, "-c", MANY, path, str(n)], {"openat": 10})


MASKED = """import os, sys
def look(path):
    try: return repr(open(path).read())
    except OSError as e: return e.errno
print(look(sys.argv[1]), look(sys.argv[2]), os.stat(sys.argv[1]).st_size)
os.setgroups([])
os.setresgid(1001, 1001, 1001)
os.setresuid(1001, 1001, 1001)
print(look(sys.argv[1]), look(sys.argv[2]), os.stat(sys.argv[1]).st_size)
for path in sys.argv[3:]:
    try: print(os.open(path, os.O_RDONLY))
    except OSError as e: print(e.errno)
"""


def rules_and_rights(esc):
    """Both hold: what a rule refuses to root it refuses to others, and masked content is for who may read the file."""
    path = fresh(esc, "rules")
    for name, mode in (("closed", 0o600), ("open", 0o644), ("hidden", 0o644), ("denied", 0o644)):
        with open(os.path.join(path, name), "w") as f:
            f.write("pass=secret\n")
        os.chmod(os.path.join(path, name), mode)
    rules = [f"mask {path}/closed redact=\"(?<=pass=).*\"", f"mask {path}/open redact=\"(?<=pass=).*\"",
             f"hide {path}/hidden", f"deny {path}/denied"]
    argv = [esc.python, "-c", MASKED] + [os.path.join(path, n) for n in ("closed", "open", "hidden", "denied")]
    out = esc.view(rules, argv, {"openat": 5}).stdout.splitlines()
    equal(len(out), 4, f"lines {out}")
    if len(out) == 4:
        first, second = out[0].split("pass="), out[1]
        check("secret" not in out[0] and len(first) == 3, f"masked for root: {out}")
        check(second.startswith("13 'pass=") and "secret" not in second, f"closed to the other, masked for it: {out}")
        equal(second.split()[-1], out[0].split()[-1], "its size is told to both")
        equal(out[2:], ["2", "13"], "hidden and denied")


AGENTS = """set -e
cd "$1"; chmod 700 .; export GNUPGHOME=$1 HOME=$1 SHELL=/bin/sh
gpg-agent --daemon --quiet -- sh -c 'gpg-connect-agent "GETINFO version" /bye | tail -1'
gpgconf --kill gpg-agent
if getent passwd "$(id -u)" > /dev/null; then
    eval "$(ssh-agent -s)" > /dev/null
    trap 'kill $SSH_AGENT_PID' EXIT
    ssh-keygen -q -t ed25519 -N '' -C key -f "$1/key"
    ssh-add -q "$1/key" 2>&1
    ssh-add -l | awk '{print $3, $4}'
else
    echo "key (ED25519)"
fi
script -qec 'tty | sed s/[0-9]*//g; echo controlling > /dev/tty; ps -o tty= -p $$ | tr -d 0-9' /dev/null < /dev/null
export TERM=xterm LC_ALL=C.UTF-8
tmux -S "$1/t" -f /dev/null new-session -d -x 60 -y 10 'tty | sed s/[0-9]*//g; echo to the terminal > /dev/tty; read line; echo "read: $line"; exec cat'
wait_for() {
    for _ in $(seq 500); do
        tmux -S "$1/t" capture-pane -p | grep -q "$2" && return
        sleep 0.02
    done
    echo "never: $2"
}
wait_for "$1" 'to the terminal'
tmux -S "$1/t" send-keys 'a line typed' Enter
wait_for "$1" 'read: '
tmux -S "$1/t" capture-pane -p | sed '/^$/d'
tmux -S "$1/t" kill-server 2>&1 || true
echo tmux ended
"""


def agents(esc):
    """Programs that are not dumpable run and serve; so does a terminal of one's own."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for user in [[]] if esc.uid else [[], nobody]:
        def argv(path, u=user):
            if u:
                os.chown(path, 65534, 65534)
            return u + ["sh", "-c", AGENTS, "sh", path]
        native, _ = compare(esc, f"agents {user[:1]}", argv, {"openat": 50, "connect": 2})
        for said in ("key (ED25519)", "controlling", "read: a line typed", "tmux ended"):
            check(said in native.stdout, f"agents natively, {said}: {native}")
    if esc.uid == 0:
        path = fresh(esc, "work")
        os.chown(path, 65534, 65534)
        stats = os.path.join(path, "stats")
        run = esc.native(nobody + [esc.scrim, "run", "--stats", stats, "-r", RULES[0], "--", "sh", "-c", AGENTS, "sh", path])
        equal(run.stdout, native.stdout, "agents in a view of nobody")
        with open(stats) as f:
            check('"connect"' in f.read(), "connect was mediated")


UMASK = """import os, sys, threading
os.chdir(sys.argv[1])
names = iter(range(100000))
whose = ['f']
def make():
    name = whose[0] + str(next(names))
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o777))
    os.mkdir(name + 'd', 0o777)
    print(oct(os.stat(name).st_mode), oct(os.stat(name + 'd').st_mode))
for mask in (0o22, 0o77, 0, 0o777, 0o27):
    os.umask(mask)
    make(); make(); make()
    pid = os.fork()
    if pid == 0:
        whose[0] = 'child%o-' % mask
        make(); make()
        os.umask(0o70)
        make(); make()
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    make()
    threads = []
    def other(m):
        make(); make()
        os.umask(m)
        make(); make()
    for m in (0o11, 0o33):
        t = threading.Thread(target=other, args=(m,))
        t.start(); t.join()
        make(); make()
    sys.stdout.flush()
    os.system('touch s%o; mkdir sd%o; umask; stat -c %%a s%o sd%o' % ((mask,) * 4))
print(oct(os.umask(0o22)))
# A process that shares it: clone with CLONE_FS | SIGCHLD.
import ctypes
libc = ctypes.CDLL(None)
make(); make(); make()
r, w = os.pipe()
for mask in (0o44, 0o5):
    sys.stdout.flush()
    pid = libc.syscall(56, 0x200 | 17, 0, 0, 0, 0)
    if pid == 0:
        whose[0] = 'sharer%o-' % mask
        make(); make(); make()
        os.umask(mask)
        make(); make()
        sys.stdout.flush()
        os.write(w, b'x')
        os._exit(0)
    os.read(r, 1)
    make(); make()
    os.waitpid(pid, 0)
    make(); make()
    os.umask(0o12)
    make(); make()
print(oct(os.umask(0o22)))
"""


def umasks(esc):
    """Created with the mask of the moment, whoever changed it: the thread, a sibling, a parent before the fork."""
    compare(esc, "umask", lambda path: [esc.python, "-uc", UMASK, path], {"openat": 50, "mkdir": 50, "umask": 20, "clone": 2})


THREAD_EXEC = """import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
with open(sys.argv[1] + '/secret', 'w') as f: f.write('text' + chr(10))
os.mkdir(sys.argv[1] + '/closed', 0o700)
os.chmod(sys.argv[1] + '/secret', 0o600)
libc.syscall(122, 0)
for _ in range(5): os.stat(sys.argv[1] + '/secret')
def other():
    libc.syscall(117, 1001, 1001, 1001)
    try: open(sys.argv[1] + '/secret'); print('thread: opened')
    except OSError as e: print('thread:', e.errno)
    sys.stdout.flush()
    # All by the shell itself: a child would be another thread.
    os.execv('/bin/sh', ['sh', '-c', 'read x < "$0/secret" && echo read; true >> "$0/secret"; cd "$0/closed"; '
             'test -r "$0/secret" && echo readable; id -u; test $$ = $1 && echo same', sys.argv[1], str(os.getpid())])
os.dup2(1, 2)
threading.Thread(target=other).start()
until = time.monotonic() + 20
while time.monotonic() < until: os.stat(sys.argv[1] + '/secret')
print('still here')
"""


def thread_exec(esc):
    """A thread that has dropped executes and becomes the process: nothing is left of what its first thread was allowed."""
    for _ in range(5):
        native, _ = compare(esc, "exec by a thread", lambda path: [esc.python, "-c", THREAD_EXEC, path],
                            {"setresuid": 1, "setfsuid": 1, "newfstatat": 5},
                            clean=lambda text: text.replace(esc.places[0].path, ""))
        lines = native.stdout.splitlines()
        equal([lines[0], len(lines), lines[-2:]], ["thread: 13", 6, ["1001", "same"]], f"natively: {lines}")


# glibc has every thread change its ids; all of them go on meanwhile.
THREADS_DROP = """import os, sys, threading
os.chdir(sys.argv[1])
stop, wrong = [], []
def look():
    while not stop:
        try:
            os.stat('.')
            with open('/etc/passwd') as f: f.read(1)
        except OSError as e: wrong.append(e.errno)
threads = [threading.Thread(target=look) for _ in range(3)]
for t in threads: t.start()
for _ in range(30):
    os.setresgid(0, 0, 0)
os.setgroups([])
os.setresgid(1001, 1001, 1001)
os.setresuid(1001, 1001, 1001)
for _ in range(100): os.stat('.')
stop.append(1)
for t in threads: t.join()
print(sorted(set(wrong)), os.getresuid(), os.getresgid())
"""


DAEMON = """import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(0.05)
open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))
os.rename(sys.argv[1] + '.new', sys.argv[1])
while not os.path.exists(sys.argv[1] + '.stop'): time.sleep(0.01)
os.mkdir(sys.argv[1] + '.served')
"""


def ancestors(esc):
    """Everybody in a view stays a descendant of its supervisor, daemons too: where Yama asks for that they are served."""
    path = os.path.join(fresh(esc, "work"), "pid")
    view = subprocess.Popen([esc.scrim, "run", "--stats", os.path.join(esc.base, "yama"), "-r", RULES[0], "--", esc.python, "-c",
                             DAEMON, path])
    deadline = time.monotonic() + 60 * PATIENCE
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    with open(path) as f:
        pid = int(f.read())
    chain = []
    while pid > 1 and len(chain) < 50:
        chain.append(pid)
        with open(f"/proc/{pid}/stat") as f:
            pid = int(f.read().rpartition(")")[2].split()[1])
    names = [open(f"/proc/{p}/comm").read().strip() for p in chain]
    check(view.pid in chain, f"the daemon descends from what was started: {names}")
    equal(names[1], "scrim-reaper", f"its parent: {names}")
    check(len(chain) > 3 and chain.index(view.pid) == 3, f"reaper, supervisor, front: {names}")
    with open(path + ".stop", "w"):
        pass
    equal(view.wait(60 * PATIENCE), 0, "the view's end")
    check(os.path.isdir(path + ".served"), "the daemon was served to its end")
    scope = "/proc/sys/kernel/yama/ptrace_scope"
    print(f"   Yama: {open(scope).read().strip() if os.path.exists(scope) else 'not in this kernel'}")


# What stays EPERM without CAP_SYS_PTRACE: several ids at a time, if for a moment, as perl's $> = 7 makes them.
SEVERAL_IDS = ("perl",)


def without_ptrace(esc):
    """As root in many containers: who has one uid and one gid may change them, but not to several."""
    less = ["capsh", "--drop=cap_sys_ptrace", "--", "-c", 'exec "$@"', "sh"]
    esc.before = less
    walk(esc, ["whole"])
    race(esc, ["fs"])
    programs(esc, SEVERAL_IDS)
    groups(esc, (40,))
    rules_and_rights(esc)
    thread_exec(esc)
    compare(esc, "threads of a process that drops", lambda path: [esc.python, "-c", THREADS_DROP, path], {"setresuid": 4, "openat": 100})
    esc.before = []
    script = ("import os\n"
              "def result(call, *args):\n"
              "    try: call(*args); return 0\n"
              "    except OSError as e: return e.errno\n"
              "print(result(os.setgroups, [5, 6]), os.getgroups(), result(os.setresuid, 0, 0, 0), result(os.setresuid, -1, 7, -1), os.getresuid())\n"
              "os.system('id -u; id -G; cd /usr && pwd')\n")
    native = esc.native(less + [esc.python, "-u", "-c", script]).stdout.splitlines()
    inside = esc.native(less + [esc.scrim, "run", "-r", RULES[0], "--", esc.python, "-u", "-c", script]).stdout.splitlines()
    equal(native, ["0 [5, 6] 0 0 (0, 7, 0)", "0", "0 5 6", "/usr"], "native")
    equal(inside, ["0 [5, 6] 0 1 (0, 0, 0)", "0", "0 5 6", "/usr"], "inside")


def main():
    esc = Escape(sys.argv)
    parts = [who, umasks, agents, ancestors]
    if not esc.uid:
        parts += [walk, race, programs, groups, rules_and_rights, thread_exec,
                  without_ptrace]
    for part in parts:
        if esc.only in (None, part.__name__):
            part(esc)
            print(f"   {part.__name__}", flush=True)
    print(f"{failures.checks} checks, {failures.count} failed")
    if esc.mine:
        esc.remove()
    sys.exit(failures.count != 0)


main()
