"""The Docker daemon, on this machine or another one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient


def connect() -> "DockerClient":
    """The daemon of DOCKER_HOST, of the Docker context in use, or of this machine."""
    raise NotImplementedError
