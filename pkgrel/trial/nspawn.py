"""Hosts in systemd-nspawn, for root on Linux without a container daemon; from a directory or an exported image.

A host writes to a tmpfs in a private mount namespace, which disappears with it, however it ends. It has no network
but the loopback; downloads run in this machine's network namespace, but in the host's file system. A shell script
starts the host and cleans up after it, also after pkgrel has left it running for `--keep`.

Source: systemd-nspawn(1), nsenter(1).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory, TemporaryFile, mkdtemp
from typing import IO

from pkgrel.errors import BuildError
from pkgrel.trial.host import BOOT_SECONDS, ENVIRONMENT, SOURCED, Ran, wait_until_booted

TOOLS = ("systemd-nspawn", "nsenter", "unshare", "setpriv", "mount")

_STOP_SECONDS = 20

# The kernel unmounts everything with the last process of the mount namespace. Control groups v1 and v2, for systemd.
_START = """
trap 'kill "$host"' TERM
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/root"
status=133
# Without a unit of its own it leaves booting again to who started it.
while [ "$status" = 133 ]; do
    setpriv --pdeathsig TERM systemd-nspawn --directory="$WORK/root" "$@" & host=$!
    status=0
    wait "$host" || status=$?
    # A signal that is handled ends the waiting.
    while kill -0 "$host" 2>/dev/null; do status=0; wait "$host" || status=$?; done
done
cd /
umount --recursive --lazy "$WORK" && rmdir "$WORK" || true
for group in $CONTROL_GROUPS; do
    echo 0 >"$group/../cgroup.procs" && find "$group" -depth -type d -exec rmdir {} + || true
done 2>/dev/null
exit "$status"
"""
_INSTALL = """
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
mkdir "$WORK/root"
mount -t overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/root"
systemd-nspawn --quiet --directory="$WORK/root" --pipe --register=no --keep-unit "$@"
"""


@dataclass(frozen=True, slots=True)
class NspawnHost:
    """See Host."""

    process: subprocess.Popen[bytes]
    console: IO[bytes]

    def run(self, command: str, *, seconds: int = 120, online: bool = False) -> Ran:
        """See Host; online is this machine's own network."""
        with TemporaryFile() as script:
            script.write(command.encode())
            script.seek(0)
            words = ["timeout", "--kill-after=5", str(seconds), *shlex.split(SOURCED)]
            done = self._enter(words, online, stdin=script)
        return Ran(command, done.returncode, done.stdout.decode(errors="replace"))

    def _enter(
        self, words: Sequence[str], online: bool = False, stdin: int | IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        enter = list(self._nsenter(online))
        if not enter:
            return subprocess.CompletedProcess([], 1, b"the host is not there")
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        return subprocess.run(
            [*enter, "env", "-i", *variables, *words],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _nsenter(self, online: bool) -> tuple[str, ...]:
        leader = _leader(self.process)
        if not leader:
            return ()
        spaces = "-m -u -i -p -C -r -w" if online else "-m -u -i -n -p -C -r -w"
        return ("nsenter", f"--target={leader}", *spaces.split(), "--")

    def put(self, file: Path, folder: str) -> str:
        """See Host."""
        path = f"{folder}/{file.name}"
        script = f"mkdir -p {quote(folder)} && umask 022 && cat >{quote(path)}"
        with file.open("rb") as source:
            done = self._enter(["sh", "-c", script], stdin=source)
        if done.returncode:
            said = done.stdout.decode(errors="replace")
            raise BuildError(f"{file}: it cannot be copied to the host: {said}")
        return path

    def reboot(self) -> None:
        """See Host."""
        before = _leader(self.process)
        self.run("systemctl reboot --no-wall || systemctl reboot --force")
        deadline = time.monotonic() + BOOT_SECONDS
        while _leader(self.process) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.wait()

    def wait(self) -> None:
        """Wait until the host has booted."""
        wait_until_booted(partial(self.run, seconds=20), self._died)

    def _died(self) -> str:
        if self.process.poll() is None:
            return ""
        self.console.seek(0)
        said = self.console.read().decode(errors="replace").strip()
        return said[-500:] or f"exit status {self.process.returncode}"

    def disconnect(self) -> None:
        """See Host; it never had a network, or is to keep it."""

    @property
    def shell(self) -> tuple[str, ...]:
        """See Host."""
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items() if name != "TERM"]
        return (*self._nsenter(False), "env", *variables, "bash")

    @property
    def removal(self) -> str:
        """See Host."""
        return f"kill {self.process.pid}"

    def end(self) -> None:
        """Kill its init, since nothing on it needs an orderly shutdown; nspawn then cleans up."""
        if leader := _leader(self.process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)
        try:
            self.process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class NspawnMachines:
    """Boots hosts from directories, the first of which is the uppermost overlay; see Machines."""

    layers: tuple[Path, ...]
    network: bool = False
    """Share this machine's network with the hosts."""

    @contextmanager
    def boot(self, *, keep: bool = False) -> Iterator[NspawnHost]:
        """See Machines."""
        name = f"pkgrel-try-{uuid.uuid4().hex[:8]}"
        with ExitStack() as stack:
            work = Path(mkdtemp(prefix="pkgrel-"))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            console = stack.enter_context(TemporaryFile())
            groups = tuple(parent / name for parent in _parents())
            for group in groups:
                stack.callback(_remove, group)
                group.mkdir()
            host = NspawnHost(self._start(name, work, console, groups, keep), console)
            stack.callback(host.end)
            while host.process.poll() is None and not _leader(host.process):
                time.sleep(0.02)
            try:
                host.wait()
            except BuildError as e:
                raise BuildError(f"systemd-nspawn boots no host of {self.layers[-1]}: {e}") from e
            yield host
            if keep:
                # The script that started the host cleans up.
                stack.pop_all()

    def _start(
        self, name: str, work: Path, console: IO[bytes], groups: Sequence[Path], keep: bool
    ) -> subprocess.Popen[bytes]:
        def enter() -> None:
            for group in groups:
                (group / "cgroup.procs").write_text("0")

        options = [
            "--boot",
            f"--machine={name}",
            f"--hostname={name}",
            f"--uuid={uuid.uuid4()}",
            "--register=no",
            "--link-journal=no",
            # With `pipe` and without input, the console's output is lost.
            "--console=read-only",
            "--kill-signal=SIGRTMIN+3",
            "--resolv-conf=copy-host",
            # Without systemd on this machine nothing creates a scope for the host.
            *(("--keep-unit",) if groups else ()),
            *(() if self.network else ("--private-network",)),
        ]
        return subprocess.Popen(
            # So that the hosts end when pkgrel is killed.
            [*(() if keep else ("setpriv", "--pdeathsig", "TERM")), *_unshared(_START), *options],
            env={**self._environment(work), "CONTROL_GROUPS": " ".join(map(str, groups))},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            preexec_fn=enter,
            # Ctrl-C is for pkgrel, which stops the hosts.
            start_new_session=True,
        )

    def _environment(self, work: Path) -> dict[str, str]:
        lower = ":".join(str(layer) for layer in self.layers)
        # Recent systemd does not boot in the legacy hierarchy, which this machine may have.
        own = {"WORK": str(work), "LOWER": lower, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        return {**os.environ, **own}

    @contextmanager
    def installed(
        self, files: Sequence[Path], command: Callable[..., str]
    ) -> Iterator[tuple[NspawnMachines, Callable[[str], Ran]]]:
        """See Machines."""
        with TemporaryDirectory(prefix="pkgrel-") as folder:
            upper = Path(folder, "upper")
            upper.mkdir(mode=0o755)
            Path(folder, "work").mkdir()
            paths = [f"/mnt/{number}/{file.name}" for number, file in enumerate(files)]
            binds = [
                f"--bind-ro={file.resolve()}:{path}"
                for file, path in zip(files, paths, strict=True)
            ]

            def run(script: str) -> Ran:
                variables = [f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()]
                words = [*binds, *variables, "sh", "-c", script]
                done = subprocess.run(
                    [*_unshared(_INSTALL), *words],
                    env=self._environment(Path(folder)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                shutil.rmtree(Path(folder, "root"), ignore_errors=True)
                return Ran(script, done.returncode, done.stdout.decode(errors="replace"))

            if not (done := run(command(*paths))):
                raise BuildError(f"it cannot be installed into an image: {done.output[-1500:]}")
            yield replace(self, layers=(upper, *self.layers)), run


def _unshared(script: str) -> tuple[str, ...]:
    return ("unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh")


@contextmanager
def machines(base: str, *, network: bool = False, keep: bool = False) -> Iterator[NspawnMachines]:
    """Boots hosts from a directory, or from an image's export, which is unpacked temporarily, so not for kept hosts.

    BuildError, naming what is missing, if this machine cannot boot hosts.
    """
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        raise BuildError(
            f"--on nspawn: this machine lacks {', '.join(missing)}",
            hint="become root on a Linux with systemd-container, or leave `--on` out and have Docker boot the hosts",
        )
    if not base:
        raise BuildError(
            "--on nspawn: no base for the hosts",
            hint="name a directory with the distro's system, or a tar of it (`docker export`), with `--image`",
        )
    given = Path(base)
    if keep and given.is_file():
        raise BuildError(
            f"--keep: {base} would be unpacked for this run alone",
            hint="unpack it into a directory of your own, and name that with `--image`",
        )
    with ExitStack() as stack:
        if given.is_file():
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="pkgrel-")))
            folder.chmod(0o755)
            done = subprocess.run(
                ["tar", "--extract", "--numeric-owner", "--preserve-permissions", f"--file={given.resolve()}"],
                cwd=folder,
                capture_output=True,
                text=True,
            )  # fmt: skip
            if done.returncode:
                raise BuildError(f"{given}: it cannot be unpacked: {done.stderr.strip()[-300:]}")
            given = folder
        if not os.path.lexists(given / "lib/systemd/systemd"):
            raise BuildError(
                f"{base}: there is no systemd in it",
                hint="install systemd and dbus into it: hosts boot the distro's own",
            )
        yield NspawnMachines((given.resolve(),), network)


def _leader(nspawn: subprocess.Popen[bytes]) -> int | None:
    """The host's init: the first descendant in another PID namespace."""
    with contextlib.suppress(OSError):
        ours = Path("/proc/self/ns/pid").readlink()
        below = [str(nspawn.pid)]
        while below:
            process = below.pop()
            if Path(f"/proc/{process}/ns/pid").readlink() != ours:
                return int(process)
            for task in Path(f"/proc/{process}/task").iterdir():
                below += (task / "children").read_text().split()
    return None


def _parents() -> Iterator[Path]:
    """Control groups in which hosts get a group each, one in each hierarchy that systemd uses.

    Without them, two hosts in one group would see each other's processes. Where systemd runs, it creates a scope for
    each host instead.
    """
    if Path("/run/systemd/system").is_dir():
        return
    own = dict(
        line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()
    )
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2":
            yield Path(mount + own.get("", "/"))
        elif kind == "cgroup" and "name=systemd" in options:
            yield Path(mount + own["name=systemd"])


def _remove(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 5
    while group.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()
        # A killed process keeps its group busy until it is reaped.
        time.sleep(0.02)
