"""Updates all pointers, the files that clients read and that change in place, to the head's state.

Anyone with write access can do this at any time. A pointer is read before the head, and written only if it is
unchanged. So a slow job cannot overwrite a newer state: if it reads the head after another job has written the pointer,
it gets the head that this pointer was made from, or a later one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pkgrel.errors import RepositoryError
from pkgrel.repository import head, page
from pkgrel.repository.head import Target
from pkgrel.repository.kind import kind_of
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import THREADS, Manifests
from pkgrel.repository.store import Content, Kind, Stale, Store, at_once, content_bytes
from pkgrel.repository.trust import Trust
from pkgrel.signing import Signer

_RECENT = 16
"""Generations: every publish checks the targets that changed in the last ones; `sync` checks all."""
_ATTEMPTS = 200


@dataclass(slots=True)
class PointerUpdater:
    """The context of an update."""

    store: Store
    settings: Settings
    trust: Trust
    signer: Signer | None
    known: Mapping[str, Content]
    """Content of immutable objects that need not be read."""
    force: bool
    """Check every pointer of a target, not only the last one."""
    manifests: Manifests
    """Reads and caches other manifests."""
    dry_run: bool = False
    """Only find out what would be written."""
    written: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)
    """Targets of which this job has written some pointers but not the last: another job that had checked these before
    may not notice the change."""

    def is_forced(self, name: str) -> bool:
        """Whether every pointer of the target must be checked."""
        return self.force or name in self.suspects

    def object(self, key: str) -> bytes:
        """The content of an immutable object; RepositoryError if it does not exist."""
        return content_bytes(self.content(key))

    def content(self, key: str) -> Content:
        """The same, perhaps as a file."""
        if key in self.known:
            return self.known[key]
        if found := self.store.get(key):
            return found.data
        raise RepositoryError(
            f"{self.store.url}: `{key}` is missing", hint="run `pkgrel repo sync` to write it again"
        )

    def write(self, key: str, data: Content, token: str | None) -> None:
        """Write a pointer if it is still in the token's state; with None, if it does not exist."""
        if self.dry_run:
            pass
        elif token is not None:
            self.store.replace(key, data, Kind.POINTER, token)
        elif not self.store.create(key, data, Kind.POINTER):
            raise Stale(f"{self.store.url}: `{key}` was made by somebody else")
        self.written.append(key)


def update_pointers(
    store: Store,
    settings: Settings,
    trust: Trust,
    signer: Signer | None,
    *,
    known: Mapping[str, Content] | None = None,
    manifests: Manifests | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> tuple[str, ...]:
    """Update all pointers to the head's state; returns the keys that were written, or would be."""
    read = manifests or Manifests(store)
    updater = PointerUpdater(store, settings, trust, signer, known or {}, force, read, dry_run)
    done: dict[str, int] = {}
    for attempt in range(_ATTEMPTS):
        current = head.read(store, trust).head
        left = {
            name: target
            for name, target in current.targets.items()
            if done.get(name, -1) < target.generation
            and (force or target.generation > current.generation - _RECENT)
        }
        if not left:
            page.update(updater)
            return tuple(updater.written)
        results = at_once(lambda item: _update(updater, *item), left.items(), THREADS)
        for (name, target), complete in zip(left.items(), results, strict=True):
            if complete:
                done[name] = target.generation
        if any(done.get(name) != target.generation for name, target in left.items()):
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2 ** min(attempt, 6))))
    raise RepositoryError(
        f"{store.url}: others changed the indices {_ATTEMPTS} times meanwhile; yours are published",
        hint="run `pkgrel repo sync` when they are done",
    )


def _update(updater: PointerUpdater, name: str, target: Target) -> bool:
    """Update one target to the head's state; False if the head or a pointer changed meanwhile."""

    def is_current() -> bool:
        return head.read(updater.store, updater.trust).head.targets.get(name) == target

    try:
        kind_of(name).update_pointers(updater, name, target, is_current)
    except Stale:
        if any(key.startswith(f"{name}/") for key in updater.written):
            updater.suspects.add(name)
        return False
    return True
