"""Headers: tags with values in one blob that can be hashed and signed.

    intro   magic, version, 4 zeros, number of entries, bytes of data
    entry   tag, type, offset in the data, count
    data    the values in the order of the entries

The first entry is the region. Its data comes last and is an entry again, with a negative offset that
spans the index: rpm takes what lies between for what was hashed and signed, here everything.

Source: lib/header.c of rpm 4.20, hdrblobVerifyInfo(); docs/manual/format_header.md.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import cast

from pkgrel.errors import PackageError
from pkgrel.formats.rpm.tags import AnyTag, Type

#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4x    I       I")
#                      tag type offset count
ENTRY = struct.Struct(">I  I    i      I")
MAGIC = b"\x8e\xad\xe8"
VERSION = 1

INTEGERS = {Type.INT16: "H", Type.INT32: "I", Type.INT64: "Q"}
"""Integers, and only they, are aligned to their size."""
MOST_VALUES = (1 << 20) - 1
MOST_BYTES = 256 << 20

Value = Sequence[int] | Sequence[str] | str | bytes


def encode(tags: Mapping[AnyTag, Value], *, region: AnyTag) -> bytes:
    """The whole header; tags with empty values are left out: rpm refuses arrays of nothing."""
    index = [b""]
    data = bytearray()
    for tag in sorted((tag for tag, value in tags.items() if value), key=lambda tag: tag.number):
        encoded, count = _values(tag, tags[tag])
        if tag.type in INTEGERS:
            data += bytes(-len(data) % struct.calcsize(INTEGERS[tag.type]))
        index.append(ENTRY.pack(tag.number, tag.type, len(data), count))
        data += encoded
    index[0] = ENTRY.pack(region.number, Type.BIN, len(data), ENTRY.size)
    data += ENTRY.pack(region.number, Type.BIN, -ENTRY.size * len(index), ENTRY.size)
    if len(data) > MOST_BYTES:
        raise PackageError(f"an rpm's header can have {MOST_BYTES} bytes, not {len(data)}")
    return INTRO.pack(MAGIC, VERSION, len(index), len(data)) + b"".join(index) + data


def _values(tag: AnyTag, value: Value) -> tuple[bytes, int]:
    """A tag's data and count; PackageError for what its type cannot hold."""
    match tag.type, value:
        case Type.BIN, bytes():
            return value, len(value)
        case Type.STRING | Type.I18NSTRING, str():
            return _strings(tag, [value]), 1
        case _ if len(value) > MOST_VALUES:
            raise PackageError(
                f"{tag.name} of an rpm can have {MOST_VALUES} values, not {len(value)}"
            )
        case Type.STRING_ARRAY, _:
            return _strings(tag, cast(Sequence[str], value)), len(value)
        case _:
            return _integers(tag, cast(Sequence[int], value)), len(value)


def _strings(tag: AnyTag, texts: Sequence[str]) -> bytes:
    joined = "\0".join(texts)
    if joined.count("\0") >= len(texts):
        raise PackageError(f"{tag.name} of an rpm cannot hold a null character")
    try:
        return joined.encode() + b"\0"
    except UnicodeEncodeError as error:
        # ENCODING promises it.
        bad = error.object[error.start : error.end].encode(errors="surrogateescape")
        raise PackageError(f"{tag.name} of an rpm must be UTF-8, which {bad!r} is not") from None


def _integers(tag: AnyTag, numbers: Sequence[int]) -> bytes:
    try:
        return struct.pack(f">{len(numbers)}{INTEGERS[tag.type]}", *numbers)
    except struct.error as error:
        raise PackageError(f"{tag.name} of an rpm cannot hold such a number: {error}") from None
