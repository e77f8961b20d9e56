"""Connects to the Docker daemon, local or remote, and explains its errors."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS_TO_ANSWER = 120
"""Seconds to wait for an answer; a busy daemon can be slow to remove an image."""

ELSEWHERE = "or build with the tools of this machine: `--builder host`"

_PROBLEMS = tuple(
    (re.compile(sign), problem, advice)
    for sign, problem, advice in (
        (
            "PermissionError|Permission denied",
            "{where} may not be used by this user: permission denied",
            "join its group (`sudo usermod -aG docker $USER`, then log in again), {instead}",
        ),
        (
            "Invalid bind address|Invalid proto|Invalid",
            "DOCKER_HOST: `{name}` is not an address of a Docker daemon",
            "set it to such as `unix:///var/run/docker.sock` or `ssh://user@host`, or unset it",
        ),
        (
            "Install paramiko",
            "{where} is reached over ssh, which needs the Python package paramiko",
            "`pip install paramiko` where pkgrel is, or forward the socket: `ssh -L /tmp/docker.sock:/var/run/docker.sock`",
        ),
        (
            "No such file|FileNotFound|Connection refused",
            "{where} does not run",
            "start Docker, set DOCKER_HOST to one that runs, {instead}",
        ),
        (
            "client_cert|TLS configurations|could not find .*pem",
            "{where} wants TLS, and its certificates are not there",
            "set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem",
        ),
    )
)
"""Part of a library's message, its meaning, and a hint."""


def connect(instead: str = ELSEWHERE) -> DockerClient:
    """The daemon of DOCKER_HOST, of the Docker context in use, or of this machine; to be closed.

    BuildError, with a hint, if there is none or if access is denied. `instead`: the way without one.
    """
    try:
        import docker
        import requests
    except ImportError as e:
        raise BuildError(
            f"Docker's library for Python cannot be loaded: {e}",
            hint=f"reinstall pkgrel with its dependencies, {instead}",
        ) from e
    _refuse_unknown_context()
    try:
        client = docker.from_env(timeout=_SECONDS_TO_ANSWER, use_ssh_client=True)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as e:
        raise _unreachable(e, instead) from e
    return client


@contextmanager
def connected(instead: str = ELSEWHERE) -> Iterator[DockerClient]:
    """`connect`, closed at the end of the `with` block."""
    client = connect(instead)
    try:
        yield client
    finally:
        client.close()


DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's name of an architecture -> Docker's."""


def architecture(client: DockerClient) -> str:
    """The architecture of the daemon's machine, as in Docker's platforms: `amd64`."""
    kernel = str(client.info()["Architecture"])
    return DOCKER_NAMES.get(kernel, kernel)


def _refuse_unknown_context() -> None:
    """BuildError for a missing context, for which the library would use the default daemon, unlike the `docker` command."""
    from docker.context import ContextAPI

    name = os.environ.get("DOCKER_CONTEXT", "")
    if name and not os.environ.get("DOCKER_HOST") and ContextAPI.get_context(name) is None:
        raise BuildError(
            f"DOCKER_CONTEXT: there is no Docker context `{name}`",
            hint="`docker context ls` lists them",
        )


def _unreachable(cause: Exception, instead: str) -> BuildError:
    """The reason in one line; libraries nest it three levels deep."""
    name = os.environ.get("DOCKER_HOST", "")
    where = f"the Docker daemon at `{name}`" if name else "the Docker daemon"
    text = str(cause)
    for sign, problem, advice in _PROBLEMS:
        if sign.search(text):
            return BuildError(
                problem.format(where=where, name=name), hint=advice.replace("{instead}", instead)
            )
    inner = re.search(r"\[Errno -?\d+\] ([^)'\"]+)", text)
    return BuildError(
        f"{where} cannot be reached: {inner[1] if inner else text.partition(chr(10))[0]}",
        hint=f"see that `docker info` works, {instead}",
    )


FOREIGN = (
    "the daemon's machine cannot run this architecture: install QEMU's binfmt support there, or set DOCKER_HOST "
    "to a machine of that architecture"
)


@contextlib.contextmanager
def docker_errors(name: str) -> Iterator[None]:
    """Convert an error of the daemon, or a lost connection, to a BuildError of one line."""
    import docker
    import requests
    import urllib3

    try:
        yield
    except docker.errors.APIError as e:
        text = str(e.explanation or e).strip()
        if e.status_code in (404, 409) and "ontainer" in text:
            raise BuildError(
                f"{name}: the container was removed meanwhile: {text}",
                hint="run it again",
            ) from e
        raise BuildError(f"{name}: the Docker daemon says: {text}", hint=refusal_hint(text)) from e
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as e:
        raise BuildError(
            f"{name}: the connection to the Docker daemon broke: {e}",
            hint="see that the daemon is running, and run it again",
        ) from e


def refusal_hint(text: str) -> str | None:
    """What to do about what the daemon says, where that is known."""
    if "exec format" in text or "platform" in text:
        return FOREIGN
    if "no space left" in text.lower():
        return "make room: `pkgrel images prune`, `docker system prune`"
    return None
