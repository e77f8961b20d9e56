"""Runs scripts on hosts with the user's `ssh`, and thus the user's configuration, agent, keys and jump hosts.

Scripts are passed through standard input to `sh -s`, so that no login shell parses them. A key that is restricted to
/usr/libexec/NAME/deploy answers that it takes no scripts, and gets requests from then on. There are no prompts, and
nothing of this machine is forwarded. The connection that holds a host's lock is the master of all others
(ControlMaster).

Source: ssh(1), ssh_config(5).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from pkgrel.errors import PkgrelError
from pkgrel.rollout.hosts import Host, address

LOST = 255
"""The exit status of ssh for its own errors."""

_OPTIONS = (
    *("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4"),
    *("ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "RequestTTY=no"),
    *("RemoteCommand=none", "PermitLocalCommand=no", "ControlPersist=no"),
)
_REMEDIES = (
    (
        "identification has changed",
        "if it was installed anew: `ssh-keygen -R {address}`, and compare its new fingerprint with `ssh {destination} true`",
    ),
    (
        "host key verification failed|no matching host key|no [a-z0-9-]+ host key is known",
        "nobody has accepted its key here: compare the fingerprint that `ssh {destination} true` shows, once",
    ),
    (
        "permission denied",
        "let your key in with `ssh-copy-id {destination}`, or load it with `ssh-add`; another account is USER@HOST",
    ),
    (
        "could not resolve|name or service not known",
        "mend the name; aliases are those of ~/.ssh/config, or of `--ssh-config`",
    ),
    (
        "connection refused|timed out|no route to host|connection (closed|reset)",
        "does sshd run there, and does every firewall let this machine in?",
    ),
    (
        (
            r"sudo: .*((password|terminal|authentication) is required|not found)|must have a tty"
            r"|not in the sudoers|not allowed to (run|execute)|may not run sudo"
        ),
        "log in as root, or as who may use sudo there without a password and a terminal",
    ),
)
"""Messages of ssh and sudo, in lower case, and hints."""
_MOST_OUTPUT = 1_000_000
"""How many bytes of output are kept: a host may be hostile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do on a host: a script with its arguments, or the request for a key that takes no scripts."""

    script: str
    words: tuple[str, ...] = ()
    request: tuple[str, ...]
    """A verb of /usr/libexec/NAME/deploy with its arguments."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a script on a host."""

    status: int
    output: str
    """Standard output and standard error, interleaved as they arrived."""

    @property
    def lost(self) -> bool:
        """Whether the connection failed or broke."""
        return self.status == LOST

    @property
    def told(self) -> dict[str, str]:
        """The values in `pkgrel` lines of our script; other lines may come from a login shell."""
        lines = (line.split(" ", 2) for line in self.output.splitlines())
        return {
            words[1]: words[2].strip()
            for words in lines
            if len(words) == 3 and words[0] == "pkgrel"
        }

    @property
    def said(self) -> str:
        """The last lines of other output, for people."""
        lines = [
            line
            for line in self.output.splitlines()
            if line.strip() and not line.startswith("pkgrel ")
        ]
        return "\n".join(lines[-20:])

    @property
    def last(self) -> str:
        """The last of these lines."""
        return self.said.rpartition("\n")[2]


def remedy(host: Host, ran: Ran) -> str:
    """A hint for a failed connection or a missing permission; empty if there is none."""
    said = ran.output.lower()
    for pattern, text in _REMEDIES:
        if re.search(pattern, said):
            return text.format(destination=host.destination, address=address(host))
    return f"`ssh {host.destination} true` must work without a question" if ran.lost else ""


class Ssh:
    """Connections to hosts, for the duration of the `connected` block."""

    def __init__(self, config: Path | None, folder: str) -> None:
        self._config = config
        self._folder = folder
        self._masters: dict[Host, subprocess.Popen[bytes]] = {}
        self._forced: set[Host] = set()
        """Hosts where sshd runs /usr/libexec/NAME/deploy whatever the client asks for."""

    def run(self, host: Host, task: Task, *, seconds: float) -> Ran:
        """Run a task on a host and wait for its end."""
        ran = self._run(host, task, seconds)
        return self._run(host, task, seconds) if self._learns(host, ran) else ran

    def _learns(self, host: Host, ran: Ran) -> bool:
        """Whether the host has just answered that it takes only requests."""
        if host in self._forced or "verbs" not in ran.told:
            return False
        self._forced.add(host)
        return True

    def _run(self, host: Host, task: Task, seconds: float) -> Ran:
        process = self._started(host, task, master=False)
        text = "" if host in self._forced else f"{{\n{task.script}\nexit\n}} </dev/null\n"
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            output = _output(process, text)
        finally:
            timer.cancel()
            process.kill()
            status = process.wait()
        return Ran(LOST if status < 0 else status, output)

    def hold(self, host: Host, task: Task, *, seconds: float) -> Ran:
        """Run a task that ends with `cat`, and so keeps running until `let_go`, or until either machine is gone."""
        ran = self._hold(host, task, seconds)
        return self._hold(host, task, seconds) if self._learns(host, ran) else ran

    def _hold(self, host: Host, task: Task, seconds: float) -> Ran:
        process = self._started(host, task, master=True)
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        assert process.stdin
        assert process.stdout
        lines: list[str] = []
        try:
            # A script that ends at once has printed why.
            with suppress(BrokenPipeError):
                if host not in self._forced:
                    process.stdin.write(f"{{\n{task.script}\nexit\n}}\n".encode())
                    process.stdin.flush()
            while len(lines) < 1000 and (line := process.stdout.readline(10_000)):
                lines.append(line.decode(errors="replace").rstrip("\r\n"))
                if lines[-1].startswith("pkgrel locked "):
                    self._masters[host] = process
                    return Ran(0, "\n".join(lines))
        finally:
            timer.cancel()
        with suppress(subprocess.TimeoutExpired):
            # Wait for ssh to exit by itself, so that it removes its control socket.
            process.wait(2)
        process.kill()
        status = process.wait()
        return Ran(LOST if status < 0 else status or 1, "\n".join(lines))

    def holds(self, host: Host) -> bool:
        """Whether the connection of `hold` is still up."""
        return host in self._masters and self._masters[host].poll() is None

    def let_go(self) -> None:
        """End the tasks of `hold`."""
        for process in self._masters.values():
            assert process.stdin
            with suppress(OSError):
                process.stdin.close()
        for process in self._masters.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._masters.clear()

    def _started(self, host: Host, task: Task, *, master: bool) -> subprocess.Popen[bytes]:
        options = [f"-o{option}" for option in _OPTIONS]
        if self._folder:
            options += [
                f"-oControlPath={self._folder}/%C",
                f"-oControlMaster={'yes' if master else 'no'}",
            ]
        if self._config:
            options += ["-F", str(self._config)]
        if host.port:
            options += ["-p", str(host.port)]
        # A request is not parsed by a shell.
        said = shlex.join(["sh", "-s", "--", *task.words])
        line = " ".join(task.request) if host in self._forced else said
        command = ["ssh", *options, "--", host.destination, line]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for pkgrel, which finishes the current host first.
                start_new_session=True,
            )
        except FileNotFoundError:
            raise PkgrelError("there is no `ssh` here", hint="install OpenSSH's client") from None


def _output(process: subprocess.Popen[bytes], text: str) -> str:
    """Send the text and read the output; more than the limit is discarded."""
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):
        process.stdin.write(text.encode())
        process.stdin.close()
    kept = b""
    while chunk := os.read(process.stdout.fileno(), 65536):
        kept += chunk[: max(0, _MOST_OUTPUT - len(kept))]
    return kept.decode(errors="replace")


@contextmanager
def connected(config: Path | None) -> Iterator[Ssh]:
    """Connections with the given ssh_config, or the user's; they end with the block."""
    # In /tmp, since the path of a socket is limited to about 100 bytes; Windows has no control sockets.
    folder = mkdtemp(prefix="pkgrel-", dir="/tmp") if os.name == "posix" else ""
    ssh = Ssh(config, folder)
    try:
        yield ssh
    finally:
        ssh.let_go()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
