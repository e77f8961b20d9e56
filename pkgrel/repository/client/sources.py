"""Sources of apt: deb822 as in sources.list(5), and the one line that older tools read.

All name the key by one path: two sources of one repository that name it in two ways, as for two
channels, are "Conflicting values set for option Signed-By" to apt, and no command of it works then.
"""

from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.repository.client.config import ClientConfig
from pkgrel.templates import render

FOLDER = "/etc/apt/sources.list.d"
KEYRINGS = "/etc/apt/keyrings"


@dataclass(frozen=True, slots=True)
class Source:
    """Which part of a repository, and how apt knows its signatures."""

    suite: str
    channel: str
    key: str
    """The path of a keyring."""


def keyring(access: ClientConfig) -> str:
    """Where all sources of the repository have its keys; binary, as several in a row stay readable."""
    return f"{KEYRINGS}/{access.name}.gpg"


def source(access: ClientConfig, distro: Distro, channel: str) -> Source:
    """The source of a distro's channel."""
    return Source(distro.codename, channel, keyring(access))


def path(access: ClientConfig, channel: str, suffix: str = "sources") -> str:
    """Where it belongs."""
    return f"{FOLDER}/{access.label(channel)}.{suffix}"


def deb822(access: ClientConfig, source: Source) -> str:
    """The file NAME.sources."""
    return render("client/sources", access=access, source=source)


def one_line(access: ClientConfig, source: Source) -> str:
    """The file NAME.list."""
    return render("client/list", access=access, source=source)
