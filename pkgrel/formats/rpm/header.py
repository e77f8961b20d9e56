"""What an rpm's header says, by the types of its tags; pkgrel.rpm_header has how it is stored."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import cast

from pkgrel import rpm_header
from pkgrel.errors import PackageError
from pkgrel.rpm_tags import AnyTag, Type

INTEGERS = {Type.INT16: "H", Type.INT32: "I", Type.INT64: "Q"}
MOST_VALUES = (1 << 20) - 1
MOST_BYTES = 256 << 20

Value = Sequence[int] | Sequence[str] | str | bytes


def encode(tags: Mapping[AnyTag, Value], *, region: AnyTag) -> bytes:
    """The whole header; tags with empty values are left out: rpm refuses arrays of nothing."""
    stored: dict[int, rpm_header.Value] = {
        tag: rpm_header.Value(tag.type, *_stored(tag, value))
        for tag, value in tags.items()
        if value
    }
    encoded = rpm_header.encode(stored, region)
    if len(encoded) > MOST_BYTES:
        raise PackageError(f"an rpm's header can have {MOST_BYTES} bytes, not {len(encoded)}")
    return encoded


def _stored(tag: AnyTag, value: Value) -> tuple[int, bytes]:
    """A tag's count and data; PackageError for what its type cannot hold."""
    match tag.type, value:
        case Type.BIN, bytes():
            return len(value), value
        case Type.STRING | Type.I18NSTRING, str():
            return 1, _strings(tag, [value])
        case _ if len(value) > MOST_VALUES:
            raise PackageError(
                f"{tag.name} of an rpm can have {MOST_VALUES} values, not {len(value)}"
            )
        case Type.STRING_ARRAY, _:
            return len(value), _strings(tag, cast(Sequence[str], value))
        case _:
            return len(value), _integers(tag, cast(Sequence[int], value))


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
