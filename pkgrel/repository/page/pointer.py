"""Rolls the page and the client files forward to the head.

The page comes last and says which client files it came with, so that looking at it is enough. Like
the other pointers it is read before the head and written only if it is still the same.
"""

import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, manifest
from pkgrel.repository.client import Access, access, files
from pkgrel.repository.client.key import decode as decode_keys
from pkgrel.repository.head import Head
from pkgrel.repository.page import mark, summary
from pkgrel.repository.page.document import Page, document
from pkgrel.repository.page.mark import Mark
from pkgrel.repository.page.summary import Summary
from pkgrel.repository.place import Place
from pkgrel.repository.rolling import Roll
from pkgrel.repository.store import Kind, Object, Stale
from pkgrel.repository.view import THREADS

INDEX = "index.html"

_ATTEMPTS = 100


def advance(rolling: Roll) -> None:
    """Write page and client files, unless they are those of the head or a later one.

    A page that somebody else has put there is left alone.
    """
    wanted = 0
    for attempt in range(_ATTEMPTS):
        present = rolling.store.get(INDEX)
        current = head.read(rolling.store, rolling.trust).head
        wanted = wanted or current.generation
        shown = mark.read(present.data) if present else None
        if not current.targets or _is_done(shown, current, wanted, thorough=rolling.thorough):
            return
        try:
            _write(rolling, current, present, shown)
        except Stale:
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2 ** min(attempt, 6))))
        else:
            return
    raise RepositoryError(
        f"{rolling.store.url}: others changed the page {_ATTEMPTS} times meanwhile; yours are published",
        hint="run `pkgrel repo sync` when they are done",
    )


def _is_done(shown: Mark | None, current: Head, wanted: int, *, thorough: bool) -> bool:
    if shown is None:
        return False
    if thorough:
        return shown.generation > current.generation
    return shown.generation >= wanted


def problems(rolling: Roll, current: Head) -> Iterator[str]:
    """What is not as the head says; a page that another version of pkgrel has written may differ."""
    present = rolling.store.get(INDEX)
    if not current.targets or (present and mark.read(present.data) is None):
        return
    state = _state(rolling, current)
    shown = mark.read(present.data) if present else None
    if shown is None or shown.generation < current.generation:
        yield f"{INDEX}: does not show the head's state"
    elif shown == state.mark:
        wanted = {**files(state.access), INDEX: document(state.page(rolling, current))}
        with ThreadPoolExecutor(THREADS) as pool:
            found = zip(wanted, pool.map(rolling.store.get, wanted), strict=True)
            for key, stored in found:
                if stored is None or stored.data != wanted[key]:
                    yield f"{key}: {'is not that of the head' if stored else 'missing'}"


@dataclass(frozen=True, slots=True)
class _State:
    """What page and client files are made from."""

    places: Mapping[Place, Summary]
    access: Access
    mark: Mark
    made: Mapping[str, bytes]
    """Summaries that were missing."""

    def page(self, rolling: Roll, current: Head) -> Page:
        return Page(
            settings=rolling.settings,
            access=self.access,
            places=self.places,
            mark=self.mark,
            time=current.time,
        )


def _state(rolling: Roll, current: Head) -> _State:
    places, made = _summaries(rolling, current)
    by = _access(rolling, {place: each for place, each in places.items() if each.files})
    return _State(places, by, Mark(current.generation, mark.client(by)), made)


def _write(rolling: Roll, current: Head, present: Object | None, shown: Mark | None) -> None:
    state = _state(rolling, current)
    if not rolling.dry_run:
        for key, data in state.made.items():
            rolling.store.overwrite(key, data, Kind.IMMUTABLE)
    if rolling.thorough or shown is None or shown.client != state.mark.client:
        _write_files(rolling, current, files(state.access))
    if present and shown is None:
        return
    data = document(state.page(rolling, current))
    if present is None or present.data != data:
        rolling.write(INDEX, data, present.token if present else None)


def _access(rolling: Roll, places: Mapping[Place, Summary]) -> Access:
    settings = rolling.settings
    keys = [layout.public_key(fingerprint) for fingerprint in settings.fingerprints]
    with ThreadPoolExecutor(THREADS) as pool:
        texts = list(pool.map(rolling.object, keys))
    known = decode_keys(settings.fingerprints, texts)
    names = {
        name for place, each in places.items() if place.format == Format.DEB for name in each.names
    }
    return access(rolling.store, settings, places, known, names=names)


def _write_files(rolling: Roll, current: Head, wanted: Mapping[str, bytes]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        present = dict(zip(wanted, pool.map(rolling.store.get, wanted), strict=True))
        if head.read(rolling.store, rolling.trust).head.generation != current.generation:
            raise Stale("the head has moved on")

        def write(key: str) -> None:
            found = present[key]
            if found is None or found.data != wanted[key]:
                rolling.write(key, wanted[key], found.token if found else None)

        list(pool.map(write, wanted))


def _summaries(rolling: Roll, current: Head) -> tuple[dict[Place, Summary], dict[str, bytes]]:
    """The summary of each place, and those objects that are not in the store."""
    made: dict[str, bytes] = {}

    def one(item: tuple[Place, str]) -> tuple[Place, Summary]:
        place, sha256 = item
        key = summary.key(sha256)
        data = rolling.known.get(key)
        if data is None and (found := rolling.store.get(key)):
            data = found.data
        read = summary.decode(data) if data else None
        if read is None:
            records = manifest.decode(rolling.object(layout.manifest(sha256)), sha256)
            read = summary.summarise(records)
            made[key] = read.encode()
        return place, read

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(one, sorted(current.manifests.items()))), made
