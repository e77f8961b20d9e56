"""The data archive of a .deb as entries, every file hashed.

Source: deb(5) and lib/dpkg/tarfn.c of dpkg 1.22, which knows v7, ustar and GNU long names and
refuses everything else.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import PurePosixPath

from pkgrel.artifact.deb.archive import tar_members
from pkgrel.artifact.deb.metadata import LARGEST_CHANGELOG
from pkgrel.artifact.model import Entry, Kind, Take
from pkgrel.artifact.paths import absolute
from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError

_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.CHRTYPE: Kind.SPECIAL,
    tarfile.BLKTYPE: Kind.SPECIAL,
    tarfile.FIFOTYPE: Kind.SPECIAL,
}


_LATEST = 1 << 38
"""Seconds since 1970: some 8700 years; GNU tar can say far more, and who would print it?"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the control archive says about files, and files whose content is asked for."""

    conffiles: Set[str]
    md5sums: Mapping[str, str]
    """Path without its first slash -> MD5."""
    contents: dict[str, bytes]
    """By path; those that are there and not too large are filled in."""
    take: Take | None


def read(stream: Stream, wanted: Wanted) -> Iterator[Entry]:
    """Yield the entries in the archive's order; PackageError if dpkg would refuse one.

    Also if the content of a file is not what `md5sums` says.
    """
    files: dict[PurePosixPath, Entry | None] = {}
    for member in tar_members(stream):
        path = absolute(member.name)
        kind = _kind(member, path)
        if path in files and kind is not Kind.DIRECTORY:
            raise PackageError(f"`{path}` is in it twice")
        entry = _entry(member, path, kind, stream, wanted)
        if kind is Kind.HARDLINK:
            entry = _linked(entry, files.get(PurePosixPath(entry.target)))
        files[path] = entry if kind in (Kind.FILE, Kind.HARDLINK) else None
        yield entry


def _kind(member: tarfile.TarInfo, path: PurePosixPath) -> Kind:
    if member.pax_headers or member.issparse():
        what = "a pax header" if member.pax_headers else "a sparse file"
        raise PackageError(f"`{path}` is {what} of tar, which dpkg cannot unpack")
    if member.type not in _KINDS:
        raise PackageError(f"`{path}` is of tar's type {member.type!r}, which dpkg cannot unpack")
    return _KINDS[member.type]


def _entry(
    member: tarfile.TarInfo,
    path: PurePosixPath,
    kind: Kind,
    stream: Stream,
    wanted: Wanted,
) -> Entry:
    target = ""
    if kind is Kind.SYMLINK:
        target = member.linkname
    elif kind is Kind.HARDLINK:
        target = str(absolute(member.linkname))
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        owner=member.uname or str(member.uid),
        group=member.gname or str(member.gid),
        size=member.size if kind is Kind.FILE else len(target) if kind is Kind.SYMLINK else 0,
        time=_time(member.mtime, path),
        target=target,
        sha256=_hash(stream, member.size, str(path), wanted) if kind is Kind.FILE else "",
        flags=("conffile",) if str(path) in wanted.conffiles else (),
    )


def _time(said: float, path: PurePosixPath) -> int:
    time = int(said)
    if abs(time) > _LATEST:
        raise PackageError(f"`{path}` is of a time that no calendar has")
    return time


def _hash(stream: Stream, size: int, path: str, wanted: Wanted) -> str:
    expected = wanted.md5sums.get(path[1:])
    keep = path in wanted.contents and size <= LARGEST_CHANGELOG
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False)
    taken = wanted.take(PurePosixPath(path), size) if wanted.take else None
    for piece in stream.pieces(size):
        sha256.update(piece)
        if taken:
            taken(piece)
        if expected:
            md5.update(piece)
        if keep:
            wanted.contents[path] += piece
    if expected and md5.hexdigest() != expected:
        raise PackageError(f"damaged: the content of `{path}` is not what its md5sums say")
    return sha256.hexdigest()


def _linked(entry: Entry, file: Entry | None) -> Entry:
    """Give a hard link the size and the hash of its file, and that file as its target."""
    if file is None:
        raise PackageError(
            f"`{entry.path}` is a hard link to `{entry.target}`, which is not a file before it"
        )
    return Entry(
        path=entry.path,
        kind=Kind.HARDLINK,
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        size=file.size,
        time=file.time,
        target=file.target or str(file.path),
        sha256=file.sha256,
        flags=entry.flags,
    )
