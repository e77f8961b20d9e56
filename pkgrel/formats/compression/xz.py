"""xz: one stream for prefix and tail, of independent blocks with one index at the end.

    stream   header, block..., index, footer
    block    header, LZMA2 data, padding to 4, check
    index    0, number of records, (unpadded size, uncompressed size)..., padding to 4, CRC32
    footer   CRC32, index size, flags, "YZ"

Source: The .xz File Format 1.2.1, https://tukaani.org/xz/xz-file-format.txt.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

from pkgrel.formats.compression import Blocks, Sink

SUFFIX = "xz"
DEFAULT_LEVEL = 2
"""Half of the time and 8 % more bytes than levels that use a binary tree, from 4 on."""
LONGEST_TAIL = inf

BLOCK = 3 << 20
THREADS = 3
DICTIONARY_LOG = 20
"""1 MiB: with such blocks each thread needs 17 MiB. 4 MiB would save 1 % and need 50."""

MAGIC = b"\xfd7zXZ\0"
FOOTER_MAGIC = b"YZ"
CRC32_CHECK = b"\0\1"
"""Stream flags. CRC32 is cheap and every liblzma knows it; digests that count are elsewhere."""
LZMA2_FILTER = 0x21

#                       size / 4 - 1, block flags, filter, its properties: length, dictionary; padding
BLOCK_HEADER = bytes([2, 0, LZMA2_FILTER, 1, 2 * (DICTIONARY_LOG - 12), 0, 0, 0])


def start(out: Sink, level: int) -> Stream:
    """Begin a stream in `out`."""
    out.write(HEADER)
    return Stream(out, level, ())


@dataclass(frozen=True, slots=True)
class Record:
    """A block's line of the index; sizes in bytes."""

    unpadded: int
    uncompressed: int


Block = tuple[Record, bytes]
"""A block with its header, padding and check, and its line of the index."""


class Stream:
    """A stream from some point on."""

    def __init__(self, out: Sink, level: int, records: tuple[Record, ...]) -> None:
        self._out = out
        self._level = level
        self._records = [*records]
        self._blocks = Blocks(partial(block, level), self.append, size=BLOCK, threads=THREADS)

    def write(self, data: bytes) -> None:
        """Compress some more."""
        self._blocks.write(data)

    def complete(self) -> None:
        """Write what is still held back."""
        self._blocks.drain()

    def fork(self, out: Sink) -> Stream:
        """Go on in `out`."""
        return Stream(out, self._level, tuple(self._records))

    def finish(self) -> None:
        """Write what is still held back, the index and the footer."""
        self.complete()
        self._out.write(end(self._records))

    def append(self, block: Block) -> None:
        """Add a block that is compressed already."""
        record, data = block
        self._records.append(record)
        self._out.write(data)


def block(level: int, data: bytes) -> Block:
    """Compress a block."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": 1 << DICTIONARY_LOG}]
    compressed = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    header = BLOCK_HEADER + _crc(BLOCK_HEADER)
    unpadded = len(header) + len(compressed) + len(_crc(data))
    padding = bytes(-len(compressed) % 4)
    return Record(unpadded, len(data)), header + compressed + padding + _crc(data)


def end(records: Sequence[Record]) -> bytes:
    """What is behind the blocks: the index and the footer."""
    index = _index(records)
    size = (len(index) // 4 - 1).to_bytes(4, "little")
    return index + _crc(size + CRC32_CHECK) + size + CRC32_CHECK + FOOTER_MAGIC


def _index(records: Sequence[Record]) -> bytes:
    numbers = [len(records)]
    for record in records:
        numbers += record.unpadded, record.uncompressed
    index = b"\0" + b"".join(map(_variable_length, numbers))
    index += bytes(-len(index) % 4)
    return index + _crc(index)


def _variable_length(number: int) -> bytes:
    """Seven bits per byte, the lowest first; all but the last byte have bit 7 set."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


HEADER = MAGIC + CRC32_CHECK + _crc(CRC32_CHECK)
"""Of a stream."""
