"""Indices of the targets that a change touches, as immutable objects.

Clients find apt's by hash and yum's by their names; what changes in place is made from the same
bytes, later, by `pointers`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pkgrel.distro import Format, unsupported
from pkgrel.repository import apt, layout, yum
from pkgrel.repository.head import Target
from pkgrel.repository.pieces import Before
from pkgrel.repository.place import ANY_ARCHITECTURE, Place
from pkgrel.repository.record import Record
from pkgrel.repository.settings import DEFAULT_ARCHITECTURES, Settings
from pkgrel.repository.state import View
from pkgrel.signing import Signer

REPOMD = layout.REPOMD
_WORTHWHILE = 1 << 20
"""Bytes of Packages."""


@dataclass(slots=True)
class Rendered:
    """What is to be written, and what the head will say of it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)


def targets(
    view: View,
    settings: Settings,
    signer: Signer | None,
    generation: int,
    time: int,
    *,
    everything: bool = False,
) -> Rendered:
    """Render what the changes of the view touch; everything there is if asked for."""
    rendered = Rendered()
    touched = set(view.places()) if everything else set(view.changed)
    for distro in sorted({place.distro for place in touched}):
        own = {place for place in touched if place.distro == distro}
        for format in sorted({place.format for place in own}):
            match format:
                case Format.DEB:
                    _suite(view, settings, distro, own, rendered, (generation, time))
                case Format.RPM:
                    _yum(view, settings, signer, distro, own, rendered, (generation, time))
                case other:
                    raise unsupported(other)
    return rendered


def architectures(places: Iterable[Place], format: Format) -> list[str]:
    """Those that indices are written for."""
    found = {p.architecture for p in places if p.format == format} - {ANY_ARCHITECTURE[format]}
    return sorted(found or DEFAULT_ARCHITECTURES[format])


def packages(view: View, place: Place) -> list[Record]:
    """What the index of a place has: its packages and those for any architecture."""
    return [record for each in _both(place) for record in view.records(each)]


def _both(place: Place) -> tuple[Place, Place]:
    anywhere = ANY_ARCHITECTURE[place.format]
    return place, Place(place.format, place.distro, anywhere, place.channel)


def _is_touched(place: Place, touched: set[Place]) -> bool:
    anywhere = Place(place.format, place.distro, ANY_ARCHITECTURE[place.format], place.channel)
    return place in touched or anywhere in touched


def _suite(
    view: View,
    settings: Settings,
    distro: str,
    touched: set[Place],
    rendered: Rendered,
    stamp: tuple[int, int],
) -> None:
    existing = view.places(distros=[distro], format=Format.DEB)
    target = existing[0].target
    old = view.head.targets.get(target)
    files: dict[str, tuple[int, str]] = dict(old.files) if old else {}
    for channel in sorted({place.channel for place in existing}):
        for architecture in architectures(existing, Format.DEB):
            place = Place(Format.DEB, distro, architecture, channel)
            folder = f"{channel}/binary-{architecture}"
            if f"{folder}/Packages" in files and not _is_touched(place, touched):
                continue
            before = _before(view, place, old, folder)
            for name, data, stored in _indices(view, settings, place, folder, before):
                sha256 = hashlib.sha256(data).hexdigest()
                files[name] = (len(data), sha256)
                if stored:
                    rendered.objects[f"{target}/{apt.by_hash(name, sha256)}"] = data
    rendered.targets[target] = Target(*stamp, files)


def _before(view: View, place: Place, old: Target | None, folder: str) -> Before | None:
    """The index as it is now, if having it saves more time than reading it takes."""
    name = f"{folder}/Packages"
    if old is None or old.files.get(name, (0, ""))[0] < _WORTHWHILE:
        return None
    plain = apt.index([record for each in _both(place) for record in view.original(each)])
    if hashlib.sha256(plain).hexdigest() != old.files[name][1]:
        return None  # an earlier pkgrel wrote it in another way
    packed = {}
    for suffix in (".gz", ".xz"):
        _, sha256 = old.files.get(name + suffix, (0, ""))
        key = f"{place.target}/{apt.by_hash(name + suffix, sha256)}"
        found = view.manifests.store.get(key) if sha256 else None
        if found and hashlib.sha256(found.data).hexdigest() == sha256:
            packed[suffix] = found.data
    return Before(plain, packed)


def _indices(
    view: View, settings: Settings, place: Place, folder: str, before: Before | None
) -> Iterable[tuple[str, bytes, bool]]:
    """Names, bytes, and whether they are offered.

    As in Debian's own archive the plain index is in Release, for apt to check what it has unpacked,
    and not in the store: nothing asks for it, and it is ten times larger.
    """
    records = packages(view, place)
    for suffix, data in apt.compressed(apt.index(records), before).items():
        yield f"{folder}/Packages{suffix}", data, bool(suffix)
    if settings.contents:
        name = f"{place.channel}/Contents-{place.architecture}"
        for suffix, data in apt.compressed(apt.contents(records)).items():
            if suffix != ".xz":
                yield f"{name}{suffix}", data, bool(suffix)


def offered(files: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """The indices of a suite that are in the store."""
    return {name: about for name, about in files.items() if name.endswith((".gz", ".xz"))}


def _yum(
    view: View,
    settings: Settings,
    signer: Signer | None,
    distro: str,
    touched: set[Place],
    rendered: Rendered,
    stamp: tuple[int, int],
) -> None:
    existing = view.places(distros=[distro], format=Format.RPM)
    for channel in sorted({place.channel for place in existing}):
        for architecture in architectures(existing, Format.RPM):
            place = Place(Format.RPM, distro, architecture, channel)
            if place.target in view.head.targets and not _is_touched(place, touched):
                continue
            rendered.targets[place.target] = _repository(
                view, settings, signer, place, rendered.objects, stamp
            )


def _repository(
    view: View,
    settings: Settings,
    signer: Signer | None,
    place: Place,
    objects: dict[str, bytes],
    stamp: tuple[int, int],
) -> Target:
    generation, time = stamp
    compression: Literal["gz", "zstd"] = "zstd" if place.row.compression == "zstd" else "gz"
    base = f"{place.target}/"
    records = packages(view, place)
    updates = yum.updateinfo(records, settings.origin)
    made = yum.metadata(records, base, compression, generation, time, updates)
    sha256 = hashlib.sha256(made.repomd).hexdigest()
    snapshot = layout.snapshot(place.distro, sha256)
    for name, data in made.files.items():
        objects[base + name] = data
        if settings.url:  # or else nobody can be told of the snapshot
            objects[snapshot + name] = data
    objects[snapshot + REPOMD] = made.repomd
    if signer and settings.signed:
        objects[f"{snapshot}{REPOMD}.asc"] = signer.detached(made.repomd)
    files = {**made.files, REPOMD: made.repomd}
    return Target(
        *stamp, {name: (len(d), hashlib.sha256(d).hexdigest()) for name, d in files.items()}
    )
