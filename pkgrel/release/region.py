"""Reads of a file whose offsets and sizes are not to be trusted."""

from typing import BinaryIO

from pkgrel.content import Slice

Segments = list[tuple[int, int, int, int]]
"""An ELF file's program headers: type, offset in the file, address in memory, size in the file."""


class Malformed(Exception):
    """It begins like an ELF file and goes on like none."""


class Region:
    """Random access to a Slice."""

    def __init__(self, file: BinaryIO, content: Slice) -> None:
        self._file = file
        self._content = content

    def at(self, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes from `offset` on; Malformed if they are not there."""
        if not 0 <= offset <= self._content.size - size:
            raise Malformed(f"{size} bytes at {offset} are outside of the file")
        self._file.seek(self._content.offset + offset)
        return self._file.read(size)
