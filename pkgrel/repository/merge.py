"""What a channel holds when packages come to it: what a publish changes, and how many versions stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from pkgrel.errors import RepositoryError
from pkgrel.repository.place import Place
from pkgrel.repository.record import Record, V, Versioned, newest_first
from pkgrel.repository.state import Repository, View


@dataclass(frozen=True, slots=True)
class Merge:
    """The records go to their places; may be applied to one state after another."""

    repository: Repository
    records: Sequence[tuple[Place, Record]]
    replace: bool
    phase: int | None = None
    """The percentage of hosts that they are for from now on; None leaves what is there as it is."""

    def __call__(self, view: View) -> None:
        settings = self.repository.settings
        by_place: dict[Place, list[Record]] = {}
        for place, record in self.records:
            by_place.setdefault(place, []).append(record)
        for place, new in by_place.items():
            manifest = view.manifest(place)
            names = {record.name for record in new}
            count = settings.keep.get(place.channel, 0)
            if count:  # a policy is as good for what was there before it
                names |= {found.name for found in manifest.names() if found.versions > count}
            present = manifest.named(names)
            merged = {(r.name, r.version): r for r in present}
            for record in new:
                self._add(merged, place, record)
            if list(merged.values()) != list(present):
                kept = _slim(keep(merged.values(), count), contents=settings.contents)
                view.put(place, manifest.replaced(names, kept))

    def _add(self, merged: dict[tuple[str, str], Record], place: Place, record: Record) -> None:
        identity = (record.name, record.version)
        present = merged.get(identity)
        title = f"{record.name} {record.version}"
        if present and is_same(present, record.content_sha256, title, place, replace=self.replace):
            # A job that did the same was faster; or the file stays, and more is said of it.
            advisory = record.advisory or present.advisory
            phase = present.phase if self.phase is None else self.phase
            merged[identity] = replace(present, advisory=advisory, phase=phase)
        else:
            phase = record.phase if self.phase is None else self.phase
            merged[identity] = replace(record, phase=phase)


def _slim(records: Iterable[Record], *, contents: bool) -> list[Record]:
    """Lists of files are most of a manifest and only Contents wants them."""
    return [r if contents or not r.contents else replace(r, contents=()) for r in records]


def is_same(
    present: Record, content_sha256: str, title: str, place: Place, *, replace: bool
) -> bool:
    """Whether what is there has the contents; RepositoryError if not, and it is not to be replaced."""
    if present.content_sha256 == content_sha256:
        return True
    if replace:
        return False
    raise RepositoryError(
        f"{title} is in {place.channel} for {place.distro} already, with other contents",
        hint="give it a new version or revision; `--replace` publishes it all the same",
    )


def keep(records: Iterable[V], count: int) -> list[V]:
    """The records, in their order, without all but the newest `count` versions of a name; 0 keeps all."""
    records = list(records)
    if not count:
        return records
    old: set[tuple[str, str]] = set()
    for name, group in groupby(sorted(records, key=attrgetter("name")), attrgetter("name")):
        versions = list(group)
        if len(versions) > count:
            old |= {(name, record.version) for record in newest_first(versions)[count:]}
    return [record for record in records if (record.name, record.version) not in old]


def survivors(
    present: Iterable[Versioned], new: Iterable[Versioned], count: int
) -> set[tuple[str, str]]:
    """The names and versions that are left when the new ones come."""
    merged = {(each.name, each.version): each for each in (*present, *new)}
    return {(each.name, each.version) for each in keep(merged.values(), count)}
