"""Checks everything that a repository says of itself, and mends what can be made again.

Hashes, sizes, signatures, dates, and whether indices and pointers are what the head and its manifests give.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pkgrel import scratch
from pkgrel.compressors import zstd
from pkgrel.errors import PkgrelError
from pkgrel.repository import gc, head, layout, page, pointers
from pkgrel.repository.head import Head, HeadSnapshot, Target
from pkgrel.repository.kind import kind_of
from pkgrel.repository.pointers import PointerUpdater
from pkgrel.repository.record import Record
from pkgrel.repository.state import THREADS, Rendering, Repository, View, render
from pkgrel.repository.store import content_bytes
from pkgrel.repository.transaction import Outcome, commit

_UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".zst": zstd.decompress,
}
_BROKEN = (EOFError, OSError, lzma.LZMAError, zlib.error, zstd.ZstdError)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found."""

    generation: int
    packages: int
    problems: tuple[str, ...]
    orphans: tuple[str, ...]
    """Objects that nothing refers to; `gc` takes them. None are named if an earlier state is lost."""
    lost: tuple[str, ...]
    """Those of the problems that `sync` cannot mend, because the object is made from nothing else."""


def verify(repository: Repository, *, quick: bool = False) -> Verified:
    """Read everything and compare; `quick` goes by the sizes of packages instead of reading them."""
    now = repository.read()
    problems = [*repository.trust.complaints, *_state(repository, now)]
    problems += _manifests(repository, now.head)
    if len(problems) > len(repository.trust.complaints):
        return Verified(now.head.generation, 0, tuple(problems), (), tuple(problems))
    records = {
        record.path: record
        for sha256 in now.head.manifests.values()
        for record in repository.manifests.read(sha256).records()
    }
    lost = _packages(repository, list(records.values()), quick=quick)
    problems += lost
    problems += [*_dates(repository, now.head), *_indices(repository, now)]
    keys = _public_keys(repository)
    for folder, target in sorted(now.head.targets.items()):
        problems += kind_of(folder).check_pointers(
            repository.store, repository.settings, folder, target, keys
        )
    updater = PointerUpdater(
        repository.store,
        repository.settings,
        repository.trust,
        None,
        {},
        True,
        repository.manifests,
    )
    problems += broken_signatures(repository, now.head).values()
    problems += page.problems(updater, now.head)
    orphans = _orphans(repository, now)
    return Verified(now.head.generation, len(records), tuple(problems), orphans, tuple(lost))


def _orphans(repository: Repository, now: HeadSnapshot) -> tuple[str, ...]:
    try:
        used = gc.used_keys(repository, now, generations=3, since=now.head.time)
    except (
        PkgrelError
    ):  # what the lost state used is not known, and is not a problem of the present one
        return ()
    listed = (entry.key for entry in repository.store.list(""))
    found = (key for key in listed if not gc.is_used(key, used))
    return tuple(sorted(key for key in found if gc.is_collectable(key)))


def _state(repository: Repository, now: HeadSnapshot) -> Iterator[str]:
    if now.data:
        key = layout.state_key(now.head.generation, now.sha256)
        if (found := repository.store.get(key)) is None or found.data != now.data:
            yield f"{key}: the head's own state is missing, so nobody could come back to it"


def _dates(repository: Repository, current: Head) -> Iterator[str]:
    """What clients refuse for its date; the store's time is at least that of its head."""
    entry = repository.store.stat(layout.HEAD)
    now = max(time.time(), entry.modified if entry else 0)
    for each in head.refused_dates(repository.settings, current, now):
        yield f"{each.key}: {each.why}"


def _manifests(repository: Repository, current: Head) -> Iterator[str]:
    for place, sha256 in sorted(current.manifests.items()):
        try:
            repository.manifests.read(sha256).records()
        except PkgrelError as e:
            yield f"{place}: {e}"


def _packages(repository: Repository, records: list[Record], *, quick: bool) -> list[str]:
    store = repository.store

    def one(record: Record) -> str:
        entry = store.stat(record.path)
        if entry is None:
            return f"{record.path}: missing"
        if entry.size != record.size:
            return f"{record.path}: has {entry.size} bytes instead of {record.size}"
        if not quick and store.read_digest(record.path) != record.sha256:
            return f"{record.path}: has another SHA-256 than the indices say"
        return ""

    with ThreadPoolExecutor(THREADS) as pool:
        return [problem for problem in pool.map(one, records) if problem]


def _indices(repository: Repository, now: HeadSnapshot) -> Iterator[str]:
    """Whether the indices are there, whole, and what the manifests give."""
    view = View(now, repository.manifests)
    for stamp in sorted({(t.generation, t.time) for t in now.head.targets.values()}):
        with scratch.folder() as files:
            made = render(view, repository.settings, None, *stamp, files, force=True)
            for folder, target in sorted(now.head.targets.items()):
                is_its = (target.generation, target.time) == stamp
                if is_its and not _is_made_of(repository, folder, target, made):
                    yield f"{folder}: its indices are not those of the manifests"
    wanted = gc.hashes(now.head, copies=bool(repository.settings.url))
    for key, why in gc.damaged(repository, wanted | _by_name(now.head)).items():
        yield f"{key}: {why}"


def _is_made_of(repository: Repository, folder: str, target: Target, made: Rendering) -> bool:
    wanted = made.targets.get(folder)
    if wanted is None or wanted == target:
        return wanted == target

    def stored(key: str) -> bytes | None:
        found = repository.store.get(key)
        return found.data if found else None

    digests = uncompressed_digests(folder, target, stored)

    def rendered(key: str) -> bytes | None:
        return content_bytes(made.objects[key]) if key in made.objects else None

    return digests == uncompressed_digests(folder, wanted, rendered)


def uncompressed_digests(
    folder: str, target: Target, get: Callable[[str], bytes | None]
) -> dict[str, str]:
    """The SHA-256 of each index unpacked, by its name; `get` has the objects by key.

    Another machine's zlib, liblzma or libzstd packs the same text into other bytes. The hash of an object
    that is missing or broken is empty.
    """
    found = {}
    for name, (key, sha256) in kind_of(folder).index_keys(folder, target).items():
        unpack = _UNPACK.get(name[name.rfind(".") :])
        found[name] = _unpacked(get(key), unpack) if unpack else sha256
    return found


def _unpacked(data: bytes | None, unpack: Callable[[bytes], bytes]) -> str:
    try:
        return hashlib.sha256(unpack(data)).hexdigest() if data else ""
    except _BROKEN:
        return ""


def _by_name(state: Head) -> dict[str, str]:
    """The indices that change in place, each with its SHA-256."""
    found: dict[str, str] = {}
    for folder, target in state.targets.items():
        found |= kind_of(folder).pointer_hashes(folder, target)
    return found


def broken_signatures(repository: Repository, state: Head) -> dict[str, str]:
    """Signatures that no pointer has, by key, that are missing or wrong, and why."""
    found: dict[str, str] = {}
    if repository.settings.signed:
        keys = _public_keys(repository)
        for folder, target in sorted(state.targets.items()):
            found |= kind_of(folder).check_copies(repository.store, folder, target, keys)
    return found


def _public_keys(repository: Repository) -> bytes:
    found = (repository.store.get(layout.public_key(f)) for f in repository.settings.fingerprints)
    return b"\n".join(dict.fromkeys(key.data for key in found if key))


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done, or would be."""

    generation: int
    missing: tuple[str, ...]
    """Indices that were gone or damaged and have been written anew."""
    pointers: tuple[str, ...]
    """Pointers that were written."""
    refused: tuple[str, ...]
    """Indices whose date clients refuse: of the future, or expired."""
    anew: bool
    """Whether all indices were written, as a new generation."""


def sync(repository: Repository, *, force: bool = False, dry_run: bool = False) -> Synced:
    """Roll every pointer forward to the head, whatever it says now.

    Indices that are missing or damaged, or have a date that clients refuse, are written again, as a new
    generation; `force` does so in any case, which gives Release a new date.
    """
    now = repository.read()
    wanted = gc.hashes(now.head, copies=bool(repository.settings.url))
    damaged = gc.damaged(repository, wanted)
    broken = {*damaged, *broken_signatures(repository, now.head)}
    dated = head.refused_dates(repository.settings, now.head, time.time())
    refused = tuple(each.key for each in dated)
    anew = bool(now.data) and (force or bool(broken) or bool(refused))
    found = Synced(now.head.generation, tuple(sorted(broken)), (), refused, anew)
    if dry_run:
        # If all are written anew, what the pointers would be made from is not there yet.
        return (
            found
            if found.anew
            else replace(found, pointers=_update_pointers(repository, dry_run=True))
        )
    repository.require_signer()
    outcome = Outcome(now.head.generation, ())
    if found.anew:
        # What is there under its hash is not written again.
        repository.store.delete([key for key, why in damaged.items() if why == "damaged"])
        outcome = commit(repository, "sync", _nothing, force=True)
    updated = outcome.pointers + _update_pointers(repository)
    return replace(found, generation=outcome.generation, pointers=updated)


def _update_pointers(repository: Repository, *, dry_run: bool = False) -> tuple[str, ...]:
    store, settings, signer = repository.store, repository.settings, repository.signer
    return pointers.update_pointers(
        store, settings, repository.trust, signer, force=True, dry_run=dry_run
    )


def _nothing(view: View) -> None:
    """Change nothing."""
