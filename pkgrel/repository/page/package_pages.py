"""A page for each package, with all of its versions, and one with the names of all packages.

They are written before the page of the repository, whose mark says up to which generation they are as well. So what has
changed since then is looked for in the two states, and only pages of that are made anew.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from pkgrel.errors import RepositoryError
from pkgrel.repository import head
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.page import summary
from pkgrel.repository.page.catalogue import make_package
from pkgrel.repository.page.document import Page, render_names, render_package
from pkgrel.repository.page.summary import Listed, Summary
from pkgrel.repository.record import STOPPED, Record
from pkgrel.repository.state import difference

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater

NAMES = "packages.html"

_MOST = 20_000
"""Files of a repository that has such pages; of more, nobody reads them."""
_MARK = re.compile(rb'<meta name="pkgrel:package" content="[^"]*" data-generation="(\d{1,18})"')
_BEGINNING = 1000
"""Bytes of a page that our mark is in."""
_RECENT = 16
"""States in which the one is looked for that the pages are of."""


def key(name: str) -> str:
    """The page of a package."""
    return f"packages/{name}.html"


def are_wanted(places: Mapping[Place, Summary]) -> bool:
    """Whether there are such pages."""
    return sum(each.files for each in places.values()) <= _MOST


@dataclass(frozen=True)
class Outdated:
    """Whose pages are to be written."""

    names: Collection[str]
    """Packages that have changed, even if they are as they were again, and some that are there no longer.

    Their pages say of which generation they are, so a slow job with a state between finds another page than it had read.
    """
    listing: bool
    """Whether packages came or went."""
    rest: bool
    """And all other pages, where they differ."""

    def must(self, page: str) -> bool:
        """Whether a page, by its key, is written whatever it says."""
        return self.listing if page == NAMES else page in self._keys

    @cached_property
    def _keys(self) -> set[str]:
        return set(map(key, self.names))


def everything(page: Page) -> Outdated:
    """All pages, when nobody knows what has changed."""
    return Outdated({name for each in page.places.values() for name in each.names}, True, True)


def outdated(updater: PointerUpdater, now: HeadSnapshot, page: Page, since: int) -> Outdated:
    """What has changed since the page of the repository was written, of that generation."""
    listed = updater.store.get(NAMES)
    rest = updater.force or listed is None or page.maker.encode() not in listed.data[:_BEGINNING]
    states = [now.head]
    names: set[str] = set()
    listing = False
    try:
        for _, state in islice(head.history(updater.store, now), _RECENT):
            if states[-1].generation <= since:
                break
            states.append(state)
        if states[-1].generation > since:
            return everything(page)
        for newer, older in pairwise(states):
            for place in _differing(older, newer):
                old, new = (_manifest(updater, state, place) for state in (older, newer))
                change = difference(place, old, new)
                names |= {record.name for record in (*change.added, *change.removed)}
                listing |= _names(old) != _names(new)
    except RepositoryError:  # gc has taken what there was
        return everything(page)
    return Outdated(names, listing, rest)


def _differing(older: Head, newer: Head) -> list[Place]:
    places = {*older.manifests, *newer.manifests}
    return [place for place in places if older.manifests.get(place) != newer.manifests.get(place)]


def _names(manifest: Manifest) -> set[str]:
    return {found.name for found in manifest.offered_names()}


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


def may_write(wanted: Outdated, page: str, new: bytes, found: bytes | None) -> bool:
    """Whether a page may be written over what is there, which may be somebody else's."""
    if found is None:
        return True
    is_ours = bool(_MARK.search(found[:_BEGINNING]))
    return is_ours and (new != found if wanted.must(page) else not is_same(new, found))


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two pages say the same, of whatever generation they are."""
    return _timeless(one) == _timeless(other)


def _timeless(page: bytes) -> bytes:
    found = _MARK.search(page[:_BEGINNING])
    return page[: found.start(1)] + page[found.end(1) :] if found else page


def _records(manifest: Manifest, wanted: Outdated) -> Iterator[Record]:
    found = manifest.records() if wanted.rest else manifest.named(wanted.names)
    return (record for record in found if record.phase != STOPPED)


def _manifest(updater: PointerUpdater, state: Head, place: Place) -> Manifest:
    sha256 = state.manifests.get(place)
    return updater.manifests.read(sha256) if sha256 else Manifest.of(())
