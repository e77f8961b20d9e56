"""Checks the whole repository, and repairs what can be regenerated.

Checked are hashes, sizes, signatures, dates, and whether indices and pointers match the head and its manifests.
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
    """The result of a check."""

    generation: int
    packages: int
    problems: tuple[str, ...]
    orphans: tuple[str, ...]
    """Objects that nothing refers to, which `gc` deletes. Empty if an earlier state is lost."""
    lost: tuple[str, ...]
    """Problems that `sync` cannot repair, because the object cannot be regenerated."""


def verify(repository: Repository, *, quick: bool = False) -> Verified:
    """Read and compare everything; with `quick`, only the sizes of packages are checked."""
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
    ):  # nothing is known of the lost state's objects, and it is not a problem of the present state
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
    """Objects with dates that clients refuse; the present is at least the head's modification time in the store."""
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
    """Whether the indices exist, are intact, and match the manifests."""
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
    """The SHA-256 of each uncompressed index, by name; `get` returns objects by key.

    Compressed files may differ, since other versions of zlib, liblzma or libzstd compress the same text differently.
    The hash is empty if an object is missing or invalid.
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
    """The SHA-256 of the indices that change in place, by key."""
    found: dict[str, str] = {}
    for folder, target in state.targets.items():
        found |= kind_of(folder).pointer_hashes(folder, target)
    return found


def broken_signatures(repository: Repository, state: Head) -> dict[str, str]:
    """Missing or invalid signatures in snapshots, by key, each with the problem."""
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
    """The result of a sync, or of its dry run."""

    generation: int
    missing: tuple[str, ...]
    """Missing or damaged indices that were written again."""
    pointers: tuple[str, ...]
    """Pointers that were written."""
    refused: tuple[str, ...]
    """Indices with dates that clients refuse: in the future, or expired."""
    anew: bool
    """Whether all indices were written, as a new generation."""


def sync(repository: Repository, *, force: bool = False, dry_run: bool = False) -> Synced:
    """Update every pointer to the head's state, and repair indices.

    Missing or damaged indices, and those with dates that clients refuse, are written again as a new generation; with
    `force`, all are, so that Release gets a new date.
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
        # Before a new generation is written, the pointers' new content is not known.
        return (
            found
            if found.anew
            else replace(found, pointers=_update_pointers(repository, dry_run=True))
        )
    repository.require_signer()
    outcome = Outcome(now.head.generation, ())
    if found.anew:
        # Delete damaged objects first, since an existing key is not written again.
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
