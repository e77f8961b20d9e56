"""Decompresses a payload piece by piece, and checks the names of its members.

Neither python-debian nor rpmfile decompresses here: the former runs an `unzstd` program, the latter reads a zstd
payload into memory, and neither reports that a stream is followed by another. That matters, because dpkg silently
installs only the first of several xz or zstd streams, and rpm refuses a second xz stream.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from pkgrel.compressors import Decompressor, zstd
from pkgrel.content import CHUNK
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

_PATH_MAX = 4096
_PART = 8
"""The weight of a folder in a path, in characters, since it takes memory."""


def cost(name: str) -> int:
    """What a name counts towards LIMITS.package_paths."""
    return len(name) + _PART * name.count("/")


def absolute(name: str) -> PurePosixPath:
    """Normalise `./usr/bin/x`, `usr/bin/x` or `/usr/bin/x`; PackageError if it is unsafe."""
    return PurePosixPath(plain(name))


def plain(name: str) -> str:
    """The same as a string, ten times as fast.

    dpkg and rpm treat all three alike; neither follows `..`, and no package needs it.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PackageError(
            f"the path `{name}` has `..` in it: it would leave the package's own tree"
        )
    if "\0" in name or len(name) > _PATH_MAX:
        raise PackageError(f"the path `{name[:60]}…` is not a path of a file")
    return "/" + "/".join(parts)


# Deflate expands at most 1032 times, so this becomes at most 16 MiB at once.
_GZIP_PIECE = 1 << 14

_ZSTD = {int(zstd.DecompressionParameter.window_log_max): LIMITS.package_zstd_window}

ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError)
"""Exceptions for a damaged stream; bz2 raises OSError without an errno."""


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

    `several` are the compressors of which several streams may follow one another. One of ERRORS, OSError or
    PackageError if the stream is damaged, which is certain only at its end.
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
    """Pieces of a payload, and how many bytes have been taken."""

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


_LARGEST = 1 << 20
"""The most bytes read at once: a long name, a pax header. Hostile ones claim gigabytes."""


def region(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Yield `size` bytes in pieces of at most CHUNK; PackageError if the file ends before that."""
    while size:
        piece = read(min(size, CHUNK))
        if not piece:
            raise PackageError(f"truncated: {size} bytes are missing at the end")
        size -= len(piece)
        yield piece


class Stream:
    """Reads blocks of bytes as one stream, without seeking back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._ahead = memoryview(b"")
        self._taken = 0

    def tell(self) -> int:
        """Return the number of bytes that were taken."""
        return self._taken

    def seek(self, offset: int) -> None:
        """Skip to a later offset; PackageError for an earlier one."""
        for _ in self.pieces(offset - self._taken):
            pass

    def read(self, size: int) -> bytes:
        """Take `size` bytes, fewer only at the end."""
        data = self.peek(size)
        self._ahead = self._ahead[len(data) :]
        self._taken += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return what `read` would return, without taking it."""
        if not 0 <= size <= _LARGEST:
            raise PackageError(f"damaged: a name or a header of {size} bytes")
        if len(self._ahead) < size:
            blocks = [bytes(self._ahead)]
            missing = size - len(self._ahead)
            while missing > 0 and (block := next(self._blocks, None)) is not None:
                blocks.append(block)
                missing -= len(block)
            self._ahead = memoryview(b"".join(blocks))
        return bytes(self._ahead[:size])

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Take exactly `size` bytes, as views; PackageError if the sequence ends before that."""
        if size < 0:
            raise PackageError("damaged: a size in the payload is negative")
        while size:
            if not self._ahead:
                block = next(self._blocks, None)
                if block is None:
                    raise PackageError(f"truncated: the payload ends {size} bytes too early")
                self._ahead = memoryview(block)
            piece = self._ahead[:size]
            self._ahead = self._ahead[len(piece) :]
            self._taken += len(piece)
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """Take the rest, so that every checksum is verified; PackageError unless it is all zeros."""
        rest: memoryview | bytes = self._ahead
        while True:
            if bytes(rest).strip(b"\0"):
                raise PackageError("damaged: something follows the end of the payload")
            following = next(self._blocks, None)
            if following is None:
                return
            rest = following
