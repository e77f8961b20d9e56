"""How the container of a build comes up, and why it goes whatever happens.

Its first process reads the connection to pkgrel and ends when that does, and the daemon then removes
the container: a pkgrel that is killed leaves nothing either, not even on another machine's daemon.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pkgrel.builder import leftovers
from pkgrel.builder.caches import CACHE, Caches
from pkgrel.builder.container import AGENT, SECRETS, Container, frames
from pkgrel.builder.log import Log
from pkgrel.builder.refusal import FOREIGN, refused
from pkgrel.builder.workplace import Environment, Places
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as DockerContainer
    from docker.types import Mount

# Two builds must not write to one _build; the lock goes with the process that holds it.
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
    """What a container is made of."""

    image: str
    name: str
    """What it is called in messages: the distro."""
    caches: Caches
    places: Places
    user: int
    """Id of the user and the group that the steps run as."""
    platform: str = ""
    """As Docker says it: `linux/arm64`; empty: the image's."""
    agent: str = ""
    """The SSH agent's socket where the daemon runs; empty for none."""

    def mounts(self) -> "list[Mount]":
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
    client: "DockerClient",
    design: Design,
    log: Log,
    environment: Environment,
    own: "leftovers.Own",
    say: Callable[[str], None],
) -> Iterator[Container]:
    """A running container, ready for the sources."""
    with refused(design.name):
        for volume, what in design.caches.labels().items():
            client.volumes.create(volume, labels={CACHE: what})
        container = _create(client, design, own)
    with contextlib.ExitStack() as connection:
        try:
            own.add(container)
            with refused(design.name):
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
            # First of all: once the connection is closed, the daemon removes it when it likes.
            own.remove(container)


def _create(client: "DockerClient", design: Design, own: "leftovers.Own") -> "DockerContainer":
    return client.containers.create(
        design.image,
        entrypoint=["sh", "-c"],
        command=[_FIRST_PROCESS, "sh", design.places.project],
        stdin_open=True,
        auto_remove=True,
        use_config_proxy=True,
        user="0:0",
        labels=own.labels(),
        mounts=design.mounts(),
        security_opt=["no-new-privileges"],
        tmpfs={SECRETS: f"mode=0700,uid={design.user},gid={design.user},size=16m"},
        platform=design.platform or None,
    )


def _wait(stream: Any, name: str, log: Log, say: Callable[[str], None]) -> None:
    """Until the container runs, and no other build uses the same caches."""
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
