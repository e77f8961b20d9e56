"""An open repository, and a state of it to be read and changed before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, manifest, settings
from pkgrel.repository.head import Head, HeadSnapshot, read
from pkgrel.repository.place import Place
from pkgrel.repository.record import Advisory, Record
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Store
from pkgrel.repository.store.conditions import External
from pkgrel.repository.trust import Trust
from pkgrel.signing import Signer

THREADS = 16

Records = tuple[Record, ...]


@dataclass(slots=True)
class Manifests:
    """Reads manifests, each once: they never change."""

    store: Store
    _known: dict[str, Records] = field(default_factory=dict)

    def read(self, sha256: str) -> Records:
        """The records; RepositoryError if the manifest is gone or damaged."""
        if sha256 not in self._known:
            self._known[sha256] = manifest.decode(self._data(sha256), sha256)
        return self._known[sha256]

    def paths(self, sha256: str) -> set[str]:
        """The files of a manifest's packages; it is not kept in memory."""
        if sha256 in self._known:
            return {record.path for record in self._known[sha256]}
        return manifest.paths(self._data(sha256), sha256)

    def _data(self, sha256: str) -> bytes:
        if found := self.store.get(layout.manifest_key(sha256)):
            return found.data
        raise RepositoryError(
            f"{self.store.url}: manifest `{sha256[:12]}…` is missing",
            hint="restore the object from a backup, or `pkgrel repo rollback` to an earlier state",
        )

    def tolerate(self, sha256: str) -> None:
        """Take the manifest for an empty one if it cannot be read."""
        try:
            self.read(sha256)
        except RepositoryError:
            self._known[sha256] = ()

    def fetch(self, hashes: Iterable[str]) -> None:
        """Read several at once."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.read, {h for h in hashes if h not in self._known}))

    def add(self, records: Records) -> tuple[str, bytes]:
        """The hash and the bytes of a new manifest."""
        data = manifest.encode(records)
        sha256 = hashlib.sha256(data).hexdigest()
        self._known[sha256] = records
        return sha256, data


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one place."""

    place: Place
    added: Records
    removed: Records


@dataclass(slots=True)
class View:
    """The state, with what was changed."""

    before: HeadSnapshot
    manifests: Manifests
    changed: dict[Place, Records] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """The state without the changes."""
        return self.before.head

    def places(
        self,
        *,
        channel: str | None = None,
        distros: Sequence[str] = (),
        format: Format | None = None,
    ) -> list[Place]:
        """The places that there are, sorted; of a channel, of some distros, of a format."""
        return sorted(
            place
            for place in {*self.head.manifests, *self.changed}
            if channel in (None, place.channel)
            and (not distros or place.distro in distros)
            and format in (None, place.format)
        )

    def fetch(self, places: Iterable[Place]) -> None:
        """Read the manifests of several places at once."""
        self.manifests.fetch(
            self.head.manifests[place] for place in places if place in self.head.manifests
        )

    def original(self, place: Place) -> Records:
        """What was there before."""
        sha256 = self.head.manifests.get(place)
        records = self.manifests.read(sha256) if sha256 else ()
        if records and records[0].format != place.format:
            raise RepositoryError(
                f"{layout.HEAD}: damaged: {place} has packages of another format",
                hint="`pkgrel repo rollback` to an earlier state, or restore the object from a backup",
            )
        return records

    def records(self, place: Place) -> Records:
        """What is there; nothing if there is no such place."""
        return self.changed[place] if place in self.changed else self.original(place)

    def put(self, place: Place, records: Iterable[Record]) -> None:
        """Change what is there."""
        self.changed[place] = tuple(records)

    def changes(self) -> list[Change]:
        """What is different from before; places without a difference are left out."""
        found = []
        for place, records in sorted(self.changed.items()):
            change = difference(place, self.original(place), records)
            if change.added or change.removed:
                found.append(change)
        return found


def difference(place: Place, old: Records, new: Records) -> Change:
    """What came and what went."""
    before, after = {_key(r) for r in old}, {_key(r) for r in new}
    return Change(
        place,
        tuple(r for r in new if _key(r) not in before),
        tuple(r for r in old if _key(r) not in after),
    )


def _key(record: Record) -> tuple[str, str, str, Advisory, int]:
    return record.path, record.version, record.sha256, record.advisory, record.phase


@dataclass(slots=True)
class Repository:
    """An open repository."""

    store: Store
    settings: Settings
    signer: Signer | None
    """None if the repository is unsigned, or nothing shall be written."""
    trust: Trust = None  # type: ignore[assignment]
    """What the settings were read with; what they and the signer say, if nothing is given."""
    manifests: Manifests = field(init=False)

    @classmethod
    def open(cls, store: Store, trust: Trust) -> Repository:
        """The repository that is there; RepositoryError if nobody trusted has signed its settings."""
        return cls(store, settings.read(store, trust), trust.signer, trust)

    def __post_init__(self) -> None:
        if self.trust is None:
            self.trust = Trust(self.signer)
            self.trust.begin(self.settings.id, self.settings.fingerprints)
        if self.settings.concurrency == "external":
            self.store = External(self.store)
        self.manifests = Manifests(self.store)

    def read(self) -> HeadSnapshot:
        """The head; the settings are read again if those that it was made with are newer."""
        now = read(self.store, self.trust)
        if self.settings.signed and now.head.revision > self.settings.revision:
            self.settings = settings.read(self.store, self.trust)
            if now.head.revision > self.settings.revision:
                raise RepositoryError(
                    f"{layout.SETTINGS}: is older than those that the head was made with",
                    hint="somebody has brought old settings back: restore the newest version of the object",
                )
        return now

    def view(self) -> View:
        """The current state."""
        return View(self.read(), self.manifests)

    def require_signer(self) -> None:
        """RepositoryError if what will be written must be signed and cannot be."""
        wanted = self.settings.fingerprints
        if not wanted:
            self.signer = None
        elif self.signer is None:
            raise RepositoryError(
                f"{self.store.url}: the repository is signed by `{wanted[0]}`",
                hint="name the key with `--signing-key`, `PKGREL_SIGNING_KEY` or `--gpg-key`",
            )
        elif not set(self.signer.fingerprints) & set(wanted):
            raise RepositoryError(
                f"{self.store.url}: signed by `{wanted[0]}`, the key given is `{self.signer.fingerprints[0]}`",
                hint="use the repository's key, or change to this one with `pkgrel repo set --new-key`",
            )
