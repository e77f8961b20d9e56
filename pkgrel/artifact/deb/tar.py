"""Members of a tar archive, by tarfile, without what makes tarfile forgiving.

tarfile takes a damaged header for the end of the archive, and so did every tool that once lost
files silently. Here the archive ends where its block of zeros is.
"""

import re
import tarfile
from collections.abc import Iterator

from pkgrel.artifact.paths import cost
from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

# Before tarfile reads a header, whose expressions take quadratic time on the records of a hostile one.
_REFUSED = {
    tarfile.XHDTYPE: "a pax header",
    tarfile.XGLTYPE: "a pax header",
    tarfile.SOLARIS_XHDTYPE: "a pax header",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_DESCRIPTIONS = 4
"""Headers before one member: GNU tar writes at most two."""
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def members(stream: Stream) -> Iterator[tarfile.TarInfo]:
    """Yield each member while `stream` stands at its first byte; the caller may take its bytes.

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
