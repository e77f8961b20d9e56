"""The files of an rpm: the header's rows, verified against the cpio archive of the payload.

    070701 and 13 numbers of 8 hexadecimal digits, name, padding to 4, content, padding to 4
    07070X and the file's index in the header, padding to 4, content, padding to 4

The header decides: rpm takes only contents from the cpio. The second form is for packages with a file of 4 GiB or
more. rpmfile reads only the first, omits directories, and needs to seek.

Source: lib/rpmfi.c and lib/cpio.c of rpm 4.20.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pkgrel.artifact.model import Entry, Kind, Take
from pkgrel.artifact.rpm.header import Header
from pkgrel.artifact.stream import Stream, absolute, cost, plain
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.rpm_tags import HASHES, FileFlag, Tag

_NEWC = b"070701"
_STRIPPED = b"07070X"
_TRAILER = "TRAILER!!!"
_NUMBERS = 13
_SIZE, _NAME_SIZE = 6, 11
_LONGEST = 4096
_MAGIC_SIZE = 6


@dataclass(frozen=True, slots=True)
class _Member:
    """A name, or an index of the header's files, and the size of the content that follows."""

    name: str | None
    index: int | None
    size: int


def _members(stream: Stream, size_of: Callable[[int], int]) -> Iterator[_Member]:
    """Yield each member with `stream` at its content, which the caller may take.

    `size_of` gives the size of the content stored for an index. PackageError if the archive is damaged.
    """
    while True:
        magic = stream.read(_MAGIC_SIZE)
        if magic == _STRIPPED:
            (index,) = _numbers(stream, 1)
            member = _Member(None, index, size_of(index))
        elif magic == _NEWC:
            numbers = _numbers(stream, _NUMBERS)
            member = _Member(_name(stream, numbers[_NAME_SIZE]), None, numbers[_SIZE])
        else:
            raise PackageError(f"damaged: its payload has {magic!r} where a member should begin")
        _align(stream)
        if member.name == _TRAILER:
            stream.finish()
            return
        end = stream.tell() + member.size
        yield member
        stream.seek(end)
        _align(stream)


def _numbers(stream: Stream, count: int) -> list[int]:
    digits = stream.read(8 * count)
    if not re.fullmatch(rb"[0-9a-fA-F]{%d}" % (8 * count), digits):
        raise PackageError("damaged: its payload has a member with a wrong header")
    return [int(digits[start : start + 8], 16) for start in range(0, 8 * count, 8)]


def _name(stream: Stream, size: int) -> str:
    name = stream.read(size) if 0 < size <= _LONGEST else b""
    if len(name) != size or name[-1:] != b"\0":
        raise PackageError("damaged: its payload has a member with a wrong name")
    return name[:-1].decode(errors="surrogateescape")


def _align(stream: Stream) -> None:
    stream.seek(stream.tell() + -stream.tell() % 4)


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
}
_FLAGS = {
    FileFlag.CONFIG: "conffile",
    FileFlag.DOC: "doc",
    FileFlag.MISSINGOK: "missingok",
    FileFlag.NOREPLACE: "noreplace",
    FileFlag.GHOST: "ghost",
    FileFlag.LICENSE: "license",
    FileFlag.README: "readme",
    FileFlag.ARTIFACT: "artifact",
}

# The columns of a Row after its path; FILESIZES and LONGFILESIZES are alternatives.
_COLUMNS = (
    Tag.FILEMODES,
    Tag.FILEMTIMES,
    Tag.FILEFLAGS,
    Tag.FILEINODES,
    Tag.FILEDEVICES,
)
_TEXTS = (Tag.FILEDIGESTS, Tag.FILELINKTOS, Tag.FILEUSERNAME, Tag.FILEGROUPNAME)


@dataclass(slots=True)
class Row:
    """One file of the header."""

    path: str
    size: int
    mode: int
    time: int
    flags: int
    inode: int
    device: int
    digest: str
    target: str
    owner: str
    group: str
    links: list[Row] = field(default_factory=list)
    """All names of this file, including this one; only this one if there are no hard links."""
    sha256: str | None = None
    """None until its content has been read."""

    @property
    def stored(self) -> bool:
        """Whether the payload has its content: a regular file that is not a ghost."""
        return stat.S_ISREG(self.mode) and not self.flags & FileFlag.GHOST


def read(header: Header, stream: Stream, take: Take | None) -> tuple[Entry, ...]:
    """Read the payload; PackageError if a file is missing, or differs from the header."""
    rows = _rows(header)
    by_path = {row.path: row for row in rows}
    if len(by_path) < len(rows):
        raise PackageError("damaged: its header names a file twice")
    algorithm = HASHES.get(header.number(Tag.FILEDIGESTALGO, 1))

    def size_of(index: int) -> int:
        if index >= len(rows):
            raise PackageError(f"damaged: its payload has file {index} of {len(rows)}")
        return _stored_size(rows[index])

    for count, member in enumerate(_members(stream, size_of)):
        if count == len(rows):
            raise PackageError("damaged: its payload has more members than its header has files")
        row = _row_of(member, rows, by_path)
        if row.stored:
            _check(row, member, stream, algorithm, take)
    lost = next((row.path for row in rows if row.stored and row.sha256 is None), None)
    if lost:
        raise PackageError(f"damaged: `{lost}` is in its header but not in its payload")
    return tuple(_entry(row) for row in rows)


def listed(header: Header) -> tuple[Entry, ...]:
    """The files according to the header, for a payload that is not unpacked."""
    rows = _rows(header)
    if HASHES.get(header.number(Tag.FILEDIGESTALGO, 1)) == "sha256":
        for row in rows:
            row.sha256 = row.digest if row.stored else None
    return tuple(_entry(row) for row in rows)


def _rows(header: Header) -> list[Row]:
    paths = _paths(header)
    count = len(paths)
    sizes = header.numbers(Tag.LONGFILESIZES) or header.numbers(Tag.FILESIZES)
    # Some writers omit columns such as inodes; without them there are no hard links.
    numbers = [header.numbers(tag) or (0,) * count for tag in _COLUMNS]
    texts = [header.strings(tag) or ("",) * count for tag in _TEXTS]
    columns = [paths, sizes, *numbers, *texts]
    if any(len(column) != count for column in columns):
        raise PackageError(
            "damaged: its header does not say the same number of things of each file"
        )
    rows = [Row(*values) for values in zip(*columns, strict=True)]
    sets: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        linked = row.stored and row.inode > 0
        row.links = sets.setdefault((row.device, row.inode), []) if linked else []
        row.links.append(row)
    return rows


def _paths(header: Header) -> list[str]:
    names, folders = header.strings(Tag.BASENAMES), header.strings(Tag.DIRNAMES)
    indexes = header.numbers(Tag.DIRINDEXES)
    if len(names) != len(indexes) or any(index >= len(folders) for index in indexes):
        raise PackageError("damaged: its header has file names without folders")
    # All files may be in one folder.
    costs = [cost(folder) for folder in folders]
    if sum(costs[index] for index in indexes) + sum(map(cost, names)) > LIMITS.package_paths:
        raise PackageError("the names of its files are too long, all together")
    return [plain(folders[index] + name) for index, name in zip(indexes, names, strict=True)]


def _stored_size(row: Row) -> int:
    """Return how many bytes follow a stripped member: of hard links only the last has content."""
    if stat.S_ISLNK(row.mode):
        return len(row.target.encode(errors="surrogateescape"))
    return row.size if row.stored and row.links[-1] is row else 0


def _row_of(member: _Member, rows: list[Row], by_path: dict[str, Row]) -> Row:
    if member.index is not None:
        return rows[member.index]
    path = plain(member.name or "")
    if path not in by_path:
        raise PackageError(f"damaged: `{path}` is in its payload but not in its header")
    return by_path[path]


def _check(
    row: Row, member: _Member, stream: Stream, algorithm: str | None, take: Take | None
) -> None:
    """Hash the content; PackageError if size or digest differ from the header."""
    if row.links[-1] is not row:
        if member.size:
            raise PackageError(f"damaged: `{row.path}` has the content of its last hard link")
        return
    if member.size != row.size:
        raise PackageError(
            f"damaged: `{row.path}` has {member.size} bytes in the payload, {row.size} in the header"
        )
    sha256 = hashlib.sha256()
    hashes = [sha256]
    if row.digest and algorithm and algorithm != "sha256":
        hashes.append(hashlib.new(algorithm, usedforsecurity=False))
    sinks: list[Callable[[memoryview], object]] = [each.update for each in hashes]
    if take and (taken := take(PurePosixPath(row.path), row.size)):
        sinks.append(taken)
    for piece in stream.pieces(member.size):
        for sink in sinks:
            sink(piece)
    if row.digest and algorithm and hashes[-1].hexdigest() != row.digest.lower():
        raise PackageError(f"damaged: the content of `{row.path}` is not what its digest says")
    for link in row.links:
        link.sha256 = sha256.hexdigest()


def _entry(row: Row) -> Entry:
    kind = _KINDS.get(stat.S_IFMT(row.mode), Kind.SPECIAL)
    target = row.target if kind is Kind.SYMLINK else ""
    if row.links[0] is not row:
        kind, target = Kind.HARDLINK, row.links[0].path
    return Entry(
        path=absolute(row.path),
        kind=kind,
        mode=stat.S_IMODE(row.mode),
        owner=row.owner,
        group=row.group,
        # The size of a directory is meaningless: it is that of a directory on the build host.
        size=0 if kind is Kind.DIRECTORY else row.size,
        time=row.time,
        target=target,
        sha256=row.sha256 or "",
        flags=tuple(_flags(row.flags)),
    )


def _flags(bits: int) -> Iterator[str]:
    return (word for bit, word in _FLAGS.items() if bits & bit)
