"""Headers of an rpm, tag by tag, as they are stored: enough to add a tag and to read a digest.

    intro   magic, version, 4 zeros, number of entries, bytes of data
    entry   tag, type, offset in the data, count
    data

Source: docs/manual/format_header.md and lib/header.c of rpm 4.20.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4s    I       I")
#                      tag type offset count
ENTRY = struct.Struct(">I  I    i      I")
MAGIC = b"\x8e\xad\xe8"
REGIONS = frozenset([61, 62, 63])
"""HEADERIMAGE, HEADERSIGNATURES, HEADERIMMUTABLE: which entries belong together."""
INT16, INT32, INT64, STRING, BIN, STRING_ARRAY = 3, 4, 5, 6, 7, 8

_ALIGNMENT = {INT16: 2, INT32: 4, INT64: 8}
_SIZES = {1: 1, 2: 1, INT16: 2, INT32: 4, INT64: 8, BIN: 1}


@dataclass(frozen=True, slots=True)
class Value:
    """What a tag says."""

    type: int
    count: int
    data: bytes

    def strings(self) -> list[bytes]:
        """The strings of a tag that has some."""
        return self.data.split(b"\0")[: self.count]

    @property
    def number(self) -> int:
        """The first of its integers."""
        return int.from_bytes(self.data[: _SIZES.get(self.type, 1)], "big")


Tags = Mapping[int, Value]


def read(source: BinaryIO, what: str) -> tuple[bytes, Tags]:
    """The bytes of the header that begins here, and its tags without the region."""
    start = source.read(INTRO.size)
    if len(start) < INTRO.size or not start.startswith(MAGIC):
        raise PackageError(f"damaged: it has no {what}")
    _, _, _, entries, size = INTRO.unpack(start)
    if not 0 < entries <= LIMITS.rpm_tags or size > LIMITS.rpm_header:
        raise PackageError(f"damaged: its {what} has {entries} tags in {size} bytes")
    rest = source.read(entries * ENTRY.size + size)
    if len(rest) < entries * ENTRY.size + size:
        raise PackageError(f"truncated: its {what} is not all there")
    return start + rest, dict(_tags(rest, entries, what))


def _tags(rest: bytes, entries: int, what: str) -> Iterable[tuple[int, Value]]:
    data = rest[entries * ENTRY.size :]
    taken = 0
    for tag, type, offset, count in ENTRY.iter_unpack(rest[: entries * ENTRY.size]):
        if tag in REGIONS:
            continue
        limit = len(data) if type == BIN else LIMITS.package_entries
        end = _end(data, type, offset, count) if offset >= 0 and 0 < count <= limit else -1
        taken += end - offset
        # Values that overlap would be copied again and again.
        if end < 0 or taken > len(data):
            raise PackageError(f"damaged: tag {tag} of its {what} is wrong")
        yield tag, Value(type, count, data[offset:end])


def _end(data: bytes, type: int, offset: int, count: int) -> int:
    """Where the value ends; -1 if that is nowhere."""
    if type in _SIZES:
        end = offset + count * _SIZES[type]
        return end if end <= len(data) else -1
    end = offset
    for _ in range(count):
        end = data.find(b"\0", end) + 1
        if not end:
            return -1
    return end


def encode(tags: Tags, region: int) -> bytes:
    """The header, with its tags in the order of their numbers inside one region."""
    index = [b""]
    data = bytearray()
    for tag, value in sorted(tags.items()):
        data += bytes(-len(data) % _ALIGNMENT.get(value.type, 1))
        index.append(ENTRY.pack(tag, value.type, len(data), value.count))
        data += value.data
    index[0] = ENTRY.pack(region, BIN, len(data), ENTRY.size)
    data += ENTRY.pack(region, BIN, -ENTRY.size * len(index), ENTRY.size)
    return INTRO.pack(MAGIC, 1, bytes(4), len(index), len(data)) + b"".join(index) + data
