# SPDX-License-Identifier: Apache-2.0
"""The contract of the command line: statuses, messages, descriptors, environment, directories, signals inherited."""
import json
import os
import re
import signal
import subprocess
import tempfile

from run_support import DEADLINE, HOME, SCRIM, STUB, environment, expect, main, rules, run, start


def scrim(*args, **kwargs):
    return subprocess.run([SCRIM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, env=environment(), **kwargs)


def test_version_and_help():
    p = scrim("--version")
    expect((p.returncode, p.stdout.startswith(b"scrim 0."), p.stderr), (0, True, b""))
    for args in (["--help"], ["help"], ["-h"], ["run", "--help"]):
        p = scrim(*args)
        expect((p.returncode, p.stdout.startswith(b"usage: scrim"), p.stderr), (0, True, b""), args)
        expect(max(map(len, p.stdout.splitlines())) <= 80, True, "fits a terminal")


def test_misuse_is_125():
    for args in ([], ["frobnicate"], ["run"], ["run", "--"], ["run", "--frobnicate", "true"], ["run", "--chdir"],
                 ["run", "--pass-fd", "x", "true"], ["run", "--pass-fd", "77", "true"], ["run", ""], ["run", "-Z", "x"],
                 ["run", "--setenv", "NOVALUE", "true"], ["run", "--unsetenv", "A=B", "true"],
                 ["run", "--log", "/nonexistent/dir/log", "true"], ["run", "--workers", "0", "true"]):
        p = scrim(*args)
        expect((p.returncode, p.stdout), (125, b""), args)
        expect(p.stderr.startswith(b"scrim: " if args else b"usage"), True, (args, p.stderr))


def test_exit_statuses():
    for status in (0, 1, 42, 124, 125, 255):
        expect(run("sh", "-c", f"exit {status}").returncode, status)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT):
        expect(run("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$").returncode, 128 + number)


def test_cannot_execute():
    p = run("--setenv", "PATH=/usr/bin:/bin", "scrim-no-such-program")
    expect((p.returncode, p.stderr),
           (127, b"scrim: cannot execute scrim-no-such-program: No such file or directory\n"))
    expect(run("/etc/passwd").returncode, 126)
    expect(run("/").returncode, 126)
    expect(run("/nonexistent/x").returncode, 127)


def test_double_dash_is_run():
    p = scrim("--", "sh", "-c", "echo $0 $1; exit 3", "-c", "--help")
    expect((p.returncode, p.stdout), (3, b"-c --help\n"))
    p = run("sh", "-c", "echo $1", "sh", "--chdir")
    expect(p.stdout, b"--chdir\n", "options end at the first word")
    p = run("--", "echo", "--", "x")
    expect(p.stdout, b"-- x\n")


def test_path_of_the_command():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "only-here")
        with open(path, "w") as f:
            f.write("#!/bin/sh\necho found\n")
        os.chmod(path, 0o755)
        p = run("--setenv", f"PATH={directory}:{os.environ['PATH']}", "only-here")
        expect((p.returncode, p.stdout), (0, b"found\n"), "PATH is the command's")


def test_streams():
    p = run("sh", "-c", "cat; echo err >&2", stdin=None, input=b"through\n")
    expect((p.stdout, p.stderr), (b"through\n", b"err\n"))


def test_closed_streams_stay_closed():
    p = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", SCRIM, "run", *rules(), "sh", "-c",
                        "[ -e /proc/self/fd/0 ] && echo open || echo closed; ls /proc/self/fd >/dev/null; "
                        "read x || echo fails"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE, env=environment())
    expect(p.stdout.split()[-1], b"fails")


def descriptors(*args, **kwargs):
    """The descriptors a command has, by asking for each: no listing, so that nothing is opened for it."""
    code = "import os\nfor n in range(256):\n try: os.fstat(n); print(n)\n except OSError: pass"
    p = run(*args, "python3", "-SEc", code, **kwargs)
    expect((p.returncode, p.stderr), (0, b""))
    return [int(n) for n in p.stdout.split()]


def test_descriptors():
    r, w = os.pipe()
    os.dup2(w, 50)
    os.set_inheritable(r, True)
    try:
        expect(descriptors(pass_fds=(r, 50)), [0, 1, 2], "closed unless passed")
        expect(descriptors("--pass-fd", "50", pass_fds=(r, 50)), [0, 1, 2, 50])
        expect(descriptors("--pass-fd", "50", "--pass-fd", str(r), "--pass-fd", "1", pass_fds=(r, 50)),
               sorted([0, 1, 2, r, 50]))
    finally:
        os.close(50)
        os.close(r)
        os.close(w)


def test_passed_pipe_ends():
    """Neither front process nor supervisor keeps a copy of what was passed."""
    r, w = os.pipe()
    p = subprocess.Popen([SCRIM, "run", *rules(), "--pass-fd", str(w), "sh", "-c",
                          f"echo x >&{w}; exec {w}>&-; read x"], pass_fds=(w,), stdin=subprocess.PIPE,
                         env=environment())
    os.close(w)
    with os.fdopen(r, "rb") as f:
        expect(f.read(), b"x\n")
    p.communicate(b"\n", timeout=DEADLINE)
    expect(p.returncode, 0)


def words_from(*words, ends=True):
    """A descriptor with WORDS, each ended by a NUL."""
    r, w = os.pipe()
    with os.fdopen(w, "wb") as f:
        f.write(b"\0".join(os.fsencode(word) for word in words) + (b"\0" if ends and words else b""))
    return r


def with_args(*before, words, after=(), ends=True):
    fd = words_from(*words, ends=ends)
    try:
        return run(*before, "--args", str(fd), *after, pass_fds=(fd,))
    finally:
        os.close(fd)


def test_args():
    p = with_args(words=("--setenv", "A=b c", "--setenv", "B="), after=("--", "sh", "-c", 'echo "$A|$B|$0"', "x y"))
    expect((p.returncode, p.stdout), (0, b"b c||x y\n"), "options")
    p = with_args(words=("--setenv", "A=1", "--", "sh", "-c"), after=("echo $A \"$@\"", "x", "", "--args"))
    expect((p.returncode, p.stdout), (0, b"1  --args\n"), "the command too, and what follows it")
    expect(with_args("--setenv", "A=1", words=("sh", "-c", "echo $A"), ends=False).stdout, b"1\n", "without the last NUL")
    expect(with_args("--setenv", "A=1", words=(), after=("sh", "-c", "echo $A")).stdout, b"1\n", "no words")
    inner = words_from("--setenv", "A=inner")
    outer = words_from("--setenv", "A=outer", "--args", str(inner), "--setenv", "B=outer")
    p = run("--args", str(outer), "sh", "-c", "echo $A $B; ls /proc/self/fd", pass_fds=(inner, outer))
    expect(p.stdout.split()[:2], [b"inner", b"outer"], "in one another")
    expect(len(p.stdout.split()), 6, "and none of them left open but the three and ls's own")
    os.close(inner)
    os.close(outer)
    many = with_args(words=["--unsetenv", "X"] * 4400, after=("echo", "ran"))
    expect((many.returncode, many.stdout), (0, b"ran\n"), "many")
    for p, text in ((with_args(words=["--unsetenv", "X"] * 4600, after=("true",)), b"more than 9000 words"),
                    (with_args(words=("--nonsense",), after=("true",)), b"unknown option --nonsense"),
                    (run("--args", "77", "true"), b"--args 77: Bad file descriptor"),
                    (run("--args", "x", "true"), b"is not a descriptor's number"),
                    (with_args(words=("--chdir",)), b"option --chdir needs an argument")):
        expect((p.returncode, text in p.stderr), (125, True), f"{text}: {p.stderr}")


def test_json_status():
    for command, status in (("exit 3", 3), ("kill -KILL $$", 137), ("exec /absent", 127)):
        r, w = os.pipe()
        p = run("--json-status-fd", str(w), "sh", "-c", f"echo $$; {command}", pass_fds=(w,))
        os.close(w)
        with os.fdopen(r) as f:
            lines = [json.loads(line) for line in f]
        pid = int(p.stdout) if not STUB else lines[0]["child-pid"]
        expect((p.returncode, lines), (status, [{"child-pid": pid}, {"exit-code": status}]))
    r, w = os.pipe()
    expect(descriptors("--json-status-fd", str(w), pass_fds=(w,)), [0, 1, 2], "the command does not get it")
    expect(descriptors("--json-status-fd", str(w), "--pass-fd", str(w), pass_fds=(w,)), [0, 1, 2, w], "unless it is to")
    os.close(w)
    os.close(r)
    p = run("--json-status-fd", "1", "echo", "x")
    expect(p.stdout.split(b"\n")[-2], b'{"exit-code": 0}', "on standard output, which the command also has")
    # Nobody reads.
    r, w = os.pipe()
    os.close(r)
    p = run("--json-status-fd", str(w), "echo", "x", pass_fds=(w,))
    os.close(w)
    expect((p.returncode, p.stdout), (0, b"x\n"))


def test_stdout_ends_with_the_command():
    """A reader sees the end when the command closes its side, though scrim still runs."""
    p = subprocess.Popen([SCRIM, "run", *rules(), "sh", "-c", "echo x; exec >&-; read x"], env=environment(),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    expect(p.stdout.read(), b"x\n")
    p.communicate(b"\n", timeout=DEADLINE)


def test_pipelines():
    script = 'for i in 1 2 3 4 5 6 7 8 9 10; do "$@" echo a | "$@" cat | "$@" wc -l; done'
    p = subprocess.run(["sh", "-c", script, "sh", SCRIM, "run", *rules()], stdout=subprocess.PIPE, timeout=DEADLINE,
                       env=environment())
    expect(p.stdout.split(), [b"1"] * 10)
    p = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" yes | head -1', "sh", SCRIM, "run", *rules()],
                       stdout=subprocess.PIPE, timeout=DEADLINE, env=environment(),
                       preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
    expect((p.stdout, p.returncode), (b"y\n", 128 + signal.SIGPIPE))


def test_environment():
    p = run("--setenv", "A=1=2", "--setenv", "B=", "--unsetenv", "HOME", "--unsetenv", "absent", "env")
    lines = p.stdout.split(b"\n")
    expect((b"A=1=2" in lines, b"B=" in lines, any(x.startswith(b"HOME=") for x in lines)), (True, True, False))
    p = run("--setenv", "X=1", "--clearenv", "--setenv", "Y=2", "/usr/bin/env")
    expect(p.stdout, b"Y=2\n")


def test_chdir():
    expect(run("--chdir", "/usr", "pwd").stdout, b"/usr\n")
    p = run("--chdir", "/nonexistent", "pwd")
    expect((p.returncode, p.stderr),
           (125, b"scrim: cannot change to directory /nonexistent: No such file or directory\n"))
    expect(run("pwd", cwd="/usr/bin").stdout, b"/usr/bin\n")


LIBRARIES = re.compile(r"/lib(crypto|sodium|pcre2-8|jansson)\.so")


def test_libraries():
    """A run loads no library that its rules do not need, and none at all once the command could put one in its place."""
    with open(SCRIM, "rb") as f:
        if b"__asan_" in f.read():
            return  # what is tested here is how a release is linked
    with tempfile.TemporaryDirectory(prefix="scrim-run-") as work:
        secret = os.path.join(work, "secret")
        with open(secret, "w") as f:
            f.write("password = x\n")

        told = os.path.join(work, "told")
        p = run("true", env=environment(LD_DEBUG="files", LD_DEBUG_OUTPUT=told))
        expect((p.returncode, p.stderr), (0, b""))
        for name in os.listdir(work):
            if name.startswith("told."):
                with open(os.path.join(work, name)) as f:
                    text = f.read()
                expect(("libc.so" in text, LIBRARIES.findall(text)), (True, []), name)

        def loaded(*arguments):
            """By the supervisor, whose maps only root may read."""
            p = start(*arguments, "sh", "-c", f"cat {secret}; read line", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            shown = p.stdout.readline()
            with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
                supervisor = int(f.read().split()[0])
            with open(f"/proc/{supervisor}/maps") as f:
                found = set(LIBRARIES.findall(f.read()))
            p.communicate(b"\n", timeout=DEADLINE)
            return found, shown

        if os.getuid() == 0:
            expect(loaded(), (set(), b"password = x\n"))
            expect(loaded("-r", f"mask {secret} redact=x"), ({"pcre2-8"}, b"password = x\n"))
        p = run("cat", "/dev/scrim")
        expect((p.returncode, b'"mode": "enforce"' in p.stdout), (0, True), "the view's state needs none")


def test_signals_inherited():
    code = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    native = subprocess.run(["sh", "-c", code], stdout=subprocess.PIPE).stdout
    expect(run("sh", "-c", code).stdout, native)

    def prepare():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
    native = subprocess.run(["sh", "-c", code], stdout=subprocess.PIPE, preexec_fn=prepare).stdout
    expect(run("sh", "-c", code, preexec_fn=prepare).stdout, native)


def test_identity():
    """Same session and process group as the caller; no new privileges."""
    code = "import os; print(os.getsid(0), os.getpgid(0))"
    p = run("python3", "-SEc", code)
    expect([int(x) for x in p.stdout.split()], [os.getsid(0), os.getpgid(0)])
    expect(run("grep", "NoNewPrivs", "/proc/self/status").stdout.split()[1], b"1")


def test_ordinary_user():
    if os.geteuid() != 0:
        return
    p = run("sh", "-c", "id -u; exit 5", user=65534, group=65534, extra_groups=[], cwd="/",
            env=environment(XDG_STATE_HOME="/dev/null/none"))
    expect((p.returncode, p.stdout), (5, b"65534\n"), p.stderr)


def stub_test_failures():
    for step, message in (("requirements", b"too old"), ("start", b"as asked"), ("filter", b"install the filter")):
        p = run("echo", "never", env=environment(STUB_FAIL=step))
        expect((p.returncode, p.stdout, message in p.stderr), (125, b"", True), (step, p.stderr))
    p = run("sleep", "60", env=environment(STUB_FAIL="die"))
    expect((p.returncode, b"supervisor died" in p.stderr), (125, True), p.stderr)


def test_log():
    last = os.path.join(HOME.name, ".local/state/scrim/last.log")
    hidden, masked = os.path.join(HOME.name, "hidden"), os.path.join(HOME.name, "masked\n")
    for path in (hidden, masked):
        with open(path, "w") as f:
            f.write("secret\n")
    # It lives on for a moment: its name is looked up when the log is written, which does not hold up the answer.
    refused = ("--hide", hidden, "--mask", masked, "python3", "-c", "import sys, time\n"
               "for path, mode in zip(sys.argv[1::2], sys.argv[2::2]):\n"
               "    try: open(path, mode)\n"
               "    except OSError as e: print(e.errno)\n"
               "time.sleep(0.3)")
    run("true")
    expect(os.path.exists(last), False, "no refusal, no file")
    absent = os.path.join(HOME.name, "no-home")
    run("cat", "/nonexistent-scrim-test", env=environment(HOME=absent))
    expect(os.path.exists(absent), False, "a home that is not there is not made")
    p = run(*refused, hidden, "r", masked, "w", hidden, "r")
    expect((p.stdout, p.stderr), (b"2\n13\n2\n", b""), "no summary without a terminal")
    with open(last) as f:
        events = [json.loads(x) for x in f]
    expect([(e["verdict"], e["errno"], e["path"]) for e in events],
           [("hide", "ENOENT", hidden), ("mask", "EACCES", masked), ("hide", "ENOENT", hidden)])
    with open(last) as f:
        expect("secret" in f.read(), False, "no content in the log")
    expect(os.stat(last).st_mode & 0o7777, 0o600)
    expect(os.listdir(os.path.dirname(last)), ["last.log"])
    run("true")
    expect(os.path.exists(last), True, "a run without refusals leaves the last log")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "log")
        run("--log", path, *refused, masked, "w")
        with open(path) as f:
            expect(json.loads(f.read())["path"], masked)
        r, w = os.pipe()
        run("--log-fd", str(w), *refused, hidden, "r", hidden, "r", pass_fds=(w,))
        os.close(w)
        with os.fdopen(r) as f:
            expect(len(f.readlines()), 2)
        expect(descriptors("--log-fd", "2"), [0, 1, 2])
    out = subprocess.run([SCRIM, "explain", "--last"], env=environment(), stdout=subprocess.PIPE, check=True).stdout
    expect(b"hide" in out and b"by python3[" in out, True, out)


main(globals() if not STUB else {"test_failures": stub_test_failures})
