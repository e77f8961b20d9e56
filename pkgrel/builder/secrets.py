"""What a build is lent of this machine: variables and files that its steps get and nothing keeps, and the
SSH agent with the hosts that its user trusts.
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
"""What a shell takes for one."""

_LARGEST = 1 << 20
"""Bytes; a key or a token is far smaller, and the files are held in memory."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values by name; never printed, so `repr` does not show them."""

    variables: dict[str, str]
    files: dict[str, bytes]
    """By what the steps call them: `deploy_key`, `~/.netrc`."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join((*self.variables, *self.files))})"

    def values(self) -> list[str]:
        """What must not be seen in a log."""
        return [
            *self.variables.values(),
            *(f.decode(errors="replace") for f in self.files.values()),
        ]


def lent(settings: BuildSettings) -> str:
    """What a build is given of this machine besides its sources, for its user to see; empty for nothing."""
    parts = [f"the variable `{name}`" for name in settings.env]
    parts += [f"the file `{path}`" for path in settings.secrets.values()]
    parts += [f"`{path}`" for path in settings.include if path.startswith(("..", "/"))]
    parts += ["the SSH agent"] if settings.ssh else []
    return ", ".join(parts)


def read(settings: BuildSettings, folder: Path) -> Secrets:
    """Take the variables and read the files that [build] names; BuildError for a missing one.

    Paths are relative to `folder`. Also for a variable of [build] whose name no shell would take.
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
    except (OSError, RuntimeError) as e:  # RuntimeError: there is no such home
        reason = getattr(e, "strerror", None) or "there is no such home directory"
        raise BuildError(
            f"build.secrets.{name}: `{path}`: {reason}",
            hint="give the path of a file that you can read",
        ) from e
    if len(content) > _LARGEST:
        raise BuildError(f"build.secrets.{name}: `{path}` is larger than a secret: over 1 MiB")
    return content


def ssh_agent(client: DockerClient) -> str:
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


def known_hosts() -> dict[str, bytes]:
    """The user's own file, by its name: ssh cannot ask in a container."""
    name = "~/.ssh/known_hosts"
    try:
        file = Path(name).expanduser()
    except RuntimeError:  # the user has no home
        return {}
    return {name: file.read_bytes()} if file.is_file() else {}
