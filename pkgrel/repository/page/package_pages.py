"""A page for each package, with all of its versions, and one with the names of all packages.

They are written before the page of the repository, whose mark says up to which generation they are as well. So what has
changed since then is looked for in the two states, and only pages of that are made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from pkgrel.errors import RepositoryError
from pkgrel.repository import head
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.page import summary
from pkgrel.repository.page.catalogue import make_package
from pkgrel.repository.page.document import Page, render_names, render_package
from pkgrel.repository.page.summary import Listed, Summary
from pkgrel.repository.place import Place
from pkgrel.repository.record import STOPPED, Record

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater

NAMES = "packages.html"

_MOST = 20_000
"""Files of a repository that has such pages; of more, nobody reads them."""
_MARK, _BEGINNING = b'<meta name="pkgrel:package"', 1000
"""What our pages have at their beginning."""
_EMPTY = b"<li>0 versions</li>"
_RECENT = 16
"""States in which the one is looked for that the pages are of."""


def key(name: str) -> str:
    """The page of a package."""
    return f"packages/{name}.html"


def are_wanted(places: Mapping[Place, Summary]) -> bool:
    """Whether there are such pages."""
    return sum(each.files for each in places.values()) <= _MOST


@dataclass(frozen=True, slots=True)
class Outdated:
    """Whose pages are to be written."""

    names: Collection[str]
    """These packages; some may be there no longer."""
    rest: bool
    """And all the others."""


ALL = Outdated((), True)


def outdated(updater: PointerUpdater, now: HeadSnapshot, page: Page, since: int) -> Outdated:
    """What has changed since the page of the repository was written, of that generation."""
    states = islice(head.history(updater.store, now), _RECENT)
    before = next((state for _, state in states if state.generation == since), None)
    listed = updater.store.get(NAMES)
    rest = updater.force or listed is None or page.maker.encode() not in listed.data[:_BEGINNING]
    if before is None:
        return ALL
    names: set[str] = set()
    try:
        for place in {*before.manifests, *now.head.manifests}:
            old, new = (_manifest(updater, state, place) for state in (before, now.head))
            names |= {record.name for record in (*new.without(old), *old.without(new))}
    except RepositoryError:  # gc has taken what there was
        return ALL
    return Outdated(names, rest)


def render(updater: PointerUpdater, state: Head, page: Page, wanted: Outdated) -> dict[str, bytes]:
    """The pages, by key."""
    files: dict[str, dict[Place, list[Listed]]] = {name: {} for name in wanted.names}
    for place, known in page.places.items():
        if wanted.rest or not set(wanted.names).isdisjoint(known.names):
            for record in _records(_manifest(updater, state, place), wanted):
                listed = files.setdefault(record.name, {}).setdefault(place, [])
                listed.append(summary.listed(record))
    pages = {
        key(name): render_package(page, make_package(name, by_place))
        for name, by_place in files.items()
    }
    return {**pages, NAMES: render_names(page)}


def may_write(new: bytes, found: bytes | None) -> bool:
    """Whether a page may be written over what is there: not over somebody else's, and none for what is there no longer."""
    if found is None:
        return _EMPTY not in new
    return new != found and _MARK in found[:_BEGINNING]


def _records(manifest: Manifest, wanted: Outdated) -> Iterator[Record]:
    found = manifest.records() if wanted.rest else manifest.named(wanted.names)
    return (record for record in found if record.phase != STOPPED)


def _manifest(updater: PointerUpdater, state: Head, place: Place) -> Manifest:
    sha256 = state.manifests.get(place)
    return updater.manifests.read(sha256) if sha256 else Manifest.of(())
