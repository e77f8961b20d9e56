"""Encodes records as rows of JSON below the names of their columns, in a zstd frame, and decodes untrusted ones.

Rows are parsed one by one: a manifest of an earlier pkgrel has all packages in one frame, 400 MB of text for 100,000.
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
"""Bytes of text that are decompressed at once."""
_LONGEST = 32 << 20
"""Maximum characters of a row."""
_MOST, _RATIO = 64 << 20, 200
"""Maximum bytes of text: absolute, or relative to the compressed size, whichever is more."""
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
"""Maximum size, and time: the end of the year 9999."""
_ZEROS = "0" * 64
_NO_NAME = re.compile(
    r"^(?![A-Za-z0-9_][A-Za-z0-9._+-]{0,255} [1-9][0-9]{0,9} [0-9]{1,12}$)", re.MULTILINE
)
"""A line of a shard's names that is not `name versions time`."""
_START, _MIDDLE, _END = '{"columns":', ',"packages":[', "]}"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encode(records: Sequence[Record]) -> str:
    """The text of a frame."""
    rows = [_ROW(record) for record in records]
    return f"{_START}{_JSON.encode(_COLUMNS)}{_MIDDLE}{_JSON.encode(rows)[1:-1]}{_END}"


def utf8(text: str) -> bytes:
    """Encode a text that may have surrogates."""
    return text.encode("utf-8", "surrogatepass")


def most(size: int) -> int:
    """The maximum bytes of text for a compressed size."""
    return max(_MOST, _RATIO * size)


def are_identities(first: Sequence[str], names: str) -> bool:
    """Whether a table's data of a shard are valid: its first package, and the lines of its names."""
    name, version, architecture, path = first
    said = f"{name}\n{version}\n{architecture}\n{_ZEROS}\n{_ZEROS}\n{path}"
    return bool(_SAID.fullmatch(said)) and not _NO_NAME.search(names.removesuffix("\n"))


def decode(data: bytes, plain: int, key: str) -> tuple[Record, ...]:
    """The records of a frame with `plain` bytes of text, 0 if unknown; RepositoryError if it is invalid."""
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
    """Why a record is invalid, and the manifest would be unreadable; empty if it is valid."""
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
    """Whether path and index texts fit the record's kind of repository."""
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
    """Only the keys of the package files; RepositoryError as in `decode`."""
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
    """Whether the text of the first frame starts with this."""
    try:
        found = zstd.ZstdDecompressor().decompress(data, len(start))
    except zstd.ZstdError:
        return False
    return found == start.encode()


def first_frame(data: bytes, largest: int, key: str) -> tuple[bytes, int]:
    """The first frame's text, and the size of the frame in bytes."""
    try:
        size = zstd.get_frame_size(data)
        text = b"".join(_plain(data[:size], min(largest, most(len(data)))))
    except (EOFError, zstd.ZstdError, ValueError) as e:
        raise typed.damaged(key, typed.shown(str(e))) from None
    return text, size


def _document(data: bytes, plain: int, key: str) -> tuple[list[str], Iterator[list[Any]]]:
    """The columns, and an iterator of the rows."""
    values = _lists(data, plain, key)
    columns = next(values, [])
    if not all(type(name) is str for name in columns) or len(set(columns)) != len(columns):
        raise typed.damaged(key, "it has no columns")
    return columns, values


def _lists(data: bytes, plain: int, key: str) -> Iterator[list[Any]]:
    """The columns, then each row; RepositoryError for a value that is not a list."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
    try:
        for value in _values(map(decode, _plain(data, plain or most(len(data))))):
            if type(value) is not list:
                raise typed.damaged(key, "it is not a table of packages")
            yield value
    except (EOFError, zstd.ZstdError, ValueError, RecursionError) as e:
        raise typed.damaged(key, typed.shown(str(e))) from None


def _values(chunks: Iterator[str]) -> Iterator[list[Any]]:
    """The lists in `{"columns":[…],"packages":[[…],[…]]}`: the columns, then each row."""
    read = json.JSONDecoder().raw_decode
    text, at, before, enough = "", 0, _START, 0
    for chunk in chain(chunks, [""]):
        text, at = text[at:] + chunk, 0
        while len(text) - at >= enough or not chunk:
            try:
                value, end = read(text, at + len(before))
            except ValueError:  # incomplete: read at least twice as much text
                enough = 2 * (len(text) - at)
                if enough > 2 * _LONGEST:
                    raise ValueError("a package of which more is said than there can be") from None
                break
            yield value
            at, before, enough = end, _MIDDLE if before == _START else ",", 0


def _plain(data: bytes, largest: int) -> Iterator[bytes]:
    """The text of the first frame in chunks; ValueError if it is longer than `largest` bytes."""
    decompressor = zstd.ZstdDecompressor()
    size = 0
    while not decompressor.eof:
        plain = decompressor.decompress(data, _CHUNK)
        size += len(plain)
        if size > largest or (not plain and decompressor.needs_input):
            raise ValueError("it is cut off" if size <= largest else "it is endless")
        yield plain
        data = b""
