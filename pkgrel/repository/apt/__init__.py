"""Indices of an apt repository: Packages, Contents and Release, from records.

Keys are those of the store; a suite's indices lie below `apt/dists/<suite>/`, and what Release and
Packages say of places is relative to that folder and to `apt/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pkgrel.artifact import Artifact
from pkgrel.repository.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInfo:
    """What Release says of a suite besides its files; apt complains when the first four change."""

    origin: str
    label: str
    suite: str
    codename: str
    components: Sequence[str]
    architectures: Sequence[str]
    """Without `all`."""
    date: int
    """Seconds since the epoch."""
    valid_until: int | None = None
    """Seconds since the epoch; apt refuses the index afterwards."""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    description: str = ""
    signed_by: Sequence[str] = ()
    """Fingerprints of the only keys that apt shall accept from now on."""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file of Release whose bytes are not at hand."""

    size: int
    """Bytes."""
    sha256: str


def key(artifact: Artifact, suite: str) -> str:
    """Where the package lies in the pool."""
    raise NotImplementedError


def record(artifact: Artifact, key: str, published: int) -> Record:
    """What the indices say of the package."""
    raise NotImplementedError


def index(records: Sequence[Record]) -> bytes:
    """Packages of one component and architecture."""
    raise NotImplementedError


def contents(records: Sequence[Record]) -> bytes:
    """Contents of one architecture: which package a path belongs to."""
    raise NotImplementedError


def compressed(data: bytes) -> Mapping[str, bytes]:
    """The index under the suffixes with which it is offered: "", ".gz", ".xz"."""
    raise NotImplementedError


def release(info: ReleaseInfo, files: Mapping[str, bytes | Hashed]) -> bytes:
    """Release; names of files are relative to it, such as `main/binary-amd64/Packages.xz`."""
    raise NotImplementedError


def by_hash(name: str, sha256: str) -> str:
    """Where the file of that name and hash lies, so that it never changes."""
    folder, _, _ = name.rpartition("/")
    return f"{folder}/by-hash/SHA256/{sha256}".removeprefix("/")


def generation(release: bytes) -> int | None:
    """The generation that a Release or InRelease was made from; None if it is not ours."""
    raise NotImplementedError
