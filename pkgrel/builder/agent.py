"""The SSH agent of this machine, lent to a container, and the hosts that its user trusts."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient


def at(client: "DockerClient") -> str:
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
