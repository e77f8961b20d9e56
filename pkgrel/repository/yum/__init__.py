"""Metadata of a yum repository: primary, filelists, other and repomd.xml, from records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pkgrel.artifact import Artifact
from pkgrel.repository.record import Record


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything below `repodata/`."""

    files: Mapping[str, bytes]
    """By their place relative to the base, `repodata/<sha256>-primary.xml.gz`; they never change."""
    repomd: bytes
    """`repodata/repomd.xml`, which names them."""


def key(artifact: Artifact, distro_id: str) -> str:
    """Where the package lies in the pool."""
    raise NotImplementedError


def record(artifact: Artifact, key: str, published: int) -> Record:
    """What the metadata say of the package."""
    raise NotImplementedError


def metadata(
    records: Sequence[Record],
    base: str,
    compression: Literal["gz", "zstd"],
    revision: int,
    time: int,
    updateinfo: bytes | None = None,
) -> Metadata:
    """The metadata of a repository whose `repodata/` is in `base`, a key; hrefs are relative to it.

    `revision` is the generation; `time` is in seconds since the epoch.
    """
    raise NotImplementedError


def revision(repomd: bytes) -> int | None:
    """The generation that a repomd.xml was made from; None if there is none in it."""
    raise NotImplementedError
