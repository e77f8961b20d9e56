"""SOURCE on the command line: a tarball of any compression, or an unpacked release."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import directory, hints, stream, tarball, tree
from pkgrel.release.compression import recognise
from pkgrel.release.tar_header import BLOCK, is_header

_OTHERS = {
    b"BZh": "compressed with bzip2",
    b"PK\x03\x04": "a zip archive",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"LZIP": "compressed with lzip",
    b"\x1f\x9d": "compressed with compress",
    b"!<arch>\n": "an ar archive, perhaps a finished .deb",
    b"\xed\xab\xee\xdb": "a finished .rpm",
    b"\x7fELF": "a program",
}


@contextmanager
def opened(source: Path, limits: Limits) -> Iterator[tree.Tree]:
    """Read everything; the contents stay readable until the end of the `with` block."""
    with ExitStack() as stack:
        try:
            if source.is_dir():
                found = tree.build(directory.members(source, limits), limits)
            elif source.is_file():
                found = _tarball(stack.enter_context(source.open("rb")), source, stack, limits)
            else:
                what = "is neither a file nor a directory" if source.exists() else "does not exist"
                raise ReleaseError(f"{what}", hint=hints.SOURCE)
        except PermissionError as e:
            raise ReleaseError(f"cannot be read: {e.strerror}", hint=hints.PERMISSION) from e
        yield found


def _tarball(file: BinaryIO, source: Path, stack: ExitStack, limits: Limits) -> tree.Tree:
    start = file.read(BLOCK)
    file.seek(0)
    if compressor := recognise(start):
        spool = stack.enter_context(stream.spool_file())
        with stream.spooled(file, compressor, spool, limits) as unpacked:
            return tree.build(tarball.members(unpacked, spool, limits), limits)
    if is_header(start):
        with stream.plain(file) as unpacked:
            return tree.build(tarball.members(unpacked, source, limits), limits)
    raise ReleaseError(_no_tarball(start), hint=hints.SOURCE)


def _no_tarball(start: bytes) -> str:
    if not start:
        return "is empty"
    what = next((what for magic, what in _OTHERS.items() if start.startswith(magic)), None)
    return f"is {what}" if what else "is no tarball"
