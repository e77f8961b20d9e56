"""The binary form of an rpm's headers: written for a new package, read and extended when one is signed.

    intro   magic, version, 4 zeros, number of entries, bytes of data
    entry   tag, type, offset in the data, count
    data    the values in the order of the entries

The first entry is the region. Its data comes last and is itself an entry, with a negative offset that spans the
index: what lies between is what rpm hashes and verifies, here everything.

pkgrel.artifact has an independent reader. Source: lib/header.c of rpm 4.20,
hdrblobVerifyInfo(); docs/manual/format_header.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.rpm_tags import Type

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4x    I       I")
#                      tag type offset count
ENTRY = struct.Struct(">I  I    i      I")
MAGIC = b"\x8e\xad\xe8"
VERSION = 1
REGIONS = frozenset([61, 62, 63])
"""HEADERIMAGE, HEADERSIGNATURES, HEADERIMMUTABLE: which entries belong together."""
ALIGNMENT = 8
"""Alignment of what follows a signature header."""
_STRINGS = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a tag."""

    type: Type
    count: int
    data: bytes

    def strings(self) -> list[bytes]:
        """The strings of a tag of a string type."""
        return self.data.split(b"\0")[: self.count]

    @property
    def number(self) -> int:
        """Its first integer."""
        return int.from_bytes(self.data[: self.type.size], "big")


Tags = Mapping[int, Value]


def encode(tags: Tags, region: int) -> bytes:
    """Serialise a header, with its tags in numerical order in one region."""
    index = [b""]
    data = bytearray()
    for tag, value in sorted(tags.items()):
        data += bytes(-len(data) % value.type.size)
        index.append(ENTRY.pack(tag, value.type, len(data), value.count))
        data += value.data
    index[0] = ENTRY.pack(region, Type.BIN, len(data), ENTRY.size)
    data += ENTRY.pack(region, Type.BIN, -ENTRY.size * len(index), ENTRY.size)
    return INTRO.pack(MAGIC, VERSION, len(index), len(data)) + b"".join(index) + data


def padded(signature_header: bytes) -> bytes:
    """Serialise a signature header, padded to the start of the main header."""
    return signature_header + bytes(-len(signature_header) % ALIGNMENT)


def read(source: BinaryIO, what: str) -> tuple[bytes, Tags]:
    """Read the header that begins here: its bytes, and its tags without the region."""
    start = source.read(INTRO.size)
    if len(start) < INTRO.size or not start.startswith(MAGIC):
        raise PackageError(f"damaged: it has no {what}")
    _, _, entries, size = INTRO.unpack(start)
    if not 0 < entries <= LIMITS.rpm_tags or size > LIMITS.rpm_header:
        raise PackageError(f"damaged: its {what} has {entries} tags in {size} bytes")
    rest = source.read(entries * ENTRY.size + size)
    if len(rest) < entries * ENTRY.size + size:
        raise PackageError(f"truncated: its {what} is not all there")
    return start + rest, dict(_tags(rest, entries, what))


def _tags(rest: bytes, entries: int, what: str) -> Iterator[tuple[int, Value]]:
    data = rest[entries * ENTRY.size :]
    taken = 0
    for tag, number, offset, count in ENTRY.iter_unpack(rest[: entries * ENTRY.size]):
        if tag in REGIONS:
            continue
        type = _type(number, f"tag {tag} of its {what}")
        limit = len(data) if type is Type.BIN else LIMITS.package_entries
        end = _end(data, type, offset, count) if offset >= 0 and 0 < count <= limit else -1
        taken += end - offset
        # Overlapping values would be copied many times.
        if end < 0 or taken > len(data):
            raise PackageError(f"damaged: tag {tag} of its {what} is wrong")
        yield tag, Value(type, count, data[offset:end])


def _type(number: int, what: str) -> Type:
    try:
        return Type(number)
    except ValueError:
        raise PackageError(f"damaged: {what} is wrong") from None


def _end(data: bytes, type: Type, offset: int, count: int) -> int:
    """The offset of the value's end; -1 if it has none."""
    if type not in _STRINGS:
        end = offset + count * type.size
        return end if end <= len(data) else -1
    end = offset
    for _ in range(count):
        end = data.find(b"\0", end) + 1
        if not end:
            return -1
    return end
