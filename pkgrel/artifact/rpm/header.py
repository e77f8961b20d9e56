"""An rpm header: its structure is checked as rpm checks it, its values are read by rpmfile.

    intro: magic 8eade8, version 1, 4 zeros, number of entries, bytes of data
    entry: tag, type, offset into the data, count
    data

Source: lib/header.c of rpm 4.20, hdrblobVerifyInfo(). rpmfile looks for the next byte 8e wherever
it is, copies the data for every tag, whatever the counts say, and knows no INT64; so it is given
only headers that rpm would take, and INT64 is read here.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import rpmfile
from rpmfile.errors import RPMError
from rpmfile.headers import rtags

from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4s    I       I")
ENTRY = struct.Struct(">IIII")  # tag type offset count
MAGIC = b"\x8e\xad\xe8"
# Bytes of one value; of strings at least that many.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 1, 9: 1}
INT64, STRING, BINARY = 5, 6, 7
INTEGERS = (3, 4, 5)

_ENTRIES = 512
"""rpm has some 300 tags in all and allows 65535 of them."""
_COUNT = (1 << 20) - 1

Index = Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one header, checked."""

    raw: bytes
    index: Index
    """Tag -> type, offset, count."""

    def data(self, tag: int) -> bytes:
        """Return a tag's value as it is stored, a string without its end; empty if it is not there.

        rpmfile puts both headers into one mapping, where a tag of the one hides one of the other.
        """
        if tag not in self.index:
            return b""
        kind, offset, count = self.index[tag]
        start = INTRO.size + ENTRY.size * len(self.index) + offset
        if kind == STRING:
            return self.raw[start : self.raw.index(0, start)]
        return self.raw[start : start + count * SIZES[kind]]


def read_blob(source: BinaryIO, what: str) -> Blob:
    """Read the header that begins here; PackageError if rpm would refuse it."""
    start = source.read(INTRO.size)
    if len(start) < INTRO.size:
        raise PackageError(f"truncated: it ends before its {what}")
    magic, version, _, entries, size = INTRO.unpack(start)
    if (magic, version) != (MAGIC, 1):
        raise PackageError(f"damaged: its {what} has a wrong magic number")
    if not 0 < entries <= _ENTRIES or size > LIMITS.rpm_header:
        raise PackageError(f"damaged: its {what} has {entries} tags in {size} bytes")
    rest = source.read(entries * ENTRY.size + size)
    if len(rest) < entries * ENTRY.size + size:
        raise PackageError(f"truncated: its {what} is not all there")
    return Blob(start + rest, _index(rest[: entries * ENTRY.size], size, what))


def _index(entries: bytes, size: int, what: str) -> Index:
    index: dict[int, tuple[int, int, int]] = {}
    end = 0
    for position, (tag, kind, offset, count) in enumerate(ENTRY.iter_unpack(entries)):
        limit = size if kind == BINARY else _COUNT
        if tag in index or kind not in SIZES or not 0 < count <= limit or offset >= size:
            raise PackageError(f"damaged: tag {tag} of its {what} is wrong")
        index[tag] = (kind, offset, count)
        if offset < end or offset + count * SIZES[kind] > size:
            raise PackageError(f"damaged: tag {tag} of its {what} overlaps another")
        if position:  # the first is the region, whose data comes last
            end = offset + count * SIZES[kind]
    return index


class Header:
    """The values of the main header by number of tag, empty for what is not there."""

    def __init__(self, lead: bytes, signature: Blob, main: Blob, start: int) -> None:
        padding = bytes(-len(signature.raw) % 8)
        headers = io.BytesIO(lead + signature.raw + padding + main.raw)
        try:
            self._values = rpmfile.RPMFile(fileobj=headers).headers
        except (RPMError, AssertionError) as e:
            raise PackageError(f"damaged: its headers cannot be read: {e}") from e
        self.signature = signature
        self.main = main
        self.start = start
        """Offset of the main header in the file, bytes."""

    def _value(self, tag: int) -> object:
        return self._values[rtags.get(tag, tag)] if tag in self.main.index else ()

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Integers of any width, unsigned."""
        if self.main.index.get(tag, (0,))[0] == INT64:
            return tuple(value for (value,) in struct.iter_unpack(">Q", self.main.data(tag)))
        value = self._value(tag)
        if isinstance(value, int):
            return (value,)
        if not isinstance(value, tuple):
            raise PackageError(f"damaged: tag {tag} has no numbers")
        return value

    def number(self, tag: int, default: int) -> int:
        """The first number."""
        return next(iter(self.numbers(tag)), default)

    def strings(self, tag: int) -> tuple[str, ...]:
        """Strings, with bytes that are no UTF-8 as Python's file system functions keep them."""
        value = self._value(tag)
        values = (value,) if isinstance(value, bytes) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, bytes) for v in values):
            raise PackageError(f"damaged: tag {tag} has no strings")
        return tuple(v.decode(errors="surrogateescape") for v in values)

    def text(self, tag: int) -> str:
        """The first string, or the first number as text."""
        if self.main.index.get(tag, (STRING,))[0] in INTEGERS:
            return str(self.number(tag, 0))
        return "".join(self.strings(tag)[:1])
