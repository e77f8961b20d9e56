"""Brings the page and the client files to the head's state.

The page comes last and says which state it shows, and which client files were written with it, so that
looking at it is enough. Like the other pointers it is read before the head and written only if it is still
the same.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pkgrel import __version__
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, manifest
from pkgrel.repository.client import ClientConfig, all_files, client_config
from pkgrel.repository.client.config import decode_keys as decode_keys
from pkgrel.repository.client.config import names_of
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.layout import Place
from pkgrel.repository.page import package_pages, summary
from pkgrel.repository.page.document import Page, render_document
from pkgrel.repository.page.summary import Summary
from pkgrel.repository.state import THREADS
from pkgrel.repository.store import Kind, Object, Stale, at_once, content_bytes

if TYPE_CHECKING:
    from pkgrel.repository.pointers import PointerUpdater

_MARK = re.compile(
    rb'<meta name="pkgrel:generation" content="(\d{1,18})">\s*'
    rb'<meta name="pkgrel:client" content="([0-9a-f]+)">'
)
_BEGINNING = 1000
"""Bytes at the beginning of the page that the mark is in."""

INDEX = "index.html"
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a page."""

    generation: int
    client: str
    """A hash of all that client files are made from."""


def read_mark(page: bytes) -> Mark | None:
    """The mark; None if the page is somebody else's."""
    found = _MARK.search(page[:_BEGINNING])
    return Mark(int(found[1]), found[2].decode()) if found else None


def client_hash(config: ClientConfig) -> str:
    """The hash of what client files are made from."""
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
    """Write page and client files, unless they are those of the head or a later one.

    A page that somebody else has put there is left alone.
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
    """What is not as the head says; a page that another version of pkgrel has written may differ."""
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
            wanted |= package_pages.render(updater, current, page, package_pages.everything(page))
        with ThreadPoolExecutor(THREADS) as pool:
            found = zip(wanted, pool.map(updater.store.get, wanted), strict=True)
            for key, stored in found:
                if stored is None or not package_pages.is_same(stored.data, wanted[key]):
                    yield f"{key}: {'is not that of the head' if stored else 'missing'}"


@dataclass(frozen=True, slots=True)
class _State:
    """What page and client files are made from."""

    places: Mapping[Place, Summary]
    config: ClientConfig
    mark: Mark
    made: Mapping[str, bytes]
    """Summaries that were missing."""

    def page(self, updater: PointerUpdater, current: Head) -> Page:
        return Page(
            settings=updater.settings,
            config=self.config,
            places=self.places,
            mark=self.mark,
            time=current.time,
            has_pages=package_pages.are_wanted(self.places),
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
    if updater.force or present_mark is None or present_mark.client != state.mark.client:
        _write_files(updater, current, all_files(state.config))
    if present and present_mark is None:
        return
    page = state.page(updater, current)
    if page.has_pages:
        since = present_mark.generation if present_mark else -1
        outdated = package_pages.outdated(updater, now, page, since)
        pages = package_pages.render(updater, current, page, outdated)
        _write_files(updater, current, pages, may=partial(package_pages.may_write, outdated))
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
    wanted: Mapping[str, bytes],
    *,
    may: Callable[[str, bytes, bytes | None], bool] = lambda key, new, found: new != found,
) -> None:
    """Write what differs, and what `may` be in place of what is there."""
    with ThreadPoolExecutor(THREADS) as pool:
        present = dict(zip(wanted, pool.map(updater.store.get, wanted), strict=True))
        if head.read(updater.store, updater.trust).head.generation != current.generation:
            raise Stale("the head has moved on")

        def write(key: str) -> None:
            found = present[key]
            if may(key, wanted[key], found.data if found else None):
                updater.write(key, wanted[key], found.token if found else None)

    at_once(write, wanted, THREADS)


def _summaries(
    updater: PointerUpdater, current: Head
) -> tuple[dict[Place, Summary], dict[str, bytes]]:
    """The summary of each place, and those objects that are not in the store."""
    made: dict[str, bytes] = {}

    def one(item: tuple[Place, str]) -> tuple[Place, Summary]:
        place, sha256 = item
        key = summary.key(sha256)
        known = updater.known.get(key)
        data = content_bytes(known) if known is not None else None
        if data is None and (found := updater.store.get(key)):
            data = found.data
        read = summary.decode(data) if data else None
        if read is None:
            data = updater.object(layout.manifest_key(sha256))
            read = summary.summarise(manifest.read(data, sha256))
            made[key] = read.encode()
        return place, read

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(one, sorted(current.manifests.items()))), made
