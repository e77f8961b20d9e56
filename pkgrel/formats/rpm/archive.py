"""The payload: a cpio archive of what the header lists.

Names begin with `./`. A set of hard links is written in one piece, without content but for the last
name: rpm links what it meets to the set's first name and fills it when it meets the last, and knows
only one set at a time. Entries are numbered by their position in the package, which does not change
when another package with the same tree has other files; FILEINODES has the same numbers.

Source: lib/rpmfi.c and lib/fsm.c of rpm 4.20, rpmfiArchiveHasContent() and fsmMkfile().
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import assert_never

from pkgrel.formats import cpio
from pkgrel.formats.entries import encoded, link_targets
from pkgrel.formats.rpm.files import LARGEST, Row
from pkgrel.package import Directory, Entry, File, HardLink, Symlink

Name = tuple[int, Entry]
"""An entry and its number."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The framing of an .rpm's payload."""

    indexes: tuple[int, ...] = ()
    """Where each entry of the package is in the header; if there are any, the form is stripped."""
    digests = True

    def frame(self, entries: tuple[Entry, ...], *, first: int, mtime: int) -> Iterator[bytes]:
        """Write entries down; every hard link must be with its target."""
        targets = link_targets(entries)
        sets = _sets(entries, first) if targets else {}
        for number, entry in enumerate(entries, start=first):
            match entry:
                case Directory(shared=True):
                    pass
                case Directory(mode=mode):
                    yield self._start([(number, entry)], cpio.DIRECTORY | mode, mtime)
                case Symlink(target=target):
                    content = cpio.link_content(target)
                    mode = cpio.SYMLINK | 0o777
                    yield self._start([(number, entry)], mode, mtime, size=len(content))
                    yield content + cpio.padding(len(content))
                case File() | HardLink():
                    file = targets[entry] if isinstance(entry, HardLink) else entry
                    names = sets.get(file.path, [(number, entry)])
                    if entry is names[-1][1]:
                        yield from self._file(names, file, mtime)
                case _:
                    assert_never(entry)

    def end(self) -> bytes:
        """The trailer."""
        return cpio.trailer()

    def _file(self, names: Sequence[Name], file: File, mtime: int) -> Iterator[bytes]:
        mode, size = cpio.FILE | file.mode, file.content.size
        for position in range(len(names) - 1):
            yield self._start(names, mode, mtime, position=position)
        yield self._start(names, mode, mtime, position=-1, size=size)
        yield from file.content.chunks()
        yield cpio.padding(size)

    def _start(
        self, names: Sequence[Name], mode: int, mtime: int, *, position: int = 0, size: int = 0
    ) -> bytes:
        """Everything in front of the content of one of the names of a file."""
        number, entry = names[position]
        if self.indexes:
            return cpio.stripped(self.indexes[number])
        return cpio.newc(
            b"." + encoded(entry.path),
            inode=names[0][0] + 1,
            mode=mode,
            links=len(names),
            mtime=mtime,
            size=size,
        )


def framing(rows: Sequence[Row]) -> Archive:
    """The framing for these files, stripped only if one is too large for the other form.

    In the stripped form packages share no compressed tree, unless all their indexes agree.
    """
    if all(row.size <= LARGEST for row in rows):
        return Archive()
    indexes = {row.number: index for index, row in enumerate(rows)}
    # Shared directories are in neither the header nor the payload.
    return Archive(tuple(indexes.get(number, -1) for number in range(max(indexes) + 1)))


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
