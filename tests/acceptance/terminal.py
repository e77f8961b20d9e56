"""A terminal with root's shell on a host, as an administrator uses it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.hosts import ENVIRONMENT, Host, HostError
from tests.tools import PATIENCE

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])|\r")


@dataclass
class Terminal:
    """What is typed goes to a pseudo-terminal that the test holds."""

    fd: int
    pid: int
    seen: str = ""

    @property
    def device(self) -> str:
        """What it is to the kernel, whatever it is called."""
        found = Path(f"/proc/{self.pid}/fd/0").stat()
        return f"{found.st_dev}:{found.st_rdev}"

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> str:
        """What is shown until the pattern is."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen, re.MULTILINE)):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.fd], [], [], left)[0]:
                raise HostError(f"no `{pattern}` within {seconds} s:\n{self.seen}")
            self.seen += _ESCAPES.sub("", os.read(self.fd, 65536).decode(errors="replace"))
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def run(self, command: str, seconds: float = PATIENCE) -> tuple[int, str]:
        """Type a command line: its exit status, and all that is shown until the shell is there again."""
        self.type(f"{command}; echo ended:$?:$((40+2))\n")
        shown = self.wait_for(r"^ended:\d+:42$|(?<=.)ended:\d+:42$", seconds)
        return int(shown.rsplit("ended:", 1)[1].partition(":")[0]), shown

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def terminal(host: Host) -> Iterator[Terminal]:
    """A terminal with an interactive shell, until the block ends."""
    pid, fd = pty.fork()
    if pid == 0:
        # Ignored where the tests run in the background of a shell, and by all that they start.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        enter = ["nsenter", f"--target={host.leader}", *"-m -u -i -n -p -C -r -w".split()]
        variables = [f"{k}={v}" for k, v in (ENVIRONMENT | {"TERM": "xterm", "PS1": "# "}).items()]
        os.execvp("nsenter", [*enter, "env", "-i", *variables, "sh", "-i"])
    try:
        yield Terminal(fd, pid)
    finally:
        os.close(fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
