"""data.tar: the files of a package.

dpkg wants `./` in front of every name and `/` behind a directory's, parents before what is in them,
and a hard link behind its target.

Source: deb(5); dpkg, lib/dpkg/tarfn.c and src/main/archives.c.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from pkgrel.formats import tar
from pkgrel.formats.entries import encoded, link_targets
from pkgrel.package import Directory, Entry, File, HardLink, Symlink


@dataclass(frozen=True, slots=True)
class Data:
    """The framing of data.tar."""

    digests = False

    def frame(self, entries: tuple[Entry, ...], *, first: int, mtime: int) -> Iterator[bytes]:
        """Write entries down; tar does not number them."""
        targets = link_targets(entries)
        for entry in entries:
            yield _header(entry, targets, mtime)
            if isinstance(entry, File):
                yield from entry.content.chunks()
                yield tar.padding(entry.content.size)

    def end(self) -> bytes:
        """Two empty blocks."""
        return tar.END


def _header(entry: Entry, targets: Mapping[HardLink, File], mtime: int) -> bytes:
    name = b"." + encoded(entry.path)
    match entry:
        case File(mode=mode, owner=owner, group=group, content=content):
            kind, size, link = tar.FILE, content.size, b""
        case HardLink():
            target = targets[entry]
            mode, owner, group = target.mode, target.owner, target.group
            kind, size, link = tar.HARD_LINK, 0, b"." + encoded(target.path)
        case Symlink(target=text, owner=owner, group=group):
            kind, size, link = tar.SYMLINK, 0, text.encode("utf-8", "surrogateescape")
            mode = 0o777
        case Directory(mode=mode, owner=owner, group=group):
            kind, size, link = tar.DIRECTORY, 0, b""
            # The root's name ends with one already.
            name = name.rstrip(b"/") + b"/"
        case _:
            assert_never(entry)
    return tar.header(
        name, kind, mode=mode, mtime=mtime, owner=owner, group=group, size=size, link=link
    )
