"""Members of a tar archive, by tarfile, without what makes tarfile forgiving.

tarfile takes a damaged header for the end of the archive, and so did every tool that once lost
files silently. Here the archive ends where its block of zeros is.
"""

import tarfile
from collections.abc import Iterator

from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError

_LIMIT = 1_000_000


def members(stream: Stream) -> Iterator[tarfile.TarInfo]:
    """Yield each member while `stream` stands at its first byte; the caller may take its bytes.

    PackageError, or one of tarfile's own errors, if the archive is damaged.
    """
    archive: tarfile.TarFile | None = None
    count = 0
    while any(block := stream.peek(tarfile.BLOCKSIZE)):
        if archive is None:
            # Reads the first header, which next() then returns.
            archive = tarfile.TarFile(fileobj=stream, errors="surrogateescape")  # type: ignore[arg-type]
        member = archive.next()
        if member is None:
            raise PackageError("damaged: a tar header cannot be read")
        archive.members.clear()  # type: ignore[attr-defined]  # it keeps every one
        if count >= _LIMIT:
            raise PackageError(f"more than {_LIMIT} members")
        count += 1
        yield member
        stream.seek(archive.offset)
    if len(block) < tarfile.BLOCKSIZE:
        raise PackageError("truncated: its tar archive has no end")
    stream.finish()
