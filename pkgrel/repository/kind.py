"""The interface of a kind of repository: everything about packages, indices, pointers and clients that differs between
apt and yum.

Each kind is a subpackage that implements `RepositoryKind`, one for each format of packages. Nothing else in the
repository depends on a format.
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
    """Implemented by the module of each kind."""

    @property
    def FOLDER(self) -> str:
        """The first folder of the keys of its packages and indices."""

    @property
    def NEVER_CHANGES(self) -> re.Pattern[str]:
        """Keys of immutable objects that belong to states, which gc may delete."""

    # Packages

    @property
    def ARCHITECTURES(self) -> frozenset[str]:
        """The architectures of packages."""

    @property
    def ANY_ARCHITECTURE(self) -> str:
        """The architecture of packages that are in the indices of all architectures."""

    def index_architectures(self, architecture: str) -> tuple[str, ...]:
        """The architectures, in clients' terms, whose indices include such packages; not for ANY_ARCHITECTURE."""

    @property
    def MACHINES(self) -> Mapping[str, str]:
        """Architecture of an index -> shell pattern of `uname -m`, where they differ."""

    @property
    def DEFAULT_ARCHITECTURES(self) -> tuple[str, ...]:
        """Architectures to write indices for if a distro has only packages for any architecture."""

    @property
    def INDEX_TEXTS(self) -> int:
        """The number of a record's texts for indices."""

    @property
    def HAS_ADVISORIES(self) -> bool:
        """Whether indices have advisories."""

    @property
    def SIGNS_PACKAGES(self) -> bool:
        """Whether clients require a signature in each package, in addition to the index's."""

    def version_key(self, version: str) -> Any:
        """Sort key for versions in the package tool's order, oldest first."""

    def order(self, package: Placed) -> Any:
        """Sort key for packages in the order of the indices: by name first."""

    def architecture(self, artifact: Artifact) -> str:
        """The architecture of a package; `src` for a source package."""

    def new_record(
        self, artifact: Artifact, distro: Distro, published: int, advisory: Advisory
    ) -> Record:
        """The record of a package; PackageError if clients could not read it."""

    def sign_package(self, file: Path, signer: Signer, output: Path) -> bool:
        """Write a signed copy of the file; False, and nothing is written, if it needs none."""

    def distrust(self, file: Path, signer: Signer) -> str:
        """Why clients of the signer's repository would refuse the file; empty if they would not."""

    # Indices

    def target(self, place: Place) -> str:
        """The folder that clients fetch indices from: an apt suite, or a yum repository of one architecture."""

    def target_problem(self, folder: str, target: Target) -> str:
        """What is wrong with a target in a head; empty if nothing is."""

    def render(self, rendering: Rendering, distro: str) -> None:
        """Write the changed indices of a distro, and make the signatures in advance."""

    def index_keys(self, folder: str, target: Target) -> Mapping[str, tuple[str, str]]:
        """Key and SHA-256 of each index that depends only on records, by its name without a hash."""

    def objects(self, folder: str, target: Target) -> set[str]:
        """The keys of all immutable objects of the target's state."""

    def hashes(self, folder: str, target: Target, *, copies: bool) -> dict[str, str]:
        """The SHA-256 of each immutable index, by key; `copies` are those in snapshots."""

    # Pointers

    def update_pointers(
        self, updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
    ) -> None:
        """Write the outdated pointers of the target; Stale if the target is no longer the head's."""

    def pointer_hashes(self, folder: str, target: Target) -> dict[str, str]:
        """The SHA-256 of each index that changes in place, by key."""

    def first_pointer(self, settings: Settings) -> str:
        """The file that clients request first, relative to a target."""

    def check_pointers(
        self, store: Store, settings: Settings, folder: str, target: Target, keys: bytes
    ) -> Iterator[str]:
        """Problems of the pointers, compared with the head."""

    def check_copies(
        self, store: Store, folder: str, target: Target, keys: bytes
    ) -> Iterator[tuple[str, str]]:
        """Missing or invalid signatures in snapshots, by key, each with the problem."""

    # Dates

    @property
    def DATED(self) -> str:
        """The file with a date, relative to a target."""

    @property
    def TOO_EARLY(self) -> str:
        """How clients react to a date in the future, as the end of a message; empty if they ignore dates."""

    @property
    def TOO_LATE(self) -> str:
        """How clients react to an expired index; empty if none expires."""

    def expires(self, settings: Settings, target: Target) -> float | None:
        """When the target expires, in seconds since the epoch; None if never."""

    # Clients and other tools' repositories

    def client_files(self) -> ClientFiles:
        """The package tool's configuration on clients."""

    def discover(self, tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
        """All packages in another tool's repositories of this kind."""


class ClientFiles(Protocol):
    """The package tool's configuration on clients; a separate module, since templates are slow to import."""

    @property
    def PREFERS_NAMES(self) -> bool:
        """Whether the configuration lists names of packages to take from the repository."""

    @property
    def PUBLISHED(self) -> tuple[str, ...]:
        """Formats of files that configure a repository, for each distro and channel; the default first."""

    @property
    def FORMATS(self) -> tuple[str, ...]:
        """All formats of configuration files."""

    def client_file(
        self, config: ClientConfig, format: str, distro: Distro, channel: str
    ) -> ClientFile:
        """A configuration file; RepositoryError if it would be empty."""

    def shared_files(self, config: ClientConfig) -> dict[str, str]:
        """Files that are the same for all distros and channels, by their keys in the repository."""

    def installation(self, config: ClientConfig, distro: Distro, channel: str) -> Installation:
        """All files that a machine needs to install from a channel."""

    def commands(
        self, config: ClientConfig, distro: Distro, channel: str, url: str, package: str
    ) -> Iterator[list[str]]:
        """Shell commands that set up the repository with the file at the URL, and install the package."""

    def script_values(self, config: ClientConfig) -> dict[str, object]:
        """Template values for install.sh."""


def repository_kind(format: Format) -> RepositoryKind:
    """The kind for packages of the format; imports only that one."""
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
    """The kind of a target, by its folder; RepositoryError for a folder of no known kind."""
    folders = []
    # yum's folder is named after its format, so apt's kind need not be imported for it.
    for format in sorted(Format, key=lambda each: not target.startswith(f"{each}/")):
        kind = repository_kind(format)
        if target.startswith(kind.FOLDER):
            return kind
        folders.append(kind.FOLDER)
    raise RepositoryError(
        f"the head has indices at `{target}`, and this pkgrel knows those below {' and '.join(folders)}",
        hint="install the newer pkgrel that made it",
    )
