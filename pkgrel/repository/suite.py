"""The pointers of an apt suite: Packages.xz and Packages.gz, Release, Release.gpg, and InRelease last.

apt reads InRelease and then indices by hash, so that it sees one state or the other. Debootstrap and
other clients without by-hash read the indices by name, which are written just before.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pkgrel.repository import apt
from pkgrel.repository.head import Target
from pkgrel.repository.render import offered
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import THREADS
from pkgrel.repository.store import Stale

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater

_DAY = 24 * 3600


def update(
    updater: PointerUpdater, folder: str, target: Target, is_current: Callable[[], bool]
) -> None:
    """Write what is not the target's state yet; Stale if the target is no longer the head's."""
    store, settings = updater.store, updater.settings
    last = f"{folder}/{'InRelease' if settings.signed else 'Release'}"
    newest = store.get(last)
    generation = apt.generation(newest.data) if newest else None
    is_forced = updater.is_forced(folder)
    if generation is not None and generation >= target.generation and not is_forced:
        return
    outdated = _outdated(updater, folder, target)
    names = ["Release", "Release.gpg"] if settings.signed else []
    tokens = {name: store.stat(f"{folder}/{name}") for name in names}
    if not is_current():
        raise Stale("the head has moved on")
    text = release(settings, folder, target)
    signer = updater.signer if settings.signed else None
    is_whole = generation == target.generation and _is_whole(updater, folder, text)
    # Whatever a key could refuse is done before the first of them is written.
    detached, clear = (
        (signer.detached(text), signer.clear(text)) if signer and not is_whole else (b"", text)
    )
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda item: updater.write(*item), outdated))
    if is_whole:
        return
    if signer:
        for name, data in (("Release", text), ("Release.gpg", detached)):
            entry = tokens[name]
            updater.write(f"{folder}/{name}", data, entry.token if entry else None)
    elif updater.dry_run:
        for name in names:
            updater.write(f"{folder}/{name}", text, None)
    updater.write(last, clear, newest.token if newest else None)


def _outdated(
    updater: PointerUpdater, folder: str, target: Target
) -> list[tuple[str, bytes, str | None]]:
    """Indices whose names have other bytes, with those bytes and the present state."""

    def one(item: tuple[str, tuple[int, str]]) -> tuple[str, bytes, str | None] | None:
        name, (_, sha256) = item
        key = f"{folder}/{name}"
        entry = updater.store.stat(key)
        if entry and (entry.sha256 or updater.store.digest(key)) == sha256:
            return None
        data = updater.object(f"{folder}/{apt.by_hash(name, sha256)}")
        return key, data, entry.token if entry else None

    with ThreadPoolExecutor(THREADS) as pool:
        return [found for found in pool.map(one, offered(target.files).items()) if found]


def release(settings: Settings, folder: str, target: Target) -> bytes:
    """Release of the state, the same whoever writes it."""
    suite = folder.rpartition("/")[2]
    architectures = {
        name.split("/")[1].removeprefix("binary-") for name in target.files if "/binary-" in name
    }
    info = apt.ReleaseInfo(
        origin=settings.origin,
        label=settings.label,
        suite=suite,
        codename=suite,
        components=sorted({name.split("/")[0] for name in target.files}),
        architectures=sorted(architectures),
        date=target.time,
        valid_until=target.time + settings.valid_days * _DAY if settings.valid_days else None,
        not_automatic=settings.not_automatic,
        but_automatic_upgrades=settings.but_automatic_upgrades,
        description=settings.description,
        signed_by=settings.fingerprints if settings.signed_by else (),
        generation=target.generation,
    )
    return apt.release(info, {name: apt.Hashed(*about) for name, about in target.files.items()})


def _is_whole(updater: PointerUpdater, folder: str, text: bytes) -> bool:
    """Whether Release and its signatures are those of one state."""
    plain = updater.store.get(f"{folder}/Release")
    if plain is None or plain.data != text:
        return False
    return not updater.settings.signed or updater.store.stat(f"{folder}/Release.gpg") is not None
