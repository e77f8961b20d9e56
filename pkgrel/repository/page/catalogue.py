"""The content of the page: packages, their versions, and the files of each, merged from all places.

A place's part is its summary, stored beside its manifest under the same hash. It is derived data and may be missing;
then it is made again from the manifest.
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
"""Packages of a place: the most recently published ones."""
VERSIONS = 5
"""Versions of a package: the newest ones."""

SUMMARIES = layout.SUMMARIES

_FORMAT = 3
CHANGELOG = 2000
"""Characters."""
_SUMMARY = 200
"""Characters."""

_Lines = Annotated[str, re.compile(r"(?![.+\n-])(?![\s\S]*?\n(?:[.+\n-]|\Z))[A-Za-z0-9_.+\n-]*")]
"""All names in one text: 100,000 are slow to check one by one. A repeated group would take 280 bytes for each line."""
_Version = Annotated[str, re.compile(r"[A-Za-z0-9._+~^:-]{1,266}")]


@dataclass(frozen=True, slots=True)
class Listed:
    """A package file on the page."""

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
    """Summary of a place."""

    files: int
    """The number of package files."""
    lines: _Lines
    """The names of all packages, sorted, including those that are not listed."""
    versions: Mapping[str, int]
    """The number of versions of each listed package."""
    listed: tuple[Listed, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all packages."""
        return tuple(self.lines.splitlines())

    def encode(self) -> bytes:
        """The content of the object."""
        rows = [astuple(each) for each in self.listed]
        document = [_FORMAT, self.files, self.lines, dict(self.versions), rows]
        return json.dumps(document, separators=(",", ":")).encode()


def key(manifest: str) -> str:
    """The key of a summary, by the hash of its manifest."""
    return f"{SUMMARIES}{manifest}.json"


def summarise(
    manifest: Manifest, before: Summary | None = None, changed: Collection[str] = ()
) -> Summary:
    """Summarise a place's packages; `before` is a summary that is still valid for names that are not in `changed`."""
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
    """The inverse of `encode`; None if another version of pkgrel wrote it."""
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
    """The part of a record that the page shows."""
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
"""Maximum number of files on the page, which take about 200 kB."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class Build:
    """A package file, and the channels that have it."""

    distro: Distro
    file: Listed
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a package, with its files for all distros."""

    text: str
    builds: tuple[Build, ...]

    @property
    def published(self) -> int:
        """When its first file was published, in seconds since the epoch."""
        return min(build.file.published for build in self.builds)

    @property
    def changelog(self) -> str:
        """The first changelog among its files."""
        return next((b.file.changelog for b in self.builds if b.file.changelog), "")


@dataclass(frozen=True, slots=True)
class Package:
    """A package, with the newest version first."""

    name: str
    versions: tuple[Version, ...]
    older: int
    """The number of further versions."""

    @property
    def summary(self) -> str:
        """The one-line summary."""
        files = [build.file for version in self.versions for build in version.builds]
        return next((file.summary for file in files if file.summary), "")

    @property
    def published(self) -> int:
        """When its last file was published, in seconds since the epoch."""
        return max(b.file.published for version in self.versions for b in version.builds)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The packages on the page."""

    packages: tuple[Package, ...]
    """Sorted by name."""
    names: int
    """The number of packages; a lower bound if not complete."""
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
    """One package with all its versions."""
    return Package(name, tuple(_versions(files).get(name, ())), 0)


def newest(places: Mapping[Place, Summary], distro: str, channel: str) -> str:
    """The most recently published package of a distro's channel; empty if none has a name that is safe in a command."""
    files = [
        file
        for place, summary in places.items()
        if (place.distro, place.channel) == (distro, channel)
        for file in summary.listed
        if _NAME.fullmatch(file.name)
    ]
    return min(files, key=lambda file: (-file.published, file.name)).name if files else ""


def newest_distros(rows: Iterable[Distro]) -> list[Distro]:
    """The distros in the table's order of families, newest first, but unreleased ones last."""
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
            # A promoted package is the same file in two channels.
            known = builds.setdefault((place.distro, file.path), Build(place.row, file, ()))
            builds[place.distro, file.path] = replace(
                known, channels=(*known.channels, place.channel)
            )
    return {name: list(_sorted(versions)) for name, versions in grouped.items()}


def _sorted(versions: Mapping[str, Mapping[tuple[str, str], Build]]) -> Iterable[Version]:
    # Packages of both formats are sorted by Debian's rules.
    rules = min(build.distro.format for builds in versions.values() for build in builds.values())
    for text in sorted(versions, key=repository_kind(rules).version_key, reverse=True):
        yield Version(text, tuple(versions[text].values()))


def _newest(name: str, versions: Sequence[Version], places: Iterable[Summary]) -> Package:
    """The package with its newest versions, and how many more the summaries count."""
    most = max(summary.versions.get(name, 0) for summary in places)
    shown = tuple(versions[:VERSIONS])
    return Package(name, shown, len(versions) - len(shown) + max(0, most - VERSIONS))


def _fitting(packages: list[Package]) -> list[Package]:
    """Reduce versions per package, then packages, until they fit on the page."""
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
