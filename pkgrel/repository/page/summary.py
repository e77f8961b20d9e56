"""What the page shows of one place, kept beside its manifest under the same hash.

It is derived and may be missing: then it is made anew from the manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from heapq import nlargest
from typing import Annotated

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, typed
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

_Lines = Annotated[str, re.compile(r"([A-Za-z0-9_][A-Za-z0-9._+-]*(\n(?!\Z)|\Z))*")]
"""One text, as 100,000 are slow to check one by one."""
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
