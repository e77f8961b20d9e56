"""`pkgrel repo audit`: finds published packages with components that a vulnerability database lists.

The database is a folder of OSV's JSON files; no network is needed. A file lists `affected` packages, with versions by
name and ranges of versions between events. Ranges of git commits are ignored.

for found in operations.audit(repository, Path("osv")).found:
    print(found.name, found.purl, found.vulnerability)

Source: OSV schema 1.6, https://ossf.github.io/osv-schema/#evaluation; Semantic Versioning 2.0.0, section 11, which Hex
and npm follow; Erlang/OTP, "Versions": versions of applications have any number of parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from pkgrel import artifact
from pkgrel.errors import ConfigError
from pkgrel.operations.repositories import list_packages
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository.publishing import download
from pkgrel.repository.record import Record
from pkgrel.repository.selection import Listed
from pkgrel.repository.state import Repository

_VERSION = re.compile(
    r"[vV]?([0-9]{1,18}(?:\.[0-9]{1,18})*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_LONGEST_VERSION = 256
_NUMBER = re.compile("[0-9]{1,18}")
_ECOSYSTEMS = {"hex": "Hex", "npm": "npm"}
"""Types of package URLs, and OSV's names for them."""
_LARGEST = 16 << 20
"""Maximum size in bytes of a database entry or a bill of materials."""

Key = tuple[str, str]
"""Type and name of a package URL."""
Order = tuple[tuple[int, ...], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """An entry of the database."""

    id: str
    aliases: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Range:
    """A range of versions between events."""

    limits: tuple[Order | None, ...]
    """Upper limits; if there are any, versions must be below one of them."""
    events: tuple[tuple[Order, str], ...]
    """Sorted by version."""

    def has(self, version: Order) -> bool:
        """Evaluate the range as OSV's specification does."""
        if self.limits and not any(limit and version < limit for limit in self.limits):
            return False
        vulnerable = False
        for at, name in self.events:
            match name:
                case "introduced" if version >= at:
                    vulnerable = True
                case "fixed" if version >= at:
                    vulnerable = False
                case "last_affected" if version > at:
                    vulnerable = False
        return vulnerable


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that a vulnerability affects."""

    named: frozenset[str]
    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, affected: Mapping[str, Any]) -> Versions:
        """Read an `affected` object; TypeError, AttributeError or ValueError if it is invalid."""
        named = affected.get("versions") or []
        if type(named) is not list:
            raise TypeError("versions is not a list")
        usable = (
            each
            for each in affected.get("ranges") or ()
            if each.get("type") in ("SEMVER", "ECOSYSTEM")
        )
        return cls(
            frozenset(map(str, named)),
            tuple(_range(each.get("events") or ()) for each in usable),
        )

    def has(self, version: str) -> bool:
        """Whether the version is affected."""
        if version in self.named:
            return True
        here = order(version)
        return here is not None and any(each.has(here) for each in self.ranges)


@dataclass(slots=True)
class Database:
    """All entries in a folder, by package."""

    entries: dict[Key, list[tuple[Vulnerability, Versions]]] = field(default_factory=dict)

    def affecting(self, purl: str) -> Iterator[Vulnerability]:
        """The vulnerabilities of the version in a package URL, without duplicates."""
        if not (found := parse_purl(purl)):
            return
        key, version = found
        yield from dict.fromkeys(
            each for each, affected in self.entries.get(key, ()) if affected.has(version)
        )


def parse_purl(purl: str) -> tuple[Key, str] | None:
    """Parse a package URL into type and name, and version; None if it is invalid."""
    match = re.fullmatch(r"pkg:([a-z0-9.+-]+)/([^@?#]+)(?:@([^?#]+))?(?:[?#].*)?", purl)
    if not match:
        return None
    return (match[1], unquote(match[2]).lower()), unquote(match[3] or "")


def load(folder: Path) -> Database:
    """Read the JSON files of a folder; ConfigError if one is not an OSV entry, or if there are none."""
    database = Database()
    files = sorted(file for file in folder.rglob("*.json") if file.is_file())
    if not files:
        raise ConfigError(
            f"{folder}: has no JSON files of OSV's",
            hint="unpack https://osv-vulnerabilities.storage.googleapis.com/Hex/all.zip there",
        )
    for file in files:
        try:
            if file.stat().st_size > _LARGEST:
                raise ValueError("it is too large")
            _add(database, json.loads(file.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(
                f"{file}: is not a vulnerability in OSV's JSON",
                hint="take it away or fetch it again",
            ) from None
    return database


def _add(database: Database, document: Mapping[str, Any]) -> None:
    known = Vulnerability(
        str(document["id"]),
        tuple(map(str, document.get("aliases") or ())),
        str(document.get("summary") or ""),
    )
    if document.get("withdrawn"):
        return
    for affected in document.get("affected") or ():
        versions = Versions.of(affected)
        for key in _keys(affected.get("package") or {}):
            database.entries.setdefault(key, []).append((known, versions))


def _keys(package: Mapping[str, Any]) -> set[Key]:
    found = set()
    if named := parse_purl(str(package.get("purl") or "")):
        found.add(named[0])
    ecosystem = str(package.get("ecosystem") or "").partition(":")[0]
    for type, word in _ECOSYSTEMS.items():
        if ecosystem == word and package.get("name"):
            found.add((type, str(package["name"]).lower()))
    return found


_LOWEST: Order = ((), (-1,))
_EVENTS = ("introduced", "fixed", "last_affected")


def _range(events: Any) -> Range:
    limits = (str(each["limit"]) for each in events if each.get("limit", "*") != "*")
    return Range(tuple(map(order, limits)), tuple(sorted(_dated(events))))


def _dated(events: Any) -> Iterator[tuple[Order, str]]:
    for each in events:
        for name in _EVENTS:
            if name in each:
                text = str(each[name])
                at = _LOWEST if name == "introduced" and text == "0" else order(text)
                if at is not None:
                    yield at, name


def order(version: str) -> Order | None:
    """A sort key for versions of semantic versioning or OTP; None for others."""
    match = _VERSION.fullmatch(version) if len(version) <= _LONGEST_VERSION else None
    if not match:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    if match[2] is None:
        return tuple(numbers), (1,)  # a release sorts after its pre-releases
    parts = match[2].split(".")
    return tuple(numbers), (
        0,
        *((0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part) for part in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A package with a vulnerable component."""

    channel: str
    distro: str
    name: str
    version: str
    architecture: str
    purl: str
    """The package URL of the component."""
    id: str
    aliases: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Audited:
    """The result of an audit."""

    found: tuple[Affected, ...]
    packages: int
    unknown: tuple[str, ...]
    """Packages without a bill of materials, which cannot be audited."""


def audit(
    repository: Repository,
    database: Path,
    *,
    channel: str | None = None,
    distros: Sequence[str] = (),
    name: str | None = None,
    reporter: Reporter = SILENT,
) -> Audited:
    """Look up each package's bill of materials in OSV's files; each package file is read once."""
    known = load(database)
    listed = list_packages(
        repository, channel=channel, distros=distros, name=name, reporter=reporter
    )
    purls: dict[str, list[str] | None] = {}
    found: list[Affected] = []
    unknown: dict[str, None] = {}
    for each in listed:
        record = each.record
        if record.sha256 not in purls:
            reporter.detail(f"{record.path}: read")
            purls[record.sha256] = _purls(repository, record)
        components = purls[record.sha256]
        if components is None:
            unknown[f"{record.name} {record.version}"] = None
            continue
        found += [
            _affected(each, purl, vulnerability)
            for purl in components
            for vulnerability in known.affecting(purl)
        ]
    return Audited(tuple(found), len(purls), tuple(unknown))


def _affected(listed: Listed, purl: str, known: Vulnerability) -> Affected:
    place, record = listed.place, listed.record
    return Affected(
        channel=place.channel,
        distro=place.distro,
        name=record.name,
        version=record.version,
        architecture=record.architecture,
        purl=purl,
        id=known.id,
        aliases=known.aliases,
        summary=known.summary,
    )


def _purls(repository: Repository, record: Record) -> list[str] | None:
    """Package URLs of the package's components; None if it has no bill of materials."""
    bill = bytearray()

    def take(path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], object] | None:
        wanted = path.match("/usr/share/doc/*/sbom.cdx.json") and size <= _LARGEST
        return bill.extend if wanted else None

    with TemporaryDirectory(prefix="pkgrel-") as folder:
        artifact.read(download(repository, record, Path(folder)), take=take)
    if not bill:
        return None
    try:
        components = json.loads(bytes(bill))["components"]
        return [str(each["purl"]) for each in components if each.get("purl")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
