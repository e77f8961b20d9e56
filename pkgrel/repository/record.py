"""Records: what a repository stores about each package, enough to write all indices.

An advisory is shown by `dnf updateinfo` and selects packages for `dnf upgrade --security`. Source: what libsolv and
libdnf read from Fedora's updateinfo.xml; there is no specification.
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
"""Percentages of hosts to offer a version to."""

Advisory = tuple[str, ...]
"""One of TYPES, then the fixed issues: CVE ids or URLs. Empty: none."""


def read_advisory(type: str, fixes: Sequence[str]) -> Advisory:
    """Make an advisory; RepositoryError if an issue is neither a CVE id nor a URL."""
    for fixed in fixes:
        if not (CVE.fullmatch(fixed) or (_ADDRESS.fullmatch(fixed) and is_plain(fixed))):
            raise RepositoryError(
                f"`{fixed}` is neither the number of a CVE nor an address",
                hint="write what is fixed as `CVE-2026-12345` or `https://…`",
            )
    return (type, *dict.fromkeys(fixes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A package of a channel; indices are written from records, without reading the file again."""

    format: Format
    name: str
    version: str
    """In the package tool's order; `[epoch:]upstream[-revision]` for both formats."""
    architecture: str
    """The format's name for it: `amd64`, `all`, `x86_64`, `noarch`."""
    path: str
    """The key of the file in the store, such as `apt/pool/bookworm/h/hello/hello_1.0.0-1_amd64.deb`."""
    size: int
    """Bytes."""
    sha256: str
    published: int
    """When it was first published here, in seconds since the epoch."""
    index: tuple[str, ...]
    """Texts for the indices. deb: the paragraph of Packages without Filename, which depends on the place. rpm: the
    elements of primary, filelists and other, with the placeholder `{href}` for the path."""
    contents: tuple[str, ...] = ()
    """deb: paths of its files without the leading slash, for Contents."""
    changelog: str = ""
    """The newest changelog entry, for the web page."""
    summary: str = ""
    advisory: Advisory = ()
    """rpm: the advisory, for updateinfo."""
    content_sha256: str = ""
    """Hash of the content without signatures: a package that was signed again has another `sha256`, since signatures
    contain their time, but the same `content_sha256`."""
    phase: int = ALL
    """The percentage of hosts that get it as an upgrade; STOPPED: it is in no index."""

    @property
    def is_phased(self) -> bool:
        """Whether it is for some of the hosts, but not for all."""
        return STOPPED < self.phase < ALL


class Placed(Protocol):
    """A package with everything that its position in an index depends on."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def path(self) -> str: ...


class Versioned(Protocol):
    """A package with a version: a record, or a package in another tool's index."""

    @property
    def format(self) -> Format:
        """Determines the order of versions."""

    @property
    def name(self) -> str:
        """Of the package."""

    @property
    def version(self) -> str:
        """As the package tool compares it."""


V = TypeVar("V", bound=Versioned)


def version_key(package: Versioned) -> Any:
    """Sort key for packages of one format by version, oldest first, in their package tool's order."""
    return repository_kind(package.format).version_key(package.version)


def newest_first(packages: Iterable[V]) -> list[V]:
    """Packages of one format, the newest version first."""
    return sorted(packages, key=version_key, reverse=True)
