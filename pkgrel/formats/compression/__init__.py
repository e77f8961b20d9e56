"""Compressors whose output can be forked: one compressed prefix, a different tail for each package.

    prefix = compressor.start(out, level)
    prefix.write(tree)              # any number of times
    prefix.complete()
    tail = prefix.fork(other_out)   # any number of times
    tail.write(extra)
    tail.finish()

The prefix followed by one tail is a single gzip member, xz stream or zstd frame: of several, dpkg silently installs
only the files of the first.

Several threads compress blocks of a stream. The ends of blocks depend only on the data, so the number of threads does
not change the output. lzma and zlib release the GIL.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from pkgrel.package import Compression


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""


class Tail(Protocol):
    """The end of a compressed stream."""

    def write(self, data: bytes) -> None:
        """Compress some more."""

    def finish(self) -> None:
        """Write what is still held back and the end of the stream."""


class Prefix(Protocol):
    """The beginning of a compressed stream."""

    def write(self, data: bytes) -> None:
        """Compress some more."""

    def complete(self) -> None:
        """Write what is still held back."""

    def fork(self, out: Sink) -> Tail:
        """Go on in `out`, once the prefix is complete."""


class Compressor(Protocol):
    """A module of this package."""

    SUFFIX: str
    """What dpkg expects behind `data.tar.`."""
    DEFAULT_LEVEL: int
    LONGEST_TAIL: float
    """Bytes behind the prefix up to which the tail is small enough."""

    def start(self, out: Sink, level: int) -> Prefix:
        """Begin a compressed stream in `out`."""


def compressor(compression: Compression) -> Compressor:
    """Find the module; only the one that is needed is imported, each costs milliseconds."""
    module: Compressor = import_module(f"{__name__}.{compression.value}")
    return module


def level_of(compression: Compression, level: int | None) -> int:
    """The level, or the compressor's default."""
    return compressor(compression).DEFAULT_LEVEL if level is None else level


Compressed = TypeVar("Compressed")


class Blocks(Generic[Compressed]):
    """Cuts what is written into blocks and hands them on compressed, in order."""

    def __init__(
        self,
        compress: Callable[[bytes], Compressed],
        emit: Callable[[Compressed], None],
        *,
        size: int,
        threads: int,
    ) -> None:
        self._compress = compress
        self._emit = emit
        self._size = size
        self._threads = min(threads, os.cpu_count() or 1)
        self._held = bytearray()
        self._pool: ThreadPoolExecutor | None = None
        self._running: deque[Future[Compressed]] = deque()

    def write(self, data: bytes) -> None:
        """Compress every whole block and hold back the rest."""
        self._held += data
        while len(self._held) >= self._size:
            self._submit(bytes(self._held[: self._size]))
            del self._held[: self._size]

    def drain(self) -> None:
        """Compress what is held back, as a shorter block, and hand on everything."""
        if self._held:
            self._submit(bytes(self._held))
            self._held.clear()
        while self._running:
            self._emit(self._running.popleft().result())
        if self._pool:
            self._pool.shutdown()
            self._pool = None

    def _submit(self, block: bytes) -> None:
        # As many blocks as threads: more would only wait, in memory.
        if len(self._running) == self._threads:
            self._emit(self._running.popleft().result())
        self._pool = self._pool or ThreadPoolExecutor(self._threads)
        self._running.append(self._pool.submit(self._compress, block))
