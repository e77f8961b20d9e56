"""The files of the header: sorted rows, from which its column arrays are made.

Source: build/files.c of rpm 4.20, genCpioListAndHeader(); include/rpm/rpmfiles.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, assert_never

from pkgrel.content import Inline, Slice
from pkgrel.formats.encoding import encoded, link_targets
from pkgrel.formats.rpm import cpio
from pkgrel.formats.rpm.header import Value
from pkgrel.package import Directory, Entry, File, HardLink, Package, Symlink
from pkgrel.rpm_tags import SHA256, AnyTag, FileFlag, Tag

DEVICE = 1
"""The device of every file; rpm recognises hard links by device and inode."""
VERIFY_ALL = 0xFFFFFFFF
VERIFY_GHOST = VERIFY_ALL & ~(1 << 0 | 1 << 1 | 1 << 2 | 1 << 5)
"""For %ghost files: everything but digest, size, link target and mtime; RPMVERIFY_* of rpmvf.h."""
COLORS = {b"\x7fELF\x01": 1, b"\x7fELF\x02": 2}
"""Colours of ELF files, by magic number and class: if 32 and 64-bit variants of a package are both installed, rpm
keeps the 64-bit file of a shared path (build/rpmfc.c)."""
ELF_START = 5


@dataclass(slots=True)
class Row:
    """A file as the header has it."""

    key: bytes
    """The path as bytes, by which rpm sorts."""
    path: str
    number: int
    """Position in the package's entries, and in the payload."""
    entry: Entry
    mode: int
    """Including the file type."""
    owner: str
    group: str
    inode: int
    size: int = 0
    file: File | None = None
    """The regular file, of which this may be one of several names."""
    target: str = ""
    """The target of a symbolic link."""

    @property
    def conffile(self) -> bool:
        """Whether it is configuration."""
        return self.file is not None and self.file.conffile


def rows(package: Package) -> list[Row]:
    """Everything that the package owns, sorted by the bytes of the whole path as strcmp does it."""
    entries = tuple(package.entries)
    targets = link_targets(entries)
    numbers = {entry.path: n for n, entry in enumerate(entries)} if targets else {}
    found: list[Row] = []
    for number, entry in enumerate(entries):
        match entry:
            case Directory(shared=True):
                # Another package owns it: `filesystem`, systemd, sudo.
                pass
            case HardLink():
                target = targets[entry]
                found.append(_regular(entry, target, number, numbers[target.path]))
            case File():
                found.append(_regular(entry, entry, number, number))
            case Symlink() | Directory():
                found.append(_irregular(entry, number))
            case _:
                assert_never(entry)
    found.sort(key=attrgetter("key"))
    return found


def _regular(entry: File | HardLink, file: File, number: int, first: int) -> Row:
    return Row(
        key=encoded(entry.path),
        path=str(entry.path),
        number=number,
        entry=entry,
        mode=cpio.FILE | file.mode,
        owner=file.owner,
        group=file.group,
        inode=first + 1,
        size=file.content.size,
        file=file,
    )


def _irregular(entry: Symlink | Directory, number: int) -> Row:
    row = Row(
        key=encoded(entry.path),
        path=str(entry.path),
        number=number,
        entry=entry,
        mode=cpio.DIRECTORY,
        owner=entry.owner,
        group=entry.group,
        inode=number + 1,
    )
    if isinstance(entry, Symlink):
        row.mode, row.target = cpio.SYMLINK | 0o777, entry.target
        row.size = len(cpio.link_content(entry.target))
    else:
        row.mode |= entry.mode
    return row


def tags(rows: Sequence[Row], mtime: int) -> dict[AnyTag, Value]:
    """Columns with one value per file; no tags if there are no files."""
    if not rows:
        return {Tag.SIZE: [0]}
    folders: dict[str, int] = {}
    split = [row.path.rpartition("/") for row in rows]
    sizes = [row.size for row in rows]
    # Hard links count once.
    total = sum(row.size for row in rows if not isinstance(row.entry, HardLink))
    count = len(rows)
    return {
        Tag.DIRINDEXES: [folders.setdefault(f"{folder}/", len(folders)) for folder, _, _ in split],
        Tag.BASENAMES: [name for _, _, name in split],
        Tag.DIRNAMES: list(folders),
        Tag.LONGFILESIZES if max(sizes) > cpio.LARGEST else Tag.FILESIZES: sizes,
        Tag.LONGSIZE if total > cpio.LARGEST else Tag.SIZE: [total],
        Tag.FILEMODES: [row.mode for row in rows],
        Tag.FILEDIGESTS: [
            row.file.content.sha256 if row.file and not row.file.ghost else "" for row in rows
        ],
        Tag.FILEDIGESTALGO: [SHA256],
        Tag.FILELINKTOS: [row.target for row in rows],
        Tag.FILEFLAGS: [_flags(row.file) if row.file else 0 for row in rows],
        Tag.FILEUSERNAME: [row.owner for row in rows],
        Tag.FILEGROUPNAME: [row.group for row in rows],
        Tag.FILEINODES: [row.inode for row in rows],
        Tag.FILECOLORS: colors([row.file for row in rows]),
        Tag.FILEDEVICES: [DEVICE] * count,
        Tag.FILERDEVS: [0] * count,
        Tag.FILEMTIMES: [mtime] * count,
        Tag.FILEVERIFYFLAGS: [
            VERIFY_GHOST if row.file and row.file.ghost else VERIFY_ALL for row in rows
        ],
        Tag.FILELANGS: [""] * count,
    }


def _flags(file: File) -> int:
    return (
        (FileFlag.CONFIG | FileFlag.NOREPLACE if file.conffile else 0)
        | (FileFlag.DOC if file.doc else 0)
        | (FileFlag.LICENSE if file.license else 0)
        | (FileFlag.GHOST if file.ghost else 0)
    )


def framing(rows: Sequence[Row]) -> cpio.Archive:
    """The framing for these files, stripped only if one is too large for newc.

    In the stripped form packages share a compressed tree only if all their indices agree.
    """
    if all(row.size <= cpio.LARGEST for row in rows):
        return cpio.Archive()
    indexes = {row.number: index for index, row in enumerate(rows)}
    # Shared directories are in neither the header nor the payload.
    return cpio.Archive(tuple(indexes.get(number, -1) for number in range(max(indexes) + 1)))


def colors(files: Iterable[File | None]) -> list[int]:
    """A colour for each file, 0 for what is not an ELF file."""
    with _Reader() as reader:
        return [COLORS.get(reader.start(file.content), 0) if file else 0 for file in files]


class _Reader:
    """Reads a few bytes of many slices, most of which are in one file."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._path: Path | None = None
        self._source: BinaryIO | None = None

    def __enter__(self) -> _Reader:
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
