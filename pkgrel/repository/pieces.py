"""Writes large indices in pieces, so that the next version of an index can copy all unchanged pieces.

A piece has the packages between two shard boundaries of the manifests (`manifest`) and is compressed separately, so its
bytes depend only on these packages, whether it is made or copied. All implementations of gzip, xz and zstd read the
files. Only the pieces in progress are held in memory.

Source: RFC 1951 and 1952: a full flush ends a piece at a byte boundary, and later data do not refer to it; an extra
field of the member has the sizes. The .xz File Format 1.2.1: one block per piece; the stream's index has their sizes.
RFC 8878: one frame per piece.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import uuid
import zlib
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pkgrel.compressors import zstd
from pkgrel.formats.compression import xz as xz_format
from pkgrel.repository.manifest import Identity, Manifest, Shard
from pkgrel.repository.record import Placed, Record
from pkgrel.repository.store import Slices

_THREADS = 4
_AHEAD = 2
"""Finished pieces per thread that may wait to be written."""
_CHUNK = 1 << 20
_GZIP_LEVEL = 5
_GZIP_HEADER = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff"
"""Deflate, an extra field, no time, unknown system."""
_FIELD = b"PR"
_MOST = 0xFFFF // 4 - 4
"""Maximum number of sizes in an extra field."""
_LAST = b"\x03\x00"
"""An empty block that ends the stream."""
_XZ_LEVEL = 1
_XZ_FOOTER = 12
_ZSTD_LEVEL = 6

T = TypeVar("T")
Texts = Callable[[Sequence[Record]], Sequence[bytes]]
"""Makes the texts of some packages, one for each index."""


@dataclass(frozen=True, slots=True)
class Size:
    """Sizes of a piece in bytes."""

    packed: int
    """As recorded in the file: without padding."""
    plain: int


@dataclass(frozen=True, slots=True)
class Part:
    """The position of a piece in a file."""

    at: int
    size: int
    """Bytes in the file, with padding."""
    said: int
    """The size as recorded in the file."""


class Packer(Protocol):
    """Compresses pieces into one file."""

    def pack(self, plain: bytes) -> tuple[bytes, int]:
        """Compress a piece; also returns its size as recorded in the file."""

    def unpack(self, packed: bytes) -> bytes:
        """The inverse."""

    def begin(self, sizes: Sequence[Size]) -> bytes:
        """The beginning of the file, before the pieces."""

    def end(self, sizes: Sequence[Size], crc: int) -> bytes:
        """The end of the file, after the pieces."""

    def split(self, data: bytes) -> list[Part] | None:
        """The positions of the pieces in a file; None if it was not written this way."""


class _Gzip:
    """One member."""

    def pack(self, plain: bytes) -> tuple[bytes, int]:
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = compressor.compress(plain) + compressor.flush(zlib.Z_FULL_FLUSH)
        return packed, len(packed)

    def unpack(self, packed: bytes) -> bytes:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed)

    def begin(self, sizes: Sequence[Size]) -> bytes:
        numbers = b"".join(struct.pack("<I", size.packed) for size in sizes[:_MOST])
        extra = _FIELD + struct.pack("<H", len(numbers)) + numbers
        return _GZIP_HEADER + struct.pack("<H", len(extra)) + extra

    def end(self, sizes: Sequence[Size], crc: int) -> bytes:
        plain = sum(size.plain for size in sizes)
        return _LAST + struct.pack("<II", crc, plain & 0xFFFFFFFF)

    def split(self, data: bytes) -> list[Part] | None:
        start = len(_GZIP_HEADER)
        if not data.startswith(_GZIP_HEADER) or data[start + 2 : start + 4] != _FIELD:
            return None
        (length,) = struct.unpack_from("<H", data, start + 4)
        at = start + 6 + length
        parts = []
        for (size,) in struct.iter_unpack("<I", data[start + 6 : at]):
            parts.append(Part(at, size, size))
            at += size
        return parts if at == len(data) - len(_LAST) - 8 else None


class _Xz:
    """One stream."""

    def pack(self, plain: bytes) -> tuple[bytes, int]:
        record, packed = xz_format.block(_XZ_LEVEL, plain)
        return packed, record.unpadded

    def unpack(self, packed: bytes) -> bytes:
        raise NotImplementedError  # liblzma cannot read a single block; gzip has the same text

    def begin(self, sizes: Sequence[Size]) -> bytes:
        return xz_format.HEADER

    def end(self, sizes: Sequence[Size], crc: int) -> bytes:
        return xz_format.end([xz_format.Record(size.packed, size.plain) for size in sizes])

    def split(self, data: bytes) -> list[Part] | None:
        if not data.endswith(xz_format.CRC32_CHECK + xz_format.FOOTER_MAGIC):
            return None
        size = (int.from_bytes(data[-8:-4], "little") + 1) * 4
        numbers = _numbers(data[-_XZ_FOOTER - size : -_XZ_FOOTER])
        parts = []
        at = len(xz_format.HEADER)
        for unpadded in numbers[1::2]:
            parts.append(Part(at, unpadded + -unpadded % 4, unpadded))
            at += parts[-1].size
        is_whole = numbers[:1] == [len(parts)] and at == len(data) - _XZ_FOOTER - size
        return parts if is_whole else None


class _Zstd:
    """A frame for each piece."""

    def pack(self, plain: bytes) -> tuple[bytes, int]:
        packed = zstd.compress(plain, _ZSTD_LEVEL)
        return packed, len(packed)

    def unpack(self, packed: bytes) -> bytes:
        return zstd.decompress(packed)

    def begin(self, sizes: Sequence[Size]) -> bytes:
        return b""

    def end(self, sizes: Sequence[Size], crc: int) -> bytes:
        return b""

    def split(self, data: bytes) -> list[Part] | None:
        view, at = memoryview(data), 0
        parts = []
        try:
            while at < len(data):
                size = zstd.get_frame_size(view[at:])
                parts.append(Part(at, size, size))
                at += size
        except zstd.ZstdError:
            return None
        return parts


PACKERS: Mapping[str, Packer] = {".gz": _Gzip(), ".xz": _Xz(), ".zst": _Zstd()}


@dataclass(frozen=True, slots=True)
class Span:
    """The packages between two shard boundaries: of each manifest, part of a shard or all of it."""

    start: Identity
    end: Identity | None
    shards: tuple[tuple[Shard, bool], ...]
    """Each with whether all of the shard is in the span."""
    order: Callable[[Placed], Any]

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the span's text."""
        return self.start, self.end, *(shard.row.sha256 for shard, _ in self.shards)

    def records(self) -> list[Record]:
        """The packages, in the order of the indices."""
        found: list[Record] = []
        for shard, is_whole in self.shards:
            records = shard.records()
            if not is_whole:
                keys = list(map(self.order, records))
                end = bisect_left(keys, self.order(self.end)) if self.end else len(keys)
                records = records[bisect_left(keys, self.order(self.start)) : end]
            found += records
        if len(self.shards) > 1:
            found.sort(key=self.order)
        return found


def spans(manifests: Sequence[Manifest]) -> list[Span]:
    """Split the packages of all manifests together at the boundaries of all their shards."""
    some = [manifest for manifest in manifests if manifest.shards]
    if not some:
        return []
    order = some[0].order
    starts = sorted({shard.first for each in some for shard in each.shards}, key=order)
    keys = [order(start) for start in starts]
    inner: list[list[tuple[Shard, bool]]] = [[] for _ in starts]
    for each in some:
        bounds = [bisect_left(keys, key) for key in each.starts] + [len(starts)]
        for shard, (start, end) in zip(each.shards, pairwise(bounds), strict=True):
            for number in range(start, end):
                inner[number].append((shard, end - start == 1))
    ends = [*starts[1:], None]
    return [
        Span(start, end, tuple(shards), order)
        for start, end, shards in zip(starts, ends, inner, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of an index."""

    begin: bytes
    """Text before the packages."""
    end: bytes
    """Text after the packages."""
    suffixes: tuple[str, ...]
    """Suffixes of its files; the packer of the first one must be able to decompress a piece."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A written file."""

    file: Path
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Written:
    """A written index."""

    size: int
    """Bytes of the uncompressed text."""
    sha256: str
    """Of the uncompressed text."""
    files: Mapping[str, Packed]
    """By suffix."""


@dataclass(frozen=True, slots=True)
class Former:
    """The previous indices, to copy pieces from."""

    numbers: Mapping[tuple[object, ...], int]
    """Numbers of the pieces, by the keys of their spans."""
    files: Sequence[Mapping[str, tuple[Slices, list[Part]]]]
    """The files of each index, by suffix."""

    @classmethod
    def of(
        cls,
        shapes: Sequence[Shape],
        spans: Sequence[Span],
        read: Callable[[int, str], bytes | None],
    ) -> Former | None:
        """Find the pieces of the previous indices; None if one is missing, or was written in another way.

        `read` gets the number of the index and the suffix; only one file at a time is in memory.
        """
        found: list[dict[str, tuple[Slices, list[Part]]]] = []
        for number, shape in enumerate(shapes):
            count = bool(shape.begin) + len(spans) + bool(shape.end)
            found.append({})
            for suffix in shape.suffixes:
                data = read(number, suffix)
                parts = PACKERS[suffix].split(data) if data else None
                if data is None or parts is None or len(parts) != count:
                    return None
                found[-1][suffix] = Slices(data), parts[bool(shape.begin) :]
        return cls({span.key: number for number, span in enumerate(spans)}, found)


Pieces = list[tuple[bytes, dict[str, tuple[bytes, int]]]]
"""For each index: the text, and by suffix the piece and its size as recorded in the file."""


def write(
    folder: Path,
    shapes: Sequence[Shape],
    spans: Sequence[Span],
    texts: Texts,
    former: Former | None = None,
) -> list[Written]:
    """Write the indices of the packages to the folder."""
    outs = [_Out(folder, shape) for shape in shapes]

    def one(span: Span) -> Pieces:
        if former and (number := former.numbers.get(span.key)) is not None:
            pairs = zip(shapes, former.files, strict=True)
            return [_taken(shape, files, number) for shape, files in pairs]
        made = zip(shapes, texts(span.records()), strict=True)
        return [_piece(shape, text) for shape, text in made]

    def add(pieces: Pieces) -> None:
        for out, (plain, packed) in zip(outs, pieces, strict=True):
            out.add(plain, packed)

    for out, shape in zip(outs, shapes, strict=True):
        if shape.begin:
            out.add(*_piece(shape, shape.begin))
    for pieces in _in_order(one, spans):
        add(pieces)
    for out, shape in zip(outs, shapes, strict=True):
        if shape.end:
            out.add(*_piece(shape, shape.end))
    return [out.finish() for out in outs]


def write_lines(folder: Path, text: bytes, suffixes: tuple[str, ...]) -> Written:
    """Write an index of lines, without copying pieces."""
    out = _Out(folder, shape := Shape(b"", b"", suffixes))
    cuts = [0]
    while cuts[-1] < len(text):
        cuts.append(text.find(b"\n", cuts[-1] + _CHUNK) + 1 or len(text))
    for piece in _in_order(lambda cut: [_piece(shape, text[slice(*cut)])], list(pairwise(cuts))):
        out.add(*piece[0])
    return out.finish()


def _in_order(one: Callable[[T], Pieces], spans: Sequence[T]) -> Iterator[Pieces]:
    """The pieces in order, made by several threads that work a few pieces ahead."""
    threads = min(_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Pieces]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for span in spans:
            waiting.append(pool.submit(one, span))
            if len(waiting) > _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _piece(shape: Shape, text: bytes) -> tuple[bytes, dict[str, tuple[bytes, int]]]:
    return text, {suffix: PACKERS[suffix].pack(text) for suffix in shape.suffixes}


def _taken(
    shape: Shape, files: Mapping[str, tuple[Slices, list[Part]]], number: int
) -> tuple[bytes, dict[str, tuple[bytes, int]]]:
    """Copy a piece."""
    packed = {}
    for suffix in shape.suffixes:
        source, parts = files[suffix]
        part = parts[number]
        packed[suffix] = source.read(part.at, part.size), part.said
    first = shape.suffixes[0]
    return PACKERS[first].unpack(packed[first][0]), packed


class _Out:
    """Writes an index: pieces into a temporary file for each suffix, which are joined at the end."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._folder = folder
        self._sha256 = hashlib.sha256()
        self._crc = 0
        self._files = {
            suffix: (tempfile.TemporaryFile(), list[Size]())  # noqa: SIM115 - closed by _join
            for suffix in shape.suffixes
        }

    def add(self, plain: bytes, packed: Mapping[str, tuple[bytes, int]]) -> None:
        self._sha256.update(plain)
        self._crc = zlib.crc32(plain, self._crc)
        for suffix, (data, said) in packed.items():
            file, sizes = self._files[suffix]
            file.write(data)
            sizes.append(Size(said, len(plain)))

    def finish(self) -> Written:
        files = {suffix: self._join(suffix) for suffix in self._files}
        size = sum(each.plain for each in next(iter(self._files.values()))[1])
        return Written(size, self._sha256.hexdigest(), files)

    def _join(self, suffix: str) -> Packed:
        pieces, sizes = self._files[suffix]
        packer, sha256, size = PACKERS[suffix], hashlib.sha256(), 0
        joined = self._folder / f"{uuid.uuid4().hex}{suffix}"
        pieces.seek(0)
        middle = iter(partial(pieces.read, _CHUNK), b"")
        with pieces, joined.open("wb") as out:
            for data in chain([packer.begin(sizes)], middle, [packer.end(sizes, self._crc)]):
                sha256.update(data)
                size += len(data)
                out.write(data)
        return Packed(joined, size, sha256.hexdigest())


def _numbers(index: bytes) -> list[int]:
    """The number of records in the index of an .xz file, followed by their sizes."""
    numbers = []
    value = shift = 0
    for byte in index[1:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
            if len(numbers) == 2 * numbers[0] + 1:
                break
    return numbers
