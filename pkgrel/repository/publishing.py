"""Publishes package files: reads, signs and uploads them, and puts them into a channel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from pkgrel import artifact as packages
from pkgrel import scratch
from pkgrel.artifact import Artifact
from pkgrel.distro import Distro, Format, unsupported
from pkgrel.errors import RepositoryError, SigningError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import apt, merge, recognition, yum
from pkgrel.repository.merge import Merge, different
from pkgrel.repository.place import Place, channel
from pkgrel.repository.pool import Upload, check, upload
from pkgrel.repository.record import Advisory, Record
from pkgrel.repository.state import Repository, View
from pkgrel.repository.transaction import Outcome, commit
from pkgrel.signing import Signer
from pkgrel.signing import rpm as rpm_signing


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

    The advisory is for the .rpm files: apt knows none.
    """
    channel(to)
    items: dict[tuple[Place, str, str], Item] = {}
    for file in files:
        artifact = packages.read(file, unpack=False)
        for row in recognition.distros(artifact, asked):
            place = Place(artifact.format, row.id, artifact.architecture, to)
            item = Item(artifact, place, advisory if artifact.format == Format.RPM else ())
            _record(item)  # refuses names that would be no path
            other = items.setdefault((place, artifact.name, str(artifact.version)), item)
            if other.artifact.content_sha256 != artifact.content_sha256:
                raise RepositoryError(
                    f"{file}: {_title(artifact)} for {row.id} is in {other.artifact.file}, too, with other contents",
                    hint="publish one of them, or give them different versions",
                )
    return list(items.values())


def publish(
    repository: Repository,
    items: Sequence[Item],
    *,
    replace: bool = False,
    sign_packages: bool = True,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> Outcome:
    """Put the packages into their places; those that are there already are left alone, but for
    their advisories.

    RepositoryError, and nothing published, if a package is there with other contents.
    """
    view = repository.view()
    new = _let_in(repository, view, _missing(view, items, replace=replace))
    known = _known(view, items)
    if dry_run:
        uploads = _uploads(new)
        check(repository, view, uploads, replace=replace)
        records = [*known, *((one.place, one.record) for one in uploads)]
        return commit(repository, "", Merge(repository, records, True), dry_run=True)
    repository.require_signer()
    with _signed(repository, new, sign_packages) as ready:
        sent = upload(repository, view, _uploads(ready), replace=replace, reporter=reporter)
        records = [*known, *sent]
        return commit(repository, _action(items), Merge(repository, records, replace))


def distrusted(signer: Signer | None, items: Iterable[Item]) -> dict[Path, str]:
    """The .rpm files that clients of a signed repository refuse as they are, each with the reason."""
    if signer is None:
        return {}
    found = {}
    for file in {i.artifact.file for i in items if i.artifact.format == Format.RPM}:
        try:
            with file.open("rb") as source:
                rpm_signing.verify(source, signer.public_key_binary)
        except SigningError as e:
            found[file] = str(e)
    return dict(sorted(found.items()))


def left_out(repository: Repository, items: Sequence[Item], outcome: Outcome) -> list[str]:
    """The packages that a channel's policy has not let in, because it keeps newer ones alone."""
    wanted = [item for item in items if repository.settings.keep.get(item.place.channel)]
    if not wanted:
        return []
    view = repository.view()
    there = {(i.place, r.name, r.version) for i in wanted for r in view.records(i.place)}
    there |= {(c.place, r.name, r.version) for c in outcome.changes for r in c.added}
    keys = {_title(i.artifact): (i.place, i.artifact.name, str(i.artifact.version)) for i in wanted}
    return [title for title, key in keys.items() if key not in there]


def _missing(view: View, items: Sequence[Item], *, replace: bool) -> list[Item]:
    """The items that are not published yet."""
    view.fetch({item.place for item in items})
    published = {
        place: {(r.name, r.version): r for r in view.records(place)}
        for place in {item.place for item in items}
    }
    new = []
    for item in items:
        artifact = item.artifact
        present = published[item.place].get((artifact.name, str(artifact.version)))
        if present and present.content_sha256 == artifact.content_sha256:
            continue
        if present and not replace:
            raise different(f"{artifact.file}: {_title(artifact)}", item.place)
        new.append(item)
    return new


def _known(view: View, items: Sequence[Item]) -> list[tuple[Place, Record]]:
    """What is published, with the advisories that it shall have from now on."""
    wanted = {
        (item.place, item.artifact.name, str(item.artifact.version)): item
        for item in items
        if item.advisory
    }
    return [
        (place, changed(record, advisory=item.advisory))
        for place in {place for place, _, _ in wanted}
        for record in view.records(place)
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
        left = merge.survivors(view.records(place), new, count)
        kept |= {(place, *identity) for identity in left}
    return [i for i in items if (i.place, i.artifact.name, str(i.artifact.version)) in kept]


@contextmanager
def _signed(repository: Repository, items: Sequence[Item], sign: bool) -> Iterator[list[Item]]:
    """The items, their .rpm files signed unless they are by this key already."""
    signer = repository.signer
    with scratch.folder() as folder:
        done: dict[Path, Artifact] = {}
        for number, item in enumerate(items):
            file = item.artifact.file
            if file in done or item.artifact.format != Format.RPM or signer is None or not sign:
                continue
            output = Path(folder, f"{number}-{file.name}")
            if rpm_signing.sign(file, signer, output):
                done[file] = packages.resigned(item.artifact, output)
        yield [changed(i, artifact=done.get(i.artifact.file, i.artifact)) for i in items]


def _uploads(items: Iterable[Item]) -> list[Upload]:
    return [Upload(i.artifact.file, i.place, _record(i)) for i in items]


def _record(item: Item) -> Record:
    artifact, place, now = item.artifact, item.place, int(time.time())
    match place.format:
        case Format.DEB:
            return apt.record(artifact, apt.key(artifact, place.row.codename), now)
        case Format.RPM:
            record = yum.record(artifact, yum.key(artifact, place.distro), now)
            return changed(record, advisory=item.advisory)
        case other:
            raise unsupported(other)


def _title(artifact: Artifact) -> str:
    return f"{artifact.name} {artifact.version} ({artifact.architecture})"


def _action(items: Sequence[Item]) -> str:
    names = sorted({f"{i.artifact.name} {i.artifact.version}" for i in items})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"publish {', '.join(names[:3])}{more} to {items[0].place.channel}" if items else ""
