"""Changes the contents of channels: merges published packages, promotes, phases, removes, prunes and rolls back.

Files of removed packages are kept until `gc` deletes them, because clients with yesterday's index still request them.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, selection
from pkgrel.repository.head import Head, HeadSnapshot
from pkgrel.repository.layout import Place, channel
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.record import ALL, STOPPED, Record, V, Versioned, newest_first
from pkgrel.repository.state import THREADS, Change, Manifests, Repository, View, difference
from pkgrel.repository.transaction import Outcome, commit


@dataclass(frozen=True, slots=True)
class Merge:
    """Adds records to their places; can be applied to several states, one after another."""

    repository: Repository
    records: Sequence[tuple[Place, Record]]
    replace: bool
    phase: int | None = None
    """The percentage of hosts to offer them to; None keeps the phase of published ones."""

    def __call__(self, view: View) -> None:
        settings = self.repository.settings
        by_place: dict[Place, list[Record]] = {}
        for place, record in self.records:
            by_place.setdefault(place, []).append(record)
        for place, new in by_place.items():
            manifest = view.manifest(place)
            names = {record.name for record in new}
            count = settings.keep.get(place.channel, 0)
            if count:  # a policy also applies to packages that were there before it
                names |= {found.name for found in manifest.names() if found.versions > count}
            present = manifest.named(names)
            merged = {(r.name, r.version): r for r in present}
            for record in new:
                self._add(merged, place, record)
            if list(merged.values()) != list(present):
                kept = _slim(keep_newest(merged.values(), count), contents=settings.contents)
                view.put(place, manifest.replaced(names, kept))

    def _add(self, merged: dict[tuple[str, str], Record], place: Place, record: Record) -> None:
        identity = (record.name, record.version)
        present = merged.get(identity)
        title = f"{record.name} {record.version}"
        if present and is_same(present, record.content_sha256, title, place, replace=self.replace):
            # Published already, perhaps by a parallel job: keep the file, but update advisory and phase.
            advisory = record.advisory or present.advisory
            phase = present.phase if self.phase is None else self.phase
            merged[identity] = replace(present, advisory=advisory, phase=phase)
        else:
            phase = record.phase if self.phase is None else self.phase
            merged[identity] = replace(record, phase=phase)


def _slim(records: Iterable[Record], *, contents: bool) -> list[Record]:
    """Drop lists of files unless Contents needs them, since they are most of a manifest."""
    return [r if contents or not r.contents else replace(r, contents=()) for r in records]


def is_same(
    present: Record, content_sha256: str, title: str, place: Place, *, replace: bool
) -> bool:
    """Whether the published package has this content; RepositoryError if not, unless it may be replaced."""
    if present.content_sha256 == content_sha256:
        return True
    if replace:
        return False
    raise RepositoryError(
        f"{title} is in {place.channel} for {place.distro} already, with other contents",
        hint="give it a new version or revision; `--replace` publishes it all the same",
    )


def keep_newest(records: Iterable[V], count: int) -> list[V]:
    """The records, in their order, with only the newest `count` versions of each name; 0 keeps all."""
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
    """The names and versions that remain after the new packages are added."""
    merged = {(each.name, each.version): each for each in (*present, *new)}
    return {(each.name, each.version) for each in keep_newest(merged.values(), count)}


def promote(
    repository: Repository,
    name: str,
    version: str,
    source: str,
    target: str,
    *,
    distros: Sequence[Distro] = (),
    phase: int | None = None,
    replace: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Copy the packages with the name and version to the target channel, for all distros; they also stay in the source.

    `phase` is the percentage of hosts to offer them to; None: all, for packages that are new there. RepositoryError if
    there is none, if it was stopped, or if the target has the version with other content, or keeps only newer ones.
    """
    channel(target)
    if source == target:
        raise RepositoryError(
            f"`{source}` is both where it comes from and where it goes to",
            hint="name two channels with `--from` and `--to`",
        )

    def change(view: View) -> None:
        for place, records in selection.find_packages(view, name, version, source, distros).items():
            goal = Place(place.format, place.distro, place.architecture, target)
            manifest = view.manifest(goal)
            count = repository.settings.keep.get(target, 0)
            names = {name}
            if count:
                names |= {each.name for each in manifest.names() if each.versions > count}
            namesakes = manifest.named(names)
            merged = {(r.name, r.version): r for r in namesakes}
            for found in records:
                record = dataclasses.replace(found, phase=ALL if phase is None else phase)
                present = merged.get((record.name, record.version))
                title = f"{record.name} {record.version}"
                if found.phase == STOPPED:
                    raise RepositoryError(
                        f"{title} was stopped in {source}",
                        hint=f"if it is good after all: pkgrel repo phase {name} {version} 100 --channel {source}",
                    )
                if not present or not is_same(
                    present, record.content_sha256, title, goal, replace=replace
                ):
                    merged[record.name, record.version] = record
                elif phase is not None:
                    merged[record.name, record.version] = dataclasses.replace(present, phase=phase)
            kept = keep_newest(merged.values(), count)
            if gone := [r for r in records if merged[r.name, r.version] not in kept]:
                raise _too_old(gone[0], goal, count)
            if kept != list(namesakes):
                view.put(goal, manifest.replaced(names, kept))

    action = f"promote {name} {version} from {source} to {target}"
    return commit(repository, action, change, dry_run=dry_run)


def set_phase(
    repository: Repository,
    name: str,
    version: str,
    channel: str,
    percent: int,
    *,
    distros: Sequence[Distro] = (),
    dry_run: bool = False,
) -> Outcome:
    """Offer the version to a percentage of hosts; to none if it is STOPPED.

    Packages do not change, and hosts that have the version keep it. RepositoryError if the channel has no such version.
    """

    def change(view: View) -> None:
        chosen = selection.find_packages(view, name, version, channel, distros)
        for place, records in chosen.items():
            wanted = {(record.name, record.version) for record in records}
            manifest = view.manifest(place)
            phased = [
                dataclasses.replace(r, phase=percent) if (r.name, r.version) in wanted else r
                for r in manifest.named([name])
            ]
            view.put(place, manifest.replaced([name], phased))

    whom = "nobody any more" if percent == STOPPED else f"{percent} % of hosts"
    action = f"offer {name} {version} of {channel} to {whom}"
    return commit(repository, action, change, dry_run=dry_run)


def _too_old(record: Record, goal: Place, count: int) -> RepositoryError:
    return RepositoryError(
        f"{record.name} {record.version} is too old for {goal.channel}, which keeps"
        f" {count} {'version' if count == 1 else 'versions'} of a package and has newer ones",
        hint=f"remove those with `pkgrel repo remove`, or keep more: `pkgrel repo set --keep {goal.channel}={count + 1}`",
    )


def remove(
    repository: Repository,
    name: str,
    version: str | None,
    channel: str,
    *,
    distros: Sequence[Distro] = (),
    dry_run: bool = False,
) -> Outcome:
    """Remove the version, or all versions, from the channel."""

    def change(view: View) -> None:
        for place, records in selection.find_packages(
            view, name, version, channel, distros
        ).items():
            manifest = view.manifest(place)
            left = [r for r in manifest.named([name]) if r not in records]
            view.put(place, manifest.replaced([name], left))

    what = f"{name} {version}" if version else name
    return commit(repository, f"remove {what} from {channel}", change, dry_run=dry_run)


def prune(
    repository: Repository,
    keep: int | None,
    channel: str | None = None,
    *,
    dry_run: bool = False,
) -> Outcome:
    """Keep only the newest versions of each package: `keep` of them, or as many as the channel's policy says.

    RepositoryError if there is no such channel, or neither `keep` nor a policy.
    """
    policies = repository.settings.keep
    if keep is None and not (policies.get(channel) if channel else policies):
        raise RepositoryError(
            f"channel `{channel}` has no policy" if channel else "no channel has a policy",
            hint="say how many versions to keep with `--keep`; `pkgrel repo set --keep stable=5` makes a policy",
        )

    def change(view: View) -> None:
        places = selection.select_places(view, channel)
        view.fetch(places)
        for place in places:
            count = policies.get(place.channel, 0) if keep is None else keep
            manifest = view.manifest(place)
            names = [found.name for found in manifest.names() if found.versions > count > 0]
            if names:
                kept = keep_newest(manifest.named(names), count)
                view.put(place, manifest.replaced(names, kept))

    what = channel or "all channels"
    rule = f" --keep {keep}" if keep is not None else " by policy"
    return commit(repository, f"prune {what}{rule}", change, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class State:
    """A generation that changed a channel."""

    generation: int
    time: int
    actor: str
    action: str
    changes: tuple[Change, ...]
    """Its changes to the channel, without places whose manifest is lost."""


def states(
    repository: Repository, channel: str, *, distros: Sequence[Distro] = ()
) -> Iterator[State]:
    """The generations that changed the channel for the distros, newest first."""
    now = repository.view()
    selection.select_places(now, channel, distros)
    ids = [row.id for row in distros]
    for current, before in _pairs(repository, now.before):
        new, old = _of(current, channel, ids), _of(before, channel, ids) if before else {}
        if new != old:
            changes = tuple(_changes(repository, old, new))
            yield State(current.generation, current.time, current.actor, current.action, changes)


def _changes(
    repository: Repository, old: Mapping[Place, str], new: Mapping[Place, str]
) -> Iterator[Change]:
    # Not the repository's, which would keep the packages of all states in memory.
    manifests = Manifests(repository.store)
    for place in sorted({*old, *new}):
        hashes = [old.get(place, ""), new.get(place, "")]
        if hashes[0] == hashes[1]:
            continue
        with contextlib.suppress(RepositoryError):
            yield difference(place, *(manifests.read(h) if h else Manifest.of(()) for h in hashes))


def rollback(
    repository: Repository,
    channel: str,
    generation: int | None = None,
    *,
    distros: Sequence[Distro] = (),
    dry_run: bool = False,
) -> Outcome:
    """Restore the channel's packages of the generation, or of the one before its last change.

    RepositoryError if there is no such channel, or if that state or one of its packages was deleted.
    """
    wanted = [row.id for row in distros]
    now = repository.view()
    selection.select_places(now, channel, distros)
    goal = _goal(repository, now.before, channel, generation, wanted)

    def change(view: View) -> None:
        places = {p for p in goal.manifests if p.channel == channel} | set(
            view.places(channel=channel)
        )
        for place in sorted(places):
            if wanted and place.distro not in wanted:
                continue
            sha256, present = goal.manifests.get(place), view.head.manifests.get(place)
            if sha256 != present:
                if present:
                    repository.manifests.tolerate(present)  # rollback must work even if it is lost
                view.put(place, repository.manifests.read(sha256) if sha256 else ())
        _check_files(repository, view)

    action = f"roll {channel} back to generation {goal.generation}"
    return commit(repository, action, change, dry_run=dry_run)


def _goal(
    repository: Repository,
    now: HeadSnapshot,
    channel: str,
    generation: int | None,
    distros: list[str],
) -> Head:
    """The state to return to."""
    for current, before in _pairs(repository, now):
        if generation is not None and current.generation == generation:
            return current
        changed = before is None or _of(current, channel, distros) != _of(before, channel, distros)
        if generation is None and changed and before is not None:
            return before
    raise RepositoryError(
        f"{repository.store.url}: no state of `{channel}` to go back to"
        if generation is None
        else f"{repository.store.url}: generation `{generation}` is not there, or not any more",
        hint="`pkgrel repo rollback --list` shows the states",
    )


def _pairs(repository: Repository, now: HeadSnapshot) -> Iterator[tuple[Head, Head | None]]:
    """Each state with its predecessor, newest first."""
    current = now.head
    for _, before in head.history(repository.store, now):
        yield current, before
        current = before
    yield current, None


def _of(state: Head, channel: str, distros: Sequence[str] = ()) -> dict[Place, str]:
    return {
        place: sha256
        for place, sha256 in state.manifests.items()
        if place.channel == channel and (not distros or place.distro in distros)
    }


def _check_files(repository: Repository, view: View) -> None:
    """RepositoryError if gc has deleted a package that is to be restored."""
    paths = {record.path for change in view.changes() for record in change.added}
    with ThreadPoolExecutor(THREADS) as pool:
        found = zip(paths, pool.map(repository.store.stat, paths), strict=True)
        gone = sorted(path for path, entry in found if entry is None)
    if gone:
        raise RepositoryError(
            f"{repository.store.url}: `{gone[0]}` is not there any more"
            + (f", nor are {len(gone) - 1} others" if len(gone) > 1 else ""),
            hint="publish the packages again, or go back to a newer generation",
        )
