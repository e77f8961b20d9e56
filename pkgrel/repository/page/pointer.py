"""Updates the pages and client files to the head's state.

There is a page for each package, with all its versions, and one with the names of all packages. They are written before
the repository's page, whose mark thus tells which generation they show. So an update compares the two states and writes
only the pages of changed packages.

The repository's page is written last. Its mark has the generation, and a hash of the client files' inputs, so that only
this page needs to be read. Like other pointers, it is read before the head, and written only if unchanged since.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from pkgrel import __version__
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, manifest
from pkgrel.repository.client import ClientConfig, all_files, client_config
from pkgrel.repository.client.config import decode_keys as decode_keys
from pkgrel.repository.client.config import names_of
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.page import catalogue
from pkgrel.repository.page.catalogue import Listed, Summary, make_package
from pkgrel.repository.page.document import (
    Mark,
    Page,
    render_document,
    render_names,
    render_package,
)
from pkgrel.repository.record import STOPPED, Record
from pkgrel.repository.state import THREADS, difference
from pkgrel.repository.store import Kind, Object, Stale, at_once, content_bytes

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater


NAMES = "packages.html"

_MOST = 20_000
"""Up to so many package files, a repository has pages for each package."""
_PAGE_MARK = re.compile(
    rb'<meta name="pkgrel:package" content="[^"]*" data-generation="(\d{1,18})"'
)
_PAGE_BEGINNING = 1000
"""Bytes at the beginning of a page that contain its mark."""
_RECENT = 16
"""How many states to search for the one that the pages show."""


def key(name: str) -> str:
    """The key of a package's page."""
    return f"packages/{name}.html"


def are_wanted(places: Mapping[Place, Summary]) -> bool:
    """Whether packages have pages."""
    return sum(each.files for each in places.values()) <= _MOST


@dataclass(frozen=True)
class Outdated:
    """The pages to write."""

    names: Collection[str]
    """Packages that changed, even if they changed back, and removed ones.

    Their pages contain the generation, so that a slow job with an older state finds a page other than the one it read.
    """
    listing: bool
    """Whether the list of names changed."""
    rest: bool
    """Whether all other pages are to be compared as well."""

    def must(self, page: str) -> bool:
        """Whether to write the page with this key even if only its generation differs."""
        return self.listing if page == NAMES else page in self._keys

    @cached_property
    def _keys(self) -> set[str]:
        return set(map(key, self.names))


def everything(page: Page) -> Outdated:
    """All pages, if the changes are unknown."""
    return Outdated({name for each in page.places.values() for name in each.names}, True, True)


def outdated_pages(
    updater: PointerUpdater, now: HeadSnapshot, page: Page, since: int, listed: Object | None
) -> Outdated:
    """The changes since the generation `since`, which the repository's page shows.

    `listed` is the page with the names of all packages.
    """
    rest = (
        updater.force or listed is None or page.maker.encode() not in listed.data[:_PAGE_BEGINNING]
    )
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
                differing = {record.name for record in (*change.added, *change.removed)}
                listing |= _offered(old, differing) != _offered(new, differing)
                names |= differing
    except RepositoryError:  # deleted by gc
        return everything(page)
    return Outdated(names, listing, rest)


def _differing(older: Head, newer: Head) -> list[Place]:
    places = {*older.manifests, *newer.manifests}
    return [place for place in places if older.manifests.get(place) != newer.manifests.get(place)]


def _offered(manifest: Manifest, names: Collection[str]) -> set[str]:
    return {record.name for record in manifest.named(names) if record.phase != STOPPED}


def render(updater: PointerUpdater, state: Head, page: Page, wanted: Outdated) -> dict[str, bytes]:
    """The pages, by key."""
    files: dict[str, dict[Place, list[Listed]]] = {name: {} for name in wanted.names}
    for place, known in page.places.items():
        if wanted.rest or not set(wanted.names).isdisjoint(known.names):
            for record in _records(_manifest(updater, state, place), wanted):
                listed = files.setdefault(record.name, {}).setdefault(place, [])
                listed.append(catalogue.listed(record))
    pages = {
        key(name): render_package(page, make_package(name, by_place))
        for name, by_place in files.items()
    }
    return {**pages, NAMES: render_names(page)}


def may_write(wanted: Outdated, page: str, new: bytes, found: bytes | None) -> bool:
    """Whether a page may be written; one that was not made by pkgrel is never overwritten."""
    if found is None:
        return True
    is_ours = bool(_PAGE_MARK.search(found[:_PAGE_BEGINNING]))
    return is_ours and (new != found if wanted.must(page) else not is_same(new, found))


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two pages are equal except for the generation."""
    return _timeless(one) == _timeless(other)


def _timeless(page: bytes) -> bytes:
    found = _PAGE_MARK.search(page[:_PAGE_BEGINNING])
    return page[: found.start(1)] + page[found.end(1) :] if found else page


def _records(manifest: Manifest, wanted: Outdated) -> Iterator[Record]:
    found = manifest.records() if wanted.rest else manifest.named(wanted.names)
    return (record for record in found if record.phase != STOPPED)


def _manifest(updater: PointerUpdater, state: Head, place: Place) -> Manifest:
    sha256 = state.manifests.get(place)
    return updater.manifests.read(sha256) if sha256 else Manifest.of(())


_MARK = re.compile(
    rb'<meta name="pkgrel:generation" content="(\d{1,18})">\s*'
    rb'<meta name="pkgrel:client" content="([0-9a-f]+)">'
)
_BEGINNING = 1000
"""Bytes at the beginning of the page that contain the mark."""

INDEX = "index.html"
_ATTEMPTS = 100


def read_mark(page: bytes) -> Mark | None:
    """The mark; None if the page was not made by pkgrel."""
    found = _MARK.search(page[:_BEGINNING])
    return Mark(int(found[1]), found[2].decode()) if found else None


def client_hash(config: ClientConfig) -> str:
    """A hash of everything that client files are made from."""
    facts = [
        __version__,
        config.name,
        config.title,
        config.url,
        config.mirrorlist,
        [packet.hex() for packet in config.keys.packets],
        [str(place) for place in config.places],
        config.origin,
        config.preferred,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def update(updater: PointerUpdater) -> None:
    """Write the pages and client files, unless they are at the head's generation or later.

    A page that was not made by pkgrel is left alone.
    """
    wanted = 0
    for attempt in range(_ATTEMPTS):
        present = updater.store.get(INDEX)
        now = head.read(updater.store, updater.trust)
        current = now.head
        wanted = wanted or current.generation
        present_mark = read_mark(present.data) if present else None
        if not current.targets or _is_done(present_mark, current, wanted, force=updater.force):
            return
        try:
            _write(updater, now, present, present_mark)
        except Stale:
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2 ** min(attempt, 6))))
        else:
            return
    raise RepositoryError(
        f"{updater.store.url}: others changed the page {_ATTEMPTS} times meanwhile; yours are published",
        hint="run `pkgrel repo sync` when they are done",
    )


def _is_done(present_mark: Mark | None, current: Head, wanted: int, *, force: bool) -> bool:
    if present_mark is None:
        return False
    if force:
        return present_mark.generation > current.generation
    return present_mark.generation >= wanted


def problems(updater: PointerUpdater, current: Head) -> Iterator[str]:
    """Pages and client files that are not as the head says; those written by another version of pkgrel may differ."""
    present = updater.store.get(INDEX)
    if not current.targets or (present and read_mark(present.data) is None):
        return
    state = _state(updater, current)
    present_mark = read_mark(present.data) if present else None
    if present_mark is None or present_mark.generation < current.generation:
        yield f"{INDEX}: does not show the head's state"
    elif present_mark == state.mark:
        page = state.page(updater, current)
        wanted = {**all_files(state.config), INDEX: render_document(page)}
        if page.has_pages:
            wanted |= render(updater, current, page, everything(page))
        with ThreadPoolExecutor(THREADS) as pool:
            found = zip(wanted, pool.map(updater.store.get, wanted), strict=True)
            for key, stored in found:
                if stored is None or not is_same(stored.data, wanted[key]):
                    yield f"{key}: {'is not that of the head' if stored else 'missing'}"


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that the page and client files are made from."""

    places: Mapping[Place, Summary]
    config: ClientConfig
    mark: Mark
    made: Mapping[str, bytes]
    """Summaries that were missing in the store."""

    def page(self, updater: PointerUpdater, current: Head) -> Page:
        return Page(
            settings=updater.settings,
            config=self.config,
            places=self.places,
            mark=self.mark,
            time=current.time,
            has_pages=are_wanted(self.places),
        )


def _state(updater: PointerUpdater, current: Head) -> _State:
    places, made = _summaries(updater, current)
    by = _client_config(updater, {place: each for place, each in places.items() if each.files})
    return _State(places, by, Mark(current.generation, client_hash(by)), made)


def _write(
    updater: PointerUpdater, now: HeadSnapshot, present: Object | None, present_mark: Mark | None
) -> None:
    current = now.head
    state = _state(updater, current)
    if not updater.dry_run:
        for key, data in state.made.items():
            updater.store.overwrite(key, data, Kind.IMMUTABLE)
    files: dict[str, bytes] = {}
    if updater.force or present_mark is None or present_mark.client != state.mark.client:
        files = all_files(state.config)
    if present and present_mark is None:
        _write_files(updater, current, files)
        return
    page = state.page(updater, current)
    if page.has_pages:
        since = present_mark.generation if present_mark else -1
        listed = updater.store.get(NAMES)
        outdated = outdated_pages(updater, now, page, since, listed)
        pages = render(updater, current, page, outdated)
        _write_files(updater, current, files, pages, outdated, {NAMES: listed})
    else:
        _write_files(updater, current, files)
    data = render_document(page)
    if present is None or present.data != data:
        updater.write(INDEX, data, present.token if present else None)


def _client_config(updater: PointerUpdater, places: Mapping[Place, Summary]) -> ClientConfig:
    settings = updater.settings
    keys = [layout.public_key(fingerprint) for fingerprint in settings.fingerprints]
    with ThreadPoolExecutor(THREADS) as pool:
        texts = list(pool.map(updater.object, keys))
    known = decode_keys(settings.fingerprints, texts)
    names = names_of({place: each.names for place, each in places.items()})
    return client_config(updater.store, settings, places, known, names=names)


def _write_files(
    updater: PointerUpdater,
    current: Head,
    files: Mapping[str, bytes],
    pages: Mapping[str, bytes] | None = None,
    outdated: Outdated | None = None,
    found: Mapping[str, Object | None] | None = None,
) -> None:
    """Write files that differ, and pages that may be written; `found` has objects that were read already."""
    wanted = {**files, **(pages or {})}
    if not wanted:
        return
    present = dict(found or {})
    unread = [key for key in wanted if key not in present]
    with ThreadPoolExecutor(THREADS) as pool:
        present |= zip(unread, pool.map(updater.store.get, unread), strict=True)
        if head.read(updater.store, updater.trust).head.generation != current.generation:
            raise Stale("the head has moved on")

    def write(key: str) -> None:
        there = present[key]
        old, new = there.data if there else None, wanted[key]
        pages_of = None if key in files else outdated
        differs = may_write(pages_of, key, new, old) if pages_of else new != old
        if differs:
            updater.write(key, new, there.token if there else None)

    at_once(write, wanted, THREADS)


def _summaries(
    updater: PointerUpdater, current: Head
) -> tuple[dict[Place, Summary], dict[str, bytes]]:
    """The summary of each place, and those that are missing in the store, by key."""
    made: dict[str, bytes] = {}

    def one(item: tuple[Place, str]) -> tuple[Place, Summary]:
        place, sha256 = item
        key = catalogue.key(sha256)
        known = updater.known.get(key)
        data = content_bytes(known) if known is not None else None
        if data is None and (found := updater.store.get(key)):
            data = found.data
        read = catalogue.decode(data) if data else None
        if read is None:
            data = updater.object(layout.manifest_key(sha256))
            read = catalogue.summarise(manifest.read(data, sha256))
            made[key] = read.encode()
        return place, read

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(one, sorted(current.manifests.items()))), made
