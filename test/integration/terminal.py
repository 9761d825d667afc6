# SPDX-License-Identifier: Apache-2.0
"""A pseudo-terminal, driven as expect(1) would: what stands on it, what is typed, whether it echoes."""
import os
import pty
import re
import select
import termios
import time

DEADLINE = 60


class PseudoTerminal:
    """`fd` is our side. Who has the other one is the user's matter."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = b""

    @classmethod
    def pair(cls):
        """One of our own, and the descriptor of its other side."""
        leader, follower = pty.openpty()
        return cls(leader), follower

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        """Wait that long for more. None: nobody has the other side any more."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b""
        self.seen += more
        return True if more else None

    def until(self, pattern, deadline=DEADLINE):
        """Read until PATTERN is seen; the match. What came up to its end is forgotten."""
        end = time.monotonic() + deadline
        while True:
            match = re.search(pattern.encode(), self.seen, re.S)
            if match:
                self.seen = self.seen[match.end():]
                return match
            left = end - time.monotonic()
            if left <= 0 or self.read(left) is not True:
                raise AssertionError(f"never saw {pattern!r} in {self.seen!r}")

    def expect(self, text, deadline=DEADLINE):
        """Read until TEXT is seen; what stood before it."""
        return self.until("(.*?)" + re.escape(text), deadline).group(1).decode()

    def rest(self):
        """Everything until nobody has the other side any more. It is closed then."""
        while self.read(DEADLINE) is True:
            pass
        os.close(self.fd)
        return self.seen

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait_quiet(self):
        """Until the terminal does not show what is typed."""
        end = time.monotonic() + DEADLINE
        while self.echoes():
            assert time.monotonic() < end, self.seen
            time.sleep(0.01)
