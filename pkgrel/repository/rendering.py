"""Indices of what a change touches, as immutable objects; each kind of repository renders its own.

Clients find apt's by hash and yum's by their names; what changes in place is made from the same
bytes, later, by `pointers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkgrel.distro import Format
from pkgrel.repository.head import Target
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.place import Place
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import View
from pkgrel.repository.store import Content
from pkgrel.signing import Signer


@dataclass(slots=True)
class Rendering:
    """What indices are made from, and what was made: objects to be written, and what the head will say."""

    view: View
    settings: Settings
    signer: Signer | None
    """None to make nothing but indices."""
    generation: int
    time: int
    touched: set[Place]
    folder: Path
    """For files of objects."""
    is_new: bool
    """Nothing is taken over from the indices as they are."""
    objects: dict[str, Content] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)

    def lists(self, format: Format, distro: str) -> Iterator[Place]:
        """The places that a distro has an index for: each channel in each architecture."""
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
        """What its index has: its packages and those for any architecture."""
        return [self.view.manifest(part) for part in _parts(place)]

    def former_manifests(self, place: Place) -> list[Manifest]:
        """What its index had before the change."""
        return [self.view.original(part) for part in _parts(place)]

    def former(self, key: str, sha256: str) -> bytes | None:
        """An index as it is now; None if it is not there as the head says."""
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
    """Render what the changes of the view touch, with files in the folder; everything there is if forced."""
    touched = set(view.places()) if force else set(view.changed)
    rendering = Rendering(view, settings, signer, generation, time, touched, folder, force)
    for distro, format in sorted({(place.distro, place.format) for place in touched}):
        repository_kind(format).render(rendering, distro)
    return rendering


def _parts(place: Place) -> Iterator[Place]:
    """Where the packages of the place's index are: those of its architecture and those for any."""
    kind = repository_kind(place.format)
    for architecture in sorted(kind.ARCHITECTURES - {kind.ANY_ARCHITECTURE}):
        if place.architecture in kind.index_architectures(architecture):
            yield replace(place, architecture=architecture)
    yield replace(place, architecture=kind.ANY_ARCHITECTURE)
