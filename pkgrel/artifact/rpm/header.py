"""Reads an rpm header: the structure is checked as by rpm, and values are decoded by rpmfile.

rpm refuses a known tag with values of another type.

    intro: magic 8eade8, version 1, 4 zeros, number of entries, bytes of data
    entry: tag, type, offset into the data, count
    data

Source: include/rpm/rpmtag.h of rpm 6.1, lib/header.c hdrchkTagType(); headerMergeLegacySigs() in lib/package.c
and rpmvfytags in lib/rpmvs.c for signature headers; lib/header.c of rpm 4.20, hdrblobVerifyInfo(). rpmfile
copies the rest of the data for every string, whatever the counts are, and does not know INT64; so it is given
only valid values, one at a time, and INT64 is decoded here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from rpmfile.headers import extract_data

from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.rpm_tags import RELATIONS, SignatureTag, Tag, Type

_STRINGS = """
100 1000-1002 1004-1005 1007 1010-1011 1014-1016 1018-1027 1035-1036 1039-1040 1044 1047 1049-1050 1054-1055
1059-1062 1064-1067 1079 1081-1082 1085-1092 1094 1097-1099 1113 1115 1117-1118 1120-1126 1132-1133 1135 1142
1147-1157 1159-1160 1196 5000-5002 5005-5007 5010 5012-5016 5030-5031 5034-5036 5040-5044 5046-5047 5049-5050
5052-5053 5055-5056 5058-5062 5066-5067 5069 5071 5076-5077 5079 5081 5086-5090 5092 5096-5101 5103-5106 5109
5116-5118 5120-5124
"""
_INT32 = """
1003 1006 1008-1009 1028 1034 1037 1045-1046 1048 1051-1053 1068-1069 1080 1095-1096 1106 1112 1114 1116 1119
1127-1129 1134 1140-1141 1143-1145 1158 1161 1195 5011 5017-5027 5032-5033 5037 5045 5048 5051 5054 5057 5068
5070 5072 5078 5080 5082 5084-5085 5091 5093 5107-5108 5114-5115 5119
"""


def _numbers(ranges: str) -> Iterator[int]:
    for word in ranges.split():
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


_STRING_TYPES = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])
"""Equivalent types in the main header."""
_LISTS = (
    *(Tag.BASENAMES, Tag.DIRNAMES, Tag.FILEUSERNAME, Tag.FILEGROUPNAME, Tag.FILELINKTOS),
    *(Tag.FILEDIGESTS, Tag.CHANGELOGNAME, Tag.CHANGELOGTEXT),
    *(Tag.PAYLOADSHA256, Tag.PAYLOADSHA256ALT),
)
_MAIN: dict[int, frozenset[Type]] = {
    **dict.fromkeys(_numbers(_STRINGS), _STRING_TYPES),
    **dict.fromkeys(_numbers(_INT32), frozenset([Type.INT32])),
    **dict.fromkeys((1030, 1033), frozenset([Type.INT16])),
    **dict.fromkeys((5008, 5009, 5112, 5113), frozenset([Type.INT64])),
    **dict.fromkeys((1012, 1013, 1043, 1146), frozenset([Type.BIN])),
    1029: frozenset([Type.CHAR]),
    # Of lists stored as another type rpm reads the first value, or none.
    **dict.fromkeys(_LISTS, frozenset([Type.STRING_ARRAY])),
    **{
        tag: frozenset([Type.STRING_ARRAY])
        for names, versions, _ in RELATIONS.values()
        for tag in (names, versions)
    },
}
_OF_SIGNATURES = frozenset([*range(257, 280)])
"""Tags of signature headers that main headers cannot have, since rpm merges the two."""
_ONE_VALUE = frozenset([Tag.EPOCH, Tag.BUILDTIME, Tag.SIZE, Tag.LONGSIZE])

_ANY = 0
_SIGNATURE: dict[int, tuple[int, int]] = {
    SignatureTag.SIGPGP: (Type.BIN, _ANY),
    SignatureTag.DSA: (Type.BIN, _ANY),
    SignatureTag.RSA: (Type.BIN, _ANY),
    SignatureTag.SHA1: (Type.STRING, 1),
    SignatureTag.LONGSIZE: (Type.INT64, 1),
    SignatureTag.LONGARCHIVESIZE: (Type.INT64, 1),
    SignatureTag.SHA256: (Type.STRING, 1),
    SignatureTag.OPENPGP: (Type.STRING_ARRAY, _ANY),
    SignatureTag.SIZE: (Type.INT32, 1),
    SignatureTag.PGP: (Type.BIN, _ANY),
    SignatureTag.MD5: (Type.BIN, 16),
    SignatureTag.GPG: (Type.BIN, _ANY),
    SignatureTag.PAYLOADSIZE: (Type.INT32, 1),
}


def problem(tag: int, kind: int, count: int, region: Tag | SignatureTag) -> str:
    """Why rpm would refuse the type or the number of a tag's values; empty if it would not."""
    if region == SignatureTag.HEADERSIGNATURES:
        wanted, values = _SIGNATURE.get(tag, (kind, _ANY))
        if kind != wanted:
            return "has another type than rpm wants"
        return f"has {count} values" if values not in (_ANY, count) else ""
    if tag in _OF_SIGNATURES:
        return "belongs into the signature header"
    if kind not in _MAIN.get(tag, (kind,)):
        return "has another type than rpm wants"
    if count > 1 and (kind == Type.STRING or tag in _ONE_VALUE):
        return f"has {count} values"
    return ""


#                      magic version zeros entries bytes
INTRO = struct.Struct(">3s   B       4s    I       I")
ENTRY = struct.Struct(">IIII")  # tag type offset count
MAGIC = b"\x8e\xad\xe8"
SIZES = {int(type): type.size for type in Type}
INTEGERS = frozenset([Type.INT16, Type.INT32, Type.INT64])
STRINGS = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])
_FIRST_TAG = 100
"""Smaller numbers are regions, of which a header has one."""
_SIGNATURE_TAGS = 32
"""The most entries of a signature header."""


class Value(NamedTuple):
    """The position of a tag's value."""

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
        """Return a tag's value as stored, a string without its terminator; empty if the tag is missing."""
        if tag not in self.index:
            return b""
        kind, offset, count, _ = self.index[tag]
        start = INTRO.size + ENTRY.size * len(self.index) + offset
        if kind == Type.STRING:
            return self.raw[start : self.raw.index(0, start)]
        return self.raw[start : start + count * SIZES[kind]]

    def value(self, tag: int) -> object:
        """Return a tag's value as rpmfile decodes it; an empty tuple if the tag is missing."""
        if tag not in self.index:
            return ()
        kind, offset, count, end = self.index[tag]
        start = INTRO.size + ENTRY.size * len(self.index)
        return extract_data(kind, 0, count, self.raw[start + offset : start + end])


def read_blob(source: BinaryIO, what: str, region: Tag | SignatureTag) -> Blob:
    """Read the header that begins here; PackageError if rpm would refuse it.

    A main header must be entirely in its region, which is what is hashed and signed. A signature header may have no
    region, or entries after it, which old tools have added.
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
    if not region_index and not is_signature:  # some of rpm 3 have none
        raise PackageError(f"damaged: its {what} is not in a region, as rpm 4 wants it")
    inside = data if is_signature else data[: region_index[region].offset]
    index = _index(rows[len(region_index) :], inside, what, region)
    return Blob(start + rest, {**region_index, **index})


def _region(
    rows: list[tuple[int, ...]], data: bytes, what: str, region: Tag | SignatureTag
) -> Index:
    """The entry of the region, which comes first; empty without one. Its data, the last of all, is itself an entry."""
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
    """The positions of the values: each follows the previous one, except for the alignment of integers."""
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
        if why := problem(tag, kind, count, region):
            raise PackageError(f"damaged: tag {tag} of its {what} {why}")
        end = _end(data, kind, offset, count)
        if not offset < end <= len(data):
            raise PackageError(f"damaged: tag {tag} of its {what} ends nowhere")
        index[tag] = Value(kind, offset, count, end)
    if end != len(data) and not is_loose:
        raise PackageError(f"damaged: its {what} has bytes that belong to no tag")
    return index


def _end(data: bytes, kind: int, offset: int, count: int) -> int:
    """The offset of the value's end; -1 if it has none."""
    if kind not in STRINGS:
        return offset + count * SIZES[kind]
    end = offset
    for _ in range(count):
        end = data.find(0, end) + 1
        if not end:
            return -1
    return end


class Header:
    """The values of the main header by tag; empty for missing ones."""

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
        """Strings; bytes that are not UTF-8 are surrogate-escaped."""
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
