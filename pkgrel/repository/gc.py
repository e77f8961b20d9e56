"""Deletes objects that no client can request any more, in two runs.

Objects in use are those of the head and of recent states. The first run that finds an object unused records that; a
later run, after the grace period, deletes it if it is still unused and was not written again. A publish that reuses an
old object writes it again, so that it is not deleted meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pkgrel.console import is_plain
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, page, typed
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.kind import kind_of, repository_kind
from pkgrel.repository.state import THREADS, Repository
from pkgrel.repository.store import Entry, Kind, Object, Stale
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.ssh import Ssh
from pkgrel.signing import statement

_AT_ONCE = 4


def is_collectable(key: str) -> bool:
    """Whether it is an object of pkgrel that only states refer to."""
    if key.startswith((layout.MANIFESTS, layout.STATES, layout.PROBES, page.SUMMARIES)):
        return True
    return any(repository_kind(format).NEVER_CHANGES.match(key) for format in Format)


def is_used(key: str, used: Container[str]) -> bool:
    """Whether the object is in use, or has statements about a package that is."""
    name = key.removesuffix(statement.SUFFIX)
    return name in used or name.lower() in used


def _in_any_case(repository: Repository, keys: set[str]) -> set[str]:
    """Adds the keys in lower case on a case-insensitive file system: there, a file for `h/hello` is listed as
    `H/hello` if that folder already existed."""
    store = repository.store
    folds = isinstance(store, Local) and store.folds_case
    return keys | {key.lower() for key in keys} if folds else keys


def used_keys(
    repository: Repository, now: HeadSnapshot, *, generations: int, since: float
) -> set[str]:
    """The collectable objects in use: by the head, by the last generations, and by all states that were current at the
    time `since` or later."""
    found: set[str] = set()
    manifests: set[str] = set()
    for sha256, state in _states(repository, now, generations, since):
        found.add(layout.state_key(state.generation, sha256))
        found |= index_keys(state)
        manifests |= set(state.manifests.values())
    return _in_any_case(repository, found | _packages(repository, manifests))


def objects_of(repository: Repository, state: Head) -> set[str]:
    """The objects that a state refers to."""
    packages = _packages(repository, set(state.manifests.values()))
    return _in_any_case(repository, index_keys(state) | packages)


def index_keys(state: Head) -> set[str]:
    """The indices, manifests and summaries of a state."""
    found = set()
    for sha256 in state.manifests.values():
        found |= {layout.manifest_key(sha256), page.summary_key(sha256)}
    for folder, target in state.targets.items():
        found |= kind_of(folder).objects(folder, target)
    return found


def hashes(state: Head, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each immutable index of a state, by key; `copies` are those in snapshots, which exist if the
    repository has a public URL."""
    found: dict[str, str] = {}
    for folder, target in state.targets.items():
        found |= kind_of(folder).hashes(folder, target, copies=copies)
    return found


def damaged(repository: Repository, wanted: Mapping[str, str]) -> dict[str, str]:
    """Objects that do not have the given SHA-256, each with `missing` or `damaged`."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = zip(wanted, pool.map(repository.store.read_digest, wanted), strict=True)
        digests = {key: digest for key, digest in found if digest != wanted[key]}
    return {key: "damaged" if digest else "missing" for key, digest in sorted(digests.items())}


def _packages(repository: Repository, manifests: set[str]) -> set[str]:
    """The package files in manifests, which are not cached: a week of a busy repository has hundreds of them."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found: set[str] = set()
        for paths in pool.map(repository.manifests.paths, sorted(manifests)):
            found |= paths
    return found


def _states(
    repository: Repository, now: HeadSnapshot, generations: int, since: float
) -> Iterator[tuple[str, Head]]:
    if now.data:
        yield now.sha256, now.head
    successor = now.head
    for count, (sha256, state) in enumerate(head.history(repository.store, now), start=1):
        # A state is in use by clients until its successor appears.
        if count >= generations and successor.time < since:
            return
        yield sha256, state
        successor = state


HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class _Noted:
    """When earlier runs found each unused object, in seconds since the epoch."""

    unused: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of a run, or of its dry run."""

    deleted: tuple[str, ...]
    freed: int
    """Bytes."""
    waiting: tuple[str, ...]
    """Unused objects that a later run will delete, after the grace period."""


def collect(
    repository: Repository,
    *,
    grace: float = DAY,
    generations: int = 3,
    age: float = 7 * DAY,
    dry_run: bool = False,
) -> Collected:
    """Delete objects that were unused for the grace period, and record those that are unused now.

    States of the last `generations` and of the last `age` seconds are in use. RepositoryError if this machine's clock,
    on which all this depends, differs from the store's.
    """
    store, now = repository.store, time.time()
    if not dry_run:
        head.require(store)
    before = repository.read()
    used = used_keys(repository, before, generations=generations, since=now - age)
    unused = {
        entry.key: entry
        for entry in store.list("")
        if is_collectable(entry.key)
        and not is_used(entry.key, used)
        and is_plain(entry.key)  # others are not pkgrel's, and unsafe to print
    }
    noted = store.get(layout.TOMBSTONES)
    tombstones = _tombstones(noted)
    to_delete = {
        key: entry
        for key, entry in unused.items()
        if key in tombstones
        and tombstones[key] <= now - grace
        and entry.modified <= tombstones[key]
    }
    waiting = {
        key: _noticed(entry, tombstones.get(key), now)
        for key, entry in unused.items()
        if key not in to_delete and (key in tombstones or entry.modified <= now - min(grace, DAY))
    }
    result = Collected(
        tuple(sorted(to_delete)), sum(e.size for e in to_delete.values()), tuple(sorted(waiting))
    )
    if dry_run:
        return result
    _delete(repository, before, to_delete)
    _note(repository, noted, {**waiting})
    if isinstance(store, Local | Ssh):
        store.sweep(now - DAY)
    return result


def _noticed(entry: Entry, noticed: float | None, now: float) -> float:
    """When the object was found unused; now, if it was written again since."""
    return noticed if noticed is not None and entry.modified <= noticed else now


def _delete(repository: Repository, before: HeadSnapshot, to_delete: dict[str, Entry]) -> None:
    """Delete the objects, except those that came into use meanwhile."""
    store = repository.store
    current = repository.read()
    if current.data != before.data:
        used = objects_of(repository, current.head)
        to_delete = {key: entry for key, entry in to_delete.items() if not is_used(key, used)}

    def is_old(key: str) -> bool:
        entry = store.stat(key)
        return entry is not None and entry.modified <= to_delete[key].modified

    # States first: the existence of a state implies that of all its objects.
    states = {key for key in to_delete if key.startswith(layout.STATES)}
    for group in (sorted(states), sorted(set(to_delete) - states)):
        with ThreadPoolExecutor(THREADS) as pool:
            old = list(pool.map(is_old, group))
        store.delete(key for key, yes in zip(group, old, strict=True) if yes)


def _note(repository: Repository, noted: Object | None, waiting: dict[str, float]) -> None:
    document = {"format": typed.FORMAT, "unused": waiting}
    data = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
    if noted is None and not waiting:
        return
    try:
        if noted is not None:
            repository.store.replace(layout.TOMBSTONES, data, Kind.POINTER, noted.token)
        elif not repository.store.create(layout.TOMBSTONES, data, Kind.POINTER):
            raise Stale("somebody else made them")
    except Stale as e:
        raise RepositoryError(
            f"{repository.store.url}: another gc is at work", hint="let it finish"
        ) from e


def _tombstones(noted: Object | None) -> dict[str, float]:
    if noted is None:
        return {}
    found = typed.document(noted.data, layout.TOMBSTONES)
    return dict(typed.read(_Noted, found, layout.TOMBSTONES).unused)
