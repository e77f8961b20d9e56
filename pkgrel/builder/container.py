"""A container for one build, gone with it whatever happens.

Its first process reads the connection to pkgrel and ends when that does, and the daemon then removes
the container: a pkgrel that is killed leaves nothing either, not even on another machine's daemon.
"""

import contextlib
import os
import posixpath
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pkgrel.builder import failure, leftovers
from pkgrel.builder.caches import CACHE, Caches
from pkgrel.builder.log import Log
from pkgrel.builder.workplace import Environment, Places
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as DockerContainer

PLACES = Places(
    project="/build",
    home="/home/pkgrel",
    cache="/var/cache/pkgrel",
    release="/home/pkgrel/release",
    secrets="/run/pkgrel/secrets",
)
AGENT = "/run/pkgrel/ssh-agent"
_LOOKS, _SECONDS_BETWEEN_LOOKS = 5, 0.1
SAVED = f"{PLACES.project}/_build"

# Two builds must not write to one _build; the lock goes with the process that holds it.
_FIRST_PROCESS = f"""
exec 9>{SAVED}/.lock
if command -v flock >/dev/null; then
    flock -n 9 || {{ echo waiting; flock 9; }}
fi
echo ready
exec cat >/dev/null
"""

# Hex keeps its packages beside its keys, of which only the packages may stay. ssh wants to know who it
# is run by, whatever HOME says.
_PREPARE = """
set -eu
mkdir -p "$HOME/.hex" "$CACHE/hex"
ln -s "$CACHE/hex" "$HOME/.hex/packages"
for folder in "$HOME" "$@"; do
    [ "$(stat -c %u "$folder")" = "$OWNER" ] || chown -R "$OWNER:$OWNER" "$folder"
done
grep -q "^[^:]*:[^:]*:$OWNER:" /etc/passwd ||
    echo "pkgrel:x:$OWNER:$OWNER::$HOME:/bin/sh" >>/etc/passwd
"""


class Container:
    """A running container with its volumes; a Workplace."""

    places = PLACES

    def __init__(
        self,
        client: "DockerClient",
        name: str,
        container: "DockerContainer",
        log: Log,
        environment: Environment,
        user: int,
    ) -> None:
        self.name = name
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
            environment={**self.environment.all(), "HOME": PLACES.home},
            folder=posixpath.normpath(f"{PLACES.project}/{folder}"),
        )
        if status == 137:
            self._explain_kill(command)
        return status

    def put(self, archive: BinaryIO, folder: str = PLACES.project) -> None:
        """Unpack a tarball; its members' owners are kept."""
        with refused(self.name):
            self._api.put_archive(self._id, folder, archive)

    def put_secret(self, name: str, content: bytes) -> None:
        """Write a file into the container's memory, through a pipe and not through the disk.

        One whose name begins with `~/` is linked to from there.
        """
        path = f"{PLACES.secrets}/{name.removeprefix('~/')}"
        script = f'mkdir -p "$(dirname "$1")"; head -c {len(content)} >"$1"; chmod 0400 "$1"'
        if name.startswith("~/"):
            script += '; mkdir -p "$(dirname "$2")"; ln -sf "$1" "$2"'
        target = f"{PLACES.home}/{name.removeprefix('~/')}"
        command = ["sh", "-euc", f"umask 077; {script}", "sh", path, target]
        with refused(self.name):
            made = self._api.exec_create(self._id, command, stdin=True, user=self._user)
            stream = self._api.exec_start(made["Id"], socket=True)
            with contextlib.closing(stream):
                _send(stream, content)
                output = b"".join(data for _, data in _frames(stream))
        if self._status(made["Id"]):
            text = output.decode(errors="replace").strip()
            raise BuildError(f"{self.name}: the secret `{name}` cannot be put in: {text}")

    def fetch(self, path: str, file: BinaryIO) -> None:
        """See Workplace."""
        with refused(self.name):
            chunks, _ = self._api.get_archive(self._id, path)
            for chunk in chunks:
                file.write(chunk)

    def prepare(self, folders: tuple[str, ...]) -> None:
        """Give the directories to the user of the steps, and the user a name."""
        status = self._run(
            ["sh", "-c", _PREPARE, "sh", *folders],
            user="0:0",
            environment={
                "HOME": PLACES.home,
                "CACHE": PLACES.cache,
                "OWNER": self._user.partition(":")[0],
            },
            folder="/",
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


@contextlib.contextmanager
def started(
    client: "DockerClient",
    image: str,
    name: str,
    caches: Caches,
    log: Log,
    environment: Environment,
    *,
    user: int,
    platform: str,
    agent: str,
    own: "leftovers.Own",
) -> Iterator[Container]:
    """A container of the image; `agent` is the SSH agent's socket where the daemon runs, or empty."""
    mounts = {
        caches.downloads: PLACES.cache,
        caches.dependencies: f"{PLACES.project}/deps",
        caches.build: SAVED,
    }
    for volume, what in caches.labels().items():
        with refused(name):
            client.volumes.create(volume, labels={CACHE: what})
    container = _create(client, image, name, mounts, user, platform, agent, own)
    try:
        own.add(container)
        stream = _attach(container, name, log)
        with contextlib.closing(stream):
            running = Container(client, name, container, log, environment, user)
            running.prepare((PLACES.project, *mounts.values()))
            yield running
    finally:
        own.remove(container)


def _create(
    client: "DockerClient",
    image: str,
    name: str,
    mounts: Mapping[str, str],
    user: int,
    platform: str,
    agent: str,
    own: "leftovers.Own",
) -> "DockerContainer":
    volumes = {volume: {"bind": path, "mode": "rw"} for volume, path in mounts.items()}
    if agent:
        volumes[agent] = {"bind": AGENT, "mode": "rw"}
    with refused(name):
        return client.containers.create(
            image,
            entrypoint=["sh", "-c"],
            command=[_FIRST_PROCESS],
            stdin_open=True,
            auto_remove=True,
            use_config_proxy=True,
            user="0:0",
            labels=own.labels(),
            volumes=volumes,
            tmpfs={PLACES.secrets: f"mode=0700,uid={user},gid={user},size=16m"},
            platform=platform or None,
        )


def _attach(container: "DockerContainer", name: str, log: Log) -> Any:
    """Start it, and wait until no other build uses the same caches; the connection keeps it alive."""
    with refused(name):
        stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        container.start()
    seen = b""
    for _, data in _frames(stream):
        seen += data
        log.write(data)
        if seen.endswith(b"ready\n"):
            return stream
    raise BuildError(
        f"{name}: the container ended at once: {seen.decode(errors='replace').strip() or 'without a word'}",
        hint=_FOREIGN if b"exec format" in seen else None,
    )


_FOREIGN = (
    "the daemon's machine cannot run this architecture: install QEMU's binfmt support there, or set DOCKER_HOST "
    "to a machine of that architecture"
)


@contextlib.contextmanager
def refused(name: str) -> Iterator[None]:
    """Say in one line what the daemon refused, or that it is gone."""
    import docker
    import requests
    import urllib3

    try:
        yield
    except docker.errors.APIError as e:
        text = str(e.explanation or e).strip()
        if e.status_code in (404, 409) and "ontainer" in text:
            raise BuildError(
                f"{name}: the container was removed during the build: {text}",
                hint="run the build again",
            ) from e
        raise BuildError(f"{name}: docker: {text}", hint=_hint(text)) from e
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as e:
        raise BuildError(
            f"{name}: the connection to the Docker daemon broke: {e}",
            hint="see that the daemon is running, and run the build again",
        ) from e


def _hint(text: str) -> str | None:
    if "exec format" in text or "platform" in text:
        return _FOREIGN
    if "no space left" in text.lower():
        return "make room: `pkgrel images prune`, `docker system prune`"
    return None


def _frames(stream: Any) -> Iterator[tuple[int, bytes]]:
    from docker.utils.socket import frames_iter

    return frames_iter(stream, tty=False)  # type: ignore[no-any-return]


def _send(stream: Any, content: bytes) -> None:
    """Sockets of TLS and SSH connections have sendall, that of a Unix one is wrapped in a SocketIO."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.sendall(content)


def agent_socket(client: "DockerClient") -> str:
    """The SSH agent's socket as the daemon sees it; BuildError if there is none that it can use."""
    if not client.api.base_url.startswith(("http+docker://localhost", "http+docker://localnpipe")):
        raise BuildError(
            "build.ssh: the SSH agent cannot be lent to a Docker daemon on another machine",
            hint="give the key as a file, in `secrets` of [build]",
        )
    if sys.platform == "darwin":
        return "/run/host-services/ssh-auth.sock"  # Docker Desktop's own
    path = os.environ.get("SSH_AUTH_SOCK", "")
    if not path or not Path(path).exists():
        raise BuildError(
            "build.ssh: no SSH agent is running here (`SSH_AUTH_SOCK`)",
            hint="start one: `eval $(ssh-agent) && ssh-add`",
        )
    return path
