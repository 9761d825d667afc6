# SPDX-License-Identifier: Apache-2.0
"""On a terminal: Ctrl-C, Ctrl-Z and fg, window size, shells that make their own groups, the summary."""
import fcntl
import os
import pty
import shlex
import signal
import struct
import termios
import time

from run_support import DEADLINE, SCRIM, environment, expect, main, rules
from terminal import PseudoTerminal

COMMAND = shlex.join([SCRIM, "run", *rules()])


class Terminal(PseudoTerminal):
    """A program that has one of its own as its controlling terminal."""

    def __init__(self, *argv, **env):
        self.pid, fd = pty.fork()
        if self.pid == 0:
            for number in range(1, signal.NSIG):
                try:
                    signal.signal(number, signal.SIG_DFL)
                except (OSError, ValueError):
                    pass
            os.execvpe(argv[0], argv, environment(**{"TERM": "dumb", "PS1": "@> ", **env}))
        super().__init__(fd)

    def until(self, pattern):
        return super().until(pattern, DEADLINE / 3)

    def rest(self):
        """Everything until the end, and the wait status."""
        super().rest()
        _, status = os.waitpid(self.pid, 0)
        return self.seen, status

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.rest()


def scrim(*args, **env):
    return Terminal(SCRIM, "run", *rules(), *args, **env)


def shell():
    t = Terminal("bash", "--norc", "--noprofile", "-i")
    t.send("stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null\n")
    t.until("@> .*@> ")
    return t


def test_interrupt():
    t = scrim("sh", "-c", "echo up; exec sleep 60")
    t.until("up")
    t.send("\x03")
    out, status = t.rest()
    expect(os.waitstatus_to_exitcode(status), 130)


def test_interrupt_reaches_once():
    t = scrim("python3", "-SEc", "import signal,time,os\n"
              "n=[0]\n"
              "def f(*a): n[0]+=1\n"
              "signal.signal(2,f); signal.signal(3,f)\n"
              "print('up',flush=True)\n"
              "for _ in range(20): time.sleep(0.05)\n"
              "print('n=%d.' % n[0])")
    t.until("up")
    t.send("\x03")
    time.sleep(0.2)
    t.send("\x1c")
    t.until("n=2\\.")
    expect(os.waitstatus_to_exitcode(t.rest()[1]), 0)


def test_quit():
    t = scrim("sh", "-c", "ulimit -c 0; echo up; exec sleep 60")
    t.until("up")
    t.send("\x1c")
    expect(os.waitstatus_to_exitcode(t.rest()[1]), 131)


def test_hangup():
    """The terminal goes away: the command hears of it, though scrim is the session leader."""
    marker = f"/tmp/scrim-hangup-{os.getpid()}"
    t = scrim("sh", "-c", f"trap 'echo hup > {marker}; exit' HUP; echo up; while :; do sleep 0.05; done")
    t.until("up")
    os.close(t.fd)
    try:
        _, status = os.waitpid(t.pid, 0)
        with open(marker) as f:
            expect(f.read(), "hup\n")
    finally:
        if os.path.exists(marker):
            os.unlink(marker)


def test_suspend_and_foreground():
    t = shell()
    for _ in range(3):
        t.send(COMMAND + " sh -c 'echo begin; read x; echo got $x; exit 3'\n")
        t.until("begin")
        t.send("\x1a")
        t.until("Stopped.*@> ")
        t.send("jobs -l; echo status $?\n")
        t.until("Stopped.*status 0.*@> ")
        t.send("fg\n")
        t.until("read x")
        t.send("word\n")
        t.until("got word.*@> ")
        t.send("echo status $?\n")
        t.until("status 3.*@> ")
    t.send("exit\n")
    expect(t.rest()[1], 0)


def test_suspend_status_is_the_signal():
    t = shell()
    t.send(COMMAND + " sleep 60\n")
    time.sleep(0.5)
    t.send("\x1a")
    t.until("Stopped.*@> ")
    t.send("echo status $?\n")
    t.until(f"status {128 + signal.SIGTSTP}.*@> ")
    t.send("kill %1; sleep 1; jobs\n")
    t.until("Exit 143")
    t.kill()


def test_background_and_jobs():
    t = shell()
    t.send(COMMAND + " sh -c 'read x; echo got $x' &\n")
    t.until("@> ")
    time.sleep(0.7)
    t.send("jobs\n")
    t.until("Stopped.*tty input.*@> |Stopped.*@> ")
    t.send("fg\n")
    t.until("read x")
    t.send("late\n")
    t.until("got late.*@> ")
    t.send(COMMAND + " sleep 60\n")
    time.sleep(0.5)
    t.send("\x1a")
    t.until("Stopped.*@> ")
    t.send("bg\n")
    t.until("@> ")
    t.send("jobs\n")
    t.until("Running.*@> ")
    t.send("fg\n")
    time.sleep(0.3)
    t.send("\x03")
    t.until("@> ")
    t.send("echo status $?\n")
    t.until("status 130")
    t.kill()


def test_pipeline_in_a_shell():
    t = shell()
    t.send(f"{COMMAND} sleep 60 | {COMMAND} cat\n")
    time.sleep(0.6)
    t.send("\x1a")
    t.until("Stopped.*@> ")
    t.send("fg\n")
    time.sleep(0.3)
    t.send("\x03")
    t.until("@> ")
    t.send("jobs; echo over\n")
    expect(b"Stopped" in t.until("over").group(0), False)
    t.kill()


def test_shell_inside():
    """An interactive shell as the command: its own group, its own jobs; the terminal comes back afterwards."""
    t = shell()
    t.send(COMMAND + " bash --norc --noprofile -i\n")
    t.until("@> ")
    t.send("PS1='in> '; bind 'set enable-bracketed-paste off' 2>/dev/null\n")
    t.until("in> ")
    t.send("sleep 60\n")
    time.sleep(0.3)
    t.send("\x1a")
    t.until("Stopped.*in> ")
    t.send("fg\n")
    time.sleep(0.3)
    t.send("\x03")
    t.until("in> ")
    t.send("echo status $?\n")
    t.until("status 130.*in> ")
    t.send("suspend\n")
    t.until("Stopped.*@> ")
    t.send("fg\n")
    time.sleep(0.3)
    t.send("echo again\n")
    t.until("again.*in> ")
    t.send("exit 6\n")
    t.until("@> ")
    t.send("echo status $?\n")
    t.until("status 6.*@> ")
    # Killed while it holds the terminal: a script that started it can still read.
    t.send(f"sh -c \"{COMMAND} bash --norc -ic 'kill -9 \\$\\$'; echo back \\$?; read x; echo got \\$x\"\n")
    t.until("back 137")
    t.send("here\n")
    t.until("got here.*@> ")
    t.kill()


def test_window_size():
    t = scrim("python3", "-SEc", "import os,signal,time\n"
              "def f(*a): os.write(1, str(os.get_terminal_size()).encode())\n"
              "signal.signal(signal.SIGWINCH, f)\n"
              "print('up', flush=True)\n"
              "while True: time.sleep(0.05)")
    t.until("up")
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 37, 111, 0, 0))
    t.until("columns=111, lines=37")
    t.kill()


def test_no_stop_in_an_orphaned_group():
    """Without anybody who could continue it, Ctrl-Z is discarded, as natively."""
    t = scrim("sh", "-c", "echo up; sleep 0.5; echo done; exit 2")
    t.until("up")
    t.send("\x1a")
    t.until("done")
    expect(os.waitstatus_to_exitcode(t.rest()[1]), 2)


def test_controlling_terminal():
    t = scrim("sh", "-c", "tty; echo to-tty > /dev/tty; ps -o tty= -p $$")
    out, status = t.rest()
    expect((b"/dev/pts/" in out, b"to-tty" in out, status), (True, True, 0), out)


def test_summary():
    refused = ("--hide", "/**/hidden-x", "--mask", "/etc/hostname", "sh", "-c")
    out, status = scrim(*refused, "exec 2>&-; test -e /etc/hidden-x; true < /hidden-x; true >> /etc/hostname; exit 0",
                        HOME="/dev/null/none").rest()
    expect((out, status), (b"scrim: 3 refusals (2 hidden, 1 masked write): scrim explain --last\r\n", 0))
    one = (*refused, "test -e /etc/hidden-x; exit 0")
    out, _ = scrim(*one, HOME="/dev/null/none", TERM="xterm").rest()
    expect(out, b"\x1b[1mscrim:\x1b[0m 1 refusal (1 hidden): scrim explain --last\r\n")
    out, _ = scrim(*one, HOME="/dev/null/none", TERM="xterm", NO_COLOR="1").rest()
    expect(out, b"scrim: 1 refusal (1 hidden): scrim explain --last\r\n")
    out, _ = scrim("true").rest()
    expect(out, b"")


main(globals())
