"""Hosts as OpenSSH names them.

A name comes before `ssh` as a word of its own and cannot be an option; what it means, such as a jump host or a
key, is for the user's ssh_config(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pkgrel.errors import ConfigError

_USER = r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@"
_NAME = r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)"
_PORT = r"(?P<port>[0-9]{1,5})"
_HOST = re.compile(
    rf"(?:{_USER})?(?:{_NAME}|(?P<open>\[){_NAME.replace('name', 'inner')}\])(?::{_PORT})?"
)


@dataclass(frozen=True, slots=True)
class Host:
    """Where to roll out to."""

    name: str
    """As it was given; what people read."""
    destination: str
    """For `ssh`: a name of ssh_config or DNS, or an address, perhaps with a user in front."""
    port: int = 0
    """0: what ssh_config says."""


def parse_host(text: str, where: str) -> Host:
    """A host such as `web1`, `deploy@web2:2222` or `[2001:db8::1]`; ConfigError, naming `where`, for anything else."""
    found = _HOST.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if (
        not found
        or len(text) > 300
        or port > 65535
        or (found["name"] and ":" in found["name"] and port)
    ):
        raise ConfigError(
            f"{where}: `{text}` is not a host",
            hint="write it as `web1`, `deploy@web1` or `deploy@web1:2222`",
        )
    user = f"{found['user']}@" if found["user"] else ""
    return Host(text, f"{user}{found['name'] or found['inner']}", port)


def address(host: Host) -> str:
    """What `ssh` connects to, without the user."""
    return host.destination.rpartition("@")[2]
