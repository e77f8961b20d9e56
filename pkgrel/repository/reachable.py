"""Which objects somebody may still ask for: those of the head and of the states before it."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from pkgrel.distro import Format, unsupported
from pkgrel.repository import apt, head, layout, page
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.render import REPOMD, offered
from pkgrel.repository.state import THREADS, Repository

_HASHED = re.compile(
    r"apt/pool/|apt/dists/.+/by-hash/|rpm/[^/]+/(pool|snapshots)/|rpm/.+/repodata/[0-9a-f]{64}-"
)

_AT_ONCE = 4


def is_collectable(key: str) -> bool:
    """Whether the object is one of ours that nothing but a state refers to."""
    own = (layout.MANIFESTS, layout.STATES, layout.PROBES, page.SUMMARIES)
    return key.startswith(own) or bool(_HASHED.match(key))


def keys(repository: Repository, now: HeadSnapshot, *, generations: int, since: float) -> set[str]:
    """The collectable objects that are in use: by the head, by the last generations, and by all
    states that were current at the time `since` or later."""
    found: set[str] = set()
    manifests: set[str] = set()
    for sha256, state in _states(repository, now, generations, since):
        found.add(layout.state(state.generation, sha256))
        found |= indices(state)
        manifests |= set(state.manifests.values())
    return found | _packages(repository, manifests)


def of(repository: Repository, state: Head) -> set[str]:
    """The objects that one state refers to."""
    return indices(state) | _packages(repository, set(state.manifests.values()))


def indices(state: Head) -> set[str]:
    """The indices and manifests of a state."""
    found = set()
    for sha256 in state.manifests.values():
        found |= {layout.manifest(sha256), page.summary_key(sha256)}
    for folder, target in state.targets.items():
        match layout.format_of(folder):
            case Format.DEB:
                found |= {
                    f"{folder}/{apt.by_hash(name, sha256)}"
                    for name, (_, sha256) in offered(target.files).items()
                }
            case Format.RPM:
                snapshot = layout.snapshot(folder.split("/")[1], target.files[REPOMD][1])
                found |= {f"{snapshot}{name}" for name in target.files}
                found |= {f"{folder}/{name}" for name in target.files if name != REPOMD}
                found.add(f"{snapshot}{REPOMD}.asc")
            case other:
                raise unsupported(other)
    return found


def hashes(state: Head, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each index of a state that never changes under its key; `copies` are those in
    snapshots, which are there if the repository has a public URL."""
    found = {}
    for folder, target in state.targets.items():
        match layout.format_of(folder):
            case Format.DEB:
                for name, (_, sha256) in offered(target.files).items():
                    found[f"{folder}/{apt.by_hash(name, sha256)}"] = sha256
            case Format.RPM:
                snapshot = layout.snapshot(folder.split("/")[1], target.files[REPOMD][1])
                for name, (_, sha256) in target.files.items():
                    if name != REPOMD:
                        found[f"{folder}/{name}"] = sha256
                    if copies or name == REPOMD:
                        found[f"{snapshot}{name}"] = sha256
            case other:
                raise unsupported(other)
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
