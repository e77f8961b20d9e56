"""Payloads, decompressed piece by piece.

Both formats are read with our own loop rather than by python-debian and rpmfile: the one runs an
`unzstd` program, the other holds a whole zstd payload in memory, and neither says that a stream is
followed by another. That matters, because dpkg installs only the first of several xz or zstd
streams and says nothing, and rpm refuses a second one of xz.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator

from pkgrel.compressors import Decompressor, zstd
from pkgrel.content import CHUNK
from pkgrel.errors import PackageError

# A payload that needs more to be read would not be read on a small server either; `xz -9` needs 65.
_XZ_MEMORY = 256 << 20
# Deflate makes at most 1032 bytes of one, so this becomes at most 16 MiB in one go.
_GZIP_PIECE = 1 << 14

ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError)
"""What a damaged stream raises; bz2 raises OSError without an errno."""


_DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "bzip2": bz2.BZ2Decompressor,
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    "zstd": zstd.ZstdDecompressor,
}

NAMES = frozenset(["none", "gzip", *_DECOMPRESSORS])
"""Compressors that can be read."""


def decompress(
    pieces: Iterator[bytes], compressor: str, *, several: frozenset[str]
) -> Iterator[bytes]:
    """Yield the payload in blocks of moderate size.

    `several` are the compressors whose streams may follow one another. One of ERRORS, OSError or
    PackageError if the stream is damaged, which is certain only when everything has been taken.
    """
    if compressor == "none":
        yield from pieces
    elif compressor == "gzip":
        yield from _gunzip(pieces)
    else:
        yield from _streams(pieces, compressor, single=compressor not in several)


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    for piece in pieces:
        for start in range(0, len(piece), _GZIP_PIECE):
            data = piece[start : start + _GZIP_PIECE]
            while data:
                if stream.eof:
                    stream = zlib.decompressobj(wbits=31)
                yield stream.decompress(data)
                data = stream.unused_data
    if not stream.eof:
        raise EOFError("the gzip stream ends too early")


def _streams(pieces: Iterator[bytes], compressor: str, *, single: bool) -> Iterator[bytes]:
    stream = _DECOMPRESSORS[compressor]()
    for piece in pieces:
        data = piece
        while data or not (stream.eof or stream.needs_input):
            if stream.eof:
                if single:
                    raise PackageError(
                        f"a second {compressor} stream, or something else, follows the first"
                        " one of the payload: what is in it would not be installed"
                    )
                stream = _DECOMPRESSORS[compressor]()
            yield stream.decompress(data, CHUNK)
            data = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise EOFError(f"the {compressor} stream ends too early")
