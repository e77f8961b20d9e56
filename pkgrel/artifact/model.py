"""The model of a finished package, as read from a file: what dpkg or rpm would see in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pkgrel.distro import Format
from pkgrel.package import Change, Version

if TYPE_CHECKING:
    from pkgrel.artifact.rpm.header import Header

INTERNAL = {"internal": True}
"""Marks fields that are not shown to people."""


Take = Callable[[PurePosixPath, int], Callable[[bytes | memoryview], object] | None]
"""Called with path and size before a file's content is read; the pieces go to what it returns.

Only one of several hard links has the content. A caller that keeps contents must set a limit: a small package can
unpack to a large file.
"""


class Kind(StrEnum):
    """The type of an entry."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    SPECIAL = "special"
    """A device, a pipe or a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of the package."""

    path: PurePosixPath
    kind: Kind
    mode: int
    """Permission bits with setuid, setgid and sticky."""
    owner: str
    """A name, or a number if the package has no name."""
    group: str
    size: int
    """The size of a file's content, for each of its hard links, or of a symlink's target, in bytes."""
    time: int
    """Modification time, seconds since the epoch, UTC."""
    target: str = ""
    """The target of a symlink, or the path of the file of a hard link."""
    sha256: str = ""
    """The hash of the content; empty for a ghost and for entries without content."""
    flags: tuple[str, ...] = ()
    """`conffile`; RPM's `noreplace`, `missingok`, `doc`, `license`, `readme`, `ghost`, `artifact`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A maintainer script or scriptlet."""

    interpreter: str
    """With its arguments: what follows `#!`, or RPM's `-p`; empty if unspecified."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A .deb or .rpm; fields, relations and scripts have the names of their format."""

    file: Path
    format: Format
    name: str
    version: Version
    """The revision is empty for a native package of Debian."""
    architecture: str
    """As named by the format: `amd64`, `x86_64`."""
    metadata: Mapping[str, str]
    """Debian's control fields as written, or RPM's tags; without the relations."""
    relations: Mapping[str, tuple[str, ...]]
    """`Depends`, `Pre-Depends`…; `Requires`, `Requires(pre)`, `Requires(rpmlib)`…, in file order."""
    scripts: Mapping[str, Script]
    """`postinst`; `%post`, `%triggerin -- name`."""
    control_files: Mapping[str, str] = field(default_factory=dict)
    """Other members of a .deb's control archive, such as `triggers` and `templates`."""
    changelog: tuple[Change, ...] = ()
    """Newest first; of a .deb, whose changelog is a file, the newest ten entries."""
    conffiles: tuple[str, ...]
    """Paths; dpkg's flag `remove-on-upgrade` precedes its path."""
    entries: tuple[Entry, ...]
    """In the order of the payload (deb) or of the header (rpm)."""
    size: int
    """The size of the file in bytes."""
    sha256: str
    """Of the file."""
    content_sha256: str = field(metadata=INTERNAL)
    """The hash of what signing does not change: equal before and after."""
    payload_size: int
    """The size of the compressed payload in bytes."""
    compression: str
    """`gzip`, `xz`, `zstd`, `bzip2`, `lzma` or `none`."""
    digests: tuple[str, ...]
    """Verified digests: `md5sums`; `header SHA256`, `payload SHA256`…"""
    signatures: tuple[str, ...]
    """Signatures, not verified."""
    control: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=INTERNAL)
    """All fields of a .deb's control file, in order, as written."""
    header: Header | None = field(default=None, repr=False, metadata=INTERNAL)
    """An .rpm's main header."""

    @property
    def is_hot(self) -> bool:
        """Whether its upgrades are hot if possible."""
        helper = PurePosixPath("/usr/libexec", self.name, "plan-upgrade")
        return any(entry.path == helper for entry in self.entries)
