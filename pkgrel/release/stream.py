"""The bytes of a tarball, one after the other, and the local file where they can be found again.

A plain tarball is that file itself. A compressed one is written to a temporary file while it is
read; decompression runs in a thread, one block ahead of the caller, who parses and hashes: zlib
and hashlib both release the interpreter's lock, so two cores are used.
"""

import os
import tempfile
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release.compression import Compressor, decompress

BLOCK = 1 << 18
AHEAD = 2


class Truncated(Exception):
    """There are fewer bytes left than were asked for."""


class Stream:
    """Bytes in order, taken in pieces of any size without copying them twice."""

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
        """Take `size` bytes as one."""
        if len(self._block) >= size:
            piece = bytes(self._block[:size])
            self._block = self._block[size:]
            self.offset += size
            return piece
        return b"".join(self.pieces(size))

    def rest(self) -> Iterator[memoryview]:
        """Take everything that is left."""
        yield self._block
        for block in self._blocks:
            yield memoryview(block)


@contextmanager
def plain(source: BinaryIO) -> Iterator[Stream]:
    """Read an uncompressed tarball where it is."""
    yield Stream(iter(lambda: source.read(BLOCK), b""))


@contextmanager
def spooled(
    source: BinaryIO, compressor: Compressor, spool: Path, limits: Limits
) -> Iterator[Stream]:
    """Decompress `source` into the file `spool` while the stream is read."""
    # Not "wb": ext4 sends a file to the disk at once if it was truncated when it was opened.
    with spool.open("r+b", buffering=0) as out:
        blocks = _tee(decompress(source, compressor, limits), out)
        with closing(_in_thread(blocks)) as ahead:
            yield Stream(ahead)


@contextmanager
def spool_file() -> Iterator[Path]:
    """Make a temporary file and remove it in every case."""
    handle, name = tempfile.mkstemp(prefix="pkgrel-", suffix=".tar")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink()


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
