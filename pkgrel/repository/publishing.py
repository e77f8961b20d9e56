"""Publishes package files: reads, signs and uploads them, and adds them to a channel.

Files are uploaded to the pool in parallel, and never overwrite one with other content.
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
    """A file to upload, with its record."""

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
    """Upload the files; returns the records with the keys that the files were stored under.

    RepositoryError if a channel has such a package with other content.
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
    """Download the package's file into the folder; RepositoryError if it differs from the record."""
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
    """The published packages by key if one of the keys exists already, which is rare; else empty.

    RepositoryError if a channel has one of the packages with other content. A different package may have the same file
    name: `1:1.0-1` and `1.0-1`, or `1.0^1` and `1.0+1`.
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
    """Upload a file under its key, or under another one if that has different content."""
    record = item.record
    if found := published.get(record.path):
        if found[1].content_sha256 == record.content_sha256:
            # Reuse the published file, which may only differ in the time of its signature.
            advisory = record.advisory or found[1].advisory
            return changed(found[1], published=record.published, advisory=advisory)
    elif _create(repository, item, record):
        return record
    # The key is in use: by a killed or parallel job's file, a package to be replaced, or another package.
    folder, _, name = record.path.rpartition("/")
    aside = changed(record, path=f"{folder}/{record.sha256[:8]}/{name}")
    if not _create(repository, item, aside):
        raise RepositoryError(
            f"{repository.store.url}: `{aside.path}` has other contents than its name says",
            hint="run `pkgrel repo verify`",
        )
    return aside


def _create(repository: Repository, item: Upload, record: Record) -> bool:
    """Create the object; False if it exists with other content."""
    store = repository.store
    if store.create(record.path, item.file, Kind.IMMUTABLE, sha256=record.sha256):
        return True
    if store.digest(record.path) != record.sha256:
        return False
    renew(store, record.path, item.file, sha256=record.sha256)
    return True


@dataclass(frozen=True, slots=True)
class Item:
    """A package for a place."""

    artifact: Artifact
    place: Place
    advisory: Advisory = ()


def read(
    files: Sequence[Path], asked: Sequence[Distro], to: str, advisory: Advisory = ()
) -> list[Item]:
    """Read the files and find their places; duplicates are dropped.

    The advisory is set for formats that have advisories.
    """
    channel(to)
    items = []
    for file in files:
        artifact = packages.read(file, unpack=False)
        has_advisories = repository_kind(artifact.format).HAS_ADVISORIES
        for row in recognition.distros_of(artifact, asked):
            place = Place(artifact.format, row.id, artifact.architecture, to)
            item = Item(artifact, place, advisory if has_advisories else ())
            _record(item)  # rejects names that are invalid in paths
            items.append(item)
    return once(items, hint="publish one of them, or give them different versions")


def check_records(items: Iterable[Item]) -> None:
    """PackageError if clients could not read the index with one of the packages."""
    for item in items:
        _record(item)


def once(items: Iterable[Item], *, hint: str) -> list[Item]:
    """Drop duplicates; RepositoryError if two files have the same version with different content."""
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
    """Add the packages to their places. Packages that are there already only get their advisories, and the percentage
    of hosts to offer them to, if a `phase` is given. `statements` about files are stored beside the uploaded ones.

    RepositoryError, and nothing is published, if a package is there with other content.
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
    """The newest older version in the item's place; None if the item is published already, or there is none."""
    new = _record(item)
    present = view.manifest(item.place).named({new.name})
    if any(record.version == new.version for record in present):
        return None
    versions = newest_first([new, *present])
    return next(iter(versions[versions.index(new) + 1 :]), None)


def distrusted(signer: Signer | None, items: Iterable[Item]) -> dict[Path, str]:
    """Files that clients of a signed repository would refuse, each with the reason."""
    if signer is None:
        return {}
    files = {item.artifact.file: item.artifact.format for item in items}
    reasons = {file: repository_kind(files[file]).distrust(file, signer) for file in sorted(files)}
    return {file: reason for file, reason in reasons.items() if reason}


def left_out(repository: Repository, items: Sequence[Item], outcome: Outcome) -> list[str]:
    """Packages that a channel's policy excluded, because it keeps only newer ones."""
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
    """The published packages with the items' names in their places."""
    names: dict[Place, set[str]] = {}
    for item in items:
        names.setdefault(item.place, set()).add(item.artifact.name)
    return {place: view.manifest(place).named(each) for place, each in names.items()}


def _known(view: View, items: Sequence[Item], phase: int | None) -> list[tuple[Place, Record]]:
    """Published packages whose advisory or phase is to be changed, with the new advisory."""
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
    """Without the items that the channel's policy would exclude at once, so that they are not uploaded."""
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
    """The items, with signed copies of files that need a signature and do not have one by this key."""
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
