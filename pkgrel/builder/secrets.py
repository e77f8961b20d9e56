"""Secrets of this machine that a build may use but that are not stored: variables, files, and the SSH agent with the
user's known hosts.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel.config.delivery import BuildSettings
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A valid name of a shell variable."""

_LARGEST = 1 << 20
"""The largest file in bytes; keys and tokens are far smaller, and files are held in memory."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values by name; left out of `repr`, so that they are never printed."""

    variables: dict[str, str]
    files: dict[str, bytes]
    """Contents by the names that the steps use: `deploy_key`, `~/.netrc`."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join((*self.variables, *self.files))})"

    def values(self) -> list[str]:
        """All values that must not appear in a log."""
        return [
            *self.variables.values(),
            *(f.decode(errors="replace") for f in self.files.values()),
        ]


def lent(settings: BuildSettings) -> str:
    """A text for the user about what the build can use besides the sources; empty for nothing."""
    parts = [f"the variable `{name}`" for name in settings.env]
    parts += [f"the file `{path}`" for path in settings.secrets.values()]
    parts += [f"`{path}`" for path in settings.include if path.startswith(("..", "/"))]
    parts += ["the SSH agent"] if settings.ssh else []
    return ", ".join(parts)


def read(settings: BuildSettings, folder: Path) -> Secrets:
    """Read the variables and files that [build] names; BuildError for a missing one.

    Paths are relative to `folder`. BuildError also for an invalid name of a variable.
    """
    variables = {}
    for name in settings.env:
        _refuse_odd_name(name)
        if name not in os.environ:
            raise BuildError(
                f"build.env: the variable `{name}` is not set",
                hint=f"export {name}, or take it out of `env` in [build]",
            )
        variables[name] = os.environ[name]
    files = {name: _file(name, path, folder) for name, path in settings.secrets.items()}
    return Secrets(variables, files)


def _refuse_odd_name(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise BuildError(
            f"build.env: `{name}` is not a name of a variable",
            hint="use letters, digits and underscores, such as `HEX_API_KEY`",
        )


def _file(name: str, path: str, folder: Path) -> bytes:
    plain = name.removeprefix("~/")
    if not plain or plain.startswith("/") or ".." in plain.split("/"):
        raise BuildError(
            f"build.secrets: `{name}` is not a name for a secret",
            hint="use a name such as `deploy_key`, or a path such as `~/.netrc`",
        )
    try:
        content = (folder / Path(path).expanduser()).read_bytes()
    except (OSError, RuntimeError) as e:  # RuntimeError: no such home directory
        reason = getattr(e, "strerror", None) or "there is no such home directory"
        raise BuildError(
            f"build.secrets.{name}: `{path}`: {reason}",
            hint="give the path of a file that you can read",
        ) from e
    if len(content) > _LARGEST:
        raise BuildError(f"build.secrets.{name}: `{path}` is larger than a secret: over 1 MiB")
    return content


def ssh_agent(client: DockerClient) -> str:
    """The path of the SSH agent's socket for the daemon; BuildError if it cannot use one."""
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


def known_hosts() -> dict[str, bytes]:
    """The user's known_hosts, since ssh cannot ask in a container."""
    name = "~/.ssh/known_hosts"
    try:
        file = Path(name).expanduser()
    except RuntimeError:  # the user has no home directory
        return {}
    return {name: file.read_bytes()} if file.is_file() else {}
