"""gzip: one member for prefix and tail.

The member's deflate stream is made of pieces that end at a byte boundary and share no history, so
that threads can compress them and a tail can follow a prefix.

Source: RFC 1952; RFC 1951, section 3.2.3; zlib.h, Z_FULL_FLUSH.
"""

from __future__ import annotations

import struct
import zlib
from math import inf

from pkgrel.formats.compression import Blocks, Sink

SUFFIX = "gz"
DEFAULT_LEVEL = 6
LONGEST_TAIL = inf

#                         magic method flags time extra system
HEADER = struct.Struct("< 2s    B      B     I    B     B")
MAGIC = b"\x1f\x8b"
DEFLATE = 8
UNIX = 3
#                          crc size
TRAILER = struct.Struct("< I   I")

PIECE = 1 << 20
"""32 times deflate's window: starting without history costs little."""
THREADS = 4
LAST_PIECE = b"\x03\x00"
"""An empty deflate block with the last-block bit."""


def start(out: Sink, level: int) -> Member:
    """Begin a member in `out`."""
    # Name and time are optional and would differ from build to build.
    out.write(HEADER.pack(MAGIC, DEFLATE, 0, 0, 0, UNIX))
    return Member(out, level, crc=0, size=0)


class Member:
    """A member from some point on."""

    def __init__(self, out: Sink, level: int, *, crc: int, size: int) -> None:
        self._out = out
        self._level = level
        self._crc = crc
        self._size = size
        self._pieces = Blocks(self._deflate, self._write, size=PIECE, threads=THREADS)

    def write(self, data: bytes) -> None:
        """Compress some more."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._pieces.write(data)

    def complete(self) -> None:
        """Write what is still held back."""
        self._pieces.drain()

    def fork(self, out: Sink) -> Member:
        """Go on in `out`."""
        return Member(out, self._level, crc=self._crc, size=self._size)

    def finish(self) -> None:
        """Write what is still held back and the trailer."""
        self.complete()
        self._out.write(LAST_PIECE + TRAILER.pack(self._crc, self._size & 0xFFFFFFFF))

    def _deflate(self, piece: bytes) -> bytes:
        deflate = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(piece) + deflate.flush(zlib.Z_FULL_FLUSH)

    def _write(self, deflated: bytes) -> None:
        self._out.write(deflated)
