"""A Docker daemon of the tests' own, with Debian's images made by mmdebstrap.

Its images stay in the cache, so that a second run is quick. A data directory serves one daemon at a
time; a second test run beside the first takes another one.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from pkgrel.builder.image_inventory import CACHE
from tests import bases, cache
from tests.tools import PATIENCE

if TYPE_CHECKING:
    from docker import DockerClient

VERSION = "1"
"""Count up to have every base image made anew."""

TOOLS = ("dockerd", "iptables", "ip", "mmdebstrap", "setpriv")

SUITES = ("bullseye", "bookworm", "trixie")

_SOURCES = {"bullseye": ["deb http://deb.debian.org/debian bullseye main"]}
"""Its security archive is no longer whole."""

_SLOTS = 8


class DaemonError(Exception):
    """dockerd does not start; the end of its log says why."""


@dataclass(frozen=True)
class Daemon:
    """A running dockerd."""

    host: str
    """For DOCKER_HOST."""
    address: str
    """Of this machine, as containers see it."""

    @cached_property
    def client(self) -> "DockerClient":
        """The SDK, connected to it."""
        from docker import DockerClient

        return DockerClient(base_url=self.host, timeout=300)

    def remove_caches(self) -> None:
        """Those of builds in the folders of earlier runs, which no build has again."""
        for volume in self.client.volumes.list(filters={"label": CACHE}):
            volume.remove()

    def base(self, suite: str) -> str:
        """See that `debian:SUITE` is there, as small as the official one; its id."""
        from docker.errors import ImageNotFound

        name, made_from = f"debian:{suite}", " ".join([VERSION, suite, *_SOURCES.get(suite, ())])
        try:
            image = self.client.images.get(name)
            if image.labels.get("made-from") == made_from:
                return str(image.id)
        except ImageNotFound:
            pass
        tar = cache.directory(
            f"bases/docker-{suite}-{cache.key(made_from)}", lambda folder: _bootstrap(suite, folder)
        )
        change = f'LABEL made-from="{made_from}"'
        self.client.api.import_image_from_file(
            str(tar / "root.tar"), "debian", suite, changes=[change, 'CMD ["bash"]']
        )
        return str(self.client.images.get(name).id)

    def root(self, suite: str, name: str) -> None:
        """See that the base on which hosts of the suite boot, with apt and rpm, is there as the image `name`."""
        from docker.errors import ImageNotFound

        base = bases.usable_base(suite)
        with suppress(ImageNotFound):
            if self.client.images.get(name).labels.get("made-from") == base.name:
                return
        repository, tag = name.split(":")
        with TemporaryFile() as tar:
            command = [
                "tar",
                "--directory",
                base,
                "--create",
                "--numeric-owner",
                "--one-file-system",
                ".",
            ]
            subprocess.run(command, stdout=tar, check=True)
            tar.seek(0)
            self.client.api.import_image_from_data(
                tar, repository, tag, changes=[f"LABEL made-from={base.name}", 'CMD ["bash"]']
            )


def missing() -> list[str]:
    """What a daemon needs and this machine has not."""
    root = [] if os.geteuid() == 0 else ["root"]
    return root + [tool for tool in TOOLS if not shutil.which(tool)]


@contextmanager
def daemon() -> Iterator[Daemon]:
    """Start a daemon; it is stopped and its network removed at the end, whatever happens."""
    with ExitStack() as stack:
        slot, data = stack.enter_context(_data_directory())
        bridge, address = stack.enter_context(_bridge(slot))
        # A socket's path may have 107 bytes: not below pytest's directories.
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pkgrel-docker-")))
        stack.enter_context(_dockerd(data, run, bridge))
        running = Daemon(f"unix://{run}/docker.sock", address)
        with closing(running.client):
            running.remove_caches()
            yield running


@contextmanager
def _data_directory() -> Iterator[tuple[int, Path]]:
    """The first one that no other daemon uses."""
    root = cache.ROOT / "docker"
    root.mkdir(parents=True, exist_ok=True)
    for slot in range(_SLOTS):
        with (root / f".{slot}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot, root / str(slot)
            return
    raise DaemonError(f"{_SLOTS} daemons are running already")


@contextmanager
def _bridge(slot: int) -> Iterator[tuple[str, str]]:
    """A network of its own and its address; dockerd's rules would cut the hosts of other tests off."""
    name, subnet = f"pkgreld{slot}", f"172.30.{200 + slot}"
    rule = f"POSTROUTING -s {subnet}.0/24 ! -o {name} -j MASQUERADE".split()
    # What a killed run left behind.
    _remove_bridge(name, rule)
    try:
        bases.run("ip", "link", "add", name, "type", "bridge")
        bases.run("ip", "address", "add", f"{subnet}.1/24", "dev", name)
        bases.run("ip", "link", "set", name, "up")
        bases.run("iptables", "-w", "-t", "nat", "-A", *rule)
        yield name, f"{subnet}.1"
    finally:
        _remove_bridge(name, rule)


def _remove_bridge(name: str, rule: list[str]) -> None:
    for command in (
        ["ip", "link", "delete", name],
        ["iptables", "-w", "-t", "nat", "-D", *rule],
    ):
        subprocess.run(command, capture_output=True)


@contextmanager
def _dockerd(data: Path, run: Path, bridge: str) -> Iterator[None]:
    log = run / "log"
    (run / "daemon.json").write_text("{}")  # not the machine's own settings
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                # A killed test run takes it along.
                *("setpriv", "--pdeathsig", "TERM"),
                *("dockerd", "--config-file", f"{run}/daemon.json"),
                *("--data-root", str(data), "--exec-root", f"{run}/exec"),
                *("--pidfile", f"{run}/pid", "--host", f"unix://{run}/docker.sock"),
                *("--bridge", bridge, "--iptables=false", "--ip6tables=false", "--ip-masq=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait(process, run / "docker.sock", log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    """Until the daemon answers; it listens only when everything is loaded."""
    for _ in range(int(PATIENCE / 0.05)):
        if "API listen on" in log.read_text(errors="replace") and socket.exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DaemonError(f"dockerd does not start:\n{end}")


def _bootstrap(suite: str, folder: Path) -> None:
    """Debian's minbase, which is what the official image is, as root.tar in the folder."""
    bases.run(
        *("unshare", "--mount", "mmdebstrap", "--variant=minbase"),
        *("--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Check-Valid-Until "false"'),
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        *(suite, str(folder / "root.tar"), *_SOURCES.get(suite, ())),
    )
