"""Packages: the paragraphs of a component's packages of one architecture."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from pkgrel.repository.apt.order import sort_key
from pkgrel.repository.apt.pool import ROOT
from pkgrel.repository.record import Record


def index(records: Sequence[Record]) -> bytes:
    """The file; sorted by name, the newest version first, which simple clients take."""
    return "".join(_lines(records)).encode()


def _lines(records: Sequence[Record]) -> Iterator[str]:
    for record in _sorted(records):
        yield record.index[0]
        yield f"Filename: {record.path.removeprefix(ROOT)}\n\n"


def _sorted(records: Sequence[Record]) -> Iterator[Record]:
    by_name = sorted(records, key=attrgetter("name", "architecture", "path"))
    for _, group in groupby(by_name, attrgetter("name")):
        versions = list(group)
        if len(versions) > 1:
            versions.sort(key=lambda record: sort_key(record.version), reverse=True)
        yield from versions
