"""What rolling a pointer forward reads and writes through; see `pointers`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pkgrel.errors import RepositoryError
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind, Stale, Store
from pkgrel.repository.trust import Trust
from pkgrel.signing import Signer


@dataclass(slots=True)
class Roll:
    """What rolling a target forward needs."""

    store: Store
    settings: Settings
    trust: Trust
    signer: Signer | None
    known: Mapping[str, bytes]
    """Immutable objects that are at hand."""
    thorough: bool
    """Look at every pointer, not only at the last one."""
    dry_run: bool = False
    """Only find out what would be written."""
    written: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)
    """Targets of which we have written some pointers and not the last: somebody who found the others
    right, and so let them be, does not know of ours."""

    def is_thorough(self, name: str) -> bool:
        """Whether every pointer of the target must be looked at."""
        return self.thorough or name in self.suspects

    def object(self, key: str) -> bytes:
        """An immutable object; RepositoryError if it is not there."""
        if key in self.known:
            return self.known[key]
        if found := self.store.get(key):
            return found.data
        raise RepositoryError(
            f"{self.store.url}: `{key}` is missing", hint="run `pkgrel repo sync` to write it again"
        )

    def write(self, key: str, data: bytes, token: str | None) -> None:
        """Write a pointer that is still in the state of the token; None: it must not be there."""
        if self.dry_run:
            pass
        elif token is not None:
            self.store.replace(key, data, Kind.POINTER, token)
        elif not self.store.create(key, data, Kind.POINTER):
            raise Stale(f"{self.store.url}: `{key}` was made by somebody else")
        self.written.append(key)
