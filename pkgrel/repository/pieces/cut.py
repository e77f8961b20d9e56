"""Where an index is cut: after paragraphs that their own contents choose.

A paragraph more or less moves no other cut than those beside it, unlike cuts at round numbers.
"""

import zlib

_END = b"\n\n"
_SMALLEST = 64 << 10
_LARGEST = 2 << 20
"""Bytes; a paragraph is never cut."""
_ONE_OF = 256
"""Paragraphs between two cuts, on average."""


def cut(data: bytes) -> list[memoryview]:
    """The pieces; together they are the data, of which they are no copies."""
    view = memoryview(data)
    pieces = []
    start = paragraph = 0
    while (end := data.find(_END, paragraph)) >= 0:
        end += len(_END)
        chosen = zlib.crc32(data[paragraph:end]) % _ONE_OF == 0 and end - start >= _SMALLEST
        if chosen or end - start >= _LARGEST:
            pieces.append(view[start:end])
            start = end
        paragraph = end
    if start < len(data):
        pieces.append(view[start:])
    return pieces
