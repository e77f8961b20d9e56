"""Removes containers of builds and trials: those of this process, and those that a killed process left.

Labels name the machine and the process that a container, or the network or image of a trial, belongs to.
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
"""Label of a container that a user keeps for inspection, and removes."""


class ContainerReaper:
    """The containers of this process, which can all be stopped at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Container] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether all builds must end."""
        return self._stopped

    def labels(self, *, keep: bool = False) -> dict[str, str]:
        """Labels for each container; a kept one may outlive this process."""
        return {KEPT: ""} if keep else {RUN: _process(os.getpid())}

    def add(self, container: Container) -> None:
        """Add a container to be removed; BuildError if everything is being stopped."""
        with self._lock:
            self._running.add(container)
        if self._stopped:
            raise BuildError("interrupted")

    def remove(self, container: Container) -> None:
        """Stop and remove it; it may be gone already."""
        with self._lock:
            self._running.discard(container)
        _remove(container)

    def stop(self) -> None:
        """Stop and remove all; builds in other threads fail at once."""
        self._stopped = True
        with self._lock:
            running = tuple(self._running)
        for container in running:
            _remove(container)


def remove_abandoned(client: DockerClient) -> int:
    """Remove the containers of processes of this machine that have ended; returns their number.

    For trials also their networks and images.
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
    """Remove it; it may be gone already."""
    import docker

    with contextlib.suppress(docker.errors.APIError):
        found = client.networks.get(network)
        for container in found.attrs.get("Containers") or {}:
            found.disconnect(container, force=True)
        found.remove()


def remove_image(client: DockerClient, image: str) -> None:
    """Remove it; it may be gone already, or in use."""
    import docker

    with contextlib.suppress(docker.errors.APIError):
        client.images.remove(image, force=True)


def _remove(container: Container) -> None:
    import docker
    import requests

    # Gone, or about to be: it is removed when its first process ends.
    with contextlib.suppress(docker.errors.APIError, requests.RequestException, ConnectionError):
        container.remove(force=True, v=True)


def _process(pid: int) -> str:
    """A process in the form of the label; with an empty start if it does not exist."""
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
    """Identifies the scope of process ids: pkgrel itself may run in a container, with any host name."""
    name = socket.gethostname().replace(" ", "_")
    with contextlib.suppress(OSError):
        return f"{name}/{Path('/proc/self/ns/pid').readlink()}"
    return name
