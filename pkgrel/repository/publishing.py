"""Publishes package files: reads, signs and uploads them, and puts them into a channel.

Package files in the pool: sent several at once, and never over one with other contents.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial
from pathlib import Path

from pkgrel import artifact as packages
from pkgrel import scratch
from pkgrel.artifact import Artifact
from pkgrel.console import amount
from pkgrel.distro import Distro
from pkgrel.errors import PackageError, RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import channels, layout, recognition, rows
from pkgrel.repository.channels import Merge, is_same
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place, channel
from pkgrel.repository.record import Advisory, Record, newest_first
from pkgrel.repository.state import THREADS, Repository, View
from pkgrel.repository.store import Kind, at_once, traffic
from pkgrel.repository.transaction import Outcome, commit, renew
from pkgrel.signing import Signer

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

    alone = len(uploads) == 1
    told = partial(traffic.told, repository.store.sent, reporter)

    def one(item: Upload) -> tuple[Place, Record]:
        record = item.record
        name = record.path.rpartition("/")[2]
        reporter.step(name, f"uploading {amount(record.size)}")
        try:
            with told(name, record.size if alone else 0):
                record = _send(repository, item, published)
        except BaseException:
            reporter.ended(name, "not uploaded")
            raise
        reporter.ended(name, f"uploaded, {amount(record.size)}")
        return item.place, record

    with told("in all", 0 if alone else sum(item.record.size for item in uploads)):
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


@dataclass(frozen=True, slots=True)
class Item:
    """A package for one place."""

    artifact: Artifact
    place: Place
    advisory: Advisory = ()


def read(
    files: Sequence[Path], asked: Sequence[Distro], to: str, advisory: Advisory = ()
) -> list[Item]:
    """Read the files and find their places; the same package twice counts once.

    The advisory is for those whose indices can have one.
    """
    channel(to)
    items = []
    for file in files:
        artifact = packages.read(file, unpack=False)
        has_advisories = repository_kind(artifact.format).HAS_ADVISORIES
        for row in recognition.distros_of(artifact, asked):
            place = Place(artifact.format, row.id, artifact.architecture, to)
            item = Item(artifact, place, advisory if has_advisories else ())
            _record(item)  # refuses names that would be no path
            items.append(item)
    return once(items, hint="publish one of them, or give them different versions")


def check_records(items: Iterable[Item]) -> None:
    """PackageError if clients could not read what an index would say of one."""
    for item in items:
        _record(item)


def once(items: Iterable[Item], *, hint: str) -> list[Item]:
    """Without repetition; RepositoryError if two files are one version with different contents."""
    seen: dict[tuple[Place, str, str], Item] = {}
    for item in items:
        artifact, place = item.artifact, item.place
        other = seen.setdefault((place, artifact.name, str(artifact.version)), item).artifact
        if other.content_sha256 != artifact.content_sha256:
            raise RepositoryError(
                f"{artifact.file}: {_title(artifact)} for {place.distro} is in {other.file}, too,"
                " with other contents",
                hint=hint,
            )
    return list(seen.values())


def publish(
    repository: Repository,
    items: Sequence[Item],
    *,
    phase: int | None = None,
    replace: bool = False,
    sign_packages: bool = True,
    dry_run: bool = False,
    statements: Mapping[Path, bytes] | None = None,
    reporter: Reporter = SILENT,
) -> Outcome:
    """Put the packages into their places; those that are there already are left alone, but for
    their advisories and the percentage of hosts that they are for, if a `phase` is given. `statements` about the files
    are kept beside those that are sent.

    RepositoryError, and nothing published, if a package is there with other contents.
    """
    view = repository.view()
    new = _let_in(repository, view, _missing(view, items, replace=replace))
    known = _known(view, items, phase)
    if dry_run:
        uploads = _uploads(new)
        check_names(repository, view, uploads, replace=replace)
        records = [*known, *((one.place, one.record) for one in uploads)]
        return commit(repository, "", Merge(repository, records, True, phase), dry_run=True)
    repository.require_signer()
    with _signed(repository, new, sign_packages) as ready:
        sent = upload(repository, view, _uploads(ready), replace=replace, reporter=reporter)
        for item, (_, record) in zip(new, sent, strict=True):
            if text := (statements or {}).get(item.artifact.file):
                key = layout.statements_key(record.path)
                repository.store.overwrite(key, text, Kind.POINTER)
        records = [*known, *sent]
        return commit(repository, _action(items), Merge(repository, records, replace, phase))


def version_before(view: View, item: Item) -> Record | None:
    """The newest version in its place that is older; None if it is published already."""
    new = _record(item)
    present = view.manifest(item.place).named({new.name})
    if any(record.version == new.version for record in present):
        return None
    versions = newest_first([new, *present])
    return next(iter(versions[versions.index(new) + 1 :]), None)


def distrusted(signer: Signer | None, items: Iterable[Item]) -> dict[Path, str]:
    """The files that clients of a signed repository refuse as they are, each with the reason."""
    if signer is None:
        return {}
    files = {item.artifact.file: item.artifact.format for item in items}
    reasons = {file: repository_kind(files[file]).distrust(file, signer) for file in sorted(files)}
    return {file: reason for file, reason in reasons.items() if reason}


def left_out(repository: Repository, items: Sequence[Item], outcome: Outcome) -> list[str]:
    """The packages that a channel's policy has not let in, because it keeps newer ones alone."""
    wanted = [item for item in items if repository.settings.keep.get(item.place.channel)]
    if not wanted:
        return []
    view = repository.view()
    there = {
        (place, r.name, r.version)
        for place, records in _namesakes(view, wanted).items()
        for r in records
    }
    there |= {(c.place, r.name, r.version) for c in outcome.changes for r in c.added}
    keys = {_title(i.artifact): (i.place, i.artifact.name, str(i.artifact.version)) for i in wanted}
    return [title for title, key in keys.items() if key not in there]


def _missing(view: View, items: Sequence[Item], *, replace: bool) -> list[Item]:
    """The items that are not published yet."""
    view.fetch({item.place for item in items})
    published = {
        place: {(r.name, r.version): r for r in records}
        for place, records in _namesakes(view, items).items()
    }
    new = []
    for item in items:
        artifact = item.artifact
        present = published[item.place].get((artifact.name, str(artifact.version)))
        title = f"{artifact.file}: {_title(artifact)}"
        if not present or not is_same(
            present, artifact.content_sha256, title, item.place, replace=replace
        ):
            new.append(item)
    return new


def _namesakes(view: View, items: Iterable[Item]) -> dict[Place, tuple[Record, ...]]:
    """What is published of the items' names in their places."""
    names: dict[Place, set[str]] = {}
    for item in items:
        names.setdefault(item.place, set()).add(item.artifact.name)
    return {place: view.manifest(place).named(each) for place, each in names.items()}


def _known(view: View, items: Sequence[Item], phase: int | None) -> list[tuple[Place, Record]]:
    """What is published of which something else shall be said: with the advisories that it shall have."""
    wanted = {
        (item.place, item.artifact.name, str(item.artifact.version)): item
        for item in items
        if item.advisory or phase is not None
    }
    return [
        (place, changed(record, advisory=item.advisory or record.advisory))
        for place, records in _namesakes(view, wanted.values()).items()
        for record in records
        if (item := wanted.get((place, record.name, record.version)))
        and record.content_sha256 == item.artifact.content_sha256
    ]


def _let_in(repository: Repository, view: View, items: Sequence[Item]) -> list[Item]:
    """The items without those that a channel's policy would leave out at once: why send them?"""
    if not any(repository.settings.keep.get(item.place.channel) for item in items):
        return list(items)
    by_place: dict[Place, list[Record]] = {}
    for item in items:
        by_place.setdefault(item.place, []).append(_record(item))
    kept = set()
    for place, new in by_place.items():
        count = repository.settings.keep.get(place.channel, 0)
        present = view.manifest(place).named({record.name for record in new})
        left = channels.survivors(present, new, count)
        kept |= {(place, *identity) for identity in left}
    return [i for i in items if (i.place, i.artifact.name, str(i.artifact.version)) in kept]


@contextmanager
def _signed(repository: Repository, items: Sequence[Item], sign: bool) -> Iterator[list[Item]]:
    """The items, their files signed if they need it and are not by this key already."""
    signer = repository.signer
    with scratch.folder() as folder:
        done: dict[Path, Artifact] = {}
        for number, item in enumerate(items):
            file = item.artifact.file
            if file in done or signer is None or not sign:
                continue
            output = Path(folder, f"{number}-{file.name}")
            if repository_kind(item.place.format).sign_package(file, signer, output):
                done[file] = packages.resigned(item.artifact, output)
        yield [changed(i, artifact=done.get(i.artifact.file, i.artifact)) for i in items]


def _uploads(items: Iterable[Item]) -> list[Upload]:
    return [Upload(i.artifact.file, i.place, _record(i)) for i in items]


def _record(item: Item) -> Record:
    place = item.place
    kind = repository_kind(place.format)
    record = kind.new_record(item.artifact, place.row, int(time.time()), item.advisory)
    if why := rows.problem(record):
        raise PackageError(
            f"{item.artifact.file}: cannot be published: {why}",
            hint="build it with a shorter name or version",
        )
    return record


def _title(artifact: Artifact) -> str:
    return f"{artifact.name} {artifact.version} ({artifact.architecture})"


def _action(items: Sequence[Item]) -> str:
    names = sorted({f"{i.artifact.name} {i.artifact.version}" for i in items})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"publish {', '.join(names[:3])}{more} to {items[0].place.channel}" if items else ""
