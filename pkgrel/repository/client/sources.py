"""Sources of apt: deb822 as in sources.list(5), and the one line that older tools read."""

import re
from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.repository.client.access import Access
from pkgrel.templates import render

FOLDER = "/etc/apt/sources.list.d"
KEYRINGS = "/etc/apt/keyrings"

_EMBEDS = (1, 21)
"""apt reads a key inside a source from 2.3.10 on; the dpkg of the first releases that have it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which part of a repository, and how apt knows its signatures."""

    suite: str
    channel: str
    key: str
    """The path of a keyring; empty if the key is inside."""


def embeds(distro: Distro) -> bool:
    """Whether the distro's apt reads a key inside a source."""
    found = re.match(r"dpkg (\d+)\.(\d+)", distro.tool)
    return found is not None and (int(found[1]), int(found[2])) >= _EMBEDS


def source(access: Access, distro: Distro, channel: str, *, armored: bool = False) -> Source:
    """The source that suits the distro's apt; a keyring's path is that of an armored one if asked."""
    suffix = "asc" if armored else "gpg"
    key = "" if embeds(distro) else f"{KEYRINGS}/{access.name}.{suffix}"
    return Source(distro.codename, channel, key)


def path(access: Access, channel: str, suffix: str = "sources") -> str:
    """Where it belongs."""
    return f"{FOLDER}/{access.label(channel)}.{suffix}"


def deb822(access: Access, source: Source) -> str:
    """The file NAME.sources."""
    return render("client/sources", access=access, source=source, key=_inside(access))


def one_line(access: Access, source: Source) -> str:
    """The file NAME.list; its key is never inside."""
    return render("client/list", access=access, source=source)


def _inside(access: Access) -> str:
    """The key as the value of a field: lines begin with a blank, empty ones have a full stop."""
    lines = access.keys.block.decode().splitlines() if access.keys else []
    return "\n".join(f" {line or '.'}" for line in lines)
