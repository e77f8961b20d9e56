"""The layout of a repository: keys of its private objects, and the places of packages.

The head is the only private object that clients' files depend on and that changes in place; settings and tombstones
change as well, but do not affect these files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pkgrel.distro import Distro, Format, distros
from pkgrel.errors import RepositoryError
from pkgrel.repository.typed import InvalidValue, shown
from pkgrel.signing import statement

PRIVATE = ".pkgrel/"
SETTINGS = ".pkgrel/repo.json"
HEAD = ".pkgrel/head.json"
TOMBSTONES = ".pkgrel/tombstones.json"
MANIFESTS = ".pkgrel/manifests/"
STATES = ".pkgrel/states/"
KEYS = ".pkgrel/keys/"
PROBES = ".pkgrel/probes/"
SUMMARIES = ".pkgrel/summaries/"

# Upper limits of sizes, since whoever can write to the bucket could store huge objects.
_LARGEST = (
    (SETTINGS, 1 << 20),
    (HEAD, 32 << 20),
    (TOMBSTONES, 64 << 20),
    (KEYS, 1 << 20),
    (STATES, 32 << 20),
    (SUMMARIES, 16 << 20),
    (MANIFESTS, 256 << 20),
    ("", 1 << 30),
)


def check_size(key: str, size: int) -> None:
    """RepositoryError if an object is too large to be read into memory."""
    most = next(most for start, most in _LARGEST if key.startswith(start))
    if size > most:
        raise RepositoryError(
            f"{key}: has {size} bytes, and what belongs there at most {most}",
            hint="restore the object from a backup or an earlier version of it",
        )


def manifest_key(sha256: str) -> str:
    """The manifest of a place."""
    return f"{MANIFESTS}{sha256}.json.zst"


def state_key(generation: int, sha256: str) -> str:
    """A present or former head, by the hash of its bytes."""
    return f"{STATES}{generation:08d}-{sha256}.json"


def statements_key(package: str) -> str:
    """The signed statements about a package, by the key of its file."""
    return package + statement.SUFFIX


def public_key(fingerprint: str) -> str:
    """A public key that signs or signed this repository, armored."""
    return f"{KEYS}{fingerprint}.asc"


_CHANNEL = re.compile(r"[a-z0-9][a-z0-9+_-]{0,63}")
_PLACE = re.compile(
    rf"({'|'.join(Format)})/[a-z0-9][a-z0-9._-]{{0,63}}/[a-z0-9_-]{{1,64}}/{_CHANNEL.pattern}"
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A list of packages, written as `deb/debian12/amd64/stable`."""

    format: Format
    distro: str
    """An id in the table of distros."""
    architecture: str
    channel: str

    def __str__(self) -> str:
        """The form that is used in heads."""
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
    """The name, if it is valid as an apt component and as a folder; else RepositoryError."""
    if not _CHANNEL.fullmatch(name):
        raise RepositoryError(
            f"channel `{name}` cannot be a folder and an apt component",
            hint="use lower-case letters, digits, `-`, `_` and `+`, such as `stable`",
        )
    return name
