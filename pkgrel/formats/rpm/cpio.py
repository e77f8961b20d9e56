"""The payload: a cpio archive of what the header lists.

cpio has two forms here: newc, and stripped for files of 4 GiB and more. Names begin with `./`. The names of a
hard-linked file follow one another, and only the last has content: rpm links each name to the first, writes the
content when it reaches the last, and tracks only one such set at a time. Entries are numbered by their position in
the package, which is the same in all packages with the same tree; FILEINODES has the same numbers.

Source: lib/cpio.c, lib/rpmfi.c and lib/fsm.c of rpm 4.20, rpmfiArchiveHasContent() and fsmMkfile();
https://rpm-software-management.github.io/rpm/manual/large_files.html.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import assert_never

from pkgrel.formats.encoding import encoded, link_targets
from pkgrel.package import Directory, Entry, File, HardLink, Symlink

FILE, SYMLINK, DIRECTORY = 0o100000, 0o120000, 0o040000

ALIGNMENT = 4
TRAILER = b"TRAILER!!!"

# magic inode mode uid gid links mtime size, major and minor of device and special file, name size, 0
NEWC = b"070701%08x%08x%08x%08x%08x%08x%08x00000000000000000000000000000000%08x00000000%b\0"
# magic, index of the file in the header, which has all the rest
STRIPPED = b"07070X%08x"

LARGEST = 2**32 - 1
"""Bytes of a file in the newc form."""


def newc(name: bytes, *, inode: int, mode: int, links: int, mtime: int, size: int) -> bytes:
    """Everything before an entry's content; `mode` includes the file type.

    User and group are 0: rpm takes them from the header.
    """
    header = NEWC % (inode, mode, 0, 0, links, mtime, size, len(name) + 1, name)
    return header + padding(len(header))


def stripped(index: int) -> bytes:
    """Everything before the content of the file with the number `index` in the header."""
    header = STRIPPED % index
    return header + padding(len(header))


def link_content(target: str) -> bytes:
    """The content that is stored for a symbolic link."""
    return target.encode("utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """Padding after `size` bytes, which start aligned, up to the next header or content."""
    return bytes(-size % ALIGNMENT)


def trailer() -> bytes:
    """The trailer of an archive of either form."""
    return newc(TRAILER, inode=0, mode=0, links=1, mtime=0, size=0)


Name = tuple[int, Entry]
"""An entry and its number."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The framing of an .rpm's payload."""

    indexes: tuple[int, ...] = ()
    """The index of each entry in the header; if there are any, the stripped form is written."""
    digests = True

    def frame(self, entries: tuple[Entry, ...], *, first: int, mtime: int) -> Iterator[bytes]:
        """Write entries down; every hard link must be with its target."""
        targets = link_targets(entries)
        sets = _sets(entries, first) if targets else {}
        for number, entry in enumerate(entries, start=first):
            match entry:
                case Directory(shared=True) | File(ghost=True):
                    pass
                case Directory(mode=mode):
                    yield self._start([(number, entry)], DIRECTORY | mode, mtime)
                case Symlink(target=target):
                    content = link_content(target)
                    mode = SYMLINK | 0o777
                    yield self._start([(number, entry)], mode, mtime, size=len(content))
                    yield content + padding(len(content))
                case File() | HardLink():
                    file = targets[entry] if isinstance(entry, HardLink) else entry
                    names = sets.get(file.path, [(number, entry)])
                    if entry is names[-1][1]:
                        yield from self._file(names, file, mtime)
                case _:
                    assert_never(entry)

    def end(self) -> bytes:
        """The trailer."""
        return trailer()

    def _file(self, names: Sequence[Name], file: File, mtime: int) -> Iterator[bytes]:
        mode, size = FILE | file.mode, file.content.size
        for position in range(len(names) - 1):
            yield self._start(names, mode, mtime, position=position)
        yield self._start(names, mode, mtime, position=-1, size=size)
        yield from file.content.chunks()
        yield padding(size)

    def _start(
        self, names: Sequence[Name], mode: int, mtime: int, *, position: int = 0, size: int = 0
    ) -> bytes:
        """Everything before the content, for one name of a file."""
        number, entry = names[position]
        if self.indexes:
            return stripped(self.indexes[number])
        return newc(
            b"." + encoded(entry.path),
            inode=names[0][0] + 1,
            mode=mode,
            links=len(names),
            mtime=mtime,
            size=size,
        )


def _sets(entries: Sequence[Entry], first: int) -> dict[PurePosixPath, list[Name]]:
    """All names of every file, by the path of the first."""
    sets: dict[PurePosixPath, list[Name]] = {}
    for number, entry in enumerate(entries, start=first):
        match entry:
            case File(path=path) | HardLink(target=path):
                sets.setdefault(path, []).append((number, entry))
            case _:
                pass
    return sets
