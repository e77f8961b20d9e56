"""Compressed tarballs, recognised by their first bytes, never by their names.

Sources: RFC 1952 (gzip), RFC 8878 (zstd), the .xz file format 1.2.1. All three allow several
streams in a row, as pigz, `xz -T` of old and pzstd write them, and tapes pad files with zeros.
"""

import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

# Twice as fast as zlib, and reading is a third of what a package takes.
from isal import isal_zlib

from pkgrel.compressors import Decompressor, zstd
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints

INPUT = 1 << 19
OUTPUT = 1 << 20


class Gunzip:
    """isal's decompressor with the interface of the others; it checks CRC and length itself."""

    def __init__(self) -> None:
        self._zlib = isal_zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """The trailer has been read and was right."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the trailer."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most `max_length` bytes and remember the input that was not needed for them."""
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full buffer may hide output that needs no more input.
        self.needs_input = len(out) < max_length and not self._zlib.unconsumed_tail
        return out


@dataclass(frozen=True, slots=True)
class Compressor:
    """One way to compress a tarball."""

    name: str
    magic: re.Pattern[bytes]
    decompressor: Callable[[Limits], Decompressor]
    errors: tuple[type[Exception], ...]


COMPRESSORS = (
    Compressor("gzip", re.compile(rb"\x1f\x8b\x08"), lambda _: Gunzip(), (isal_zlib.error,)),  # type: ignore[arg-type]
    Compressor(
        "xz",
        re.compile(rb"\xfd7zXZ\0"),
        lambda limits: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.xz_memory),
        (lzma.LZMAError,),
    ),
    Compressor(
        "zstd",
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # a frame, a skippable frame
        lambda _: zstd.ZstdDecompressor(),
        (zstd.ZstdError,),
    ),
)


def recognise(start: bytes) -> Compressor | None:
    """Return the compressor that wrote a file beginning with `start`."""
    return next((c for c in COMPRESSORS if c.magic.match(start)), None)


def decompress(source: BinaryIO, compressor: Compressor, limits: Limits) -> Iterator[bytes]:
    """Yield what `source` was before, in blocks of at most OUTPUT bytes; ReleaseError if damaged.

    The last checksum is verified only when the last block has been taken.
    """
    total = 0
    try:
        for block in _streams(source, compressor, limits):
            total += len(block)
            _refuse_bomb(total, source.tell(), limits)
            yield block
    except compressor.errors as e:
        raise ReleaseError(
            f"the {compressor.name} stream cannot be read: {e}", hint=hints.AGAIN
        ) from e


def _streams(source: BinaryIO, compressor: Compressor, limits: Limits) -> Iterator[bytes]:
    data = source.read(INPUT)
    while data:
        if not compressor.magic.match(data):
            _refuse_garbage(data, source, compressor)
            return
        stream = compressor.decompressor(limits)
        while not stream.eof:
            if not data and stream.needs_input and not (data := source.read(INPUT)):
                raise ReleaseError(
                    f"the {compressor.name} stream ends too early: the file is truncated",
                    hint=hints.AGAIN,
                )
            block = stream.decompress(data, OUTPUT)
            data = b""
            if block:
                yield block
        data = stream.unused_data
        data += source.read(INPUT - len(data)) if len(data) < INPUT else b""


def _refuse_garbage(data: bytes, source: BinaryIO, compressor: Compressor) -> None:
    while data:
        if data.strip(b"\0"):
            raise ReleaseError(
                f"something that is not {compressor.name} follows the compressed tarball",
                hint=hints.AGAIN,
            )
        data = source.read(INPUT)


def _refuse_bomb(unpacked: int, packed: int, limits: Limits) -> None:
    if unpacked > limits.unpacked:
        raise ReleaseError(
            f"more than {limits.unpacked >> 20} MiB when unpacked",
            hint="give the tarball uncompressed",
        )
    if unpacked > max(limits.unpacked_anyway, packed * limits.ratio):
        raise ReleaseError(
            f"{packed} bytes become more than {unpacked - 1 >> 20} MiB: a decompression bomb",
            hint="if the contents are right, give the tarball uncompressed",
        )
