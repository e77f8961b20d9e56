"""Removes containers of builds and trials: those of this process, and those that a killed one may have left.

Labels say which process of which machine a container belongs to, or the network or image of a trial.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel.builder.docker_daemon import docker_errors
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


RUN = "io.pkgrel.run"
"""Label: machine, process id and its start, separated by spaces."""
KEPT = "io.pkgrel.kept"
"""Label of what somebody wants to look at, who removes it."""


class ContainerReaper:
    """The containers of this process; ends them all when it is told to stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Container] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether no build may go on."""
        return self._stopped

    def labels(self, *, keep: bool = False) -> dict[str, str]:
        """What every container of ours is labelled with; one to be kept may outlive this process."""
        return {KEPT: ""} if keep else {RUN: _process(os.getpid())}

    def add(self, container: Container) -> None:
        """Take care of it from now on; BuildError if everything is being stopped."""
        with self._lock:
            self._running.add(container)
        if self._stopped:
            raise BuildError("interrupted")

    def remove(self, container: Container) -> None:
        """End and remove it; that it is gone already is as well."""
        with self._lock:
            self._running.discard(container)
        _remove(container)

    def stop(self) -> None:
        """End and remove all; builds in other threads fail at once."""
        self._stopped = True
        with self._lock:
            running = tuple(self._running)
        for container in running:
            _remove(container)


def remove_abandoned(client: DockerClient) -> int:
    """Remove the containers that processes of this machine left which are no more; their number.

    With their networks and images, if they were trials.
    """
    removed = 0
    labelled = {"filters": {"label": RUN}}
    with docker_errors("docker"):
        found = client.containers.list(all=True, ignore_removed=True, **labelled)
        networks = client.networks.list(**labelled)
        images = client.images.list(**labelled)
    for container in found:
        if _is_abandoned(container.labels.get(RUN, "")):
            _remove(container)
            removed += 1
    for network in networks:
        if _is_abandoned(network.attrs["Labels"].get(RUN, "")):
            remove_network(client, network.id)
    for image in images:
        if _is_abandoned(image.labels.get(RUN, "")):
            remove_image(client, image.id)
    return removed


def _is_abandoned(label: str) -> bool:
    machine, pid, *_ = f"{label} 0 0".split(" ")
    return machine == _machine() and pid.isdigit() and _process(int(pid)) != label


def remove_network(client: DockerClient, network: str) -> None:
    """Remove it; that it is gone already is as well."""
    import docker

    with contextlib.suppress(docker.errors.APIError):
        found = client.networks.get(network)
        for container in found.attrs.get("Containers") or {}:
            found.disconnect(container, force=True)
        found.remove()


def remove_image(client: DockerClient, image: str) -> None:
    """Remove it; that it is gone or used is as well."""
    import docker

    with contextlib.suppress(docker.errors.APIError):
        client.images.remove(image, force=True)


def _remove(container: Container) -> None:
    import docker
    import requests

    # Gone, or on its way: it removes itself when its first process ends.
    with contextlib.suppress(docker.errors.APIError, requests.RequestException, ConnectionError):
        container.remove(force=True, v=True)


def _process(pid: int) -> str:
    """A process as the label names it; an empty start for one that is not there."""
    start = ""
    with contextlib.suppress(OSError, IndexError):
        # proc(5): starttime is field 22; the command in field 2 may have spaces.
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    if not start and _is_alive(pid):
        start = "running"  # no /proc: macOS
    return f"{_machine()} {pid} {start}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@cache
def _machine() -> str:
    """Where process ids mean the same: pkgrel may itself run in a container of any host name."""
    name = socket.gethostname().replace(" ", "_")
    with contextlib.suppress(OSError):
        return f"{name}/{Path('/proc/self/ns/pid').readlink()}"
    return name
