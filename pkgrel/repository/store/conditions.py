"""Stores that do not keep the conditions of conditional writes: how to find out, and how to do without.

Some accept conditions and ignore them. A user who lets no two jobs write at the same time may have such a
store; there the conditions are checked before the write rather than with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from pkgrel.repository import layout
from pkgrel.repository.store import Content, Entry, Kind, Object, Stale, Store


def conditions_hold(store: Store) -> bool:
    """Write to a new key: twice as a new one, and once over a state that it is no longer in."""
    key = f"{layout.PROBES}{uuid.uuid4().hex}"
    try:
        if not store.create(key, b"1", Kind.POINTER) or store.create(key, b"2", Kind.POINTER):
            return False
        first = store.get(key)
        if first is None or first.data != b"1":
            return False
        store.replace(key, b"3", Kind.POINTER, first.token)
        try:
            store.replace(key, b"4", Kind.POINTER, first.token)
        except Stale:
            last = store.get(key)
            return last is not None and last.data == b"3"
        return False
    finally:
        store.delete([key])


class External:
    """The store in other words."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url

    def get(self, key: str) -> Object | None:
        """The object, or None if there is none."""
        return self._store.get(key)

    def stat(self, key: str) -> Entry | None:
        """Size, time and state of the object, or None if there is none."""
        return self._store.stat(key)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object."""
        return self._store.digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        return self._store.read_digest(key)

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object that must not exist; False, and nothing written, if it does."""
        if self._store.stat(key):
            return False
        self._store.overwrite(key, data, kind, sha256=sha256)
        return True

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object that must still be in the state of the token; Stale if it is not."""
        entry = self._store.stat(key)
        if entry is None or entry.token != token:
            raise Stale(f"{self.url}: `{key}` was changed by somebody else")
        self._store.overwrite(key, data, kind)

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object whatever there is."""
        self._store.overwrite(key, data, kind, sha256=sha256)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with the prefix."""
        return self._store.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        self._store.delete(keys)
