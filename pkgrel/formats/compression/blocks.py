"""Streams of blocks that several threads compress.

Where a block ends depends on nothing but the data, so the number of threads does not change the
output. lzma and zlib release the interpreter's lock while they work.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

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
