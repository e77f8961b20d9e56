"""Updates and checks the pointers of an apt repository, and exports its `RepositoryKind`.

The pointers of a suite are Packages.xz and Packages.gz, Release, Release.gpg, and InRelease, which is written last. apt
reads InRelease and then the indices by hash, so that it always sees one complete state. Debootstrap and other clients
without by-hash read the indices by name, which are written just before InRelease.

    apt/dists/<suite>/InRelease                               Release with an inline signature
    apt/dists/<suite>/<component>/binary-<arch>/Packages.xz   paragraphs of packages
    apt/dists/<suite>/<component>/Contents-<arch>.gz          maps paths to packages
    apt/pool/<suite>/h/hello/hello_1.0.0-1_amd64.deb

Paths in Packages are relative to `apt/`, those in Release to its own folder.

Source: DebianRepository/Format in Debian's wiki; apt-secure(8); apt-pkg/deb/debmetaindex.cc and deblistparser.cc of apt
2.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pkgrel.repository.apt import indices
from pkgrel.repository.apt.indices import (
    DATED,
    NEVER_CHANGES,
    TOO_EARLY,
    TOO_LATE,
    expires,
    hashes,
    index_keys,
    objects,
    pointer_hashes,
    render,
    target,
    target_problem,
)
from pkgrel.repository.apt.packages import (
    ANY_ARCHITECTURE,
    ARCHITECTURES,
    DEFAULT_ARCHITECTURES,
    FOLDER,
    HAS_ADVISORIES,
    INDEX_TEXTS,
    MACHINES,
    SIGNS_PACKAGES,
    architecture,
    distrust,
    index_architectures,
    new_record,
    order,
    sign_package,
    version_key,
)
from pkgrel.repository.head import Target
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import THREADS
from pkgrel.repository.store import Content, Stale, Store, at_once
from pkgrel.repository.trust import problems_of, problems_of_clear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkgrel.repository.imports.discovery import Discovery
    from pkgrel.repository.imports.tree import Tree
    from pkgrel.repository.kind import ClientFiles
    from pkgrel.repository.pointers import PointerUpdater


def update_pointers(
    updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
) -> None:
    """Write the outdated pointers of the target; Stale if the target is no longer the head's."""
    store, settings = updater.store, updater.settings
    last = f"{folder}/{'InRelease' if settings.signed else 'Release'}"
    newest = store.get(last)
    generation = indices.generation(newest.data) if newest else None
    is_forced = updater.is_forced(folder)
    if generation is not None and generation >= target.generation and not is_forced:
        return
    outdated = _outdated(updater, folder, target)
    names = ["Release", "Release.gpg"] if settings.signed else []
    tokens = {name: store.stat(f"{folder}/{name}") for name in names}
    if not is_current():
        raise Stale("the head has moved on")
    text = indices.release_of(settings, folder, target)
    signer = updater.signer if settings.signed else None
    is_whole = generation == target.generation and _is_whole(updater, folder, text)
    # Sign first: a key that fails must not leave half of the pointers written.
    detached, clear = (
        (signer.detached(text), signer.clear(text)) if signer and not is_whole else (b"", text)
    )
    at_once(lambda item: updater.write(*item), outdated, THREADS)
    if is_whole:
        return
    if signer:

        def write(item: tuple[str, bytes]) -> None:
            name, data = item
            entry = tokens[name]
            updater.write(f"{folder}/{name}", data, entry.token if entry else None)

        at_once(write, (("Release", text), ("Release.gpg", detached)), THREADS)
    elif updater.dry_run:
        for name in names:
            updater.write(f"{folder}/{name}", text, None)
    updater.write(last, clear, newest.token if newest else None)


def _outdated(
    updater: PointerUpdater, folder: str, target: Target
) -> list[tuple[str, Content, str | None]]:
    """The indices by name that differ from the target's, with the new content and the present token."""

    def one(item: tuple[str, str]) -> tuple[str, Content, str | None] | None:
        name, sha256 = item
        key = f"{folder}/{name}"
        entry = updater.store.stat(key)
        if entry and (entry.sha256 or updater.store.digest(key)) == sha256:
            return None
        data = updater.content(f"{folder}/{indices.by_hash(name, sha256)}")
        return key, data, entry.token if entry else None

    with ThreadPoolExecutor(THREADS) as pool:
        return [found for found in pool.map(one, indices.offered(target).items()) if found]


def _is_whole(updater: PointerUpdater, folder: str, text: bytes) -> bool:
    """Whether Release has this text, and its signature is there."""
    plain = updater.store.get(f"{folder}/Release")
    if plain is None or plain.data != text:
        return False
    return not updater.settings.signed or updater.store.stat(f"{folder}/Release.gpg") is not None


def first_pointer(settings: Settings) -> str:
    """The file that apt requests first."""
    return "InRelease" if settings.signed else "Release"


def check_pointers(
    store: Store, settings: Settings, folder: str, target: Target, keys: bytes
) -> Iterator[str]:
    """Problems of Release and its signatures, compared with the head."""

    def read(name: str) -> bytes:
        found = store.get(f"{folder}/{name}")
        return found.data if found else b""

    wanted = indices.release_of(settings, folder, target)
    if read("Release") != wanted:
        yield f"{folder}/Release: is not that of the head"
    if settings.signed:
        yield from problems_of(f"{folder}/Release.gpg", wanted, read("Release.gpg"), keys)
        yield from problems_of_clear(f"{folder}/InRelease", wanted, read("InRelease"), keys)


def check_copies(
    store: Store, folder: str, target: Target, keys: bytes
) -> Iterator[tuple[str, str]]:
    """Nothing: a suite has no snapshots."""
    yield from ()


__all__ = [
    "ANY_ARCHITECTURE",
    "ARCHITECTURES",
    "DATED",
    "DEFAULT_ARCHITECTURES",
    "FOLDER",
    "HAS_ADVISORIES",
    "INDEX_TEXTS",
    "MACHINES",
    "NEVER_CHANGES",
    "SIGNS_PACKAGES",
    "TOO_EARLY",
    "TOO_LATE",
    "architecture",
    "check_copies",
    "check_pointers",
    "client_files",
    "discover",
    "distrust",
    "expires",
    "first_pointer",
    "hashes",
    "index_architectures",
    "index_keys",
    "new_record",
    "objects",
    "order",
    "pointer_hashes",
    "render",
    "sign_package",
    "target",
    "target_problem",
    "update_pointers",
    "version_key",
]


def client_files() -> ClientFiles:
    """apt's configuration on clients."""
    from pkgrel.repository.apt import clients

    return clients


def discover(tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages in the suites of another tool's repository."""
    from pkgrel.repository.apt import foreign

    return foreign.discover(tree, suites, public_key)
