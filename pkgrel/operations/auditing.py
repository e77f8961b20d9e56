"""`pkgrel repo audit`: published packages that have something in them which a vulnerability database knows.

for found in operations.audit(repository, Path("osv")).found:
    print(found.name, found.purl, found.vulnerability)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pkgrel import artifact
from pkgrel.operations import osv
from pkgrel.operations.repositories import list_packages
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository.publishing import download
from pkgrel.repository.record import Record
from pkgrel.repository.selection import Listed
from pkgrel.repository.state import Repository

_LARGEST = 16 << 20
"""Bytes of a bill of materials that is still read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A package with a component that is known to be vulnerable."""

    channel: str
    distro: str
    name: str
    version: str
    architecture: str
    purl: str
    """Of the component."""
    id: str
    aliases: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found."""

    found: tuple[Affected, ...]
    packages: int
    unknown: tuple[str, ...]
    """Packages without a bill of materials, of which nothing is known."""


def audit(
    repository: Repository,
    database: Path,
    *,
    channel: str | None = None,
    distros: Sequence[str] = (),
    name: str | None = None,
    reporter: Reporter = SILENT,
) -> Audited:
    """Hold the bill of materials of each package against OSV's files in a folder; each package is read once."""
    known = osv.load(database)
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


def _affected(listed: Listed, purl: str, known: osv.Vulnerability) -> Affected:
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
    """Package URLs of what is in the package; None if it has no bill of materials."""
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
