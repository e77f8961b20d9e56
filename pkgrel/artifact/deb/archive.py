"""The archives of a .deb: the outer ar archive, by python-debian's ArFile, and the two tar archives in it, by tarfile.

tarfile takes a damaged header for the end of the archive, by which files can be lost silently. Here an archive must
end with its block of zeros.

Source: deb(5); the order of members and what may stand between them is lib/dpkg/ar.c and
src/deb/extract.c of dpkg 1.22.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from debian.arfile import ArError, ArFile, ArMember

from pkgrel.artifact.stream import Stream, cost, region
from pkgrel.console import one_line
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

_MEMBERS = 64
"""The most members of a .deb: it has three, and one or two more with signatures."""

# dpkg goes by the member's name as well; src/deb/extract.c.
_COMPRESSORS = {
    "": "none",
    ".gz": "gzip",
    ".xz": "xz",
    ".zst": "zstd",
    ".bz2": "bzip2",
    ".lzma": "lzma",
}
_OF_DATA_ALONE = ("bzip2", "lzma")


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
    """The members of a .deb."""

    control: Member
    data: Member
    others: tuple[str, ...]
    """Members that dpkg ignores: `_gpgorigin` is a signature."""


class _Forward(io.FileIO):
    """A file in which invalid member sizes cannot make ArFile seek backwards or loop."""

    _seeks = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 1:
            self._seeks += 1
            if offset < 0 or self._seeks > _MEMBERS:
                raise ArError("a member's size cannot be right")
        return super().seek(offset, whence)


@contextmanager
def open_archive(file: Path) -> Iterator[Archive]:
    """Find the members; PackageError if dpkg would refuse the archive."""
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
    version, line_end, _ = members[0].read(16).partition(b"\n")
    # dpkg takes any 2.x, and nothing between that and the end of the line.
    if not line_end or not re.fullmatch(rb"2\.[0-9]+", version):
        raise PackageError(f"its format is `{one_line(version.decode(errors='replace'))}`, not 2.0")
    # Before the data archive dpkg ignores only members whose names begin with an underscore.
    needed = [m for m in members[1:] if not m.name.startswith("_")][:2]
    if [m.name.partition(".tar")[0] for m in needed] != ["control", "data"]:
        raise PackageError(
            f"its members are {', '.join(names)}: dpkg wants control.tar and then data.tar"
        )
    control, data = (_member(m) for m in needed)
    if control.compressor in _OF_DATA_ALONE:
        raise PackageError(
            f"`{needed[0].name}` is compressed by {control.compressor}, which dpkg reads in data.tar alone"
        )
    used = {"debian-binary", *(m.name for m in needed)}
    return Archive(control, data, tuple(name for name in names if name not in used))


def _member(member: ArMember) -> Member:
    suffix = member.name.partition(".tar")[2]
    if suffix not in _COMPRESSORS:
        raise PackageError(f"`{member.name}` is compressed in a way that nobody knows")
    return Member(_COMPRESSORS[suffix], member.size, member)


# Before tarfile reads a header, whose expressions take quadratic time on the records of a hostile one.
_REFUSED = {
    tarfile.XHDTYPE: "a pax header",
    tarfile.XGLTYPE: "a pax header",
    tarfile.SOLARIS_XHDTYPE: "a pax header",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_DESCRIPTIONS = 4
"""The most extended headers of a member: GNU tar writes at most two."""
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def tar_members(stream: Stream) -> Iterator[tarfile.TarInfo]:
    """Yield each member with `stream` at its first byte; the caller may take its bytes.

    PackageError, or one of tarfile's own errors, if the archive is damaged.
    """
    archive: tarfile.TarFile | None = None
    count = names = 0
    while any(block := stream.peek(tarfile.BLOCKSIZE)):
        _refuse(stream)
        if archive is None:
            # Reads the first header, which next() then returns.
            archive = tarfile.TarFile(fileobj=stream, errors="surrogateescape")  # type: ignore[arg-type]
        member = archive.next()
        if member is None:
            raise PackageError("damaged: a tar header cannot be read")
        archive.members.clear()  # type: ignore[attr-defined]  # it keeps every one
        if count >= LIMITS.package_entries:
            raise PackageError(f"more than {LIMITS.package_entries} members")
        count += 1
        names += cost(member.name) + len(member.linkname)
        if names > LIMITS.package_paths:
            raise PackageError("the names of its files are too long, all together")
        yield member
        stream.seek(archive.offset)
    if len(block) < tarfile.BLOCKSIZE:
        raise PackageError("truncated: its tar archive has no end")
    stream.finish()


def _refuse(stream: Stream) -> None:
    """PackageError if a header that comes next is one that dpkg cannot unpack, or describes too much."""
    at = 0
    for _ in range(_DESCRIPTIONS):
        header = stream.peek(at + tarfile.BLOCKSIZE)[at:]
        kind = header[156:157]
        if kind in _REFUSED:
            name = header[:100].partition(b"\0")[0].decode(errors="backslashreplace")
            raise PackageError(f"`{name}` is {_REFUSED[kind]} of tar, which dpkg cannot unpack")
        if kind not in _LONG_NAMES:
            return
        size = _size(header)
        if size > LIMITS.path_max:
            raise PackageError(f"damaged: a name of {size} bytes")
        at += tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE
    raise PackageError(f"more than {_DESCRIPTIONS} tar headers describe one member")


def _size(header: bytes) -> int:
    """The size as tarfile understands it: octal, or GNU's binary numbers."""
    field = header[124:136]
    if field[:1] in (b"\x80", b"\xff"):
        return LIMITS.path_max + 1  # no name needs it
    digits = field.partition(b"\0")[0].strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise PackageError("damaged: a tar header cannot be read")
    return int(digits or b"0", 8)
