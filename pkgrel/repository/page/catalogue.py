"""The packages of all places, as people think of them: a package, its versions, the files of each.

What the page shows of one place, kept beside its manifest under the same hash. It is derived and may be
missing: then it is made anew from the manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from heapq import nlargest
from typing import Annotated

from pkgrel.distro import Distro, distros
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, typed
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest, Name
from pkgrel.repository.record import STOPPED, Record, newest_first
from pkgrel.repository.typed import Prose, Sha256, Time

PACKAGES = 100
"""Of a place; the ones that were published last."""
VERSIONS = 5
"""Of a package; the newest."""

SUMMARIES = layout.SUMMARIES

_FORMAT = 3
CHANGELOG = 2000
"""Characters."""
_SUMMARY = 200
"""Characters."""

_Lines = Annotated[str, re.compile(r"(?![.+\n-])(?![\s\S]*?\n(?:[.+\n-]|\Z))[A-Za-z0-9_.+\n-]*")]
"""One text, as 100,000 are slow to check one by one. Not a repeated group, which takes 280 bytes for each line."""
_Version = Annotated[str, re.compile(r"[A-Za-z0-9._+~^:-]{1,266}")]


@dataclass(frozen=True, slots=True)
class Listed:
    """A package file that the page shows."""

    name: str
    version: _Version
    architecture: str
    path: str
    size: int
    """Bytes."""
    sha256: Sha256
    published: Time
    changelog: Prose
    summary: Prose


_COLUMNS = tuple(field.name for field in fields(Listed))


@dataclass(frozen=True, slots=True)
class Summary:
    """A place in short."""

    files: int
    """How many there are."""
    lines: _Lines
    """The names of all packages, sorted; also of those that are not listed."""
    versions: Mapping[str, int]
    """How many versions there are of each package that is listed."""
    listed: tuple[Listed, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All packages."""
        return tuple(self.lines.splitlines())

    def encode(self) -> bytes:
        """The object's bytes."""
        rows = [astuple(each) for each in self.listed]
        document = [_FORMAT, self.files, self.lines, dict(self.versions), rows]
        return json.dumps(document, separators=(",", ":")).encode()


def key(manifest: str) -> str:
    """Where the summary of a manifest is, by the manifest's hash."""
    return f"{SUMMARIES}{manifest}.json"


def summarise(
    manifest: Manifest, before: Summary | None = None, changed: Collection[str] = ()
) -> Summary:
    """The summary of a place's packages; what is `before` holds for all names but those that have changed."""
    names: list[str] = []

    def each() -> Iterator[Name]:
        for found in manifest.offered_names():
            names.append(found.name)
            yield found

    newest = nlargest(PACKAGES, each(), key=lambda found: (found.published, found.name))
    shown = sorted(found.name for found in newest)
    known: dict[str, list[Listed]] = {}
    for file in before.listed if before else ():
        if file.name not in changed:
            known.setdefault(file.name, []).append(file)
    unknown: dict[str, list[Record]] = {}
    for record in manifest.named([name for name in shown if name not in known]):
        if record.phase != STOPPED:
            unknown.setdefault(record.name, []).append(record)
    for name, records in unknown.items():
        known[name] = list(map(listed, newest_first(records)[:VERSIONS]))
    versions = {found.name: found.versions for found in newest}
    return Summary(
        manifest.offered,
        "\n".join(names),
        dict(sorted(versions.items())),
        tuple(file for name in shown for file in known[name]),
    )


def decode(data: bytes) -> Summary | None:
    """The inverse of `encode`; None for what another version of pkgrel has written."""
    try:
        format, files, lines, versions, rows = typed.load(data, SUMMARIES)
        if format != _FORMAT:
            return None
        listed = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        document = {"files": files, "lines": lines, "versions": versions, "listed": listed}
        return typed.read(Summary, document, SUMMARIES)
    except (RepositoryError, ValueError, TypeError):
        return None


def listed(record: Record) -> Listed:
    """What the page shows of a package file."""
    return Listed(
        record.name,
        record.version,
        record.architecture,
        record.path,
        record.size,
        record.sha256,
        record.published,
        record.changelog[:CHANGELOG],
        record.summary[:_SUMMARY],
    )


FILES = 400
"""On the page at most: that is 200 kB of it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class Build:
    """A file, and where it is offered."""

    distro: Distro
    file: Listed
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version for all distros: what differs is in its files."""

    text: str
    builds: tuple[Build, ...]

    @property
    def published(self) -> int:
        """When the first file was, seconds since the epoch."""
        return min(build.file.published for build in self.builds)

    @property
    def changelog(self) -> str:
        """Of the first file that has one."""
        return next((b.file.changelog for b in self.builds if b.file.changelog), "")


@dataclass(frozen=True, slots=True)
class Package:
    """A package; the newest version first."""

    name: str
    versions: tuple[Version, ...]
    older: int
    """How many more versions there are."""

    @property
    def summary(self) -> str:
        """One line about it."""
        files = [build.file for version in self.versions for build in version.builds]
        return next((file.summary for file in files if file.summary), "")

    @property
    def published(self) -> int:
        """When the last file was, seconds since the epoch."""
        return max(b.file.published for version in self.versions for b in version.builds)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the page lists."""

    packages: tuple[Package, ...]
    """By name."""
    names: int
    """How many packages there are, or at least, if this is not all."""
    complete: bool
    """Whether every package is listed."""


def make_catalogue(places: Mapping[Place, Summary]) -> Catalogue:
    """Merge the places."""
    files = {place: summary.listed for place, summary in places.items()}
    packages = [
        _newest(name, versions, places.values()) for name, versions in _versions(files).items()
    ]
    known = len(packages)
    complete = all(len(summary.names) <= PACKAGES for summary in places.values())
    packages.sort(key=lambda package: (-package.published, package.name))
    shown = _fitting(packages[:PACKAGES])
    return Catalogue(
        tuple(sorted(shown, key=lambda package: package.name)),
        known if complete else max(known, *(len(summary.names) for summary in places.values())),
        complete and len(shown) == known,
    )


def make_package(name: str, files: Mapping[Place, Sequence[Listed]]) -> Package:
    """One package, with all of its versions."""
    return Package(name, tuple(_versions(files).get(name, ())), 0)


def newest(places: Mapping[Place, Summary], distro: str, channel: str) -> str:
    """The name of the package that a distro got last; empty if none can be typed."""
    files = [
        file
        for place, summary in places.items()
        if (place.distro, place.channel) == (distro, channel)
        for file in summary.listed
        if _NAME.fullmatch(file.name)
    ]
    return min(files, key=lambda file: (-file.published, file.name)).name if files else ""


def newest_distros(rows: Iterable[Distro]) -> list[Distro]:
    """The distros by family as in the table, the newest of each first, and what is not out yet behind those."""
    known = list(rows)[::-1]
    known.sort(key=lambda distro: distro.released is None)
    families = dict.fromkeys(distro.family for distro in distros().values())
    return [d for family in families for d in known if d.family == family]


def _versions(places: Mapping[Place, Sequence[Listed]]) -> Mapping[str, list[Version]]:
    """The versions of each package, newest first."""
    grouped: dict[str, dict[str, dict[tuple[str, str], Build]]] = {}
    rank = {row.id: number for number, row in enumerate(newest_distros(distros().values()))}
    for place in sorted(places, key=lambda place: (rank.get(place.distro, -1), place)):
        for file in places[place]:
            versions = grouped.setdefault(file.name, {})
            builds = versions.setdefault(_upstream(file.version), {})
            # What was promoted is one file in two channels.
            known = builds.setdefault((place.distro, file.path), Build(place.row, file, ()))
            builds[place.distro, file.path] = replace(
                known, channels=(*known.channels, place.channel)
            )
    return {name: list(_sorted(versions)) for name, versions in grouped.items()}


def _sorted(versions: Mapping[str, Mapping[tuple[str, str], Build]]) -> Iterable[Version]:
    # What is there for both is in the order that Debian gives it.
    rules = min(build.distro.format for builds in versions.values() for build in builds.values())
    for text in sorted(versions, key=repository_kind(rules).version_key, reverse=True):
        yield Version(text, tuple(versions[text].values()))


def _newest(name: str, versions: Sequence[Version], places: Iterable[Summary]) -> Package:
    """The package with so many versions as every place has told."""
    most = max(summary.versions.get(name, 0) for summary in places)
    shown = tuple(versions[:VERSIONS])
    return Package(name, shown, len(versions) - len(shown) + max(0, most - VERSIONS))


def _fitting(packages: list[Package]) -> list[Package]:
    """As many versions of each as the page has room for; then as many packages."""
    for count in range(VERSIONS, 0, -1):
        cut = [_only(package, count) for package in packages]
        if sum(map(_files, cut)) <= FILES:
            return cut
    cut = [_only(package, 1) for package in packages]
    while len(cut) > 1 and sum(map(_files, cut)) > FILES:
        cut.pop()
    return cut


def _only(package: Package, count: int) -> Package:
    more = max(0, len(package.versions) - count)
    return Package(package.name, package.versions[:count], package.older + more)


def _files(package: Package) -> int:
    return sum(len(version.builds) for version in package.versions)


def _upstream(version: str) -> str:
    return version.rpartition("-")[0] or version
