"""Kinds of repositories: what apt alone, or yum alone, knows of packages, indices, pointers and clients.

Each kind is a folder here, a `RepositoryKind`, and the only place that knows what it alone has. There is
one for each format of packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pkgrel.distro import Format, unsupported
from pkgrel.errors import RepositoryError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pkgrel.artifact import Artifact
    from pkgrel.distro import Distro
    from pkgrel.repository.client.config import ClientConfig, ClientFile, Installation
    from pkgrel.repository.head import Target
    from pkgrel.repository.imports.discovery import Discovery
    from pkgrel.repository.imports.tree import Tree
    from pkgrel.repository.layout import Place
    from pkgrel.repository.pointers import PointerUpdater
    from pkgrel.repository.record import Advisory, Placed, Record
    from pkgrel.repository.settings import Settings
    from pkgrel.repository.state import Rendering
    from pkgrel.repository.store import Store
    from pkgrel.signing import Signer


class RepositoryKind(Protocol):
    """All that one kind knows; implemented by a module."""

    @property
    def FOLDER(self) -> str:
        """What the keys of its packages and indices begin with."""

    @property
    def NEVER_CHANGES(self) -> re.Pattern[str]:
        """Keys that belong to a state, so that gc may take them with it."""

    # Packages

    @property
    def ARCHITECTURES(self) -> frozenset[str]:
        """What packages are built for."""

    @property
    def ANY_ARCHITECTURE(self) -> str:
        """Packages of it are in the indices of every architecture."""

    def index_architectures(self, architecture: str) -> tuple[str, ...]:
        """Whose indices have packages of the architecture, as clients name these; not for ANY_ARCHITECTURE."""

    @property
    def MACHINES(self) -> Mapping[str, str]:
        """The shell's pattern for what a host calls itself, where that is not an index's architecture."""

    @property
    def DEFAULT_ARCHITECTURES(self) -> tuple[str, ...]:
        """Where a distro has only packages for any architecture, their indices are written for these."""

    @property
    def INDEX_TEXTS(self) -> int:
        """How many texts a record has for the indices."""

    @property
    def HAS_ADVISORIES(self) -> bool:
        """Whether an index says why a package should be installed."""

    @property
    def SIGNS_PACKAGES(self) -> bool:
        """Whether clients want a signature in the package itself, beside that of the index."""

    def version_key(self, version: str) -> Any:
        """Sorts versions as the package tool does, the oldest first."""

    def order(self, package: Placed) -> Any:
        """Sorts packages as the indices have them: by name first."""

    def architecture(self, artifact: Artifact) -> str:
        """What the package is built for; `src` for a source package."""

    def new_record(
        self, artifact: Artifact, distro: Distro, published: int, advisory: Advisory
    ) -> Record:
        """What a repository remembers of the package; PackageError if clients could not read it."""

    def sign_package(self, file: Path, signer: Signer, output: Path) -> bool:
        """Write the file with a signature; False, and nothing written, if it needs none."""

    def distrust(self, file: Path, signer: Signer) -> str:
        """Why clients of the signer's repository refuse the file as it is; empty if they do not."""

    # Indices

    def target(self, place: Place) -> str:
        """What clients fetch indices of: an apt suite, a yum repository (of one architecture)."""

    def target_problem(self, folder: str, target: Target) -> str:
        """What is wrong with a target that a head names; empty if nothing is."""

    def render(self, rendering: Rendering, distro: str) -> None:
        """Write the indices of a distro that the change touches, and sign what can be signed before."""

    def index_keys(self, folder: str, target: Target) -> Mapping[str, tuple[str, str]]:
        """Key and SHA-256 of each index that follows from the records alone, by a name without hashes."""

    def objects(self, folder: str, target: Target) -> set[str]:
        """The keys of all objects that a state has for the target, and that never change."""

    def hashes(self, folder: str, target: Target, *, copies: bool) -> dict[str, str]:
        """The SHA-256 of each index that never changes under its key; `copies` are those of snapshots."""

    # Pointers

    def update_pointers(
        self, updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
    ) -> None:
        """Write what is not the target's state yet; Stale if the target is no longer the head's."""

    def pointer_hashes(self, folder: str, target: Target) -> dict[str, str]:
        """The SHA-256 of each index that changes in place, by key."""

    def first_pointer(self, settings: Settings) -> str:
        """What clients ask for first, below a target."""

    def check_pointers(
        self, store: Store, settings: Settings, folder: str, target: Target, keys: bytes
    ) -> Iterator[str]:
        """What of the pointers is not as the head says."""

    def check_copies(
        self, store: Store, folder: str, target: Target, keys: bytes
    ) -> Iterator[tuple[str, str]]:
        """Signatures in snapshots that are missing or wrong, each with what is wrong."""

    # Dates

    @property
    def DATED(self) -> str:
        """What has a date, below a target."""

    @property
    def TOO_EARLY(self) -> str:
        """What clients think of a date of the future, for the end of a message; empty if they do not look."""

    @property
    def TOO_LATE(self) -> str:
        """What they think of an index that has expired; empty if none ever does."""

    def expires(self, settings: Settings, target: Target) -> float | None:
        """Since when clients refuse the target, in seconds since the epoch; None if never."""

    # Clients and other tools' repositories

    def client_files(self) -> ClientFiles:
        """What its package tool reads on a client."""

    def discover(self, tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
        """All packages of the repositories of this kind that somebody else has made."""


class ClientFiles(Protocol):
    """What one kind's package tool reads on a client; a module of its own, as templates are slow."""

    @property
    def PREFERS_NAMES(self) -> bool:
        """Whether it is told the names of packages that it must take from the repository."""

    @property
    def PUBLISHED(self) -> tuple[str, ...]:
        """Formats of the files that name a repository, for each distro and channel; the usual one first."""

    @property
    def FORMATS(self) -> tuple[str, ...]:
        """All formats that it can be asked for."""

    def client_file(
        self, config: ClientConfig, format: str, distro: Distro, channel: str
    ) -> ClientFile:
        """One of them; RepositoryError if there is nothing to say in it."""

    def shared_files(self, config: ClientConfig) -> dict[str, str]:
        """Texts that are the same for all distros and channels, by their keys in the repository."""

    def installation(self, config: ClientConfig, distro: Distro, channel: str) -> Installation:
        """What a machine needs to install from a channel."""

    def commands(
        self, config: ClientConfig, distro: Distro, channel: str, url: str, package: str
    ) -> Iterator[list[str]]:
        """What a person types to set the repository up by the file at the URL, and to install from it."""

    def script_values(self, config: ClientConfig) -> dict[str, object]:
        """What install.sh is filled in with."""


def repository_kind(format: Format) -> RepositoryKind:
    """The kind for packages of the format; only what is needed is imported."""
    match format:
        case Format.DEB:
            from pkgrel.repository import apt

            return apt
        case Format.RPM:
            from pkgrel.repository import yum

            return yum
        case other:
            raise unsupported(other)


def kind_of(target: str) -> RepositoryKind:
    """The kind of a target by its folder; RepositoryError if it is of none that this pkgrel knows."""
    folders = []
    # That of yum is called after its format: then apt's kind need not be loaded.
    for format in sorted(Format, key=lambda each: not target.startswith(f"{each}/")):
        kind = repository_kind(format)
        if target.startswith(kind.FOLDER):
            return kind
        folders.append(kind.FOLDER)
    raise RepositoryError(
        f"the head has indices at `{target}`, and this pkgrel knows those below {' and '.join(folders)}",
        hint="install the newer pkgrel that made it",
    )
