"""Where in a repository a package is: format, distro, architecture and channel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pkgrel.distro import Distro, Format, distros
from pkgrel.errors import RepositoryError
from pkgrel.repository.typed import InvalidValue, shown

_CHANNEL = re.compile(r"[a-z0-9][a-z0-9+_-]{0,63}")
_PLACE = re.compile(
    rf"({'|'.join(Format)})/[a-z0-9][a-z0-9._-]{{0,63}}/[a-z0-9_-]{{1,64}}/{_CHANNEL.pattern}"
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One list of packages; written `deb/debian12/amd64/stable`."""

    format: Format
    distro: str
    """An id of the table of distros."""
    architecture: str
    channel: str

    def __str__(self) -> str:
        """As heads name it."""
        return f"{self.format}/{self.distro}/{self.architecture}/{self.channel}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of `str`; InvalidValue if it is not a place."""
        if not _PLACE.fullmatch(text):
            raise InvalidValue(f"`{shown(text)}` is not a place of packages")
        format, *rest = text.split("/")
        return cls(Format(format), *rest)

    @property
    def row(self) -> Distro:
        """The distro's row; RepositoryError if this pkgrel does not know it."""
        try:
            return distros()[self.distro]
        except KeyError:
            raise RepositoryError(
                f"the repository has packages for `{self.distro}`, a distro that this pkgrel does not know",
                hint="install a newer pkgrel",
            ) from None


def channel(name: str) -> str:
    """The name, if it can be an apt component and a folder."""
    if not _CHANNEL.fullmatch(name):
        raise RepositoryError(
            f"channel `{name}` cannot be a folder and an apt component",
            hint="use lower-case letters, digits, `-`, `_` and `+`, such as `stable`",
        )
    return name
