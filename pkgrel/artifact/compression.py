"""Payloads, decompressed piece by piece.

Both formats are read with our own loop rather than by python-debian and rpmfile: the one runs an
`unzstd` program, the other holds a whole zstd payload in memory, and neither says that a stream is
followed by another. That matters, because dpkg installs only the first of several xz or zstd
streams and says nothing, and rpm refuses a second one of xz.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator

from pkgrel.compressors import Decompressor, zstd
from pkgrel.content import CHUNK
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

# Deflate makes at most 1032 bytes of one, so this becomes at most 16 MiB in one go.
_GZIP_PIECE = 1 << 14

_ZSTD = {int(zstd.DecompressionParameter.window_log_max): LIMITS.package_zstd_window}

ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError)
"""What a damaged stream raises; bz2 raises OSError without an errno."""


_DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "bzip2": bz2.BZ2Decompressor,
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LIMITS.package_xz_memory),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LIMITS.package_xz_memory),
    "zstd": lambda: zstd.ZstdDecompressor(options=_ZSTD),
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
        return
    counted = _Counted(pieces)
    if compressor == "gzip":
        blocks = _gunzip(counted)
    else:
        blocks = _streams(counted, compressor, single=compressor not in several)
    unpacked = 0
    for block in blocks:
        unpacked += len(block)
        if unpacked > max(LIMITS.unpacked_anyway, counted.bytes * LIMITS.ratio):
            raise PackageError(
                f"{counted.bytes} bytes of it become more than {unpacked - 1 >> 20} MiB:"
                " a decompression bomb",
                hint="if the contents are right, build it with `none` as its compression",
            )
        yield block


class _Counted:
    """Pieces of a payload, and how many bytes were taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.bytes += len(piece)
            yield piece


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
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


def _streams(pieces: Iterable[bytes], compressor: str, *, single: bool) -> Iterator[bytes]:
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
