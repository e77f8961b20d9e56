"""Services that an application needs, such as a database, in containers on an isolated network."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING

from pkgrel.builder.docker_daemon import docker_errors
from pkgrel.builder.reaper import ContainerReaper, remove_network
from pkgrel.config.delivery import TryServiceSettings
from pkgrel.errors import BuildError
from pkgrel.trial.host import Ran

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

READY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one trial; may be empty."""

    client: DockerClient | None = None
    network: str = ""
    """Name of the network; empty without services."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """IP addresses by name of the service."""
    containers: Mapping[str, Container] = field(default_factory=dict)
    settings: Mapping[str, TryServiceSettings] = field(default_factory=dict)

    def connect(self, container: Container) -> None:
        """Connect a host to their network."""
        if self.client and self.network:
            with docker_errors("docker"):
                self.client.networks.get(self.network).connect(container)

    def wait(self, run: Callable[[str], Ran]) -> None:
        """Wait until all are ready, tested with `run` on a host; BuildError after a timeout."""
        for name, container in self.containers.items():
            ready = self._test(name, container, run)
            deadline = time.monotonic() + READY_SECONDS
            while not ready():
                container.reload()
                if container.status != "running" or time.monotonic() > deadline:
                    log = container.logs(tail=10).decode(errors="replace").strip()
                    raise BuildError(
                        f"[try.services.{name}]: `{self.settings[name].image}` is `{container.status}` and not ready:\n{log}",
                        hint="see its `environment` and `ready`",
                    )
                time.sleep(0.2)

    def _test(
        self, name: str, container: Container, run: Callable[[str], Ran]
    ) -> Callable[[], bool]:
        command = self.settings[name].ready
        if command:
            return lambda: container.exec_run(["sh", "-c", command]).exit_code == 0
        container.reload()
        if _health(container):  # Podman has an empty state without a HEALTHCHECK
            return lambda: _health(container, anew=True) == "healthy"
        exposed = container.attrs["Config"].get("ExposedPorts") or {}
        address = self.addresses[name]
        # With bash's /dev/tcp, since no other client is certain to be installed.
        ports = [port.removesuffix("/tcp") for port in exposed if port.endswith("/tcp")]
        asked = [f"timeout 2 bash -c {quote(f'</dev/tcp/{address}/{port}')}" for port in ports]
        return lambda: bool(run(" && ".join(asked) or "true"))


NONE = Services()


def _health(container: Container, *, anew: bool = False) -> str:
    if anew:
        container.reload()
    return str((container.attrs["State"].get("Health") or {}).get("Status") or "")


@contextmanager
def running(
    client: DockerClient,
    settings: Mapping[str, TryServiceSettings],
    reaper: ContainerReaper,
    *,
    keep: bool = False,
) -> Iterator[Services]:
    """Start the services; they and their network are removed at the end unless the host is to be kept."""
    if not settings:
        yield NONE
        return
    with docker_errors("docker"):
        network = client.networks.create(
            f"pkgrel-try-{uuid.uuid4().hex[:12]}", internal=True, labels=reaper.labels(keep=keep)
        )
    containers: dict[str, Container] = {}
    try:
        addresses = {}
        for name, wanted in settings.items():
            labels = reaper.labels(keep=keep)
            containers[name] = _start(client, name, wanted, network.name, labels)
            if not keep:
                reaper.add(containers[name])
            attached = containers[name].attrs["NetworkSettings"]["Networks"][network.name]
            addresses[name] = str(attached["IPAddress"])
        yield Services(client, network.name, addresses, containers, settings)
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            for container in containers.values():
                reaper.remove(container)
            remove_network(client, network.id)


def _start(
    client: DockerClient,
    name: str,
    wanted: TryServiceSettings,
    network: str,
    labels: Mapping[str, str],
) -> Container:
    import docker

    title = f"[try.services.{name}]"
    try:
        client.images.get(wanted.image)
    except docker.errors.ImageNotFound:
        with docker_errors(title):
            # Without a tag, the SDK would pull all of them.
            tagged = ":" in wanted.image.rpartition("/")[2] or "@" in wanted.image
            client.images.pull(wanted.image if tagged else f"{wanted.image}:latest")
    with docker_errors(title):
        container = client.containers.create(
            wanted.image,
            environment=dict(wanted.environment),
            labels=dict(labels),
            network=network,
            hostname=name,
        )
        try:
            container.start()
            container.reload()
        except BaseException:
            container.remove(force=True, v=True)
            raise
    return container
