"""An rpm header: its structure is checked as rpm checks it, its values are read by rpmfile.

    intro: magic 8eade8, version 1, 4 zeros, number of entries, bytes of data
    entry: tag, type, offset into the data, count
    data

Source: lib/header.c of rpm 4.20, hdrblobVerifyInfo(). rpmfile copies all that follows for every
string, whatever the counts say, and knows no INT64; so it is given only what rpm would take, each
value by itself and when it is asked for, and INT64 is read here.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from rpmfile.headers import extract_data

from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.rpm_tags import Type

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4s    I       I")
ENTRY = struct.Struct(">IIII")  # tag type offset count
MAGIC = b"\x8e\xad\xe8"
SIZES = {int(type): type.size for type in Type}
INTEGERS = frozenset([Type.INT16, Type.INT32, Type.INT64])
STRINGS = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])


class Value(NamedTuple):
    """Where a tag's value is."""

    kind: int
    offset: int
    values: int
    end: int
    """Where the next tag's begins."""


Index = Mapping[int, Value]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one header, checked."""

    raw: bytes
    index: Index

    def data(self, tag: int) -> bytes:
        """Return a tag's value as it is stored, a string without its end; empty if it is not there."""
        if tag not in self.index:
            return b""
        kind, offset, count, _ = self.index[tag]
        start = INTRO.size + ENTRY.size * len(self.index) + offset
        if kind == Type.STRING:
            return self.raw[start : self.raw.index(0, start)]
        return self.raw[start : start + count * SIZES[kind]]

    def value(self, tag: int) -> object:
        """Return a tag's value as rpmfile reads it; an empty tuple if it is not there."""
        if tag not in self.index:
            return ()
        kind, offset, count, end = self.index[tag]
        start = INTRO.size + ENTRY.size * len(self.index)
        return extract_data(kind, 0, count, self.raw[start + offset : start + end])


def read_blob(source: BinaryIO, what: str) -> Blob:
    """Read the header that begins here; PackageError if rpm would refuse it."""
    start = source.read(INTRO.size)
    if len(start) < INTRO.size:
        raise PackageError(f"truncated: it ends before its {what}")
    magic, version, _, entries, size = INTRO.unpack(start)
    if (magic, version) != (MAGIC, 1):
        raise PackageError(f"damaged: its {what} has a wrong magic number")
    if not 0 < entries <= LIMITS.rpm_tags or size > LIMITS.rpm_header:
        raise PackageError(f"damaged: its {what} has {entries} tags in {size} bytes")
    rest = source.read(entries * ENTRY.size + size)
    if len(rest) < entries * ENTRY.size + size:
        raise PackageError(f"truncated: its {what} is not all there")
    return Blob(start + rest, _index(rest, entries, what))


def _index(rest: bytes, entries: int, what: str) -> Index:
    index: dict[int, Value] = {}
    store = entries * ENTRY.size
    size = len(rest) - store
    end = 0
    for position, (tag, kind, offset, count) in enumerate(ENTRY.iter_unpack(rest[:store])):
        limit = size if kind == Type.BIN else LIMITS.package_entries
        if tag in index or kind not in SIZES or not 0 < count <= limit or offset >= size:
            raise PackageError(f"damaged: tag {tag} of its {what} is wrong")
        index[tag] = Value(kind, offset, count, size)
        if offset < end or offset + count * SIZES[kind] > size:
            raise PackageError(f"damaged: tag {tag} of its {what} overlaps another")
        if position:  # the first is the region, whose data comes last
            end = offset + count * SIZES[kind]
    following = [*(value.offset for value in index.values()), size][2:]
    for (tag, value), behind in zip([*index.items()][1:], following, strict=True):
        ends = rest.count(0, store + value.offset, store + behind)
        if value.kind in STRINGS and ends < value.values:
            raise PackageError(f"damaged: tag {tag} of its {what} has a string without an end")
        index[tag] = value._replace(end=behind)
    return index


class Header:
    """The values of the main header by number of tag, empty for what is not there."""

    def __init__(self, signature: Blob, main: Blob, start: int) -> None:
        self.signature = signature
        self.main = main
        self.start = start
        """Offset of the main header in the file, bytes."""

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Integers of any width, unsigned."""
        if tag in self.main.index and self.main.index[tag].kind == Type.INT64:
            return tuple(value for (value,) in struct.iter_unpack(">Q", self.main.data(tag)))
        value = self.main.value(tag)
        if isinstance(value, int):
            return (value,)
        if not isinstance(value, tuple):
            raise PackageError(f"damaged: tag {tag} has no numbers")
        return value

    def number(self, tag: int, default: int) -> int:
        """The first number."""
        return next(iter(self.numbers(tag)), default)

    def strings(self, tag: int) -> tuple[str, ...]:
        """Strings, with bytes that are not UTF-8 as Python's file system functions keep them."""
        value = self.main.value(tag)
        values = (value,) if isinstance(value, bytes) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, bytes) for v in values):
            raise PackageError(f"damaged: tag {tag} has no strings")
        return tuple(v.decode(errors="surrogateescape") for v in values)

    def text(self, tag: int) -> str:
        """The first string, or the first number as text."""
        if tag in self.main.index and self.main.index[tag].kind in INTEGERS:
            return str(self.number(tag, 0))
        return "".join(self.strings(tag)[:1])
