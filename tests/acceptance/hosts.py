"""Machines for the tests: a base, booted by its own systemd in a systemd-nspawn container.

The base stays read-only unless a machine is to keep what it writes, so as to boot again; what a host writes goes to memory and is gone with it. So hosts of one
suite boot side by side, and nothing is left of one whose test run was killed.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.acceptance import cgroups
from tests.tools import PATIENCE

STOP_SECONDS = 60

INTERACTIVE = Path(__file__).parents[1] / "data/interactive.conf"

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""What an administrator's shell has; nothing of this machine's gets in."""


class HostError(AssertionError):
    """A command failed on a host, or a host did not boot."""


@dataclass(frozen=True)
class Host:
    """A booted machine, entered as root."""

    name: str
    leader: int
    """Process id of its systemd as this machine sees it."""

    def run(self, command: str, *, timeout: float = 300) -> str:
        """What `command` prints, by /bin/sh; raises with all its output when it fails."""
        done = self._enter(command, timeout)
        if done.returncode:
            raise HostError(
                f"{self.name}: `{command}` exited {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def fails(self, command: str, *, timeout: float = 300) -> str:
        """All that `command` prints; raises when it succeeds."""
        done = self._enter(command, timeout)
        if not done.returncode:
            raise HostError(f"{self.name}: `{command}` did not fail\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def succeeds(self, command: str) -> bool:
        """Whether `command` exits with 0."""
        return self._enter(command, 300).returncode == 0

    def wait_until(self, command: str, *, timeout: float = PATIENCE) -> str:
        """Run `command` until it succeeds, and return what it prints."""
        # The host's own loop: to enter a host anew costs more than most commands do. The mark keeps the line's end.
        loop = 'until out=$(sh -c "$1" && echo .); do sleep 0.1; done; printf %s "${out%.}"'
        words = ("timeout", str(timeout), "sh", "-c", loop, "sh", command)
        done = self._enter(shlex.join(words), timeout + 120)
        return self.run(command) if done.returncode else done.stdout

    def http(self, path: str = "/", *, port: int = 4000) -> str:
        """The body that a service here answers, once it does; raises with its log if never."""
        url = shlex.quote(f"http://127.0.0.1:{port}{path}")
        try:
            return self.wait_until(f"curl --silent --show-error --fail --max-time 5 {url}")
        except HostError as error:
            log = self.run("systemctl --failed --no-pager; journalctl --no-pager --lines=40")
            raise HostError(f"{error}\n{log}") from None

    def read(self, path: str) -> str:
        """A file's text."""
        return self.run(f"cat {shlex.quote(path)}")

    def write(self, path: str, text: str) -> None:
        """Put text in a file as an editor would: same owner, same mode."""
        done = self._enter(f"cat >{shlex.quote(path)}", PATIENCE, text)
        if done.returncode:
            raise HostError(f"{self.name}: cannot write {path}: {done.stderr}")

    def _enter(
        self, command: str, timeout: float, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        # Every namespace, its root and working directory.
        enter = [
            "nsenter",
            f"--target={self.leader}",
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "-r",
            "-w",
        ]
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        try:
            return subprocess.run(
                [*enter, "env", "-i", *variables, "sh", "-c", command],
                input=text,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"") + (error.stderr or b"")
            raise HostError(
                f"{self.name}: `{command}` took over {timeout} s\n{output.decode(errors='replace')}"
            ) from None


@contextlib.contextmanager
def boot(
    base: Path,
    name: str,
    mounts: Mapping[Path, str] | None = None,
    *,
    keeps: bool = False,
    embedded: bool = False,
) -> Iterator[Host]:
    """A running machine on `base`, with a loopback network only; one that `keeps` writes to it.

    `mounts` are directories of this machine and where the host finds them, read-only. Services by mix load their code
    as they need it, which takes half the time of a start, unless it is to be `embedded` as everywhere else.
    """
    name = f"{name}-{uuid.uuid4().hex[:8]}"
    binds = [f"--bind-ro={source}:{target}" for source, target in (mounts or {}).items()]
    if not keeps:
        binds.append("--volatile=overlay")
    if not embedded:
        binds.append(f"--bind-ro={INTERACTIVE}:/etc/systemd/system.conf.d/interactive.conf")
    with cgroups.own(name) as groups, TemporaryFile() as console:
        nspawn = _start(base, name, binds, console, groups)
        try:
            host = Host(name, _wait_for_leader(nspawn, console))
            _wait_until_running(host)
            yield host
        finally:
            _stop(nspawn)


def _start(
    base: Path, name: str, binds: list[str], console: IO[bytes], groups: tuple[Path, ...]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            # A test run that is killed takes its machines with it.
            *("setpriv", "--pdeathsig", "TERM"),
            "systemd-nspawn",
            f"--directory={base}",
            "--boot",
            f"--machine={name}",
            f"--hostname={name}",
            f"--uuid={uuid.uuid4()}",
            "--private-network",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
            "--resolv-conf=off",
            # With `pipe` and no input nothing is logged.
            "--console=read-only",
            "--kill-signal=SIGRTMIN+3",
            *binds,
        ],
        # Newer systemd refuses to boot in the legacy hierarchy that this machine may have.
        env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: cgroups.enter(groups),
    )


def _leader(nspawn: subprocess.Popen[bytes]) -> int | None:
    """The container's process 1: nspawn's child in another process namespace."""
    ours = Path("/proc/self/ns/pid").readlink()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{nspawn.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if Path(f"/proc/{child}/ns/pid").readlink() != ours:
                    return int(child)
    return None


def _wait_for_leader(nspawn: subprocess.Popen[bytes], console: IO[bytes]) -> int:
    deadline = time.monotonic() + PATIENCE
    while nspawn.poll() is None and time.monotonic() < deadline:
        if leader := _leader(nspawn):
            return leader
        time.sleep(0.02)
    console.seek(0)
    raise HostError(f"systemd-nspawn did not start:\n{console.read().decode(errors='replace')}")


def _wait_until_running(host: Host) -> None:
    deadline = time.monotonic() + PATIENCE
    state = ""
    while time.monotonic() < deadline:
        # It waits as soon as there is somebody to ask.
        state = host._enter("systemctl is-system-running --wait", PATIENCE).stdout.strip()
        if state == "running":
            return
        if state == "degraded":
            raise HostError(f"{host.name} is degraded:\n{host.run('systemctl --failed')}")
        time.sleep(0.05)
    raise HostError(f"{host.name} is `{state}` after {PATIENCE} s")


def _stop(nspawn: subprocess.Popen[bytes]) -> None:
    # Nothing on it is worth an orderly shutdown. When its process 1 dies, nspawn tidies up and ends.
    if leader := _leader(nspawn):
        os.kill(leader, signal.SIGKILL)
    try:
        nspawn.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        nspawn.kill()
        nspawn.wait()
