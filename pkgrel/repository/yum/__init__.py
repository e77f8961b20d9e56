"""Updates and checks the pointers of a yum repository, and exports its `RepositoryKind`.

The pointers are repomd.xml, repomd.xml.asc, and mirrorlist, which is written last. repomd.xml and its signature are two
objects: a client that reads them between the two writes rejects the pair. The mirrorlist is a single object that names
a snapshot, which never changes; `repo_gpgcheck=1` relies on that.

    rpm/<distro>/<arch>/<channel>/repodata/repomd.xml                 lists the others
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-primary.xml.gz    packages and their relations
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-filelists.xml.gz  all files of packages
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-other.xml.gz      changelogs
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-updateinfo.xml.gz advisories, if there are any
    rpm/<distro>/pool/h/hello-1.0.0-1.el9.x86_64.rpm

Source: librepo issue 311 and zypper issue 549; the output of createrepo_c, and what librepo, libsolv and libzypp parse;
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
    """Write the outdated pointers of the target; Stale if the target is no longer the head's."""
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

    # In parallel, to keep the time in which they do not match short.
    at_once(write, [key for key in keys[:2] if key in left], 2)
    if keys[2] in left:
        write(keys[2])


def _wanted(updater: PointerUpdater, folder: str, target: Target) -> dict[str, bytes]:
    """The pointers of the target, by key."""
    settings = updater.settings
    snapshot = snapshot_of(folder, target)
    wanted = {f"{folder}/{REPOMD}": updater.object(snapshot + REPOMD)}
    if settings.signed:
        # The snapshot's signature; a new one of the same bytes would be equivalent.
        wanted[f"{folder}/{REPOMD}.asc"] = updater.object(f"{snapshot}{REPOMD}.asc")
    if settings.url:
        wanted[f"{folder}/{MIRRORLIST}"] = mirrorlist(settings, snapshot)
    return wanted


def mirrorlist(settings: Settings, snapshot: str) -> bytes:
    """The mirrorlist, whose only mirror is the snapshot."""
    return f"{settings.url.rstrip('/')}/{snapshot}\n".encode()


def _bytes(found: Object | None) -> bytes | None:
    return found.data if found else None


def first_pointer(settings: Settings) -> str:
    """The file that dnf and zypper request first."""
    return REPOMD


def check_pointers(
    store: Store, settings: Settings, folder: str, target: Target, keys: bytes
) -> Iterator[str]:
    """Problems of repomd.xml, its signature and the mirrorlist, compared with the head."""

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
    """Missing or invalid signatures in snapshots, which dnf reads through mirrorlists, each with the reason."""
    repomd = snapshot_of(folder, target) + REPOMD
    data, signature = (store.get(key) for key in (repomd, f"{repomd}.asc"))
    if data:
        made = signature.data if signature else b""
        for problem in problems_of(f"{repomd}.asc", data.data, made, keys):
            yield f"{repomd}.asc", problem


def _leads(store: Store, mirrors: bytes) -> str:
    """What a wrong mirrorlist points to, if that is a snapshot of this repository."""
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
    """The configuration of dnf, yum and zypper on clients."""
    from pkgrel.repository.yum import clients

    return clients


def discover(tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages in another tool's repositories; yum has no suites."""
    from pkgrel.repository.yum import foreign

    return foreign.discover(tree, public_key)
