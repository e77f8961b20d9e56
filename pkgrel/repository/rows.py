"""Records as rows of JSON below the names of their columns, in a frame of zstd; nothing of it is believed.

Text is read some rows at a time: a manifest of an earlier pkgrel has that of all packages in one frame, 400 MB
for 100,000.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any

from pkgrel.compressors import zstd
from pkgrel.console import is_plain
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import typed
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.record import ALL, STOPPED, TYPES, Record

_CHUNK = 1 << 20
"""Bytes of text that are read at once."""
_LONGEST = 32 << 20
"""Characters of a row,"""
_MOST, _RATIO = 64 << 20, 200
"""and bytes of text: so many, or so many times the bytes of the object."""
_FORMATS = {str(format): format for format in Format}
_COLUMNS = tuple(field.name for field in fields(Record))
_TUPLES = ("index", "contents", "advisory")
_TYPES = tuple(
    {"format": Format, "size": int, "published": int, "phase": int}.get(
        name, tuple if name in _TUPLES else str
    )
    for name in _COLUMNS
)
_NEEDED = {field.name for field in fields(Record) if field.default is MISSING}
_ROW = attrgetter(*_COLUMNS)
_SAID = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,255}\n([0-9]{1,10}:)?[A-Za-z0-9._+~^:-]{1,255}\n[A-Za-z0-9_-]{1,64}\n"
    r"[0-9a-f]{64}\n([0-9a-f]{64})?\n[a-z]+/(?!(.*/)?\.\.?(/|\Z))[!-~]{1,1000}"
)
"""Name, version, architecture, both hashes and path of a package."""
_LARGEST, _LAST = 1 << 53, 253_402_300_799
"""Size, and time: the end of the year 9999."""
_ZEROS = "0" * 64
_NO_NAME = re.compile(
    r"^(?![A-Za-z0-9_][A-Za-z0-9._+-]{0,255} [1-9][0-9]{0,9} [0-9]{1,12}$)", re.MULTILINE
)
"""A line that is none of a shard's packages: name, versions, time."""
_START, _MIDDLE, _END = '{"columns":', ',"packages":[', "]}"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encode(records: Sequence[Record]) -> str:
    """The text of a frame."""
    rows = [_ROW(record) for record in records]
    return f"{_START}{_JSON.encode(_COLUMNS)}{_MIDDLE}{_JSON.encode(rows)[1:-1]}{_END}"


def utf8(text: str) -> bytes:
    """The bytes of a text that may have anything in it."""
    return text.encode("utf-8", "surrogatepass")


def most(size: int) -> int:
    """How many bytes of text an object of so many bytes may be."""
    return max(_MOST, _RATIO * size)


def are_identities(first: Sequence[str], names: str) -> bool:
    """Whether a table can say this of a shard: its first package, and the lines of its names."""
    name, version, architecture, path = first
    said = f"{name}\n{version}\n{architecture}\n{_ZEROS}\n{_ZEROS}\n{path}"
    return bool(_SAID.fullmatch(said)) and not _NO_NAME.search(names.removesuffix("\n"))


def decode(data: bytes, plain: int, key: str) -> tuple[Record, ...]:
    """The records of a frame of so many bytes of text, or 0 if nobody knows; RepositoryError if it has none."""
    columns, rows = _document(data, plain, key)
    known = [name for name in columns if name in _COLUMNS]
    if not set(known) >= _NEEDED:
        raise RepositoryError(
            f"{key}: lacks {', '.join(sorted(_NEEDED - set(known)))}",
            hint="install the pkgrel that wrote it",
        )
    tuples = [columns.index(name) for name in _TUPLES if name in columns]
    format_at = columns.index("format")
    records = []
    positions = [columns.index(name) for name in known]
    for row in rows:
        if len(row) != len(columns) or any(type(row[position]) is not list for position in tuples):
            raise typed.damaged(key, "a package that is not as its columns say")
        for position in tuples:
            row[position] = tuple(row[position])
        if type(row[format_at]) is str:
            row[format_at] = _FORMATS.get(row[format_at], row[format_at])
        record = Record(**dict(zip(known, [row[position] for position in positions], strict=True)))
        if why := problem(record):
            raise typed.damaged(key, why)
        records.append(record)
    if len({record.format for record in records}) > 1:
        raise typed.damaged(key, "packages of two formats")
    return tuple(records)


def problem(record: Record) -> str:
    """What a record cannot say, since nobody could read the manifest then; empty if there is nothing."""
    types = tuple(type(value) for value in _ROW(record))
    if types != _TYPES:
        name, wrong = next(
            (name, value)
            for name, value, wanted in zip(_COLUMNS, _ROW(record), _TYPES, strict=True)
            if type(value) is not wanted
        )
        return f"the {name} of a package is `{typed.shown(str(wrong)[:99])}`"
    said = (
        f"{record.name}\n{record.version}\n{record.architecture}\n{record.sha256}"
        f"\n{record.content_sha256}\n{record.path}"
    )
    good = (
        _SAID.fullmatch(said)
        and 0 <= record.size <= _LARGEST
        and 0 <= record.published <= _LAST
        and STOPPED <= record.phase <= ALL
        and _belongs(record)
        and _are_texts(record.index)
        and _are_texts(record.contents)
        and _is_advisory(record.advisory)
    )
    return "" if good else f"package `{typed.shown(record.name)}` says what no package can"


def _belongs(record: Record) -> bool:
    """Whether path and index are those of the record's kind of repository."""
    folder, texts = _shape(record.format)
    return record.path.startswith(folder) and len(record.index) == texts


@cache
def _shape(format: Format) -> tuple[str, int]:
    kind = repository_kind(format)
    return kind.FOLDER, kind.INDEX_TEXTS


def _are_texts(values: Sequence[object]) -> bool:
    return not values or set(map(type, values)) == {str}


def _is_advisory(values: Sequence[str]) -> bool:
    if not values:
        return True
    return _are_texts(values) and values[0] in TYPES and all(map(is_plain, values))


def paths(data: bytes, plain: int, key: str) -> set[str]:
    """Only the keys of the packages; RepositoryError as in `decode`."""
    columns, rows = _document(data, plain, key)
    if "path" not in columns:
        raise typed.damaged(key, "it has no paths")
    position = columns.index("path")
    found = set()
    for row in rows:
        if len(row) != len(columns) or type(row[position]) is not str:
            raise typed.damaged(key, "a package that is not as its columns say")
        found.add(row[position])
    return found


def begins_with(data: bytes, start: str) -> bool:
    """Whether the text of the first frame begins so."""
    try:
        found = zstd.ZstdDecompressor().decompress(data, len(start))
    except zstd.ZstdError:
        return False
    return found == start.encode()


def first_frame(data: bytes, largest: int, key: str) -> tuple[bytes, int]:
    """The first frame's text, and how many bytes the frame has."""
    try:
        size = zstd.get_frame_size(data)
        text = b"".join(_plain(data[:size], min(largest, most(len(data)))))
    except (EOFError, zstd.ZstdError, ValueError) as e:
        raise typed.damaged(key, typed.shown(str(e))) from None
    return text, size


def _document(data: bytes, plain: int, key: str) -> tuple[list[str], Iterator[list[Any]]]:
    """The columns, and the rows, which come one by one."""
    values = _lists(data, plain, key)
    columns = next(values, [])
    if not all(type(name) is str for name in columns) or len(set(columns)) != len(columns):
        raise typed.damaged(key, "it has no columns")
    return columns, values


def _lists(data: bytes, plain: int, key: str) -> Iterator[list[Any]]:
    """The columns, and each row; RepositoryError for what is not a list."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
    try:
        for value in _values(map(decode, _plain(data, plain or most(len(data))))):
            if type(value) is not list:
                raise typed.damaged(key, "it is not a table of packages")
            yield value
    except (EOFError, zstd.ZstdError, ValueError, RecursionError) as e:
        raise typed.damaged(key, typed.shown(str(e))) from None


def _values(chunks: Iterator[str]) -> Iterator[list[Any]]:
    """The lists of `{"columns":[…],"packages":[[…],[…]]}`: the columns, and each row."""
    read = json.JSONDecoder().raw_decode
    text, at, before, enough = "", 0, _START, 0
    for chunk in chain(chunks, [""]):
        text, at = text[at:] + chunk, 0
        while len(text) - at >= enough or not chunk:
            try:
                value, end = read(text, at + len(before))
            except ValueError:  # it goes on in the next chunk, or in the one after it
                enough = 2 * (len(text) - at)
                if enough > 2 * _LONGEST:
                    raise ValueError("a package of which more is said than there can be") from None
                break
            yield value
            at, before, enough = end, _MIDDLE if before == _START else ",", 0


def _plain(data: bytes, largest: int) -> Iterator[bytes]:
    """What is in the first frame; ValueError if that is more than so many bytes."""
    decompressor = zstd.ZstdDecompressor()
    size = 0
    while not decompressor.eof:
        plain = decompressor.decompress(data, _CHUNK)
        size += len(plain)
        if size > largest or (not plain and decompressor.needs_input):
            raise ValueError("it is cut off" if size <= largest else "it is endless")
        yield plain
        data = b""
