"""A store that counts what is asked of it: on S3 each operation is one request, and costs money."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pkgrel.repository.store import Content, Entry, Kind, Object, Store


@dataclass(slots=True)
class Traffic:
    """What went to and fro."""

    requests: Counter[str] = field(default_factory=Counter)
    """By operation: `get`, `stat`, `create`…"""
    received: int = 0
    """Bytes."""
    sent: int = 0
    """Bytes."""

    @property
    def reads(self) -> int:
        """GET, HEAD and LIST requests; a listing counts as one for each thousand objects."""
        return sum(self.requests[name] for name in ("get", "stat", "digest", "list"))

    @property
    def writes(self) -> int:
        """PUT and DELETE requests."""
        return self.requests.total() - self.reads


class Counting:
    """The store in other words. Threads may count at once: a lost one would be a rare miracle."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.traffic = Traffic()

    def get(self, key: str) -> Object | None:
        """The object, or None if there is none."""
        found = self._store.get(key)
        self._count("get", received=len(found.data) if found else 0)
        return found

    def stat(self, key: str) -> Entry | None:
        """Size, time and state of the object, or None if there is none."""
        self._count("stat")
        return self._store.stat(key)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, which remote stores have noted."""
        self._count("digest")
        return self._store.digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        self._count("get")
        return self._store.read_digest(key)

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object that must not exist; False, and nothing written, if it does."""
        self._count("create", sent=_size(data))
        return self._store.create(key, data, kind, sha256=sha256)

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object that must still be in the state of the token; Stale if it is not."""
        self._count("replace", sent=_size(data))
        self._store.replace(key, data, kind, token)

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object whatever there is."""
        self._count("overwrite", sent=_size(data))
        self._store.overwrite(key, data, kind, sha256=sha256)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with the prefix."""
        for number, entry in enumerate(self._store.list(prefix)):
            if number % 1000 == 0:
                self._count("list")
            yield entry

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        self._count("delete")
        self._store.delete(keys)

    def sent(self) -> int | None:
        """Bytes received by the store so far, which is no request."""
        return self._store.sent()

    def _count(self, operation: str, *, received: int = 0, sent: int = 0) -> None:
        self.traffic.requests[operation] += 1
        self.traffic.received += received
        self.traffic.sent += sent


def _size(data: Content) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size
