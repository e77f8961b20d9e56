"""Decompresses a tarball as a stream, into a local file where contents can be found again.

Compressors are recognised by magic numbers, never by a file name. All three formats allow several streams in a row, as
pigz, older `xz -T` and pzstd write them, and tape drives pad files with zeros.

A plain tarball is read in place. A compressed one is decompressed into a temporary file by a thread, one block ahead
of the caller, who parses and hashes: zlib and hashlib release the GIL, so two cores are used.

Sources: RFC 1952 (gzip), RFC 8878 (zstd), the .xz file format 1.2.1.
"""

import lzma
import re
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from pkgrel import scratch
from pkgrel.compressors import Decompressor, zstd
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints

try:
    from isal import isal_zlib as inflater
except ModuleNotFoundError:  # pyproject.toml requires it where it has wheels
    inflater = zlib  # type: ignore[misc]

INPUT = 1 << 19
OUTPUT = 1 << 20


class Gunzip:
    """zlib's decompressor with the interface of the others; zlib checks CRC and length."""

    def __init__(self) -> None:
        self._zlib = inflater.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """The trailer has been read and verified."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """The data after the trailer."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most `max_length` bytes, and keep the input that was not needed for them."""
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # If the buffer is full there may be more output without more input.
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
    Compressor("gzip", re.compile(rb"\x1f\x8b\x08"), lambda _: Gunzip(), (inflater.error,)),  # type: ignore[arg-type]
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
    """Find the compressor of a file beginning with `start`."""
    return next((c for c in COMPRESSORS if c.magic.match(start)), None)


def decompress(source: BinaryIO, compressor: Compressor, limits: Limits) -> Iterator[bytes]:
    """Decompress `source` in blocks of at most OUTPUT bytes; ReleaseError if it is damaged.

    The last checksum is verified only after the last block has been taken.
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
    for streams in count(1):
        if not data:
            return
        _refuse_crumbs(streams, source.tell())
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


def _refuse_crumbs(streams: int, packed: int) -> None:
    # Each costs a reader and a copy of what follows it. bgzip's have some 20 KiB.
    if streams > 1000 + packed // 1024:
        raise ReleaseError(
            f"more than {streams - 1} compressed streams, one behind the other, in {packed} bytes",
            hint="compress the tarball as a whole",
        )


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


BLOCK = 1 << 18
AHEAD = 2


class Truncated(Exception):
    """Fewer bytes are left than were requested."""


class Stream:
    """Reads bytes in pieces of any size without copying them twice."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")
        self.offset = 0
        """Number of bytes taken so far."""

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Take `size` bytes, as views into the blocks."""
        while size:
            if not self._block:
                self._block = memoryview(next(self._blocks, b""))
                if not self._block:
                    raise Truncated
            piece = self._block[:size]
            self._block = self._block[len(piece) :]
            self.offset += len(piece)
            size -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """Take `size` bytes as one object."""
        if len(self._block) >= size:
            piece = bytes(self._block[:size])
            self._block = self._block[size:]
            self.offset += size
            return piece
        return b"".join(self.pieces(size))

    def rest(self) -> Iterator[memoryview]:
        """Take the rest."""
        yield self._block
        for block in self._blocks:
            yield memoryview(block)


@contextmanager
def plain(source: BinaryIO) -> Iterator[Stream]:
    """Read an uncompressed tarball in place."""
    yield Stream(iter(lambda: source.read(BLOCK), b""))


@contextmanager
def spooled(
    source: BinaryIO, compressor: Compressor, spool: Path, limits: Limits
) -> Iterator[Stream]:
    """Decompress `source` into the file `spool` while the stream is read."""
    # Not "wb": ext4 flushes a file that was truncated when it was opened.
    with spool.open("r+b", buffering=0) as out:
        blocks = _tee(decompress(source, compressor, limits), out)
        with closing(_in_thread(blocks)) as ahead:
            yield Stream(ahead)


@contextmanager
def spool_file() -> Iterator[Path]:
    """Create a temporary file, and remove it in any case."""
    with scratch.folder() as folder:
        path = folder / "release.tar"
        path.touch(mode=0o600)
        yield path


def _tee(blocks: Iterator[bytes], out: BinaryIO) -> Iterator[bytes]:
    for block in blocks:
        view = memoryview(block)
        try:
            while view:
                view = view[out.write(view) :]
        except OSError as e:
            raise ReleaseError(
                f"cannot be unpacked in {tempfile.gettempdir()}: {e.strerror}",
                hint="set TMPDIR to a directory with more space",
            ) from e
        yield block


def _in_thread(blocks: Iterator[bytes]) -> Generator[bytes]:
    with ThreadPoolExecutor(max_workers=1) as thread:
        pending = deque(thread.submit(next, blocks, b"") for _ in range(AHEAD))
        while block := pending.popleft().result():
            pending.append(thread.submit(next, blocks, b""))
            yield block
