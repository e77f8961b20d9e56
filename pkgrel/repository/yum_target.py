"""The pointers of a yum repository: repomd.xml, repomd.xml.asc, and mirrorlist last.

repomd.xml and its signature are two objects: a client that comes between the two writes refuses
the pair. The mirrorlist is one object and names a snapshot, which never changes; so that is what
`repo_gpgcheck=1` needs. Source: librepo issue 311, zypper issue 549.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pkgrel.repository import layout, yum
from pkgrel.repository.head import Target
from pkgrel.repository.render import REPOMD
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Object, Stale

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater

MIRRORLIST = "mirrorlist"


def update(
    updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
) -> None:
    """Write what is not the target's state yet; Stale if the target is no longer the head's."""
    keys = [f"{folder}/{REPOMD}", f"{folder}/{REPOMD}.asc", f"{folder}/{MIRRORLIST}"]
    with ThreadPoolExecutor(len(keys)) as pool:
        present = dict(zip(keys, pool.map(updater.store.get, keys), strict=True))
    metadata = present[keys[0]]
    if metadata and (yum.revision(metadata.data) or 0) > target.generation:
        return
    wanted = pointers(updater, folder, target)
    left = {key: data for key, data in wanted.items() if _bytes(present[key]) != data}
    if not left:
        return
    if not is_current():
        raise Stale("the head has moved on")

    def write(key: str) -> None:
        found = present[key]
        updater.write(key, left[key], found.token if found else None)

    # At once, so that the two disagree for as short a time as can be.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [key for key in keys[:2] if key in left]))
    if keys[2] in left:
        write(keys[2])


def pointers(updater: PointerUpdater, folder: str, target: Target) -> dict[str, bytes]:
    """The pointers of the state by key."""
    settings = updater.settings
    snapshot = layout.snapshot(folder.split("/")[1], target.files[REPOMD][1])
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
