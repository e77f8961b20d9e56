"""Package files in the pool: sent several at once, and never over one with other contents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from pkgrel.console import amount
from pkgrel.errors import RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository.merge import is_same
from pkgrel.repository.place import Place
from pkgrel.repository.record import Record
from pkgrel.repository.state import THREADS, Repository, View
from pkgrel.repository.store import Kind
from pkgrel.repository.threads import at_once
from pkgrel.repository.transaction import renew

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for one place."""

    file: Path
    place: Place
    record: Record


def upload(
    repository: Repository,
    view: View,
    uploads: Sequence[Upload],
    *,
    replace: bool = False,
    reporter: Reporter = SILENT,
) -> list[tuple[Place, Record]]:
    """Send the files; returns the records with the keys that they have got.

    RepositoryError if a channel has such a package with other contents.
    """
    published = check_names(repository, view, uploads, replace=replace)

    def one(item: Upload) -> tuple[Place, Record]:
        name = item.record.path.rpartition("/")[2]
        reporter.step(name, f"uploading {amount(item.record.size)}")
        try:
            record = _send(repository, item, published)
        except BaseException:
            reporter.ended(name, "not uploaded")
            raise
        reporter.ended(name, f"uploaded, {amount(item.record.size)}")
        return item.place, record

    return at_once(one, uploads, _AT_ONCE)


def download(repository: Repository, record: Record, folder: Path) -> Path:
    """The package's file, in that folder; RepositoryError if it is not the one that the record is of."""
    content = repository.store.get(record.path)
    if content is None or hashlib.sha256(content.data).hexdigest() != record.sha256:
        raise RepositoryError(
            f"{repository.store.url}: `{record.path}` is missing or damaged",
            hint="run `pkgrel repo verify`",
        )
    file = folder / record.path.rpartition("/")[2]
    file.write_bytes(content.data)
    return file


def check_names(
    repository: Repository, view: View, uploads: Sequence[Upload], *, replace: bool = False
) -> dict[str, tuple[Place, Record]]:
    """The packages of all channels by key, if one of the keys is taken, which is seldom so.

    RepositoryError if a channel has one of the packages with other contents. Another package may have a file
    of the same name: `1:1.0-1` and `1.0-1`, or `1.0^1` and `1.0+1`.
    """
    published = _published(repository, view, uploads)
    for item in uploads:
        place, there = published.get(item.record.path, (item.place, item.record))
        record = item.record
        if _identity(there) == _identity(record):
            title = f"{record.path.rpartition('/')[2]}: {record.name} {record.version}"
            is_same(there, record.content_sha256, title, place, replace=replace)
    return published


def _identity(record: Record) -> tuple[str, str, str]:
    return record.name, record.version, record.architecture


def _published(
    repository: Repository, view: View, uploads: Sequence[Upload]
) -> dict[str, tuple[Place, Record]]:
    with ThreadPoolExecutor(THREADS) as pool:
        taken = list(pool.map(lambda item: repository.store.stat(item.record.path), uploads))
    distros = {item.place.distro for item, entry in zip(uploads, taken, strict=True) if entry}
    if not distros:
        return {}
    places = view.places(distros=sorted(distros))
    view.fetch(places)
    names = {item.record.name for item in uploads}
    found = ((place, record) for place in places for record in view.manifest(place).named(names))
    return {record.path: (place, record) for place, record in found}


def _send(
    repository: Repository, item: Upload, published: dict[str, tuple[Place, Record]]
) -> Record:
    """Send one file to its key, or aside if something else is there."""
    record = item.record
    if found := published.get(record.path):
        if found[1].content_sha256 == record.content_sha256:
            # The file as the other channel has it: signed at another time, perhaps.
            advisory = record.advisory or found[1].advisory
            return changed(found[1], published=record.published, advisory=advisory)
    elif _create(repository, item, record):
        return record
    # A job that died, or another one at work, has left something else there; or it is replaced, or another
    # package's.
    folder, _, name = record.path.rpartition("/")
    aside = changed(record, path=f"{folder}/{record.sha256[:8]}/{name}")
    if not _create(repository, item, aside):
        raise RepositoryError(
            f"{repository.store.url}: `{aside.path}` has other contents than its name says",
            hint="run `pkgrel repo verify`",
        )
    return aside


def _create(repository: Repository, item: Upload, record: Record) -> bool:
    """Write the file, if nothing else is there."""
    store = repository.store
    if store.create(record.path, item.file, Kind.IMMUTABLE, sha256=record.sha256):
        return True
    if store.digest(record.path) != record.sha256:
        return False
    renew(store, record.path, item.file, sha256=record.sha256)
    return True
