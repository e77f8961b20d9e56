"""Manifests: all records of one place in one immutable object, named by the hash of its bytes.

A row per package rather than an object with names: 10,000 packages are read in 0.1 s. The columns
are named first, so that a later pkgrel can add some. Text is made and read some rows at a time: that
of 100,000 packages is 400 MB.
"""

from __future__ import annotations

import codecs
import hashlib
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
from pkgrel.repository import layout, typed
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.record import ALL, STOPPED, TYPES, Record

_LEVEL = 1
_AT_ONCE = 1000
"""Rows that are written at once,"""
_CHUNK = 1 << 20
"""and bytes of text that are read at once."""
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
_START, _MIDDLE, _END = '{"columns":', ',"packages":[', "]}"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encode(records: Sequence[Record]) -> bytes:
    """The object's bytes, the same for the same records in the same order."""
    compressor = zstd.ZstdCompressor(_LEVEL)
    texts = (text.encode("utf-8", "surrogatepass") for text in _texts(records))
    return b"".join([*map(compressor.compress, texts), compressor.flush()])


def _texts(records: Sequence[Record]) -> Iterator[str]:
    yield f"{_START}{_JSON.encode(_COLUMNS)}{_MIDDLE}"
    for start in range(0, len(records), _AT_ONCE):
        rows = [_ROW(record) for record in records[start : start + _AT_ONCE]]
        yield ("," if start else "") + _JSON.encode(rows)[1:-1]
    yield _END


def decode(data: bytes, sha256: str) -> tuple[Record, ...]:
    """The records; RepositoryError if these are not the bytes with that hash, or no records."""
    columns, rows = _document(data, sha256)
    known = [name for name in columns if name in _COLUMNS]
    if not set(known) >= _NEEDED:
        raise RepositoryError(
            f"{layout.manifest_key(sha256)}: lacks {', '.join(sorted(_NEEDED - set(known)))}",
            hint="install the pkgrel that wrote it",
        )
    tuples = [columns.index(name) for name in _TUPLES if name in columns]
    format_at = columns.index("format")
    records = []
    positions = [columns.index(name) for name in known]
    for row in rows:
        if len(row) != len(columns) or any(type(row[position]) is not list for position in tuples):
            raise _damaged(sha256, "a package that is not as its columns say")
        for position in tuples:
            row[position] = tuple(row[position])
        if type(row[format_at]) is str:
            row[format_at] = _FORMATS.get(row[format_at], row[format_at])
        record = Record(**dict(zip(known, [row[position] for position in positions], strict=True)))
        if why := _is_wrong(record):
            raise _damaged(sha256, why)
        records.append(record)
    if len({record.format for record in records}) > 1:
        raise _damaged(sha256, "packages of two formats")
    return tuple(records)


def _is_wrong(record: Record) -> str:
    """What a record cannot say; empty if there is nothing."""
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
    folder, texts = _kinds()[record.format]
    return record.path.startswith(folder) and len(record.index) == texts


@cache
def _kinds() -> dict[Format, tuple[str, int]]:
    kinds = {format: repository_kind(format) for format in Format}
    return {format: (kind.FOLDER, kind.INDEX_TEXTS) for format, kind in kinds.items()}


def _are_texts(values: Sequence[object]) -> bool:
    return not values or set(map(type, values)) == {str}


def _is_advisory(values: Sequence[str]) -> bool:
    if not values:
        return True
    return _are_texts(values) and values[0] in TYPES and all(map(is_plain, values))


def paths(data: bytes, sha256: str) -> set[str]:
    """Only the keys of the packages; RepositoryError as in `decode`."""
    columns, rows = _document(data, sha256)
    if "path" not in columns:
        raise _damaged(sha256, "it has no paths")
    position = columns.index("path")
    found = set()
    for row in rows:
        if len(row) != len(columns) or type(row[position]) is not str:
            raise _damaged(sha256, "a package that is not as its columns say")
        found.add(row[position])
    return found


def _document(data: bytes, sha256: str) -> tuple[list[str], Iterator[list[Any]]]:
    """The columns, and the rows, which come one by one."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RepositoryError(
            f"manifest `{sha256[:12]}…` is damaged",
            hint="restore the object from a backup, or `pkgrel repo rollback` to an earlier state",
        )
    values = _lists(data, sha256)
    columns = next(values, [])
    if not all(type(name) is str for name in columns) or len(set(columns)) != len(columns):
        raise _damaged(sha256, "it has no columns")
    return columns, values


def _damaged(sha256: str, why: str) -> RepositoryError:
    return typed.damaged(layout.manifest_key(sha256), why)


def _lists(data: bytes, sha256: str) -> Iterator[list[Any]]:
    """The columns, and each row; RepositoryError for what is not a list."""
    try:
        for value in _values(_plain(data)):
            if type(value) is not list:
                raise _damaged(sha256, "it is not a table of packages")
            yield value
    except (EOFError, zstd.ZstdError, ValueError, RecursionError) as e:
        raise _damaged(sha256, typed.shown(str(e))) from None


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


def _plain(data: bytes) -> Iterator[str]:
    decompressor = zstd.ZstdDecompressor()
    decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
    most, size = max(_MOST, _RATIO * len(data)), 0
    while not decompressor.eof:
        plain = decompressor.decompress(data, _CHUNK)
        size += len(plain)
        if size > most or (not plain and decompressor.needs_input):
            raise ValueError("it is cut off" if size <= most else "it is endless")
        yield decode(plain)
        data = b""
