"""What the page shows of one place, kept beside its manifest under the same hash.

It is derived and may be missing: then it is made anew from the manifest.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from heapq import nlargest

from pkgrel.repository import layout, order
from pkgrel.repository.record import Record

PACKAGES = 100
"""Of a place; the ones that were published last."""
VERSIONS = 5
"""Of a package; the newest."""

SUMMARIES = f"{layout.PRIVATE}summaries/"

_FORMAT = 1
CHANGELOG = 2000
"""Characters."""
_SUMMARY = 200
"""Characters."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A package file that the page shows."""

    name: str
    version: str
    architecture: str
    path: str
    size: int
    """Bytes."""
    sha256: str
    published: int
    """Seconds since the epoch."""
    changelog: str
    summary: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A place in short."""

    files: int
    """How many there are."""
    names: int
    """How many different packages."""
    versions: Mapping[str, int]
    """How many versions there are of each package that is listed."""
    listed: tuple[Listed, ...]

    def encode(self) -> bytes:
        """The object's bytes."""
        rows = [astuple(each) for each in self.listed]
        document = [_FORMAT, self.files, self.names, dict(self.versions), rows]
        return json.dumps(document, separators=(",", ":")).encode()


def key(manifest: str) -> str:
    """Where the summary of a manifest is, by the manifest's hash."""
    return f"{SUMMARIES}{manifest}.json"


def summarise(records: Iterable[Record]) -> Summary:
    """The summary of a place's packages."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.name, []).append(record)
    last = {name: max(r.published for r in group) for name, group in by_name.items()}
    shown = sorted(nlargest(PACKAGES, last, key=lambda name: (last[name], name)))
    listed: list[Listed] = []
    for name in shown:
        newest = by_name[name]
        if len(newest) > 1:
            newest = sorted(newest, key=order.key, reverse=True)[:VERSIONS]
        listed += map(_listed, newest)
    files = sum(map(len, by_name.values()))
    return Summary(files, len(by_name), {n: len(by_name[n]) for n in shown}, tuple(listed))


def decode(data: bytes) -> Summary | None:
    """The inverse of `encode`; None for what another version of pkgrel has written."""
    try:
        format, files, names, versions, rows = json.loads(data)
        if format != _FORMAT:
            return None
        return Summary(files, names, versions, tuple(Listed(*row) for row in rows))
    except (ValueError, TypeError):
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
