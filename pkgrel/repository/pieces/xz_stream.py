"""xz: a block for each piece; the index of the stream says where they are.

Source: The .xz File Format 1.2.1.
"""

import io
from collections.abc import Sequence
from functools import partial

from pkgrel.formats.compression import xz as format
from pkgrel.repository.pieces.reuse import Before, compress

SUFFIX = ".xz"
_LEVEL = 1
_HEADER = 12
_FOOTER = 12


def xz(pieces: Sequence[memoryview], before: Before | None = None) -> bytes:
    """One stream."""
    known = before.pieces(SUFFIX, split) if before else {}
    out = io.BytesIO()
    stream = format.start(out, _LEVEL)
    for block in compress(pieces, known, partial(format.block, _LEVEL)):
        stream.append(block)
    stream.finish()
    return out.getvalue()


def split(data: bytes) -> list[format.Block] | None:
    """The blocks of a stream that is sound; None if it is none, or not ours."""
    if not data.endswith(format.CRC32_CHECK + format.FOOTER_MAGIC):
        return None
    size = (int.from_bytes(data[-8:-4], "little") + 1) * 4
    numbers = _numbers(data[-_FOOTER - size : -_FOOTER])
    blocks = []
    at = _HEADER
    for unpadded, plain in zip(numbers[1::2], numbers[2::2], strict=False):
        end = at + unpadded + -unpadded % 4
        if not data[at:end].startswith(format.BLOCK_HEADER):
            return None
        blocks.append((format.Record(unpadded, plain), data[at:end]))
        at = end
    return blocks if numbers[:1] == [len(blocks)] and at == len(data) - _FOOTER - size else None


def _numbers(index: bytes) -> list[int]:
    """How many records there are, and their numbers."""
    numbers = []
    value = shift = 0
    for byte in index[1:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
            if len(numbers) == 2 * numbers[0] + 1:
                break
    return numbers
