"""Colours: which files are ELF, of 32 or 64 bits.

Where both variants of a package are installed and a path is in both, rpm keeps the 64-bit file.

Source: build/rpmfc.c of rpm 4.20; elf(5).
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from pkgrel.content import Inline, Slice
from pkgrel.package import File

COLORS = {b"\x7fELF\x01": 1, b"\x7fELF\x02": 2}
"""Magic number and class."""
ELF_START = 5


def colors(files: Iterable[File | None]) -> list[int]:
    """A colour for each file, 0 for what is no ELF file."""
    with _Reader() as reader:
        return [COLORS.get(reader.start(file.content), 0) if file else 0 for file in files]


class _Reader:
    """Reads a few bytes of many slices, which are mostly of one file."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._path: Path | None = None
        self._source: BinaryIO | None = None

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, content: Slice | Inline) -> bytes:
        if isinstance(content, Inline):
            return content.data[:ELF_START]
        if content.size < ELF_START:
            return b""
        if self._source is None or content.file != self._path:
            self._stack.close()
            self._source = self._stack.enter_context(content.file.open("rb", buffering=0))
            self._path = content.file
        self._source.seek(content.offset)
        return self._source.read(ELF_START)
