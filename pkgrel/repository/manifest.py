"""Manifests: all records of one place in one immutable object, named by the hash of its bytes.

A row per package rather than an object with names: 10,000 packages are read in 0.1 s. The columns
are named first, so that a later pkgrel can add some. Text is made and read some rows at a time: that
of 100,000 packages is 400 MB.
"""

import codecs
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from pkgrel.compressors import zstd
from pkgrel.errors import RepositoryError
from pkgrel.repository.record import Record

_LEVEL = 1
_AT_ONCE = 1000
"""Rows that are written at once,"""
_CHUNK = 1 << 20
"""and bytes of text that are read at once."""
_COLUMNS = tuple(field.name for field in fields(Record))
_TUPLES = ("index", "contents", "advisory")
_NEEDED = {field.name for field in fields(Record) if field.default is MISSING}
_ROW = attrgetter(*_COLUMNS)
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
    """The records; RepositoryError if these are not the bytes with that hash."""
    columns, rows = _document(data, sha256)
    known = [name for name in columns if name in _COLUMNS]
    if not set(known) >= _NEEDED:
        raise RepositoryError(
            f"manifest `{sha256[:12]}…` lacks {', '.join(sorted(_NEEDED - set(known)))}",
            hint="install the pkgrel that wrote it",
        )
    tuples = [columns.index(name) for name in _TUPLES if name in columns]
    records = []
    for row in rows:
        for position in tuples:
            row[position] = tuple(row[position])
        values = dict(zip(columns, row, strict=True))
        records.append(Record(**{name: values[name] for name in known}))
    return tuple(records)


def paths(data: bytes, sha256: str) -> set[str]:
    """Only the keys of the packages; RepositoryError as in `decode`."""
    columns, rows = _document(data, sha256)
    position = columns.index("path")
    return {row[position] for row in rows}


def _document(data: bytes, sha256: str) -> tuple[list[str], Iterator[list[Any]]]:
    """The columns, and the rows, which come one by one."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RepositoryError(
            f"manifest `{sha256[:12]}…` is damaged",
            hint="restore the object from a backup, or `pkgrel repo rollback` to an earlier state",
        )
    values = _values(_plain(data))
    return next(values), values


def _values(chunks: Iterator[str]) -> Iterator[list[Any]]:
    """The lists of `{"columns":[…],"packages":[[…],[…]]}`: the columns, and each row."""
    read = json.JSONDecoder().raw_decode
    text, at, before = "", 0, _START
    for chunk in chunks:
        text, at = text[at:] + chunk, 0
        while True:
            try:
                value, end = read(text, at + len(before))
            except ValueError:  # it goes on in the next chunk
                break
            yield value
            at, before = end, _MIDDLE if before == _START else ","


def _plain(data: bytes) -> Iterator[str]:
    decompressor = zstd.ZstdDecompressor()
    decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
    while not decompressor.eof:
        yield decode(decompressor.decompress(data, _CHUNK))
        data = b""
