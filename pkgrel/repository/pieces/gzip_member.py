"""gzip: one member; each piece is deflated by itself, and an extra field has their sizes.

Source: RFC 1951 and 1952; a full flush ends a piece at a byte, without anything that the next refers to.
"""

import struct
import zlib
from collections.abc import Sequence

from pkgrel.repository.pieces.reuse import Before, compress

SUFFIX = ".gz"
_LEVEL = 5
_HEADER = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff"
"""Deflate, an extra field, no time, an unknown system."""
_FIELD = b"PK"
_MOST = 0xFFFF // 4 - 4
"""Sizes in an extra field."""
_LAST = b"\x03\x00"
"""An empty block that ends the stream."""


def gzip(pieces: Sequence[memoryview], before: Before | None = None) -> bytes:
    """One member."""
    packed = compress(pieces, before.pieces(SUFFIX, split) if before else {}, _deflate)
    sizes = b"".join(struct.pack("<I", len(piece)) for piece in packed[:_MOST])
    extra = _FIELD + struct.pack("<H", len(sizes)) + sizes
    crc = size = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        size += len(piece)
    trailer = struct.pack("<II", crc, size & 0xFFFFFFFF)
    return b"".join([_HEADER, struct.pack("<H", len(extra)), extra, *packed, _LAST, trailer])


def split(data: bytes) -> list[bytes] | None:
    """The deflated pieces; None if the member does not say where they are."""
    start = len(_HEADER)
    if not data.startswith(_HEADER) or data[start + 2 : start + 4] != _FIELD:
        return None
    (length,) = struct.unpack_from("<H", data, start + 4)
    at = start + 6 + length
    pieces = []
    for (size,) in struct.iter_unpack("<I", data[start + 6 : at]):
        pieces.append(data[at : at + size])
        at += size
    return pieces if at == len(data) - len(_LAST) - 8 else None


def _deflate(piece: memoryview) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
