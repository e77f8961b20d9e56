"""zstd, which Python has from 3.14 on and before that as a backport, and what all decompressors share."""

import sys
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Decompressor", "zstd"]


class Decompressor(Protocol):
    """The interface of those in bz2, lzma and zstd."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...
