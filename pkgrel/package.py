"""The format-neutral model of a package: frozen, complete, and only data.

`plan` makes it and makes every decision; `formats` turns it into bytes and makes none. Names are
those that Debian Policy and RPM share; where they differ, the field's docstring has both.
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
    """Created on the host and removed with the package: `%ghost`. A .deb has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardLink:
    """A hard link to a File, with the owner, group, mode and content of that File."""

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
    """A directory of the system, such as /usr/lib: a .deb lists it because dpkg needs every parent,
    an .rpm does not, because `filesystem` owns it."""


Entry = File | HardLink | Symlink | Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """[epoch:]upstream-revision; deb(7) deb-version, rpm-version(7). `upstream` has no hyphen."""

    epoch: int = 0
    upstream: str
    revision: str
    """Debian revision, RPM Release; empty in a native package of Debian."""

    def __str__(self) -> str:
        """As both formats write it: without an epoch of 0."""
        text = f"{self.upstream}-{self.revision}" if self.revision else self.upstream
        return f"{self.epoch}:{text}" if self.epoch else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A package, capability or file, optionally with a version and alternatives."""

    name: str
    operator: str = ""
    """One of `<`, `<=`, `=`, `>=`, `>`, or empty for any version."""
    version: str = ""
    alternatives: tuple[Relation, ...] = ()
    """Alternatives: `a | b` in Debian, `(a or b)` in RPM."""
    before_install: bool = False
    """Needed before unpacking, by preinst or %pre: Pre-Depends, `Requires(pre)`."""


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
    """Scripts for /bin/sh, including the `#!` line; empty for none.

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
    """A package, with everything that a writer needs."""

    format: Format
    distro: str
    """The id of its distro."""
    name: str
    version: Version
    architecture: str
    """As named by the kernel: `x86_64`, `aarch64`; `noarch` for none."""
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
    """The release's entries, sorted by path: the same for every distro, so they are compressed once."""
    extra: tuple[Entry, ...]
    """All other entries, sorted by path, with no path of `tree`."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Additional fields of a .deb's control file."""
    triggers: tuple[str, ...] = ()
    """Lines of a .deb's triggers file."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Additional tags of an .rpm's header, named as in spec files."""
    relations: Relations = field(default_factory=Relations)
    scripts: MaintainerScripts = field(default_factory=MaintainerScripts)
    changelog: tuple[Change, ...] = ()
    """Newest first."""
    build_time: int
    """Seconds since the epoch, UTC: the modification time of every entry."""
    compression: Compression
    level: int | None = None
    """The compressor's level; None for pkgrel's default."""

    @property
    def entries(self) -> Iterator[Entry]:
        """All entries, tree first: the order of the payload."""
        yield from self.tree
        yield from self.extra
