"""The bytes of a file that will be packaged: where they are and what they hash to.

SHA-256, for RPM's FILEDIGESTS, is taken when a release is read, because RPM puts it in front of the
payload. MD5, for a .deb's `md5sums`, is taken when a .deb is made, beside the threads that compress.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pkgrel.errors import PackageError

CHUNK = 1 << 18


@dataclass(frozen=True)
class Slice:
    """`size` bytes of a local file from `offset` on."""

    file: Path
    offset: int
    size: int
    sha256: str
    """In hexadecimal."""

    @cached_property
    def md5(self) -> str:
        """MD5 in hexadecimal, once for however many packages; not for security, so FIPS allows it."""
        md5 = hashlib.md5(usedforsecurity=False)
        for data in self.chunks():
            md5.update(data)
        return md5.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Read the bytes in pieces of at most CHUNK; PackageError if the file has become shorter."""
        left = self.size
        with self.file.open("rb", buffering=0) as source:
            source.seek(self.offset)
            while left:
                data = source.read(min(CHUNK, left))
                if not data:
                    raise PackageError(f"{self.file}: became shorter while it was being packaged")
                left -= len(data)
                yield data


@dataclass(frozen=True)
class Inline:
    """Bytes that pkgrel made itself: a unit, a script, a changelog."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    @cached_property
    def md5(self) -> str:
        """MD5 in hexadecimal; not for security, so FIPS hosts allow it."""
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        if self.data:
            yield self.data


Content = Slice | Inline


def gzipped(data: bytes) -> bytes:
    """A small file as `gzip -9n` leaves it, the same wherever it is made; RFC 1952.

    Not by the gzip module: Python 3.11, 3.13 and macOS's zlib each write another system into the
    header.
    """
    deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    # Deflate, no name, no time, best compression, Unix.
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"
    return header + body + struct.pack("<2I", zlib.crc32(data), len(data) & 0xFFFFFFFF)
