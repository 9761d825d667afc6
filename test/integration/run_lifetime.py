# SPDX-License-Identifier: Apache-2.0
"""Who lives and who dies: signals sent to scrim, stops, descendants that outlive the command, deaths of its parts."""
import os
import select
import signal
import subprocess
import time

from run_support import DEADLINE, SCRIM, environment, expect, main, rules, run, start


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


def state(pid):
    """The state letter of a process; '' when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE / 2
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("never: " + what)
        time.sleep(0.005)


def gone(pid):
    return state(pid) in ("", "Z", "X")


def started(*args, **kwargs):
    """A run whose command has printed a line; the process, and the words of the line."""
    p = start(*args, stdout=subprocess.PIPE, **kwargs)
    return p, p.stdout.readline().split()


def parts(front):
    """supervisor, reaper of a running scrim."""
    supervisor = children(front)[0]
    return supervisor, children(supervisor)[0]


def test_signals_are_forwarded():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGQUIT):
        script = f"trap 'echo got; exit 9' {int(number)}; echo ready; while :; do sleep 0.05; done"
        p, _ = started("sh", "-c", script)
        p.send_signal(number)
        expect((p.stdout.read(), p.wait(DEADLINE)), (b"got\n", 9), number)
    p, _ = started("sh", "-c", "echo; exec sleep 60")
    p.terminate()
    expect(p.wait(DEADLINE), 143)


def test_early_signal_is_not_lost():
    for _ in range(20):
        p = start("sleep", "60")
        time.sleep(0.002)
        p.terminate()
        expect(p.wait(DEADLINE) in (143, -15), True, p.returncode)


def test_stop_and_continue_are_mirrored():
    p, words = started("sh", "-c", "echo $$; exec sleep 60")
    command = int(words[0])
    for number in (signal.SIGSTOP, signal.SIGTSTP):
        os.kill(command, number)
        _, status = os.waitpid(p.pid, os.WUNTRACED)
        expect((os.WIFSTOPPED(status), os.WSTOPSIG(status)), (True, number))
        wait_until(lambda: state(command) == "T", "the command is stopped")
        os.kill(p.pid, signal.SIGCONT)
        wait_until(lambda: state(command) == "S" and state(p.pid) == "S", "both run again")
    # Told to the front process, it happens to the command.
    p.send_signal(signal.SIGTSTP)
    wait_until(lambda: state(command) == "T" and state(p.pid) == "T", "both stop")
    # Somebody continues or kills the command alone: the front process follows.
    os.kill(command, signal.SIGCONT)
    wait_until(lambda: state(command) == "S" and state(p.pid) == "S", "both run again")
    os.kill(command, signal.SIGSTOP)
    wait_until(lambda: state(p.pid) == "T", "front stops")
    os.kill(command, signal.SIGKILL)
    expect(p.wait(DEADLINE), 137)


def test_continued_once():
    """A group that is stopped and continued as a whole: the command's SIGCONT handler runs once."""
    # No shell: one that is stopped between vfork and exec of a child does not count as stopped, natively either.
    script = ("import os,signal\n"
              "signal.signal(signal.SIGCONT, lambda *a: os.write(1, b'cont\\n'))\n"
              "os.write(1, b'ready\\n')\n"
              "while True: signal.pause()")
    p, _ = started("python3", "-SEc", script, start_new_session=True)
    for _ in range(5):
        os.killpg(p.pid, signal.SIGSTOP)
        wait_until(lambda: state(p.pid) == "T", "front stops")
        os.killpg(p.pid, signal.SIGCONT)
        if not select.select([p.stdout], [], [], DEADLINE / 2)[0]:
            os.killpg(p.pid, signal.SIGKILL)
            raise AssertionError("the handler never ran")
        expect(os.read(p.stdout.fileno(), 100), b"cont\n")
        # A second SIGCONT would come now. (Sooner stopped again, one that is still under way would be for that stop.)
        time.sleep(0.2)
    p.send_signal(signal.SIGKILL)
    expect(p.stdout.read(), b"")
    p.wait(DEADLINE)


def test_descendants_outlive_the_command():
    r, w = os.pipe()
    go_r, go_w = os.pipe()
    p = start("--pass-fd", str(w), "--pass-fd", str(go_r), "sh", "-c",
              f"(read go <&{go_r}; /bin/echo still served >&{w}) <&- >&- 2>&- & exit 4", pass_fds=(w, go_r))
    os.close(w)
    os.close(go_r)
    # The front process does not wait for who is only told now to go on.
    expect(p.wait(DEADLINE), 4)
    os.write(go_w, b"go\n")
    os.close(go_w)
    with os.fdopen(r, "rb") as f:
        expect(f.read(), b"still served\n")


def test_orphans_are_adopted_and_reaped():
    p, words = started("sh", "-c", "for i in 1 2 3 4 5; do (sh -c 'true &' &); done; echo; exec sleep 60")
    _, reaper = parts(p.pid)
    wait_until(lambda: len(children(reaper)) == 1, "only the command is left")
    p.kill()
    p.wait(DEADLINE)


def test_everything_ends():
    """When nothing is left of the view neither supervisor nor reaper is."""
    p, _ = started("sh", "-c", "echo; read x", stdin=subprocess.PIPE)
    supervisor, reaper = parts(p.pid)
    p.communicate(b"\n", timeout=DEADLINE)
    wait_until(lambda: gone(supervisor) and gone(reaper), "supervisor and reaper end")


def test_kill_on_exit():
    p, words = started("--kill-on-exit", "sh", "-c",
                       "sleep 60 & a=$!; (trap '' TERM HUP; setsid sleep 61 & echo $a $!); exit 3")
    expect(p.wait(DEADLINE), 3)
    pids = [int(x) for x in words]
    expect([gone(x) for x in pids], [True, True])


def test_kill_on_exit_of_a_breeder():
    script = ("import os,time\n"
              "if os.fork() == 0:\n"
              "  os.close(1)\n"
              "  while True:\n"
              "    if os.fork(): os._exit(0)\n"
              "    time.sleep(0.001)\n"
              "time.sleep(0.1)\n")
    p = start("--kill-on-exit", "python3", "-SEc", script)
    wait_until(lambda: children(p.pid), "the supervisor starts")
    supervisor = children(p.pid)[0]
    expect(p.wait(DEADLINE), 0)
    wait_until(lambda: gone(supervisor), "the view is empty")


def test_death_of_the_front_process():
    p, words = started("sh", "-c", "sleep 60 & echo $$ $!; wait")
    command, child = (int(x) for x in words)
    p.kill()
    wait_until(lambda: gone(command), "the command dies with what stands for it")
    expect(gone(child), False, "its child lives, as it would without scrim")
    os.kill(child, signal.SIGKILL)
    p.wait(DEADLINE)


def test_die_with_parent():
    script = '"$@" & read x; kill -9 $$'
    outer = subprocess.Popen(["sh", "-c", script, "sh", SCRIM, "run", *rules(), "--die-with-parent", "sh", "-c",
                              "setsid sleep 60 & echo $$ $!; wait"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    pids = [int(x) for x in outer.stdout.readline().split()]
    outer.communicate(b"\n", timeout=DEADLINE)
    wait_until(lambda: all(gone(x) for x in pids), "all of the view dies")


def test_death_of_the_supervisor_fails_closed():
    p, words = started("sh", "-c", "setsid sh -c 'trap \"\" HUP; sleep 3; /bin/echo escaped' & echo $$ $!; wait",
                       stderr=subprocess.PIPE)
    command, child = (int(x) for x in words)
    supervisor, _ = parts(p.pid)
    os.kill(supervisor, signal.SIGKILL)
    expect(p.wait(DEADLINE), 125)
    wait_until(lambda: gone(command), "the command is killed")
    wait_until(lambda: gone(child), "the child ends")
    expect(b"scrim: the supervisor died" in p.stderr.read(), True)
    expect(p.stdout.read(), b"", "what is left cannot execute anything")


def test_death_of_the_reaper_fails_closed():
    p, words = started("sh", "-c", "echo $$; exec sleep 60", stderr=subprocess.PIPE)
    command = int(words[0])
    _, reaper = parts(p.pid)
    os.kill(reaper, signal.SIGTERM)
    time.sleep(0.1)
    expect(gone(reaper), False, "only SIGKILL ends it")
    os.kill(reaper, signal.SIGKILL)
    expect(p.wait(DEADLINE), 125)
    wait_until(lambda: gone(command), "the command is killed")


def test_supervisor_is_apart():
    """Its own process group, no terminal's signal, nothing of the user's held."""
    p, words = started("sh", "-c", "echo $$; exec sleep 60", cwd="/usr")
    supervisor, reaper = parts(p.pid)
    expect(os.getpgid(supervisor), supervisor)
    expect(os.getpgid(int(words[0])), os.getpgid(0))
    expect(os.getsid(reaper) != os.getsid(0), True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(supervisor, number)
        os.kill(reaper, number)
    time.sleep(0.05)
    expect((gone(supervisor), gone(reaper)), (False, False))
    if os.geteuid() != 0:
        try:
            os.readlink(f"/proc/{supervisor}/cwd")
            raise AssertionError("the supervisor can be looked into")
        except PermissionError:
            pass
    for pid in (supervisor, reaper) if os.geteuid() == 0 else (reaper,):
        for fd in range(3):
            expect(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
        expect(os.readlink(f"/proc/{pid}/cwd"), "/")
    p.terminate()
    expect(p.wait(DEADLINE), 143)


main(globals())
