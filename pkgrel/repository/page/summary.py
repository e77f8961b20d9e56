"""What the page shows of one place, kept beside its manifest under the same hash.

It is derived and may be missing: then it is made anew from the manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from heapq import nlargest
from typing import Annotated

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, typed
from pkgrel.repository.record import STOPPED, Record, newest_first
from pkgrel.repository.typed import Prose, Sha256, Time

PACKAGES = 100
"""Of a place; the ones that were published last."""
VERSIONS = 5
"""Of a package; the newest."""

SUMMARIES = layout.SUMMARIES

_FORMAT = 2
CHANGELOG = 2000
"""Characters."""
_SUMMARY = 200
"""Characters."""

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
    names: tuple[str, ...]
    """All packages, sorted; also those that are not listed."""
    versions: Mapping[str, int]
    """How many versions there are of each package that is listed."""
    listed: tuple[Listed, ...]

    def encode(self) -> bytes:
        """The object's bytes."""
        rows = [astuple(each) for each in self.listed]
        document = [_FORMAT, self.files, list(self.names), dict(self.versions), rows]
        return json.dumps(document, separators=(",", ":")).encode()


def key(manifest: str) -> str:
    """Where the summary of a manifest is, by the manifest's hash."""
    return f"{SUMMARIES}{manifest}.json"


def summarise(records: Iterable[Record]) -> Summary:
    """The summary of a place's packages."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        if record.phase != STOPPED:
            by_name.setdefault(record.name, []).append(record)
    last = {name: max(r.published for r in group) for name, group in by_name.items()}
    shown = sorted(nlargest(PACKAGES, last, key=lambda name: (last[name], name)))
    listed: list[Listed] = []
    for name in shown:
        newest = by_name[name]
        if len(newest) > 1:
            newest = newest_first(newest)[:VERSIONS]
        listed += map(_listed, newest)
    files = sum(map(len, by_name.values()))
    versions = {name: len(by_name[name]) for name in shown}
    return Summary(files, tuple(sorted(by_name)), versions, tuple(listed))


def decode(data: bytes) -> Summary | None:
    """The inverse of `encode`; None for what another version of pkgrel has written."""
    try:
        format, files, names, versions, rows = typed.load(data, SUMMARIES)
        if format != _FORMAT:
            return None
        listed = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        document = {"files": files, "names": names, "versions": versions, "listed": listed}
        return typed.read(Summary, document, SUMMARIES)
    except (RepositoryError, ValueError, TypeError):
        return None


def _listed(record: Record) -> Listed:
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
