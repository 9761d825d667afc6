# SPDX-License-Identifier: Apache-2.0
"""Encrypted files and the terminal: no binary data on it; a bar while something takes long; JSON otherwise."""
import json
import os
import signal
import subprocess
import time

from store_support import expect, main
from terminal import PseudoTerminal

# Microseconds that a call takes longer, where a command is to take long: for those that read chunks, and larger pieces.
CHUNKS, PIECES = 1000, 10000


def test_terminal(place):
    """Binary data is not written to a terminal, nor a bar amid the content."""
    text = b"text, \xc3\xa4\xe2\x82\xac\n" * 1000
    path = place.file("f", text)
    binary = place.file("g", b"text\x1b[31m")
    place.run("encrypt", path, binary)

    def on_terminal(*args):
        terminal, follower = PseudoTerminal.pair()
        process = subprocess.Popen([place.scrim, *args, "--key-file", place.key], stdout=follower, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        os.close(follower)
        output = terminal.rest()
        error = process.communicate()[1].decode()
        return process.returncode, output.replace(b"\r\n", b"\n"), error

    status, output, error = on_terminal("cat", path)
    expect((status, output), (0, text), error)
    status, output, error = on_terminal("cat", binary)
    expect((status, output, "binary" in error), (1, b"", True), error)
    status, output, error = on_terminal("cat", "--force", binary)
    expect((status, output), (0, b"text\x1b[31m"), error)
    status, output, error = on_terminal("decrypt", "-o", "-", path)
    expect((status, output), (0, text), error)
    status, output, error = on_terminal("decrypt", "-o", "-", binary)
    expect((status, output, "binary" in error), (1, b"", True), error)
    status, output, error = on_terminal("encrypt", place.file("h", b"x"), "-o", "-")
    expect((status, output, "terminal" in error), (1, b"", True), error)


def drain(place, process, terminal, args):
    text = terminal.rest().decode()
    expect(process.wait(), 0, f"status of {args}: {text}")
    return text


def slow_pipe(place, environment, *args, feed=False):
    """What a command whose output is read slowly, or whose input comes slowly, says on a terminal."""
    terminal, follower = PseudoTerminal.pair()
    process = subprocess.Popen([place.scrim, *args], stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=follower,
                               env={**os.environ, **environment})
    os.close(follower)
    for _ in range(8):
        if feed:
            process.stdin.write(bytes(1 << 20))
            process.stdin.flush()
        else:
            process.stdout.read(1 << 20)
        time.sleep(0.1)
    process.stdin.close()
    process.stdout.read()
    return drain(place, process, terminal, args)


def slow_calls(place, calls, delay, *args):
    """What a command of which these system calls take long says on a terminal, and its standard output."""
    terminal, follower = PseudoTerminal.pair()
    with open(place.name("output"), "w+b") as output:
        process = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e",
                                    f"inject={calls}:delay_enter={delay}", place.scrim, *args, "--key-file", place.key],
                                   stdout=output, stdin=subprocess.DEVNULL, stderr=follower,
                                   env={**os.environ, "TERM": "xterm"})
        os.close(follower)
        text = drain(place, process, terminal, args)
        output.seek(0)
        return text, output.read()


def test_bar(place):
    path = place.file("f", bytes(16 << 20))
    place.run("encrypt", path)
    said = slow_pipe(place, {"TERM": "xterm"}, "cat", path, "--key-file", place.key)
    for part in ("#", "%", "MiB/s", " left", "\x1b[1m", "\r\x1b[K"):
        expect(part in said, True, f"{part!r} in {said!r}")
    said = slow_pipe(place, {"TERM": "xterm", "NO_COLOR": "1"}, "cat", path, "--key-file", place.key)
    expect(("%" in said, "\x1b[1m" in said), (True, False), said)
    # Half of a pipe is not known: no remaining time.
    said = slow_pipe(place, {"TERM": "xterm"}, "encrypt", "-", "--key-file", place.key, feed=True)
    expect(("MiB/s" in said, " left" in said), (True, False), said)
    for options, term in ((["-q"], "xterm"), ([], "dumb")):
        expect(slow_pipe(place, {"TERM": term}, "cat", path, *options, "--key-file", place.key), "", "silence")


def expect_bar(place, calls, delay, rate, *args, passes=1):
    """A bar with that rate, which grows in each of the PASSES and is taken away in the end."""
    said, _ = slow_calls(place, calls, delay, *args)
    for part in ("[#", "%", rate, " left", "\r\x1b[K"):
        expect(part in said, True, f"{args}: {part!r} in {said!r}")
    shares = [int(line.split("%")[0].split()[-1]) for line in said.split("\r") if "%" in line]
    falls = sum(a > b for a, b in zip(shares, shares[1:]))
    expect(falls < passes and max(shares) <= 100, True, f"{args}: {shares}")


def test_commands(place):
    """Every command that works through content has one."""
    content = os.urandom(40 << 20)
    path = place.file("f", content)
    out = place.name("out")
    expect_bar(place, "pread64", PIECES, "MiB/s", "encrypt", path)
    expect_bar(place, "pread64", CHUNKS, "MiB/s", "rekey", "--full", path)
    expect_bar(place, "pread64", CHUNKS, "MiB/s", "verify", path)
    expect_bar(place, "pread64", CHUNKS, "MiB/s", "salvage", path, "-o", out)
    os.unlink(out)
    expect_bar(place, "pread64", PIECES, "MiB/s", "cp", "--raw", path, out)
    os.unlink(out)
    expect_bar(place, "pread64", PIECES, "MiB/s", "decrypt", path, "-o", out)
    expect_bar(place, "pread64", PIECES, "MiB/s", "decrypt", path)
    with open(path, "rb") as file:
        expect(file.read() == content, True, "the content")


def test_compact(place):
    """What moves."""
    content = bytearray(os.urandom(24 << 20))
    path = place.file("f", content)
    place.run("encrypt", path)
    subprocess.run([place.libraries[0], path, place.key, "holes"], check=True, stdout=subprocess.DEVNULL)
    before = os.stat(path)
    expect_bar(place, "pwrite64", PIECES, "MiB/s", "compact", path)
    after = os.stat(path)
    expect(after.st_size < 0.55 * before.st_size, True, f"{before.st_size} {after.st_size}")
    expect(after.st_mtime_ns, before.st_mtime_ns, "mtime")
    for at in range(0, len(content), 32768):
        content[at:at + 16384] = bytes(16384)
    expect(place.content("f") == content, True, "the content")


def test_interrupted(place):
    """What is interrupted at whatever moment leaves the content as it was."""
    content = bytearray(os.urandom(24 << 20))
    path, out, ended = place.file("f", content), place.name("out"), 0
    place.run("encrypt", path)
    subprocess.run([place.libraries[0], path, place.key, "holes"], check=True, stdout=subprocess.DEVNULL)
    for at in range(0, len(content), 32768):
        content[at:at + 16384] = bytes(16384)
    mtime = os.stat(path).st_mtime_ns
    for args in (["verify", path], ["salvage", path, "-o", out], ["compact", path]):
        for milliseconds in (1, 4, 16, 32):
            process = subprocess.Popen([place.scrim, *args, "--key-file", place.key], stderr=subprocess.PIPE)
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGINT)
            error = process.communicate()[1].decode()
            expect(process.returncode in (0, -signal.SIGINT), True, f"{args}: {process.returncode} {error}")
            ended += process.returncode < 0
            expect((os.stat(path).st_mtime_ns, place.leftovers()), (mtime, []), f"{args}: mtime, temporary files")
            if os.path.exists(out):
                os.unlink(out)
            place.run("verify", path)
    expect(ended > 0, True, "none was interrupted")
    expect(place.content("f") == content, True, "the content")


def test_json(place):
    path = place.file("f", os.urandom(20 << 20))
    place.run("encrypt", path)
    for delay, args in ((CHUNKS, ["verify", path]), (PIECES, ["decrypt", path])):
        said, output = slow_calls(place, "pread64", delay, args[0], "--json", *args[1:])
        expect((said, json.loads(output)["result"]), ("", "done"), args)


def test_trees(place):
    """Of many files there is one bar: of bytes, or where only slots are written of files."""
    os.mkdir(place.name("tree"))
    for number in range(150):
        place.file(f"tree/{number}", bytes(5000))
    tree = place.name("tree")
    expect_bar(place, "fsync,fdatasync", CHUNKS, "KiB/s", "encrypt", "-r", tree)
    expect_bar(place, "fsync,fdatasync", CHUNKS, "files/s", "rekey", "-r", "--new-key-file", place.other, tree, passes=2)
    place.run("verify", "-r", tree, key=place.other)


main(globals(), ("disk",))  # the terminal is the same elsewhere
