"""Checks everything that a repository says of itself: hashes, sizes, signatures, pointers."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pkgrel.errors import PkgrelError, SigningError
from pkgrel.repository import apt, head, layout, page, reachable, render, suite, yum_target
from pkgrel.repository.commit import Repository
from pkgrel.repository.head import Head, Read, Target
from pkgrel.repository.pointers import Roll
from pkgrel.repository.record import Record
from pkgrel.repository.render import REPOMD, offered
from pkgrel.repository.view import THREADS, View
from pkgrel.signing.verification import verify as check_signature
from pkgrel.signing.verification import verify_clear


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found."""

    generation: int
    packages: int
    problems: tuple[str, ...]
    orphans: tuple[str, ...]
    """Objects that nothing refers to; `gc` takes them."""


def verify(repository: Repository, *, quick: bool = False) -> Verified:
    """Read everything and compare; `quick` goes by the sizes of packages instead of reading them."""
    now = head.read(repository.store)
    problems = [*_state(repository, now), *_manifests(repository, now.head)]
    if problems:
        return Verified(now.head.generation, 0, tuple(problems), ())
    records = {
        record.path: record
        for sha256 in now.head.manifests.values()
        for record in repository.manifests.read(sha256)
    }
    problems += _packages(repository, list(records.values()), quick=quick)
    problems += _indices(repository, now)
    keys = _public_keys(repository)
    for folder, target in sorted(now.head.targets.items()):
        problems += _pointers(repository, folder, target, keys)
    rolling = Roll(repository.store, repository.settings, None, {}, thorough=True)
    problems += page.problems(rolling, now.head)
    used = reachable.keys(repository, now, generations=3, since=now.head.time)
    orphans = (
        entry.key
        for entry in repository.store.list("")
        if reachable.is_collectable(entry.key) and entry.key not in used
    )
    return Verified(now.head.generation, len(records), tuple(problems), tuple(sorted(orphans)))


def _state(repository: Repository, now: Read) -> Iterator[str]:
    if now.data:
        key = layout.state(now.head.generation, now.sha256)
        if (found := repository.store.get(key)) is None or found.data != now.data:
            yield f"{key}: the head's own state is missing, so nobody could come back to it"


def _manifests(repository: Repository, current: Head) -> Iterator[str]:
    for place, sha256 in sorted(current.manifests.items()):
        try:
            repository.manifests.read(sha256)
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


def _indices(repository: Repository, now: Read) -> Iterator[str]:
    """Whether the indices are there, whole, and what the manifests give."""
    view = View(now, repository.manifests)
    for stamp in sorted({(t.generation, t.time) for t in now.head.targets.values()}):
        made = render.targets(view, repository.settings, None, *stamp, everything=True)
        for folder, target in sorted(now.head.targets.items()):
            if (target.generation, target.time) == stamp and made.targets.get(folder) != target:
                yield f"{folder}: its indices are not those of the manifests"
    for folder, target in sorted(now.head.targets.items()):
        for key, sha256 in _stored(folder, target):
            found = repository.store.get(key)
            if found is None:
                yield f"{key}: missing"
            elif hashlib.sha256(found.data).hexdigest() != sha256:
                yield f"{key}: damaged"


def _stored(folder: str, target: Target) -> Iterator[tuple[str, str]]:
    """Keys and hashes of a target's immutable objects, and of apt's indices by name."""
    if folder.startswith("apt/"):
        for name, (_, sha256) in sorted(offered(target.files).items()):
            yield f"{folder}/{apt.by_hash(name, sha256)}", sha256
            yield f"{folder}/{name}", sha256
        return
    for name, (_, sha256) in sorted(target.files.items()):
        yield f"{folder}/{name}", sha256


def _pointers(repository: Repository, folder: str, target: Target, keys: bytes) -> Iterator[str]:
    store, settings = repository.store, repository.settings

    def read(name: str) -> bytes:
        found = store.get(f"{folder}/{name}")
        return found.data if found else b""

    if folder.startswith("apt/"):
        wanted = suite.release(settings, folder, target)
        if read("Release") != wanted:
            yield f"{folder}/Release: is not that of the head"
        if settings.signed:
            yield from _signed(f"{folder}/Release.gpg", wanted, read("Release.gpg"), keys)
            yield from _clear(f"{folder}/InRelease", wanted, read("InRelease"), keys)
        return
    if settings.signed:
        yield from _signed(f"{folder}/{REPOMD}.asc", read(REPOMD), read(f"{REPOMD}.asc"), keys)
    if settings.url:
        snapshot = layout.snapshot(folder.split("/")[1], target.files[REPOMD][1])
        if read(yum_target.MIRRORLIST) != yum_target.mirrorlist(settings, snapshot):
            yield f"{folder}/{yum_target.MIRRORLIST}: does not name the head's snapshot"


def _signed(key: str, data: bytes, signature: bytes, keys: bytes) -> Iterator[str]:
    try:
        check_signature(data, signature, keys)
    except SigningError as e:
        yield f"{key}: {e}"


def _clear(key: str, wanted: bytes, document: bytes, keys: bytes) -> Iterator[str]:
    try:
        text = verify_clear(document, keys).text
    except SigningError as e:
        yield f"{key}: {e}"
    else:
        # What a cleartext signature covers ends without a line end.
        if text.rstrip() != wanted.rstrip():
            yield f"{key}: is not that of the head"


def _public_keys(repository: Repository) -> bytes:
    found = (repository.store.get(layout.public_key(f)) for f in repository.settings.fingerprints)
    return b"\n".join(dict.fromkeys(key.data for key in found if key))
