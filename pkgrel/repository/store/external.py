"""A store without conditional writes, for a user who lets no two jobs write at the same time.

The conditions are checked before the write rather than with it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pkgrel.repository.store import Entry, Kind, Object, Stale, Store


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

    def create(self, key: str, data: bytes | Path, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object that must not exist; False, and nothing written, if it does."""
        if self._store.stat(key):
            return False
        self._store.overwrite(key, data, kind, sha256=sha256)
        return True

    def replace(self, key: str, data: bytes, kind: Kind, token: str) -> None:
        """Write an object that must still be in the state of the token; Stale if it is not."""
        entry = self._store.stat(key)
        if entry is None or entry.token != token:
            raise Stale(f"{self.url}: `{key}` was changed by somebody else")
        self._store.overwrite(key, data, kind)

    def overwrite(self, key: str, data: bytes | Path, kind: Kind, *, sha256: str = "") -> None:
        """Write an object whatever there is."""
        self._store.overwrite(key, data, kind, sha256=sha256)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with the prefix."""
        return self._store.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        self._store.delete(keys)
