# SPDX-License-Identifier: Apache-2.0
"""Whose child a process is: getppid(2) and every file of /proc that says it, inside against outside.

parents.py [--user] SCRIM

Below an outer subreaper, a starter starts the program; the program makes children, orphans, subreapers of its own, and
ends its starter and its subreaper. The processes get names, so that both runs say the same.
"""

import json

from escape_support import check, equal, main

COMMON = """
import ctypes, json, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def subreaper():
    assert libc.prctl(36, 1, 0, 0, 0) == 0
def is_subreaper():
    value = ctypes.c_int()
    assert libc.prctl(37, ctypes.byref(value), 0, 0, 0) == 0
    return value.value
def name(what, pid=None):
    say({'name': what, 'pid': pid or os.getpid()})
def say(what):
    os.write(1, (json.dumps(what) + '\\n').encode())
"""

# Subreapers around each other; innermost the starter, which executes the program or starts it as a child.
OUTER = COMMON + """
how, argv = sys.argv[1], sys.argv[2:]
def wait_for_all():
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os._exit(0)
for what in ('outermost', 'outer'):
    subreaper()
    name(what)
    if os.fork():
        wait_for_all()
name('starter')
if how == 'exec':
    # It is one that it was before: the flag outlives the exec.
    subreaper()
    os.execvp(argv[0], argv)
if os.fork() == 0:
    os.execvp(argv[0], argv)
wait_for_all()
"""

INNER = COMMON + """
def in_stat(path):
    with open(path) as f:
        return int(f.read().rpartition(')')[2].split()[1])
def in_status(path):
    with open(path) as f:
        return int(next(line for line in f if line.startswith('PPid:')).split()[1])
def of(pid, tids):
    found = []
    for place in ['/proc/%d' % pid] + ['/proc/%d/task/%d' % (pid, tid) for tid in tids] + ['/proc/%d' % tid for tid in tids]:
        found += [in_stat(place + '/stat'), in_status(place + '/status')]
        # Looked at in parts, as some programs do.
        fd = os.open(place + '/stat', os.O_RDONLY)
        text = b''
        while part := os.read(fd, 7):
            text += part
        assert os.lseek(fd, 0, os.SEEK_SET) == 0 and os.read(fd, 7) == text[:7]
        os.close(fd)
        found.append(int(text.rpartition(b')')[2].split()[1]))
    return found
def seen():
    found, ready, over = [os.getppid()], threading.Event(), threading.Event()
    tids = []
    def another():
        tids.append(threading.get_native_id())
        found.append(os.getppid())
        ready.set()
        over.wait()
    thread = threading.Thread(target=another)
    thread.start()
    ready.wait()
    found += of(os.getpid(), [os.getpid(), tids[0]])
    for place in ('/proc/self', '/proc/thread-self'):
        found += [in_stat(place + '/stat'), in_status(place + '/status')]
    over.set()
    thread.join()
    return sorted(set(found))
def tell(what, found=None):
    say({'seen': what, 'by': found or seen()})
def until(condition):
    for _ in range(6000 * int(os.environ.get('SCRIM_SLOW', '1'))):
        if condition():
            return
        time.sleep(0.005)
    say({'never': 'true'})
def child(run):
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:
            os._exit(0)
    return pid
def orphan(run):
    # Two forks; what is run is so when the one between has ended.
    r, w = os.pipe()
    def between():
        def last():
            middle = os.getppid()
            os.write(w, b'%d\\n' % os.getpid())
            until(lambda: os.getppid() != middle)
            run()
        child(last)
        os.read(r2, 1)
    r2, w2 = os.pipe()
    middle = child(between)
    pid = int(os.read(r, 20))
    os.write(w2, b'x')
    os.waitpid(middle, 0)
    for fd in (r, w, r2, w2):
        os.close(fd)
    return pid
def step():
    # Runs one thing after the other: what is told is in one order.
    r, w = os.pipe()
    return (lambda: os.write(w, b'x')), (lambda: os.read(r, 1))

name('command')
how = sys.argv[1]
say({'subreaper': is_subreaper()})
tell('command')
os.waitpid(child(lambda: tell('child')), 0)

done, wait = step()
over, wait_over = step()
def first():
    tell('orphan')
    def below():
        tell('child of an orphan')
    name('orphan')
    os.waitpid(child(below), 0)
    done()
    wait_over()
pid = orphan(first)
wait()
tell('orphan, by another', sorted(set(of(pid, [pid]))))
if how == 'child':
    text = os.popen('ps -o ppid= -p %d; ps -o ppid= -p %d' % (pid, os.getpid())).read().split()
    tell('orphan, by ps', [int(text[0])])
    tell('command, by ps', [int(text[1])])
over()

# One of our own is a real parent, and a real one again when it has ended.
end, wait_end = step()
def own():
    subreaper()
    name('own subreaper')
    me = os.getpid()
    def adopted():
        tell('orphan below our own')
        os.kill(me, signal.SIGKILL)
        until(lambda: os.getppid() != me)
        tell('orphan of our own')
        done()
    orphan(adopted)
    wait_end()
os.waitpid(child(own), 0)
wait()

if how == 'child':
    starter, gone = os.getppid(), os.getppid()
    os.kill(starter, signal.SIGKILL)
    until(lambda: os.getppid() != starter)
    tell('command without its starter')
    def bereaved():
        tell('orphan without a starter')
        outer = os.getppid()
        os.kill(outer, signal.SIGKILL)
        until(lambda: os.getppid() != outer)
        tell('orphan without the subreaper')
        done()
    orphan(bereaved)
    wait()
    tell('command without either')
    orphan(lambda: tell('orphan of the outermost') or done())
    wait()
command = os.getpid()
def daemon():
    os.setsid()
    go()
    def ended():
        try:
            return in_state('/proc/%d/stat' % command) in 'ZX'
        except OSError:
            return True
    def in_state(path):
        with open(path) as f:
            return f.read().rpartition(')')[2].split()[0]
    until(ended)
    tell('daemon')
go, wait_go = step()
orphan(daemon)
wait_go()
"""


def run(esc, how, inside):
    argv = [esc.python, "-c", INNER, how]
    if inside:
        argv = [esc.scrim, "run", "--stats", esc.base + "/stats-" + how, "-r", "hide /nonexistent-scrim-parents", "--"] + argv
    result = esc.native([esc.python, "-c", OUTER, how] + argv)
    equal(result.stderr, "", f"{how}: standard error")
    said, names = [], {1: "init"}
    for line in result.stdout.splitlines():
        told = json.loads(line)
        if "name" in told:
            # The program that was executed in the starter's place is the starter.
            if how == "child" or inside or told["name"] != "command":
                names[told["pid"]] = told["name"]
            else:
                names[told["pid"]] = "command"
        elif "seen" in told:
            said.append((told["seen"], [names.get(pid, pid) for pid in told["by"]]))
        else:
            said.append(told)
    return said


def body(esc):
    for how, least in (("child", 20), ("exec", 10)):
        native, inside = run(esc, how, False), run(esc, how, True)
        check(len(native) >= least // 2, f"{how}: says nothing: {native}")
        check(all(isinstance(s, dict) or (len(s[1]) == 1 and isinstance(s[1][0], str)) for s in native), f"{how}: {native}")
        for i in range(max(len(native), len(inside))):
            one = native[i] if i < len(native) else None
            equal(inside[i] if i < len(inside) else None, one, f"{how}: answer {i}")
        with open(esc.base + "/stats-" + how) as f:
            mediated = json.load(f)["mediated"]
        check(mediated.get("getppid", 0) >= least, f"{how}: mediated {mediated}")
        print("  ", how, inside, flush=True)


main(body)
