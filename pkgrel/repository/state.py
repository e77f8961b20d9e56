"""An open repository, and views of its state, which are changed and rendered before anything is written.

Rendering makes the changed indices as immutable objects, by the code of each kind of repository: apt's are found by
hash, yum's by their names. Pointers are made later from the same bytes, by `pointers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, manifest, settings
from pkgrel.repository.head import Head, HeadSnapshot, Target, read
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.record import Advisory, Record
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Content, Store
from pkgrel.repository.store.opening import External
from pkgrel.repository.trust import Trust
from pkgrel.signing import Signer

THREADS = 16

Records = tuple[Record, ...]


@dataclass(slots=True)
class Manifests:
    """Reads and caches manifests, which never change."""

    store: Store
    _known: dict[str, Manifest] = field(default_factory=dict)

    def read(self, sha256: str) -> Manifest:
        """The manifest; RepositoryError if it is missing or damaged."""
        if sha256 not in self._known:
            self._known[sha256] = manifest.read(self._data(sha256), sha256)
        return self._known[sha256]

    def paths(self, sha256: str) -> set[str]:
        """The package files in a manifest, which is not cached."""
        return manifest.paths(self._data(sha256), sha256)

    def _data(self, sha256: str) -> bytes:
        if found := self.store.get(layout.manifest_key(sha256)):
            return found.data
        raise RepositoryError(
            f"{self.store.url}: manifest `{sha256[:12]}…` is missing",
            hint="restore the object from a backup, or `pkgrel repo rollback` to an earlier state",
        )

    def tolerate(self, sha256: str) -> None:
        """Treat the manifest as empty if it cannot be read."""
        try:
            self.read(sha256)
        except RepositoryError:
            self._known[sha256] = Manifest.of(())

    def fetch(self, hashes: Iterable[str]) -> None:
        """Read several manifests in parallel."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.read, {h for h in hashes if h not in self._known}))

    def add(self, new: Manifest, folder: Path) -> tuple[str, Path]:
        """Write a new manifest to the folder; returns its hash and file."""
        sha256, file = new.write(folder)
        self._known[sha256] = new
        return sha256, file


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of one place."""

    place: Place
    added: Records
    removed: Records


@dataclass(slots=True)
class View:
    """A state of the repository with uncommitted changes."""

    before: HeadSnapshot
    manifests: Manifests
    changed: dict[Place, Manifest] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """The head, without the changes."""
        return self.before.head

    def places(
        self,
        *,
        channel: str | None = None,
        distros: Sequence[str] = (),
        format: Format | None = None,
    ) -> list[Place]:
        """All places, sorted; optionally only those of a channel, of distros, or of a format."""
        return sorted(
            place
            for place in {*self.head.manifests, *self.changed}
            if channel in (None, place.channel)
            and (not distros or place.distro in distros)
            and format in (None, place.format)
        )

    def fetch(self, places: Iterable[Place]) -> None:
        """Read the manifests of several places in parallel."""
        self.manifests.fetch(
            self.head.manifests[place] for place in places if place in self.head.manifests
        )

    def original(self, place: Place) -> Manifest:
        """The manifest of the place before the changes."""
        sha256 = self.head.manifests.get(place)
        found = self.manifests.read(sha256) if sha256 else Manifest.of(())
        if found.format not in (None, place.format):
            raise RepositoryError(
                f"{layout.HEAD}: damaged: {place} has packages of another format",
                hint="`pkgrel repo rollback` to an earlier state, or restore the object from a backup",
            )
        return found

    def manifest(self, place: Place) -> Manifest:
        """The manifest of the place with the changes; empty if there is no such place."""
        return self.changed[place] if place in self.changed else self.original(place)

    def records(self, place: Place) -> Records:
        """All packages of the place; 100,000 of them take a second and 500 MB of memory."""
        return self.manifest(place).records()

    def put(self, place: Place, records: Iterable[Record] | Manifest) -> None:
        """Replace the packages of the place."""
        self.changed[place] = records if isinstance(records, Manifest) else Manifest.of(records)

    def changes(self) -> list[Change]:
        """All differences; places without one are left out."""
        found = []
        for place, present in sorted(self.changed.items()):
            change = difference(place, self.original(place), present)
            if change.added or change.removed:
                found.append(change)
        return found


def difference(place: Place, old: Manifest, new: Manifest) -> Change:
    """The added and removed packages."""
    came, went = sorted(new.without(old), key=_said), sorted(old.without(new), key=_said)
    before, after = set(map(_key, went)), set(map(_key, came))
    return Change(
        place,
        tuple(record for record in came if _key(record) not in before),
        tuple(record for record in went if _key(record) not in after),
    )


def _key(record: Record) -> tuple[str, str, str, Advisory, int]:
    return record.path, record.version, record.sha256, record.advisory, record.phase


def _said(record: Record) -> tuple[str, str, str]:
    """The order of changes in messages; not by path, since files may yet get other names."""
    return record.name, record.version, record.architecture


@dataclass(slots=True)
class Repository:
    """An open repository."""

    store: Store
    settings: Settings
    signer: Signer | None
    """None if the repository is unsigned, or only read."""
    trust: Trust = None  # type: ignore[assignment]
    """The trust that the settings were read with; by default, it is derived from the signer and the settings."""
    manifests: Manifests = field(init=False)

    @classmethod
    def open(cls, store: Store, trust: Trust) -> Repository:
        """Open the repository; RepositoryError unless its settings are signed by a trusted key."""
        return cls(store, settings.read(store, trust), trust.signer, trust)

    def __post_init__(self) -> None:
        if self.trust is None:
            self.trust = Trust(self.signer)
            self.trust.begin(self.settings.id, self.settings.fingerprints)
        if self.settings.concurrency == "external":
            self.store = External(self.store)
        self.manifests = Manifests(self.store)

    def read(self) -> HeadSnapshot:
        """Read the head, and the settings again if the head was made with newer ones."""
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
        """A view of the current state."""
        return View(self.read(), self.manifests)

    def require_signer(self) -> None:
        """RepositoryError if the repository is signed, and there is no signer with one of its keys."""
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


@dataclass(slots=True)
class Rendering:
    """The inputs and results of rendering: objects to write, and the new targets of the head."""

    view: View
    settings: Settings
    signer: Signer | None
    """None to render without signatures."""
    generation: int
    time: int
    touched: set[Place]
    folder: Path
    """For the files of objects."""
    is_new: bool
    """Whether to make everything without copying pieces of the present indices."""
    objects: dict[str, Content] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)

    def lists(self, format: Format, distro: str) -> Iterator[Place]:
        """The places with an index for a distro: each channel in each architecture."""
        kind = repository_kind(format)
        places = self.view.places(distros=[distro], format=format)
        packaged = {place.architecture for place in places} - {kind.ANY_ARCHITECTURE}
        found = {index for one in packaged for index in kind.index_architectures(one)}
        architectures = sorted(found or kind.DEFAULT_ARCHITECTURES)
        for channel in sorted({place.channel for place in places}):
            for architecture in architectures:
                yield Place(format, distro, architecture, channel)

    def is_touched(self, place: Place) -> bool:
        """Whether its index changes."""
        return not self.touched.isdisjoint(_parts(place))

    def manifests(self, place: Place) -> list[Manifest]:
        """The manifests for its index: of its architecture, and of packages for any architecture."""
        return [self.view.manifest(part) for part in _parts(place)]

    def former_manifests(self, place: Place) -> list[Manifest]:
        """The same before the change."""
        return [self.view.original(part) for part in _parts(place)]

    def former(self, key: str, sha256: str) -> bytes | None:
        """The content of a present index; None if it is missing or does not match the head."""
        found = self.view.manifests.store.get(key)
        return found.data if found and hashlib.sha256(found.data).hexdigest() == sha256 else None


def render(
    view: View,
    settings: Settings,
    signer: Signer | None,
    generation: int,
    time: int,
    folder: Path,
    *,
    force: bool = False,
) -> Rendering:
    """Render what the view's changes affect, with files in the folder; everything if forced."""
    touched = set(view.places()) if force else set(view.changed)
    rendering = Rendering(view, settings, signer, generation, time, touched, folder, force)
    for distro, format in sorted({(place.distro, place.format) for place in touched}):
        repository_kind(format).render(rendering, distro)
    return rendering


def _parts(place: Place) -> Iterator[Place]:
    """The places of packages in the place's index: those of its architecture, and for any architecture."""
    kind = repository_kind(place.format)
    for architecture in sorted(kind.ARCHITECTURES - {kind.ANY_ARCHITECTURE}):
        if place.architecture in kind.index_architectures(architecture):
            yield replace(place, architecture=architecture)
    yield replace(place, architecture=kind.ANY_ARCHITECTURE)
