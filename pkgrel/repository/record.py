"""What a repository remembers of a package: all that its indices say of it.

An advisory says why an .rpm should be installed: what `dnf updateinfo` shows and `dnf upgrade --security`
asks for. Source: what libsolv and libdnf read of Fedora's updateinfo.xml; there is no specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pkgrel.console import is_plain
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository.kind import repository_kind

TYPES = ("security", "bugfix", "enhancement")
CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")

ALL, STOPPED = 100, 0
"""Percentages of hosts that a version is for."""

Advisory = tuple[str, ...]
"""One of TYPES, then what is fixed: numbers of CVEs, or addresses. Empty: none."""


def read_advisory(type: str, fixes: Sequence[str]) -> Advisory:
    """The advisory; RepositoryError if it fixes what is neither a CVE nor an address."""
    for fixed in fixes:
        if not (CVE.fullmatch(fixed) or (_ADDRESS.fullmatch(fixed) and is_plain(fixed))):
            raise RepositoryError(
                f"`{fixed}` is neither the number of a CVE nor an address",
                hint="write what is fixed as `CVE-2026-12345` or `https://…`",
            )
    return (type, *dict.fromkeys(fixes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A package of a channel; the indices are written from records, the file is never read again."""

    format: Format
    name: str
    version: str
    """As the package tool compares it: `[epoch:]upstream[-revision]`, for both formats."""
    architecture: str
    """The format's own word: `amd64`, `all`, `x86_64`, `noarch`."""
    path: str
    """The key of the file in the store, such as `apt/pool/bookworm/h/hello/hello_1.0.0-1_amd64.deb`."""
    size: int
    """Bytes."""
    sha256: str
    published: int
    """When it was first published here, seconds since the epoch."""
    index: tuple[str, ...]
    """Text for the indices, made once from the file. deb: the paragraph of Packages without what
    depends on the place (Filename). rpm: its elements of primary, filelists and other, with the
    place written as `{href}`."""
    contents: tuple[str, ...] = ()
    """deb: paths of the files, without the leading slash, for Contents."""
    changelog: str = ""
    """The newest entry, for the web page."""
    summary: str = ""
    advisory: Advisory = ()
    """rpm: why it should be installed, for updateinfo."""
    content_sha256: str = ""
    """Of what signing leaves alone: a package that was signed again has another `sha256`, because
    signatures have a time in them, and the same `content_sha256`."""
    phase: int = ALL
    """The percentage of hosts that get it as an upgrade; STOPPED: no index has it any more."""

    @property
    def is_phased(self) -> bool:
        """Whether it is for some of the hosts, and not for others."""
        return STOPPED < self.phase < ALL


class Placed(Protocol):
    """A package by what decides where it is in an index."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def path(self) -> str: ...


class Versioned(Protocol):
    """A package of which the version is known: a record, or what an index of others says."""

    @property
    def format(self) -> Format:
        """Whose rules the version follows."""

    @property
    def name(self) -> str:
        """Of the package."""

    @property
    def version(self) -> str:
        """As the package tool compares it."""


V = TypeVar("V", bound=Versioned)


def version_key(package: Versioned) -> Any:
    """Sorts packages of one format by version, the oldest first, as their package tool does."""
    return repository_kind(package.format).version_key(package.version)


def newest_first(packages: Iterable[V]) -> list[V]:
    """Packages of one format, the newest version first."""
    return sorted(packages, key=version_key, reverse=True)
