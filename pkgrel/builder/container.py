"""The container of a build: commands, the sources and secrets that go in, the release that comes out."""

import contextlib
import posixpath
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from pkgrel.builder import failure
from pkgrel.builder.log import Log
from pkgrel.builder.refusal import refused
from pkgrel.builder.workplace import Environment, Places
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as DockerContainer

SOURCES, HOME, DOWNLOADS, SECRETS = (
    "/build",
    "/home/pkgrel",
    "/var/cache/pkgrel",
    "/run/pkgrel/secrets",
)
AGENT = "/run/pkgrel/ssh-agent"
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
    """A running container with its volumes; a Workplace."""

    def __init__(
        self,
        client: "DockerClient",
        name: str,
        container: "DockerContainer",
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
        """See Workplace."""
        status = self._run(
            ["sh", "-c", command],
            user=self._user,
            environment={**self.environment.all(), "HOME": HOME},
            folder=posixpath.normpath(f"{self.places.project}/{folder}"),
        )
        if status == 137:
            self._explain_kill(command)
        return status

    def put(self, archive: BinaryIO, folder: str = SOURCES) -> None:
        """Unpack a tarball; its members' owners are kept."""
        with refused(self.name):
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
        with refused(self.name):
            made = self._api.exec_create(self._id, command, stdin=True, user=self._user)
            stream = self._api.exec_start(made["Id"], socket=True)
            with contextlib.closing(stream):
                _send(stream, content)
                output = b"".join(data for _, data in frames(stream))
        if self._status(made["Id"]):
            text = output.decode(errors="replace").strip()
            raise BuildError(f"{self.name}: the secret `{name}` cannot be put in: {text}")

    def fetch(self, path: str, file: BinaryIO) -> None:
        """See Workplace."""
        with refused(self.name):
            chunks, _ = self._api.get_archive(self._id, path)
            for chunk in chunks:
                file.write(chunk)

    def prepare(self) -> None:
        """Give the directories to the user of the steps, and the user a name."""
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
            raise failure.failed(self.name, "prepare the container", self.log, status)

    def _run(
        self, command: list[str], *, user: str, environment: Mapping[str, str], folder: str
    ) -> int:
        with refused(self.name):
            made = self._api.exec_create(
                self._id, command, user=user, environment=dict(environment), workdir=folder
            )
            for data in self._api.exec_start(made["Id"], stream=True):
                self.log.write(data)
        return self._status(made["Id"])

    def _status(self, execution: str) -> int:
        with refused(self.name):
            status: int | None = self._api.exec_inspect(execution)["ExitCode"]
        return 137 if status is None else status

    def _explain_kill(self, command: str) -> None:
        # A step dies a moment before the container that somebody removes.
        for _ in range(_LOOKS):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            with refused(self.name):
                state = self._api.inspect_container(self._id)["State"]
            if not state["Running"]:
                raise BuildError(
                    f"{self.name}: the container was stopped during the build",
                    hint="run the build again",
                )
            if state["OOMKilled"]:
                raise failure.failed(self.name, command, self.log, 137, "memory ran out")


def frames(stream: Any) -> Iterator[tuple[int, bytes]]:
    """What comes through a connection: which of the outputs it is of, and the data."""
    from docker.utils.socket import frames_iter

    return frames_iter(stream, tty=False)  # type: ignore[no-any-return]


def _send(stream: Any, content: bytes) -> None:
    """Sockets of TLS and SSH connections have sendall, that of a Unix one is wrapped in a SocketIO."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.sendall(content)
