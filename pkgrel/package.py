"""A package before it has a format: frozen, complete, and data only.

`plan` makes it and takes every decision; `formats` turns it into bytes and takes none. Names are
those that Debian Policy and RPM share; where they differ the field says which name each one uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from pkgrel.content import Content
from pkgrel.distro import Format


class Compression(StrEnum):
    """Compressors of a payload that both dpkg and rpm can read."""

    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A regular file."""

    path: PurePosixPath
    content: Content
    mode: int = 0o644
    """Permission bits with setuid, setgid and sticky; never the file type."""
    owner: str = "root"
    group: str = "root"
    conffile: bool = False
    """The administrator's edits survive upgrades: dpkg conffile, `%config(noreplace)`."""
    doc: bool = False
    """Documentation: `%doc`."""
    license: bool = False
    """A licence text: `%license`."""
    ghost: bool = False
    """It comes to be on the host and goes with the package: `%ghost`. A .deb has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardLink:
    """Another name of a File; owner, group, mode and content are that File's."""

    path: PurePosixPath
    target: PurePosixPath
    """The File's path, which sorts before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """A symbolic link."""

    path: PurePosixPath
    target: str
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory."""

    path: PurePosixPath
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    shared: bool = False
    """It belongs to the system, as /usr/lib does: a .deb lists it because dpkg wants every parent,
    an .rpm does not, because `filesystem` owns it."""


Entry = File | HardLink | Symlink | Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """[epoch:]upstream-revision; deb(7) deb-version, rpm-version(7). `upstream` has no hyphen."""

    epoch: int = 0
    upstream: str
    revision: str
    """Debian revision, RPM Release; empty in a native package of Debian's."""

    def __str__(self) -> str:
        """As the formats write it: the epoch only if it is not 0."""
        text = f"{self.upstream}-{self.revision}" if self.revision else self.upstream
        return f"{self.epoch}:{text}" if self.epoch else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A package, capability or file, perhaps with a version, perhaps with alternatives."""

    name: str
    operator: str = ""
    """One of `<`, `<=`, `=`, `>=`, `>`, or empty for any version."""
    version: str = ""
    alternatives: tuple[Relation, ...] = ()
    """Others that will do as well: `a | b` in Debian, `(a or b)` in RPM."""
    before_install: bool = False
    """Needed by the script that runs before unpacking: Pre-Depends, `Requires(pre)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """Relations to other packages, by their Debian names; RPM's where they differ."""

    depends: tuple[Relation, ...] = ()
    """RPM: Requires."""
    recommends: tuple[Relation, ...] = ()
    suggests: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    replaces: tuple[Relation, ...] = ()
    """Debian: Replaces and Breaks. RPM: Obsoletes."""
    provides: tuple[Relation, ...] = ()
    breaks: tuple[Relation, ...] = ()
    """RPM: Conflicts."""
    enhances: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintainerScripts:
    """Scripts of /bin/sh, whole texts with their first line; empty for none.

    Debian Policy 6.5 and rpm-scriptlets(7) say when each runs.
    """

    before_install: str = ""
    """preinst, %pre"""
    after_install: str = ""
    """postinst, %post"""
    before_remove: str = ""
    """prerm, %preun"""
    after_remove: str = ""
    """postrm, %postun"""
    after_transaction: str = ""
    """%posttrans; Debian has none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version's entry of the changelog."""

    version: str
    author: str
    """`Name <address>`"""
    time: int
    """Seconds since the epoch, UTC."""
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Everything that a writer needs."""

    format: Format
    distro: str
    """The id of the distro that it is for."""
    name: str
    version: Version
    architecture: str
    """As the kernel says it: `x86_64`, `aarch64`; `noarch` for none."""
    summary: str
    """One line."""
    description: str
    """Paragraphs, separated by an empty line; not empty."""
    maintainer: str
    """`Name <address>`"""
    vendor: str = ""
    homepage: str = ""
    license: str
    """SPDX expression."""
    section: str = "misc"
    """Debian: Section. RPM has none; its Group is `Unspecified`."""
    tree: tuple[Entry, ...]
    """The release, sorted by path: the same for every distro, so its payload is made once."""
    extra: tuple[Entry, ...]
    """Everything else, sorted by path; no path of `tree`."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """More of a .deb's control file."""
    triggers: tuple[str, ...] = ()
    """Lines of a .deb's triggers file."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """More of an .rpm's header: names as spec files have them, and texts."""
    relations: Relations = field(default_factory=Relations)
    scripts: MaintainerScripts = field(default_factory=MaintainerScripts)
    changelog: tuple[Change, ...] = ()
    """Newest first."""
    build_time: int
    """Seconds since the epoch, UTC: the modification time of every entry."""
    compression: Compression
    level: int | None = None
    """The compressor's own level; None for pkgrel's default."""

    @property
    def entries(self) -> Iterator[Entry]:
        """Everything in the package, tree first: the order of a payload."""
        yield from self.tree
        yield from self.extra
