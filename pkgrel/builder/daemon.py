"""The Docker daemon, on this machine or another one."""

import os
from typing import TYPE_CHECKING

from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS_TO_ANSWER = 120
"""For one answer; a busy daemon takes its time to remove an image."""

_ELSEWHERE = "or build with the tools of this machine: `--builder host`"


def connect() -> "DockerClient":
    """The daemon of DOCKER_HOST, of the Docker context in use, or of this machine; to be closed.

    BuildError, with what to do about it, if there is none or if it may not be used.
    """
    try:
        import docker
        import requests
    except ImportError as e:
        raise BuildError(
            f"Docker's library for Python cannot be loaded: {e}",
            hint=f"reinstall pkgrel with its dependencies, {_ELSEWHERE}",
        ) from e
    # requests.RequestException is an OSError.
    try:
        client = docker.from_env(timeout=_SECONDS_TO_ANSWER, use_ssh_client=True)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as e:
        raise _refused(e) from e
    return client


_DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(client: "DockerClient") -> str:
    """That of the daemon's machine, as Docker calls it in names of platforms: `amd64`."""
    kernel = str(client.info()["Architecture"])
    return _DOCKER_NAMES.get(kernel, kernel)


def _refused(cause: Exception) -> BuildError:
    """What went wrong, in one line: libraries nest it three deep."""
    name = os.environ.get("DOCKER_HOST", "")
    where = f"the Docker daemon at `{name}`" if name else "the Docker daemon"
    text = str(cause)
    if "PermissionError" in text or "Permission denied" in text:
        return BuildError(
            f"{where} may not be used by this user: permission denied",
            hint=f"join its group (`sudo usermod -aG docker $USER`, then log in again), {_ELSEWHERE}",
        )
    if name and any(sign in text for sign in ("Invalid bind address", "Invalid proto", "Invalid")):
        return BuildError(
            f"DOCKER_HOST: `{name}` is no address of a Docker daemon",
            hint="set it to such as `unix:///var/run/docker.sock` or `ssh://user@host`, or unset it",
        )
    if "No such file" in text or "Connection refused" in text or "FileNotFound" in text:
        return BuildError(
            f"{where} does not run",
            hint=f"start Docker, set DOCKER_HOST to one that runs, {_ELSEWHERE}",
        )
    return BuildError(
        f"{where} cannot be reached: {text.splitlines()[0] if text else type(cause).__name__}",
        hint=f"see that `docker info` works, {_ELSEWHERE}",
    )
