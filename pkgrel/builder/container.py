"""The container of a build: how it starts, how files go in and out, and how it is certain to be removed.

Named volumes cache what Hex, rebar3 and npm fetched, and the compiled dependencies. They are not shared between
projects: mix runs the archives of MIX_HOME, rebar3 its plugins, npm and yarn unpacked packages, and any build can write
there. Their names therefore begin with the project's folder, which the project's files cannot choose.

Each has the label `image_inventory.CACHE`, by which `pkgrel images prune` finds it.

The container's first process reads from the connection to pkgrel and exits when that is closed; then the daemon removes
the container. So even a killed pkgrel leaves nothing behind, on a remote daemon either.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pkgrel.builder.docker_daemon import FOREIGN, docker_errors
from pkgrel.builder.executor import Environment, Places
from pkgrel.builder.failures import failed
from pkgrel.builder.image_inventory import CACHE
from pkgrel.builder.log import Log
from pkgrel.builder.project import Project
from pkgrel.builder.reaper import ContainerReaper
from pkgrel.builder.recipe import Recipe
from pkgrel.builder.sources import Snapshot
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as DockerContainer
    from docker.types import Mount


_MACHINE = Path("/etc/machine-id")
"""Identifies this machine: several may use one daemon, with different projects in folders of the same name."""


@dataclass(frozen=True, slots=True)
class Caches:
    """Names of a project's volumes; an empty name is an anonymous volume, removed with its container."""

    downloads: str
    """Packages of Hex, rebar3 and npm, and Hex and rebar3 themselves."""
    dependencies: str
    """`deps`: for one state of the lock and the configuration, in one image."""
    build: str
    """`_build`, likewise."""

    def labels(self) -> dict[str, str]:
        """Volume that stays -> what is in it."""
        volumes = {self.downloads: "downloads", self.dependencies: "deps", self.build: "build"}
        return {name: what for name, what in volumes.items() if name}


NONE = Caches("", "", "")
"""Anonymous volumes: nothing from earlier builds, and nothing for later ones."""


def names(project: Project, recipe: Recipe, snapshot: Snapshot, mix_env: str, user: int) -> Caches:
    """The caches of a build; their names change with everything that could invalidate them.

    Users do not share them: the files belong to the user id that the steps run as.
    """
    tools = recipe.toolchain
    place = f"{recipe.distro.id}-{recipe.architecture}"
    owner = (os.fsencode(project.folder).hex(), _machine(), str(user))
    fetched = _key(*owner, tools.erlang, tools.elixir, tools.nodejs)
    compiled = _key(*owner, recipe.name, snapshot.dependencies, mix_env)
    return Caches(
        downloads=f"pkgrel-{place}-downloads-{fetched}",
        dependencies=f"pkgrel-{place}-deps-{compiled}",
        build=f"pkgrel-{place}-build-{compiled}",
    )


def _machine() -> str:
    with contextlib.suppress(OSError):
        return _MACHINE.read_text().strip()
    return ""


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


SOURCES, HOME, DOWNLOADS, SECRETS = (
    "/build",
    "/home/pkgrel",
    "/var/cache/pkgrel",
    "/run/pkgrel/secrets",
)
AGENT = "/run/pkgrel/ssh-agent"
_MOST_OUTPUT = 8 << 20
_LOOKS, _SECONDS_BETWEEN_LOOKS = 5, 0.1

# Hex keeps its packages beside its keys, of which only the packages may stay. ssh wants to know who it
# is run by, whatever HOME says.
_PREPARE = """
set -eu
mkdir -p "$HOME/.hex" "$CACHE/hex"
ln -s "$CACHE/hex" "$HOME/.hex/packages"
chown -h "$OWNER:$OWNER" "$HOME" "$HOME/.hex" "$CACHE/hex"
(
    chown "$OWNER:$OWNER" .
    while [ "$PWD" != "$SOURCES" ]; do
        cd -P ..
        chown "$OWNER:$OWNER" .
    done
)
for volume in "$CACHE" deps _build; do
    [ "$(stat -c %u "$volume")" = "$OWNER" ] || chown -R "$OWNER:$OWNER" "$volume"
done
own=$(sed -n "s/^[^:]*:[^:]*:$OWNER:[^:]*:[^:]*:\\([^:]*\\):.*/\\1/p" /etc/passwd | head -n 1)
if [ -z "$own" ]; then
    echo "pkgrel:x:$OWNER:$OWNER::$HOME:/bin/sh" >>/etc/passwd
elif [ "$own" != "$HOME" ] && [ ! -e "$own/.ssh" ]; then
    mkdir -p "$own"
    ln -s "$HOME/.ssh" "$own/.ssh"
fi
"""


def places(project: str) -> Places:
    """Directories in a container; `project` is that of the project in the sources."""
    return Places(
        sources=SOURCES,
        project=posixpath.normpath(f"{SOURCES}/{project}"),
        home=HOME,
        cache=DOWNLOADS,
        release=f"{HOME}/release",
        secrets=SECRETS,
    )


class Container:
    """A running container with its volumes; an Executor."""

    def __init__(
        self,
        client: DockerClient,
        name: str,
        container: DockerContainer,
        places: Places,
        log: Log,
        environment: Environment,
        user: int,
    ) -> None:
        self.name = name
        self.places = places
        self.log = log
        self.environment = environment
        self._api = client.api
        self._id: str = container.id
        self._user = f"{user}:{user}"

    def run(self, command: str, *, folder: str = ".") -> int:
        """See Executor."""
        status = self._run(
            ["sh", "-c", command],
            user=self._user,
            environment={**self.environment.all(), "HOME": HOME},
            folder=posixpath.normpath(f"{self.places.project}/{folder}"),
        )
        if status == 137:
            self._explain_kill(command)
        return status

    def output(self, script: str) -> str:
        """The output of one of our scripts, which is not logged."""
        with docker_errors(self.name):
            made = self._api.exec_create(self._id, ["sh", "-c", script], user=self._user)
            stream = self._api.exec_start(made["Id"], stream=True, demux=True)
            text = b""
            for out, _ in stream:
                text += out or b""
                if len(text) > _MOST_OUTPUT:
                    break
        return text.decode(errors="replace")

    def put(self, archive: BinaryIO, folder: str = SOURCES) -> None:
        """Unpack a tarball; its members' owners are kept."""
        with docker_errors(self.name):
            self._api.put_archive(self._id, folder, archive)

    def put_secret(self, name: str, content: bytes) -> None:
        """Write a file into the container's memory, through a pipe and not through the disk.

        One whose name begins with `~/` is linked to from there.
        """
        path = f"{SECRETS}/{name.removeprefix('~/')}"
        script = f'mkdir -p "$(dirname "$1")"; head -c {len(content)} >"$1"; chmod 0400 "$1"'
        if name.startswith("~/"):
            script += '; mkdir -p "$(dirname "$2")"; ln -sf "$1" "$2"'
        target = f"{HOME}/{name.removeprefix('~/')}"
        command = ["sh", "-euc", f"umask 077; {script}", "sh", path, target]
        with docker_errors(self.name):
            made = self._api.exec_create(self._id, command, stdin=True, user=self._user)
            stream = self._api.exec_start(made["Id"], socket=True)
            with contextlib.closing(stream):
                _send(stream, content)
                output = b"".join(data for _, data in frames(stream))
        if self._status(made["Id"]):
            text = output.decode(errors="replace").strip()
            raise BuildError(f"{self.name}: the secret `{name}` cannot be put in: {text}")

    def fetch(self, path: str, file: BinaryIO) -> None:
        """See Executor."""
        with docker_errors(self.name):
            chunks, _ = self._api.get_archive(self._id, path)
            for chunk in chunks:
                file.write(chunk)

    def prepare(self) -> None:
        """Give the directories to the user that runs the steps, and name that user."""
        status = self._run(
            ["sh", "-c", _PREPARE],
            user="0:0",
            environment={
                "HOME": HOME,
                "CACHE": DOWNLOADS,
                "SOURCES": SOURCES,
                "OWNER": self._user.partition(":")[0],
            },
            folder=self.places.project,
        )
        if status:
            raise failed(self.name, "prepare the container", self.log, status)

    def _run(
        self, command: list[str], *, user: str, environment: Mapping[str, str], folder: str
    ) -> int:
        with docker_errors(self.name):
            made = self._api.exec_create(
                self._id, command, user=user, environment=dict(environment), workdir=folder
            )
            for data in self._api.exec_start(made["Id"], stream=True):
                self.log.write(data)
        return self._status(made["Id"])

    def _status(self, execution: str) -> int:
        with docker_errors(self.name):
            status: int | None = self._api.exec_inspect(execution)["ExitCode"]
        return 137 if status is None else status

    def _explain_kill(self, command: str) -> None:
        # When a container is removed, the step in it dies shortly before.
        for _ in range(_LOOKS):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            with docker_errors(self.name):
                state = self._api.inspect_container(self._id)["State"]
            if not state["Running"]:
                raise BuildError(
                    f"{self.name}: the container was stopped during the build",
                    hint="run the build again",
                )
            if state["OOMKilled"]:
                raise failed(self.name, command, self.log, 137, "memory ran out")


def frames(stream: Any) -> Iterator[tuple[int, bytes]]:
    """Read a connection: the number of the output stream, and data."""
    from docker.utils.socket import frames_iter

    return frames_iter(stream, tty=False)  # type: ignore[no-any-return]


def _send(stream: Any, content: bytes) -> None:
    """Sockets of TLS and SSH connections have sendall, that of a Unix one is wrapped in a SocketIO."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.sendall(content)


# Two builds must not write to one _build; the lock is released with the process that holds it.
_FIRST_PROCESS = """
exec 9>"$1/_build/.lock"
if command -v flock >/dev/null; then
    flock -n 9 || { echo waiting; flock 9; }
fi
echo ready
exec cat >/dev/null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a container is created from."""

    image: str
    name: str
    """Its name in messages: the distro."""
    caches: Caches
    places: Places
    user: int
    """User and group id that the steps run as."""
    platform: str = ""
    """As named by Docker: `linux/arm64`; empty: the image's."""
    agent: str = ""
    """The SSH agent's socket on the daemon's machine; empty for none."""

    def mounts(self) -> list[Mount]:
        """The volumes, and the agent's socket."""
        from docker.types import Mount

        volumes = {
            self.places.cache: self.caches.downloads,
            f"{self.places.project}/deps": self.caches.dependencies,
            f"{self.places.project}/_build": self.caches.build,
        }
        agent = [Mount(AGENT, self.agent, type="bind")] if self.agent else []
        return [Mount(path, volume or None) for path, volume in volumes.items()] + agent


@contextlib.contextmanager
def started(
    client: DockerClient,
    design: Design,
    log: Log,
    environment: Environment,
    reaper: ContainerReaper,
    say: Callable[[str], None],
) -> Iterator[Container]:
    """A running container, ready for the sources."""
    with docker_errors(design.name):
        for volume, what in design.caches.labels().items():
            client.volumes.create(volume, labels={CACHE: what})
        container = _create(client, design, reaper)
    with contextlib.ExitStack() as connection:
        try:
            reaper.add(container)
            with docker_errors(design.name):
                stream = container.attach_socket(
                    params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                connection.enter_context(contextlib.closing(stream))
                container.start()
            _wait(stream, design.name, log, say)
            running = Container(
                client, design.name, container, design.places, log, environment, design.user
            )
            running.prepare()
            yield running
        finally:
            # First, since the daemon removes it as soon as the connection is closed.
            reaper.remove(container)


def _create(client: DockerClient, design: Design, reaper: ContainerReaper) -> DockerContainer:
    return client.containers.create(
        design.image,
        entrypoint=["sh", "-c"],
        command=[_FIRST_PROCESS, "sh", design.places.project],
        stdin_open=True,
        auto_remove=True,
        use_config_proxy=True,
        user="0:0",
        labels=reaper.labels(),
        mounts=design.mounts(),
        security_opt=["no-new-privileges"],
        tmpfs={SECRETS: f"mode=0700,uid={design.user},gid={design.user},size=16m"},
        platform=design.platform or None,
    )


def _wait(stream: Any, name: str, log: Log, say: Callable[[str], None]) -> None:
    """Wait until the container runs and has the lock of its caches."""
    seen = b""
    for _, data in frames(stream):
        seen += data
        log.write(data)
        if seen.endswith(b"ready\n"):
            return
        if seen.endswith(b"waiting\n"):
            say("wait for another build that uses the same caches")
    raise BuildError(
        f"{name}: the container ended at once: {seen.decode(errors='replace').strip() or 'without a word'}",
        hint=FOREIGN if b"exec format" in seen else None,
    )
