"""A finished package, as it was read from a file: what dpkg or rpm would see in it."""

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
"""Marks fields that are for programs only."""


Take = Callable[[PurePosixPath, int], Callable[[bytes | memoryview], object] | None]
"""Asked with path and size before a file's content is read; what it returns gets the pieces of it.

Of hard links only one has the content. Whoever takes more than the package's own size explains has
to set a limit: a small package can unpack to a large file.
"""


class Kind(StrEnum):
    """What an entry is."""

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
    """A name, or a number where the package has no name."""
    group: str
    size: int
    """Bytes of a file's content, whichever of its hard links this is, or of a symlink's target."""
    time: int
    """Modification time, seconds since the epoch, UTC."""
    target: str = ""
    """What a symlink says, or the path of the file that a hard link is another name of."""
    sha256: str = ""
    """Of the content that is in the payload; empty for a ghost and for what has no content."""
    flags: tuple[str, ...] = ()
    """`conffile`; RPM's `noreplace`, `missingok`, `doc`, `license`, `readme`, `ghost`, `artifact`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A maintainer script or scriptlet."""

    interpreter: str
    """With its arguments: what follows `#!`, or RPM's `-p`; empty if nothing says it."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A .deb or .rpm; names of fields, relations and scripts are the format's own."""

    file: Path
    format: Format
    name: str
    version: Version
    """Without a revision (Debian's native packages have none) the revision is empty."""
    architecture: str
    """As the format says it: `amd64`, `x86_64`."""
    metadata: Mapping[str, str]
    """Debian's control fields as they are written, RPM's tags; without the relations."""
    relations: Mapping[str, tuple[str, ...]]
    """`Depends`, `Pre-Depends`…; `Requires`, `Requires(pre)`, `Requires(rpmlib)`…, in file order."""
    scripts: Mapping[str, Script]
    """`postinst`; `%post`, `%triggerin -- name`."""
    control_files: Mapping[str, str] = field(default_factory=dict)
    """Other members of a .deb's control archive, such as `triggers` and `templates`."""
    changelog: tuple[Change, ...] = ()
    """Newest first; of a .deb, whose changelog is one of its files, the newest ten entries."""
    conffiles: tuple[str, ...]
    """Paths; a flag of dpkg's, `remove-on-upgrade`, stands before its path."""
    entries: tuple[Entry, ...]
    """In the order of the payload (deb) or of the header (rpm)."""
    size: int
    """Bytes of the file."""
    sha256: str
    """Of the file."""
    content_sha256: str = field(metadata=INTERNAL)
    """Of what signing leaves alone: the same for a package before and after it was signed."""
    payload_size: int
    """Bytes of the compressed payload."""
    compression: str
    """`gzip`, `xz`, `zstd`, `bzip2`, `lzma` or `none`."""
    digests: tuple[str, ...]
    """What was found to be right: `md5sums`; `header SHA256`, `payload SHA256`…"""
    signatures: tuple[str, ...]
    """What is there; nobody has verified it."""
    control: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=INTERNAL)
    """All fields of a .deb's control file in its order, as they are written."""
    header: Header | None = field(default=None, repr=False, metadata=INTERNAL)
    """An .rpm's main header."""

    @property
    def is_hot(self) -> bool:
        """Whether its upgrades keep the system that runs, where that can be."""
        helper = PurePosixPath("/usr/libexec", self.name, "plan-upgrade")
        return any(entry.path == helper for entry in self.entries)
