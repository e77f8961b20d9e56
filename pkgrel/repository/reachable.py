"""Which objects somebody may still ask for: those of the head and of the states before it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from pkgrel.distro import Format
from pkgrel.repository import head, layout, page
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.kind import kind_of, repository_kind
from pkgrel.repository.state import THREADS, Repository
from pkgrel.signing import statement

_AT_ONCE = 4


def is_collectable(key: str) -> bool:
    """Whether the object is one of ours that nothing but a state refers to."""
    if key.startswith((layout.MANIFESTS, layout.STATES, layout.PROBES, page.SUMMARIES)):
        return True
    return any(repository_kind(format).NEVER_CHANGES.match(key) for format in Format)


def is_used(key: str, used: Container[str]) -> bool:
    """Whether the object is among these, or has statements about a package that is."""
    return key.removesuffix(statement.SUFFIX) in used


def used_keys(
    repository: Repository, now: HeadSnapshot, *, generations: int, since: float
) -> set[str]:
    """The collectable objects that are in use: by the head, by the last generations, and by all
    states that were current at the time `since` or later."""
    found: set[str] = set()
    manifests: set[str] = set()
    for sha256, state in _states(repository, now, generations, since):
        found.add(layout.state_key(state.generation, sha256))
        found |= index_keys(state)
        manifests |= set(state.manifests.values())
    return found | _packages(repository, manifests)


def objects_of(repository: Repository, state: Head) -> set[str]:
    """The objects that one state refers to."""
    return index_keys(state) | _packages(repository, set(state.manifests.values()))


def index_keys(state: Head) -> set[str]:
    """The indices and manifests of a state."""
    found = set()
    for sha256 in state.manifests.values():
        found |= {layout.manifest_key(sha256), page.summary_key(sha256)}
    for folder, target in state.targets.items():
        found |= kind_of(folder).objects(folder, target)
    return found


def hashes(state: Head, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each index of a state that never changes under its key; `copies` are those in
    snapshots, which are there if the repository has a public URL."""
    found: dict[str, str] = {}
    for folder, target in state.targets.items():
        found |= kind_of(folder).hashes(folder, target, copies=copies)
    return found


def damaged(repository: Repository, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those of the keys that are not there with their SHA-256, each with `missing` or `damaged`."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = zip(wanted, pool.map(repository.store.read_digest, wanted), strict=True)
        digests = {key: digest for key, digest in found if digest != wanted[key]}
    return {key: "damaged" if digest else "missing" for key, digest in sorted(digests.items())}


def _packages(repository: Repository, manifests: set[str]) -> set[str]:
    """The files that manifests name; a week of a busy repository has hundreds of these, so they are
    not kept."""
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
        # A state is what clients have until its successor comes.
        if count >= generations and successor.time < since:
            return
        yield sha256, state
        successor = state
