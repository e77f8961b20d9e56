"""The outer ar archive of a .deb, by python-debian's ArFile.

Source: deb(5); the order of members and what may stand between them is lib/dpkg/ar.c and
src/deb/extract.c of dpkg 1.22.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from debian.arfile import ArError, ArFile, ArMember

from pkgrel.artifact.stream import region
from pkgrel.errors import PackageError

_MEMBERS = 64
"""A .deb has three, and one or two more with signatures."""

# dpkg goes by the member's name as well; src/deb/extract.c.
_COMPRESSORS = {
    "": "none",
    ".gz": "gzip",
    ".xz": "xz",
    ".zst": "zstd",
    ".bz2": "bzip2",
    ".lzma": "lzma",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One of the two tar archives."""

    compressor: str
    size: int
    _member: ArMember

    def pieces(self) -> Iterator[bytes]:
        """Read the compressed bytes; PackageError if the file ends before they do."""
        return region(self._member.read, self.size)


@dataclass(frozen=True, slots=True)
class Archive:
    """What a .deb consists of."""

    control: Member
    data: Member
    others: tuple[str, ...]
    """Members that dpkg ignores: `_gpgorigin` is a signature."""


class _Forward(io.FileIO):
    """A file whose member sizes cannot send ArFile back, nor around for ever."""

    _seeks = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 1:
            self._seeks += 1
            if offset < 0 or self._seeks > _MEMBERS:
                raise ArError("a member's size cannot be right")
        return super().seek(offset, whence)


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Find the members; PackageError if dpkg would not take the archive."""
    with _Forward(file) as source:
        try:
            members = list(ArFile(fileobj=source).getmembers())
        except (ArError, ValueError) as e:
            raise PackageError(f"damaged: its ar archive cannot be read: {e}") from e
        yield _parts(members)


def _parts(members: list[ArMember]) -> Archive:
    names = [member.name for member in members]
    if names[:1] != ["debian-binary"]:
        raise PackageError("no .deb: its first member is not `debian-binary`")
    version = members[0].read(16).partition(b"\n")[0]
    if not version.startswith(b"2."):
        raise PackageError(f"its format is `{version.decode(errors='replace')}`, not 2.0")
    # Before the data only names that begin with an underscore are passed over.
    needed = [m for m in members[1:] if not m.name.startswith("_")][:2]
    if [m.name.partition(".tar")[0] for m in needed] != ["control", "data"]:
        raise PackageError(
            f"its members are {', '.join(names)}: dpkg wants control.tar and then data.tar"
        )
    control, data = (_member(m) for m in needed)
    used = {"debian-binary", *(m.name for m in needed)}
    return Archive(control, data, tuple(name for name in names if name not in used))


def _member(member: ArMember) -> Member:
    suffix = member.name.partition(".tar")[2]
    if suffix not in _COMPRESSORS:
        raise PackageError(f"`{member.name}` is compressed in a way that nobody knows")
    return Member(_COMPRESSORS[suffix], member.size, member)
