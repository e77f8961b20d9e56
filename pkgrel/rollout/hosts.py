"""Parses names of hosts for OpenSSH.

A name is passed to `ssh` as a separate argument and cannot be an option. Its meaning, such as a jump host or a key,
is up to the user's ssh_config(5).
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
    """A host to roll out to."""

    name: str
    """The name as given, for messages."""
    destination: str
    """The destination for `ssh`: a name of ssh_config or DNS, or an address, optionally with a user."""
    port: int = 0
    """0: the default of ssh_config."""


def parse_host(text: str, where: str) -> Host:
    """Parse a host such as `web1`, `deploy@web2:2222` or `[2001:db8::1]`; ConfigError, naming `where`, if invalid."""
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
    """The name or address that `ssh` connects to, without the user."""
    return host.destination.rpartition("@")[2]
