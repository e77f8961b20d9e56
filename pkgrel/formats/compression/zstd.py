"""zstd: one frame for prefix and tail.

The prefix ends at a block boundary and nothing in the frame's header depends on what follows: no
content size, no checksum. The tail is made of raw blocks, which need none of the encoder's state.

    frame   magic (4), descriptor (1), window (1), block...
    block   header: last (1 bit), type (2 bits), size (21 bits), little endian; content

Source: RFC 8878, section 3.1.1.
"""

from __future__ import annotations

import os

from pkgrel.compressors import zstd
from pkgrel.formats.compression import Sink, Tail

SUFFIX = "zst"
DEFAULT_LEVEL = 4
LONGEST_TAIL = 1 << 18
"""It is stored, not compressed."""

WINDOW_LOG = 21
"""2 MiB whatever the level: memory stays bounded, on the server too."""
JOB = 1 << WINDOW_LOG
"""Bytes that one thread compresses; the number of threads does not change the output."""
OVERLAP = 7
"""Every job sees a quarter of the window before it; all of it takes a tenth more time for 0.3 %."""

MOST_THREADS = {6: 4, 22: 2}
"""Up to this level, so many threads: together with the tables below they need less than 64 MiB."""
HIGH_LEVEL = 10
HIGH_LEVEL_TABLES: dict[int, int] = {
    zstd.CompressionParameter.hash_log: 20,
    zstd.CompressionParameter.chain_log: 21,
}
"""From level 10 on libzstd's own tables take 30 to 600 MiB per thread, for 1 % in size."""

HEADER = b"\x28\xb5\x2f\xfd" + bytes([0, (WINDOW_LOG - 10) << 3])
"""No optional fields; the window's logarithm above 10 is in the upper five bits."""
BLOCK = 1 << 17
"""Block_Maximum_Size."""


def start(out: Sink, level: int) -> Frame:
    """Begin a frame in `out`."""
    return Frame(out, level)


def _options(level: int) -> dict[int, int]:
    most = next(threads for limit, threads in MOST_THREADS.items() if level <= limit)
    return {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.window_log: WINDOW_LOG,
        zstd.CompressionParameter.content_size_flag: 0,
        zstd.CompressionParameter.checksum_flag: 0,
        # never 0, which means another code path in libzstd and other bytes
        zstd.CompressionParameter.nb_workers: min(os.cpu_count() or 1, most),
        zstd.CompressionParameter.job_size: JOB,
        zstd.CompressionParameter.overlap_log: OVERLAP,
        **(HIGH_LEVEL_TABLES if level >= HIGH_LEVEL else {}),
    }


class Frame:
    """The beginning of a frame, compressed by libzstd."""

    def __init__(self, out: Sink, level: int) -> None:
        self._out = out
        self._zstd = zstd.ZstdCompressor(options=_options(level))
        self._empty = True

    def write(self, data: bytes) -> None:
        """Compress some more."""
        self._empty = self._empty and not data
        self._out.write(self._zstd.compress(data))

    def complete(self) -> None:
        """End the current block."""
        # With threads libzstd does not even begin the frame before there is data.
        self._out.write(
            HEADER if self._empty else self._zstd.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
        )
        # Its tables are some 20 MiB, and the prefix is kept for the next package.
        del self._zstd

    def fork(self, out: Sink) -> Tail:
        """Go on in `out`."""
        return RawBlocks(out)


class RawBlocks:
    """The rest of a frame, stored."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write whole blocks and hold back the rest."""
        self._held += data
        while len(self._held) > BLOCK:
            self._block(self._held[:BLOCK], last=False)
            self._held = self._held[BLOCK:]

    def finish(self) -> None:
        """Write what is held back, perhaps nothing, as the frame's last block."""
        self._block(self._held, last=True)

    def _block(self, data: bytes, *, last: bool) -> None:
        raw = 0
        self._out.write((len(data) << 3 | raw << 1 | last).to_bytes(3, "little") + data)
