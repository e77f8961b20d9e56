"""Metadata of a yum repository, written from records.

The pointers of a yum repository: repomd.xml, repomd.xml.asc, and mirrorlist last. repomd.xml and its signature
are two objects: a client that comes between the two writes refuses the pair. The mirrorlist is one object and
names a snapshot, which never changes; so that is what `repo_gpgcheck=1` needs.

    rpm/<distro>/<arch>/<channel>/repodata/repomd.xml                 names the others
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-primary.xml.gz    what packages are and need
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-filelists.xml.gz  all their files
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-other.xml.gz      their changelogs
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-updateinfo.xml.gz why to upgrade, if anything says
    rpm/<distro>/pool/h/hello-1.0.0-1.el9.x86_64.rpm

Source: librepo issue 311, zypper issue 549; what createrepo_c writes and librepo, libsolv and libzypp read;
there is no specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pkgrel.repository.head import Target
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Object, Stale, Store, at_once
from pkgrel.repository.trust import problems_of
from pkgrel.repository.yum import metadata
from pkgrel.repository.yum.metadata import (
    DATED,
    NEVER_CHANGES,
    REPOMD,
    TOO_EARLY,
    TOO_LATE,
    expires,
    hashes,
    index_keys,
    objects,
    pointer_hashes,
    render,
    snapshot_of,
    target,
    target_problem,
)
from pkgrel.repository.yum.packages import (
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkgrel.repository.imports.discovery import Discovery
    from pkgrel.repository.imports.tree import Tree
    from pkgrel.repository.kind import ClientFiles
    from pkgrel.repository.pointers import PointerUpdater


MIRRORLIST = "mirrorlist"
_SNAPSHOT = re.compile(rb"rpm/[a-z0-9][a-z0-9._-]*/snapshots/[0-9a-f]{64}/")


def update_pointers(
    updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
) -> None:
    """Write what is not the target's state yet; Stale if the target is no longer the head's."""
    keys = [f"{folder}/{REPOMD}", f"{folder}/{REPOMD}.asc", f"{folder}/{MIRRORLIST}"]
    with ThreadPoolExecutor(len(keys)) as pool:
        present = dict(zip(keys, pool.map(updater.store.get, keys), strict=True))
    newest = present[keys[0]]
    if newest and (metadata.revision(newest.data) or 0) > target.generation:
        return
    wanted = _wanted(updater, folder, target)
    left = {key: data for key, data in wanted.items() if _bytes(present[key]) != data}
    if not left:
        return
    if not is_current():
        raise Stale("the head has moved on")

    def write(key: str) -> None:
        found = present[key]
        updater.write(key, left[key], found.token if found else None)

    # At once, so that the two disagree for as short a time as can be.
    at_once(write, [key for key in keys[:2] if key in left], 2)
    if keys[2] in left:
        write(keys[2])


def _wanted(updater: PointerUpdater, folder: str, target: Target) -> dict[str, bytes]:
    """The pointers of the state by key."""
    settings = updater.settings
    snapshot = snapshot_of(folder, target)
    wanted = {f"{folder}/{REPOMD}": updater.object(snapshot + REPOMD)}
    if settings.signed:
        # The signature of the snapshot; another one of the same bytes is as good.
        wanted[f"{folder}/{REPOMD}.asc"] = updater.object(f"{snapshot}{REPOMD}.asc")
    if settings.url:
        wanted[f"{folder}/{MIRRORLIST}"] = mirrorlist(settings, snapshot)
    return wanted


def mirrorlist(settings: Settings, snapshot: str) -> bytes:
    """One mirror: the snapshot."""
    return f"{settings.url.rstrip('/')}/{snapshot}\n".encode()


def _bytes(found: Object | None) -> bytes | None:
    return found.data if found else None


def first_pointer(settings: Settings) -> str:
    """What dnf and zypper ask for first."""
    return REPOMD


def check_pointers(
    store: Store, settings: Settings, folder: str, target: Target, keys: bytes
) -> Iterator[str]:
    """What of repomd.xml, its signature and the mirrorlist is not as the head says."""

    def read(name: str) -> bytes:
        found = store.get(f"{folder}/{name}")
        return found.data if found else b""

    repomd = read(REPOMD)
    if metadata.purpose(repomd) not in (None, folder):
        yield f"{folder}/{REPOMD}: is that of {_about(repomd)}"
    if settings.signed:
        yield from problems_of(f"{folder}/{REPOMD}.asc", repomd, read(f"{REPOMD}.asc"), keys)
    mirrors = read(MIRRORLIST)
    if settings.url and mirrors != mirrorlist(settings, snapshot_of(folder, target)):
        leads = _leads(store, mirrors)
        yield f"{folder}/{MIRRORLIST}: does not name the head's snapshot{leads}"


def check_copies(
    store: Store, folder: str, target: Target, keys: bytes
) -> Iterator[tuple[str, str]]:
    """Signatures of snapshots, which dnf reads through mirrorlists, that are missing or wrong, and why."""
    repomd = snapshot_of(folder, target) + REPOMD
    data, signature = (store.get(key) for key in (repomd, f"{repomd}.asc"))
    if data:
        made = signature.data if signature else b""
        for problem in problems_of(f"{repomd}.asc", data.data, made, keys):
            yield f"{repomd}.asc", problem


def _leads(store: Store, mirrors: bytes) -> str:
    """Where a mirrorlist leads instead, if that is a snapshot of ours."""
    named = _SNAPSHOT.search(mirrors)
    found = store.get(f"{named[0].decode()}{REPOMD}") if named else None
    return f", but that of {_about(found.data)}" if found else ""


def _about(repomd: bytes) -> str:
    return f"`{metadata.purpose(repomd)}` at generation {metadata.revision(repomd)}"


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
    """What dnf, yum and zypper read on a client."""
    from pkgrel.repository.yum import clients

    return clients


def discover(tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages of the repositories that somebody else has made; they have no suites."""
    from pkgrel.repository.yum import foreign

    return foreign.discover(tree, public_key)
