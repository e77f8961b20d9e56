"""Contents of a package that rules look into: small files, and programs of any size.

They wait in one temporary file. What is compiled or compressed is not kept, and never more than
LIMIT: a package of a few kilobytes can unpack to terabytes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pkgrel import scratch
from pkgrel.artifact import Entry, Take
from pkgrel.content import Slice
from pkgrel.release import elf

LIMIT = 1 << 30
"""Bytes that are kept of one package."""

SMALL = 1 << 20
"""Bytes up to which a file may be text that somebody wrote."""

_NOT_TEXT = frozenset(".beam .boot .gz .xz .zst .bz2 .zip .png .jpg .ico .woff2".split())


@dataclass(slots=True)
class Contents:
    """What was kept, by path."""

    file: Path
    kept: dict[PurePosixPath, Slice] = field(default_factory=dict)
    programs: dict[PurePosixPath, bytes] = field(default_factory=dict)
    """The first bytes of machine code, whatever system it is for."""
    unread: list[PurePosixPath] = field(default_factory=list)
    """What did not fit."""
    end: int = 0

    def read(self, path: PurePosixPath) -> bytes:
        """The content; empty if it was not kept."""
        return b"".join(self.kept[path].chunks()) if path in self.kept else b""

    def add_hard_links(self, entries: Iterable[Entry]) -> None:
        """Give a file's other names its content: a package has it under one of them."""
        several = [entry for entry in entries if entry.sha256]
        known = {entry.sha256: entry.path for entry in several if entry.path in self.kept}
        for entry in several:
            if entry.path not in self.kept and (twin := known.get(entry.sha256)):
                self.kept[entry.path] = self.kept[twin]


@contextmanager
def keeping() -> Iterator[tuple[Contents, Take]]:
    """An empty Contents, and the `take` for `artifact.read` that fills it."""
    with scratch.folder() as folder:
        contents = Contents(Path(folder, "contents"))
        with contents.file.open("w+b", buffering=0) as out:

            def take(path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], None] | None:
                if not size or path.suffix in _NOT_TEXT:
                    return None
                if contents.end + size > LIMIT:
                    contents.unread.append(path)
                    return None
                return _Taking(contents, out, path, size).piece

            yield contents, take


@dataclass(slots=True)
class _Taking:
    """One file, of which nothing is kept when its first bytes say that it is of no interest."""

    contents: Contents
    out: BinaryIO
    path: PurePosixPath
    size: int
    head: bytes = b""
    start: int = 0

    def __post_init__(self) -> None:
        self.start = self.contents.end
        self.contents.end += self.size
        self.contents.kept[self.path] = Slice(self.contents.file, self.start, self.size, "")

    def piece(self, data: bytes | memoryview) -> None:
        if self.path not in self.contents.kept:
            return
        if len(self.head) < elf.MAGIC_SIZE:
            self.head += bytes(data[: elf.MAGIC_SIZE - len(self.head)])
            if len(self.head) == elf.MAGIC_SIZE and not self._wanted():
                return
        while data:  # an unbuffered file may take a part
            data = data[self.out.write(data) :]

    def _wanted(self) -> bool:
        if elf.is_program(self.head):
            self.contents.programs[self.path] = self.head
        elif self.size > SMALL:
            del self.contents.kept[self.path]
            self.contents.end = self.start
            self.out.seek(self.start)
            return False
        return True
