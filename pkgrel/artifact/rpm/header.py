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

from pkgrel.artifact.rpm import tag_types
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.rpm_tags import SignatureTag, Tag, Type

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4s    I       I")
ENTRY = struct.Struct(">IIII")  # tag type offset count
MAGIC = b"\x8e\xad\xe8"
SIZES = {int(type): type.size for type in Type}
INTEGERS = frozenset([Type.INT16, Type.INT32, Type.INT64])
STRINGS = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])
_FIRST_TAG = 100
"""Below are regions, of which a header has one."""
_SIGNATURE_TAGS = 32
"""Entries of a signature header at most."""


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


def read_blob(source: BinaryIO, what: str, region: Tag | SignatureTag) -> Blob:
    """Read the header that begins here; PackageError if rpm would refuse it.

    All of a main header must be in its region, which is what is hashed and signed. A signature header may have
    none, or entries behind it, as old tools have added them.
    """
    start = source.read(INTRO.size)
    if len(start) < INTRO.size:
        raise PackageError(f"truncated: it ends before its {what}")
    magic, version, _, entries, size = INTRO.unpack(start)
    if (magic, version) != (MAGIC, 1):
        raise PackageError(f"damaged: its {what} has a wrong magic number")
    is_signature = region == SignatureTag.HEADERSIGNATURES
    limit = _SIGNATURE_TAGS if is_signature else LIMITS.rpm_tags
    if not 0 < entries <= limit or size > LIMITS.rpm_header:
        raise PackageError(f"damaged: its {what} has {entries} tags in {size} bytes")
    rest = source.read(entries * ENTRY.size + size)
    if len(rest) < entries * ENTRY.size + size:
        raise PackageError(f"truncated: its {what} is not all there")
    rows = list(ENTRY.iter_unpack(rest[: entries * ENTRY.size]))
    data = rest[entries * ENTRY.size :]
    region_index = _region(rows, data, what, region)
    if not region_index and not is_signature:  # of rpm 3 are some without
        raise PackageError(f"damaged: its {what} is not in a region, as rpm 4 wants it")
    inside = data if is_signature else data[: region_index[region].offset]
    index = _index(rows[len(region_index) :], inside, what, region)
    return Blob(start + rest, {**region_index, **index})


def _region(
    rows: list[tuple[int, ...]], data: bytes, what: str, region: Tag | SignatureTag
) -> Index:
    """The entry of the region, which comes first; empty without one. Its data, behind all others, is an entry again."""
    tag, kind, offset, count = rows[0]
    if tag != region:
        return {}
    size = ENTRY.size
    trailer = ENTRY.pack(region, Type.BIN, (1 << 32) - size * len(rows), size)
    covers = region == SignatureTag.HEADERSIGNATURES or data[offset:] == trailer
    if (kind, count) != (Type.BIN, size) or not covers:
        raise PackageError(f"damaged: the region of its {what} does not cover it")
    return {tag: Value(kind, offset, count, len(data))}


def _index(
    rows: list[tuple[int, ...]], data: bytes, what: str, region: Tag | SignatureTag
) -> Index:
    """Where the values are: each behind the one before, but for the alignment of integers."""
    index: dict[int, Value] = {}
    is_loose = region == SignatureTag.HEADERSIGNATURES
    end = 0
    for tag, kind, offset, count in rows:
        limit = len(data) if kind == Type.BIN else LIMITS.package_entries
        if tag < _FIRST_TAG or kind not in SIZES or not 0 < count <= limit or offset >= len(data):
            raise PackageError(f"damaged: tag {tag} of its {what} is wrong")
        if tag in index:
            raise PackageError(f"damaged: its {what} has tag {tag} twice")
        begin = end + -end % SIZES[kind]
        if offset != begin and not (is_loose and offset > begin):
            raise PackageError(f"damaged: tag {tag} of its {what} is not where the one before ends")
        if why := tag_types.problem(tag, kind, count, region):
            raise PackageError(f"damaged: tag {tag} of its {what} {why}")
        end = _end(data, kind, offset, count)
        if not offset < end <= len(data):
            raise PackageError(f"damaged: tag {tag} of its {what} ends nowhere")
        index[tag] = Value(kind, offset, count, end)
    if end != len(data) and not is_loose:
        raise PackageError(f"damaged: its {what} has bytes that belong to no tag")
    return index


def _end(data: bytes, kind: int, offset: int, count: int) -> int:
    """Where the value ends; -1 if that is nowhere."""
    if kind not in STRINGS:
        return offset + count * SIZES[kind]
    end = offset
    for _ in range(count):
        end = data.find(0, end) + 1
        if not end:
            return -1
    return end


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
